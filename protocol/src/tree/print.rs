//! Names as they may be printed: whatever a terminal would obey rather than show is escaped.

use std::fmt::{self, Write as _};

/// Bytes that a stranger chose, as text for people. Control characters, those that change the direction of text or take
/// no room, and bytes that are no UTF-8 stand as `\n`, `\u{202e}`, `\xff`; a backslash stands as two.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '\\' | '\0' | '\t' | '\r' | '\n' => write!(f, "{}", letter.escape_default())?,
                    letter if is_unseen(letter) => write!(f, "{}", letter.escape_unicode())?,
                    letter => f.write_char(letter)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a character does something else than to show itself.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        for (bytes, text) in [
            (&b"plain name.txt"[..], "plain name.txt"),
            ("Grüße 日本".as_bytes(), "Grüße 日本"),
            (b"\x1b[2J", "\\u{1b}[2J"),
            (b"a\nb\tc", "a\\nb\\tc"),
            (b"a\\n", "a\\\\n"),
            (b"\xff\xfe", "\\xff\\xfe"),
            ("gpj.\u{202e}exe".as_bytes(), "gpj.\\u{202e}exe"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
        ] {
            assert_eq!(Printable(bytes).to_string(), text);
        }
        for letter in (0..0x20_0000).filter_map(char::from_u32).filter(|letter| letter.is_control()) {
            let printed = Printable(letter.to_string().as_bytes()).to_string();
            assert!(!printed.contains(char::is_control), "{letter:?}");
        }
    }
}
