//! Patterns of names as KEYS, SCAN and PSUBSCRIBE take them.
//!
//! It knows bytes and nothing else. A pattern comes from a client, so it must not cost more than its length times that
//! of the text, whatever it is. What a pattern means is as in Redis 7:
//!
//! | pattern | takes |
//! |---|---|
//! | `*` | any bytes, or none |
//! | `?` | one byte |
//! | `[ab]`, `[^ab]` | one byte that is, or is not, in the class |
//! | `[a-z]`, `[z-a]` | one byte between these, which count too |
//! | `\*` | the byte behind the backslash, in a class too but not as the end of a range |
//! | other | itself |
//!
//! A class that is not closed ends with the pattern, `[^` takes any byte and `[]` none, and a backslash at the end
//! takes itself.

/// Whether a pattern takes the whole of a text. Steps at worst: the bytes of the one times those of the other.
#[must_use]
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    walk(pattern, text, |_| {})
}

/// Bytes with which every text begins that the pattern takes: what stands before its first wildcard or class.
#[must_use]
pub(super) fn literal_prefix(mut pattern: &[u8]) -> Vec<u8> {
    let mut prefix = Vec::new();
    loop {
        match pattern {
            [] | [b'*' | b'?' | b'[', ..] => return prefix,
            [b'\\', byte, behind @ ..] | [byte, behind @ ..] => {
                prefix.push(*byte);
                pattern = behind;
            }
        }
    }
}

/// Matches, and says of each step how many bytes of the pattern it has read.
///
/// Only the last star is ever asked to take one byte more. What an earlier one could take instead gains nothing: the
/// part behind it was found at its first place, and any place further on leaves less to the rest.
fn walk(pattern: &[u8], text: &[u8], mut read: impl FnMut(usize)) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // What is behind the last star, and where in the text that was tried last.
    let mut last_star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', behind @ ..] = pattern {
            read(1);
            if behind.is_empty() {
                return true;
            }
            pattern = behind;
            last_star = Some((behind, text));
            continue;
        }
        // Without a star each part of a pattern takes one byte, so that a later place would run out of text as well.
        let Some((byte, text_behind)) = text.split_first() else { return pattern.is_empty() };
        let (is_taken, behind) = take(pattern, *byte);
        read(pattern.len() - behind.len());
        if is_taken {
            (pattern, text) = (behind, text_behind);
            continue;
        }
        let Some((behind_star, [_, tried_behind @ ..])) = last_star else { return false };
        (pattern, text) = (behind_star, tried_behind);
        last_star = Some((behind_star, tried_behind));
    }
}

/// Whether what the pattern begins with, no star, takes a byte, and the pattern behind it.
fn take(pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    match pattern {
        [] => (false, pattern),
        [b'?', behind @ ..] => (true, behind),
        [b'[', class @ ..] => take_class(class, byte),
        [b'\\', one, behind @ ..] | [one, behind @ ..] => (*one == byte, behind),
    }
}

