//! What happened to a key, as Redis calls it: <https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/>.

use super::content::Kind;

/// Something that happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Happened {
    pub(super) class: Class,
    /// What it is called.
    pub(super) event: &'static str,
}

/// Of which kind it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// To keys, whatever they hold.
    Generic,
    /// To a value of some kind.
    Value(Kind),
    /// Its time was over.
    Expired,
    /// There was none before.
    New,
    /// Somebody looked in vain.
    Missed,
}

impl Class {
    /// The letter that asks for it.
    const fn letter(self) -> u8 {
        match self {
            Self::Generic => b'g',
            Self::Value(Kind::Text) => b'$',
            Self::Value(Kind::List) => b'l',
            Self::Value(Kind::Set) => b's',
            Self::Value(Kind::Hash) => b'h',
            Self::Value(Kind::Sorted) => b'z',
            Self::Expired => b'x',
            Self::New => b'n',
            Self::Missed => b'm',
        }
    }
}

impl Happened {
    pub(super) const NEW: Self = Self { class: Class::New, event: "new" };
    pub(super) const MISSED: Self = Self { class: Class::Missed, event: "keymiss" };
    pub(super) const EXPIRED: Self = Self { class: Class::Expired, event: "expired" };

    /// Something that concerns a key, whatever it holds.
    pub(super) const fn generic(event: &'static str) -> Self {
        Self { class: Class::Generic, event }
    }

    /// What a command called so did to a value of a kind.
    pub(super) const fn value(event: &'static str, kind: Kind) -> Self {
        Self { class: Class::Value(kind), event }
    }
}

/// The letters that there are. Evictions, streams and modules (`e`, `t`, `d`) can be asked for, and never happen.
const LETTERS: &[u8] = b"g$lshzxetdnKEm";

/// What `A` stands for.
const ALL: &[u8] = b"g$lshzxetd";

/// What is wanted to be told: classes, and through which channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoticeSet(u16);

impl NoticeSet {
    /// Reads what Redis calls `notify-keyspace-events`; none if a letter is not known.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let letters = text.iter().flat_map(|letter| if *letter == b'A' { ALL } else { std::slice::from_ref(letter) });
        letters.map(|letter| Self::bit(*letter)).try_fold(Self(0), |all, bit| Some(Self(all.0 | bit?)))
    }

    fn bit(letter: u8) -> Option<u16> {
        LETTERS.iter().position(|known| *known == letter).map(|at| 1 << at)
    }

    fn has(self, letter: u8) -> bool {
        Self::bit(letter).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Whether somebody is to be told of such a thing.
    pub(super) fn wants(self, class: Class) -> bool {
        (self.by_key() || self.by_event()) && self.has(class.letter())
    }

    /// Whether what happened is told in the channel of the key.
    pub(super) fn by_key(self) -> bool {
        self.has(b'K')
    }

    /// Whether the key is told in the channel of what happened.
    pub(super) fn by_event(self) -> bool {
        self.has(b'E')
    }

    /// As a number.
    pub(super) fn bits(self) -> i64 {
        self.0.into()
    }

    /// What was such a number.
    pub(super) fn from_bits(bits: i64) -> Self {
        Self(u16::try_from(bits).unwrap_or(0))
    }
}

impl std::fmt::Display for NoticeSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write as _;
        let has_all = ALL.iter().all(|letter| self.has(*letter));
        if has_all {
            f.write_char('A')?;
        }
        let others = LETTERS.iter().filter(|letter| self.has(**letter) && !(has_all && ALL.contains(letter)));
        others.into_iter().try_for_each(|letter| f.write_char(char::from(*letter)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_read_and_shown_as_redis_does() {
        let table =
            [("", ""), ("gKE", "gKE"), ("KE$lshzxe", "$lshzxeKE"), ("KA", "AK"), ("EA", "AE"), ("nmgK", "gnKm")];
        for (text, shown) in table {
            let wanted = NoticeSet::parse(text.as_bytes()).unwrap();
            assert_eq!(wanted.to_string(), shown, "{text}");
            assert_eq!(NoticeSet::from_bits(wanted.bits()), wanted);
        }
        assert_eq!(NoticeSet::parse(b"KEy"), None);
    }

    #[test]
    fn what_is_told_has_a_class_and_a_channel() {
        let wanted = |text: &str| NoticeSet::parse(text.as_bytes()).unwrap();
        assert!(wanted("K$").wants(Class::Value(Kind::Text)) && !wanted("K$").wants(Class::Value(Kind::List)));
        assert!(!wanted("A").wants(Class::Generic), "through no channel");
        assert!(wanted("AE").wants(Class::Expired) && !wanted("AE").wants(Class::New));
        assert!(wanted("EA").by_event() && !wanted("EA").by_key());
    }
}
