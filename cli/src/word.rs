//! Tickets as arguments: words that are secrets, so that no message ever repeats one, however wrong it is.

use std::fmt;

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
    fn a_content_id_stands_for_itself() {
        let content = ContentId::from_bytes([7; 32]);
        assert_eq!(TicketWord::from(content.to_string()).content().unwrap(), content);
    }
}
