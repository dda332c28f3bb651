//! A value as `DUMP` gives it and `RESTORE` takes it, at this door or another of these. It is none of Redis's.
//!
//! # Shape
//!
//! | what | bytes |
//! |---|---|
//! | `storgo`, and the version, now 1 | 7 |
//! | kind: `t` for a text, `h`, `l`, `s` or `z` | 1 |
//! | body, as a version has it | any |
//! | hash of all before, its first bytes | 8 |

use bytes::Bytes;
use storgo_protocol::NodeId;
use storgo_protocol::limits::VALUE_BYTES_MAX;

use super::collections::{Hash, List, Set, Sorted};
use super::content::{Content, Kind};

const HEAD: &[u8] = b"storgo\x01";

/// Bytes of the hash that stand there: against accidents, not against who means harm. What harm could do is found otherwise.
const SUM_BYTES: usize = 8;

const fn letter(kind: Kind) -> u8 {
    match kind {
        Kind::Text => b't',
        Kind::Hash => b'h',
        Kind::List => b'l',
        Kind::Set => b's',
        Kind::Sorted => b'z',
    }
}

/// The first bytes of their plain BLAKE3, which is how nodes are known too.
fn sum(bytes: &[u8]) -> [u8; SUM_BYTES] {
    let mut sum = [0; SUM_BYTES];
    sum.iter_mut().zip(NodeId::of(bytes).as_bytes()).for_each(|(to, from)| *to = *from);
    sum
}

/// Bytes with their sum, as if somebody had written them.
#[cfg(any(test, fuzzing))]
pub(super) fn summed(said: &[u8]) -> Bytes {
    [said, &sum(said)].concat().into()
}

/// The bytes of some content.
pub(super) fn encode(content: Content) -> Bytes {
    let kind = content.kind();
    let (_, body) = content.pack();
    let mut bytes = Vec::with_capacity(HEAD.len() + 1 + body.len() + SUM_BYTES);
    bytes.extend_from_slice(HEAD);
    bytes.push(letter(kind));
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&sum(&bytes));
    bytes.into()
}

/// What bytes say; nothing if this program could not have written them.
pub(super) fn decode(bytes: &Bytes) -> Option<Content> {
    let body_end = bytes.len().checked_sub(SUM_BYTES)?;
    let (said, check) = bytes.split_at_checked(body_end)?;
    let (&kind, body) = said.strip_prefix(HEAD)?.split_first()?;
    if check != sum(said) || body.len() > VALUE_BYTES_MAX {
        return None;
    }
    let kinds = [Kind::Text, Kind::Hash, Kind::List, Kind::Set, Kind::Sorted];
    let kind = kinds.into_iter().find(|known| letter(*known) == kind)?;
    // A copy of its own: what a client sent stands between others of its requests.
    let content = Content::unpack(kind.metadata(), Bytes::copy_from_slice(body));
    let mut opened = content.clone();
    let is_sound = match kind {
        Kind::Text => true,
        Kind::Hash => opened.open::<Hash>().is_ok(),
        Kind::List => opened.open::<List>().is_ok(),
        Kind::Set => opened.open::<Set>().is_ok(),
        Kind::Sorted => opened.open::<Sorted>().is_ok(),
    };
    is_sound.then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn a_text_has_its_bytes() {
        let golden = [&b"storgo\x01thello"[..], b"K\xdb\xa2=\xad\xec\xc8\0"].concat();
        assert_eq!(encode(Content::Text("hello".into())), golden);
        assert_eq!(decode(&golden.into()), Some(Content::Text("hello".into())));
    }

    #[test]
    fn what_nobody_could_have_written_is_refused() {
        let sound: [&[u8]; 3] = [b"storgo\x01t", b"storgo\x01s\x01s\x01\x01a", b"storgo\x01h\x01h\x01\x01a\x01b"];
        for said in sound {
            let bytes = summed(said);
            let content = decode(&bytes).unwrap();
            assert_eq!(encode(content), bytes);
            for at in 0..bytes.len() {
                let mut other = bytes.to_vec();
                other[at] ^= 1;
                assert_eq!(decode(&other.into()), None, "{at}");
                assert_eq!(decode(&bytes.slice(..at)), None, "{at}");
            }
        }
        // A version, a kind and bodies that there are not, each with its right sum.
        let wrong: [&[u8]; 8] = [
            b"",
            b"storgo\x02t",
            b"Storgo\x01t",
            b"storgo\x01",
            b"storgo\x01x",
            b"storgo\x01h\x01s\x01\x01a",
            b"storgo\x01s\x01s\x00",
            b"storgo\x01s\x01s\xff\xff\xff\xff\x0f",
        ];
        for said in wrong {
            assert_eq!(decode(&summed(said)), None, "{said:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_as_they_were_written_or_not_at_all(body: Vec<u8>, kind in any::<u8>()) {
            let text = Content::Text(body.clone().into());
            prop_assert_eq!(decode(&encode(text.clone())), Some(text));
            let bytes = summed(&[HEAD, &[kind], &body].concat());
            if let Some(content) = decode(&bytes) {
                prop_assert!(b"thlsz".contains(&kind));
                prop_assert_eq!(encode(content), bytes);
            }
        }
    }
}
