//! Objects by name as arguments: `storgo://bucket/key`, whose key is bytes, percent-encoded where they would not read well.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use storgo_protocol::cluster::is_bucket_name;

use crate::error::{CliError, Exit};
use crate::word::{TicketWord, TreeWord};

const SCHEME: &[u8] = b"storgo://";

/// A key of a bucket; or, without a key, the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameUrl {
    pub(crate) bucket: String,
    pub(crate) key: Vec<u8>,
}

/// A word where an object is expected, not looked at yet: a ticket with perhaps a path behind it, or a name.
#[derive(Clone)]
pub(crate) struct ObjectWord(OsString);

impl ObjectWord {
    /// The name; `None` if the word is none, and so has to be a ticket.
    pub(crate) fn name(&self) -> Result<Option<NameUrl>, CliError> {
        match self.0.as_bytes().strip_prefix(SCHEME) {
            Some(rest) => NameUrl::parse(rest).map(Some),
            None => Ok(None),
        }
    }

    /// The name, where a ticket is of no use.
    pub(crate) fn only_name(&self) -> Result<NameUrl, CliError> {
        let usage = || CliError::new(Exit::Usage, "expected a name").hint("names look like storgo://bucket/key");
        self.name()?.ok_or_else(usage)
    }

    /// The word as a ticket, with perhaps a path behind it.
    pub(crate) fn tree(&self) -> TreeWord {
        self.0.clone().into()
    }

    /// The word as a ticket.
    pub(crate) fn ticket(&self) -> TicketWord {
        // A ticket is ASCII; what is none is refused whatever becomes of it here.
        self.0.to_string_lossy().into_owned().into()
    }
}

impl From<OsString> for ObjectWord {
    fn from(word: OsString) -> Self {
        Self(word)
    }
}

impl From<&NameUrl> for ObjectWord {
    fn from(url: &NameUrl) -> Self {
        Self(OsString::from_vec(url.to_string().into_bytes()))
    }
}

impl fmt::Debug for ObjectWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may be a ticket, which is a secret.
        f.write_str("ObjectWord(…)")
    }
}

impl NameUrl {
    fn parse(rest: &[u8]) -> Result<Self, CliError> {
        let usage = |what: &str| CliError::new(Exit::Usage, what).hint("names look like storgo://bucket/key");
        let mut parts = rest.splitn(2, |byte| *byte == b'/');
        let bucket = std::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
        if !is_bucket_name(bucket) {
            return Err(usage(
                "a bucket's name is 3 to 63 lower-case letters, digits, hyphens and dots, with a letter or digit at both ends",
            ));
        }
        let key = decode(parts.next().unwrap_or_default());
        let key = key.ok_or_else(|| usage("a % in a name is followed by two hexadecimal digits; itself it is %25"))?;
        Ok(Self { bucket: bucket.to_owned(), key })
    }

    /// The name, if it is of a key.
    pub(crate) fn with_key(self) -> Result<Self, CliError> {
        if self.key.is_empty() {
            let error = CliError::new(Exit::Usage, format!("{self} names a bucket, not a key"));
            return Err(error.hint(format!("say which: {self}KEY")));
        }
        Ok(self)
    }
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut key = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            key.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()))?;
        key.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    Some(key)
}

/// A key as it stands in a name: letters and digits of every script, and what no shell takes for anything else; the rest
/// percent-encoded, so that it can be typed again as it was printed.
#[derive(Debug)]
pub(crate) struct EncodedKey<'a>(pub(crate) &'a [u8]);

impl fmt::Display for EncodedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |letter: char| letter.is_alphanumeric() || "-._~/:@+,=".contains(letter);
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                if plain(letter) {
                    write!(f, "{letter}")?;
                } else {
                    let mut bytes = [0; 4];
                    letter.encode_utf8(&mut bytes).bytes().try_for_each(|byte| write!(f, "%{byte:02X}"))?;
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "%{byte:02X}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for NameUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "storgo://{}/{}", self.bucket, EncodedKey(&self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &[u8]) -> Result<Option<NameUrl>, CliError> {
        ObjectWord::from(OsString::from_vec(word.to_vec())).name()
    }

    #[test]
    fn names_are_read_and_printed_so_that_they_can_be_read_again() {
        for (word, key, printed) in [
            (&b"storgo://abc"[..], &b""[..], "storgo://abc/"),
            (b"storgo://abc/", b"", "storgo://abc/"),
            (b"storgo://abc/a/b.txt", b"a/b.txt", "storgo://abc/a/b.txt"),
            (b"storgo://abc//x//", b"/x//", "storgo://abc//x//"),
            (b"storgo://abc/a%20b%2fc", b"a b/c", "storgo://abc/a%20b/c"),
            (b"storgo://abc/a b?c#d", b"a b?c#d", "storgo://abc/a%20b%3Fc%23d"),
            (b"storgo://abc/%00%ff%25", b"\0\xff%", "storgo://abc/%00%FF%25"),
            (b"storgo://abc/\xc3\xbc\xff", b"\xc3\xbc\xff", "storgo://abc/ü%FF"),
            ("storgo://abc/\u{202e}$x".as_bytes(), "\u{202e}$x".as_bytes(), "storgo://abc/%E2%80%AE%24x"),
        ] {
            let url = read(word).unwrap().unwrap();
            assert_eq!((url.bucket.as_str(), url.key.as_slice(), url.to_string().as_str()), ("abc", key, printed));
            assert_eq!(read(printed.as_bytes()).unwrap().unwrap(), url);
            assert_eq!(ObjectWord::from(&url).name().unwrap().unwrap(), url);
            assert_eq!(url.with_key().is_ok(), !key.is_empty());
        }
        for wrong in [
            &b"storgo://"[..],
            b"storgo:///k",
            b"storgo://Abc/k",
            b"storgo://a/k",
            b"storgo://abc/%2",
            b"storgo://abc/%zz",
            b"storgo://abc/%+1",
        ] {
            assert_eq!(read(wrong).unwrap_err().exit, Exit::Usage, "{wrong:?}");
        }
    }

    #[test]
    fn a_ticket_is_no_name_and_is_not_repeated() {
        for word in [&b"storgo:abcdefgh"[..], b"storgo-care:abcdefgh/x", b"nonsense"] {
            assert_eq!(read(word).unwrap(), None);
            let error = ObjectWord::from(OsString::from_vec(word.to_vec())).only_name().unwrap_err();
            assert!(error.exit == Exit::Usage && !error.lines().join(" ").contains("abcdefgh"));
        }
    }
}