/// Whether a class, of which the bracket was read, has a byte, and the pattern behind it.
fn take_class(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (is_negated, mut rest) = match class {
        [b'^', behind @ ..] => (true, behind),
        _ => (false, class),
    };
    let mut is_found = false;
    loop {
        let (is_here, behind) = match rest {
            [] => return (is_found != is_negated, rest),
            [b']', behind @ ..] => return (is_found != is_negated, behind),
            [b'\\', one, behind @ ..] => (*one == byte, behind),
            // The end is whatever comes: Redis reads `[a-]` as a range up to the bracket, in a class that goes on.
            [first, b'-', last, behind @ ..] => ((*first.min(last)..=*first.max(last)).contains(&byte), behind),
            [one, behind @ ..] => (*one == byte, behind),
        };
        is_found |= is_here;
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};
    use proptest::sample::select;

    #[test]
    fn what_a_pattern_means_is_as_in_redis() {
        let taken = [
            ("", ""),
            ("*", ""),
            ("**", ""),
            ("*", "anything"),
            ("a*", "a"),
            ("*c*e*", "abcdef"),
            ("h?llo", "hello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("[a-c][c-a]", "bb"),
            ("[a-c]", "a"),
            ("[a-c]", "c"),
            ("[--/]", "."),
            (r"\*\?\[\\", r"*?[\"),
            (r"\a", "a"),
            ("a\\", "a\\"),
            (r"[\]]", "]"),
            (r"[\^a]", "^"),
            (r"[a\-c]", "-"),
            ("[a^]", "^"),
            ("[-a]", "-"),
            // What is wrong with a class is not told to anybody.
            ("[abc", "b"),
            ("[a-c", "b"),
            ("[a-", "-"),
            ("[^", "a"),
            ("[^a", "b"),
            ("[^]", "a"),
            ("[^]a]", "xa]"),
            ("[\\", "\\"),
            ("[a-]", "_"),
            ("[a-]b]", "b"),
            (r"[a-\]]", r"_]"),
        ];
        for (pattern, text) in taken {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        let refused = [
            ("", "a"),
            ("a", ""),
            ("a*", "ba"),
            ("*a", "ab"),
            ("?", ""),
            ("?", "ab"),
            ("h[^e]llo", "hello"),
            ("[a-c]", "d"),
            (r"[a\-c]", "b"),
            (r"\*", "a"),
            ("[", "["),
            ("[", "a"),
            ("[^", ""),
            ("[]", "]"),
            ("[]a]", "a"),
            ("[a-]", "-"),
            ("A", "a"),
        ];
        for (pattern, text) in refused {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        assert!(matches(b"[\x00-\xff]?", b"\x80\xff") && !matches(b"[\x00-\x7f]", b"\x80"));
    }

    fn read_bytes(pattern: &[u8], text: &[u8]) -> usize {
        let mut sum = 0;
        walk(pattern, text, |bytes| sum += bytes);
        sum
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let text = vec![b'a'; 10_000];
        for part in ["a*", "*a", "?*", "[a]*", "*[^b]a", "**a", "*aaaaaaaa[b-z]"] {
            let pattern = [part.repeat(100).as_bytes(), b"b"].concat();
            assert!(!matches(&pattern, &text), "{part}");
            assert!(read_bytes(&pattern, &text) <= pattern.len() * (text.len() + 1), "{part}");
        }
        assert!(read_bytes(&[b'*'; 10_000], &text) <= 10_000);
    }

    #[test]
    fn a_prefix_ends_at_the_first_wildcard() {
        for (pattern, prefix) in [
            ("", ""),
            ("*", ""),
            ("plain", "plain"),
            ("user:*", "user:"),
            ("a?c", "a"),
            ("a[b]c", "a"),
            (r"a\*b\[*", "a*b["),
            ("a\\", "a\\"),
            ("a]-^*", "a]-^"),
        ] {
            assert_eq!(literal_prefix(pattern.as_bytes()), prefix.as_bytes(), "{pattern}");
        }
    }

    /// A pattern, as what each part takes: `None` is a star.
    fn model_parts(pattern: &[u8]) -> Vec<Option<Vec<u8>>> {
        let (mut parts, mut at) = (Vec::new(), 0);
        while at < pattern.len() {
            let left = pattern.len() - at;
            at += 1;
            parts.push(match pattern[at - 1] {
                b'*' => None,
                b'?' => Some((0..=255).collect()),
                b'[' => Some(model_class(pattern, &mut at)),
                b'\\' if left >= 2 => {
                    at += 1;
                    Some(vec![pattern[at - 1]])
                }
                byte => Some(vec![byte]),
            });
        }
        parts
    }

    fn model_class(pattern: &[u8], at: &mut usize) -> Vec<u8> {
        let is_negated = pattern.get(*at) == Some(&b'^');
        *at += usize::from(is_negated);
        let mut class = Vec::new();
        while *at < pattern.len() && pattern[*at] != b']' {
            let left = pattern.len() - *at;
            if pattern[*at] == b'\\' && left >= 2 {
                class.push(pattern[*at + 1]);
                *at += 2;
            } else if left >= 3 && pattern[*at + 1] == b'-' {
                let (one, other) = (pattern[*at], pattern[*at + 2]);
                class.extend(one..=other);
                class.extend(other..=one);
                *at += 3;
            } else {
                class.push(pattern[*at]);
                *at += 1;
            }
        }
        *at = (*at + 1).min(pattern.len());
        (0..=255).filter(|byte| class.contains(byte) != is_negated).collect()
    }

    fn model_matches(parts: &[Option<Vec<u8>>], text: &[u8]) -> bool {
        match parts {
            [] => text.is_empty(),
            [None, behind @ ..] => (0..=text.len()).any(|taken| model_matches(behind, &text[taken..])),
            [Some(class), behind @ ..] => {
                text.first().is_some_and(|byte| class.contains(byte)) && model_matches(behind, &text[1..])
            }
        }
    }

    fn any_of(alphabet: &'static [u8], length_max: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(select(alphabet), 0..=length_max)
    }

    proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(4000))]

        #[test]
        fn a_pattern_takes_what_the_model_takes(
            pattern in any_of(br"ab**?[]^-\", 9), text in any_of(br"aab-]\", 6)
        ) {
            let is_taken = matches(&pattern, &text);
            prop_assert_eq!(is_taken, model_matches(&model_parts(&pattern), &text));
            prop_assert!(!is_taken || text.starts_with(&literal_prefix(&pattern)));
            prop_assert!(read_bytes(&pattern, &text) <= pattern.len() * (text.len() + 1));
        }

        #[test]
        fn a_text_is_taken_by_itself_escaped(text in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let escaped: Vec<u8> = text.iter().flat_map(|byte| [b'\\', *byte]).collect();
            prop_assert!(matches(&escaped, &text));
            prop_assert_eq!(literal_prefix(&escaped), text);
        }
    }
}
