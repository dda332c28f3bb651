//! Tickets as arguments: words that are secrets, so that no message ever repeats one, however wrong it is.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;

use storgo_protocol::tree::TreePath;
use storgo_protocol::{AnyTicket, ContentId, Ticket};

use crate::error::{CliError, Exit};

/// How both kinds of ticket begin.
const TICKET_START: &str = "storgo";

/// A word where a ticket is expected, not looked at yet.
#[derive(Clone)]
pub(crate) struct TicketWord(String);

impl TicketWord {
    /// The ticket; an error for a care ticket, which cannot read.
    pub(crate) fn ticket(&self) -> Result<Ticket, CliError> {
        match self.any()? {
            AnyTicket::Read(ticket) => Ok(ticket),
            AnyTicket::Care(_) => Err(CliError::new(Exit::Usage, "a care ticket cannot read; it can stat and repair")),
        }
    }

    /// The ticket of either kind.
    pub(crate) fn any(&self) -> Result<AnyTicket, CliError> {
        self.0.parse().map_err(|error| CliError::new(Exit::Usage, error))
    }

    /// The content id that the word is, or that the ticket in its place names.
    pub(crate) fn content(&self) -> Result<ContentId, CliError> {
        if self.0.starts_with(TICKET_START) {
            return Ok(match self.any()? {
                AnyTicket::Read(ticket) => ticket.content,
                AnyTicket::Care(ticket) => ticket.content,
            });
        }
        self.0.parse::<ContentId>().map_err(|error| CliError::new(Exit::Usage, error))
    }
}

/// A ticket, and perhaps behind a `/` the path of something in the tree that it opens.
#[derive(Clone)]
pub(crate) struct TreeWord {
    ticket: TicketWord,
    path: Option<Vec<u8>>,
}

impl TreeWord {
    /// The ticket, as [`TicketWord::ticket`].
    pub(crate) fn ticket(&self) -> Result<Ticket, CliError> {
        self.ticket.ticket()
    }

    /// The ticket of either kind.
    pub(crate) fn any(&self) -> Result<AnyTicket, CliError> {
        self.ticket.any()
    }

    /// The path behind the ticket, if there is a `/`; slashes at its end, and double ones, mean nothing.
    pub(crate) fn path(&self) -> Result<Option<TreePath>, CliError> {
        let Some(path) = &self.path else { return Ok(None) };
        let names: Vec<_> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        let path = TreePath::parse(&names.join(&b'/'));
        path.map(Some)
            .map_err(|_| CliError::new(Exit::Usage, "what follows the ticket is no path inside of a directory"))
    }
}

impl From<OsString> for TreeWord {
    fn from(word: OsString) -> Self {
        let bytes = word.into_vec();
        let mut parts = bytes.splitn(2, |byte| *byte == b'/');
        // A ticket is ASCII; what is none is refused whatever becomes of it here.
        let ticket = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        Self { ticket: ticket.into(), path: parts.next().map(<[u8]>::to_vec) }
    }
}

impl fmt::Debug for TreeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TreeWord(…)")
    }
}

impl From<String> for TicketWord {
    fn from(word: String) -> Self {
        Self(word)
    }
}

impl fmt::Debug for TicketWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketWord(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_word_is_refused_and_not_repeated() {
        for text in ["", "not-a-ticket", "storgo:", "storgo:abcdefgh", "storgo-care:abcdefgh"] {
            let word = TicketWord::from(text.to_owned());
            for error in [word.ticket().unwrap_err(), word.content().unwrap_err()] {
                assert_eq!(error.exit, Exit::Usage);
                let told = error.lines().join(" ") + &format!("{word:?}");
                assert!(!told.contains("abcdefgh") && !told.contains("not-a-ticket"), "{told}");
            }
        }
    }

    #[test]
    fn a_path_behind_a_ticket_is_told_from_it() {
        let path = |word: &[u8]| TreeWord::from(OsString::from_vec(word.to_vec())).path();
        let is = |word: &[u8], wanted: Option<&[u8]>| {
            assert_eq!(path(word).unwrap(), wanted.map(|path| TreePath::parse(path).unwrap()), "{word:?}");
        };
        is(b"storgo:abc", None);
        is(b"storgo:abc/", Some(b""));
        is(b"storgo:abc/sub//file/", Some(b"sub/file"));
        is(b"storgo:abc/\xff \n", Some(b"\xff \n"));
        for wrong in [&b"storgo:abcdefgh/.."[..], b"storgo:abcdefgh/a/../b", b"storgo:abcdefgh/./a"] {
            let error = path(wrong).unwrap_err();
            assert!(error.exit == Exit::Usage && !error.lines().join(" ").contains("abcdefgh"));
        }
        assert!(TreeWord::from(OsString::from_vec(b"storgo:\xff/x".to_vec())).ticket().is_err());
    }

    #[test]
    fn a_content_id_stands_for_itself() {
        let content = ContentId::from_bytes([7; 32]);
        assert_eq!(TicketWord::from(content.to_string()).content().unwrap(), content);
    }
}
