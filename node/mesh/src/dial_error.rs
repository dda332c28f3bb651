//! What a dial met, in one short line: the innermost causes, each once.
//!
//! The transports wrap a cause several times, and each layer repeats what is below it.

use std::error::Error;

use libp2p::swarm::DialError;

/// Why a dial failed, such as `connection refused`.
pub(crate) fn reason(error: &DialError) -> String {
    match error {
        DialError::Transport(tries) => {
            let mut causes = Vec::new();
            for (_, error) in tries {
                let cause = innermost(error);
                if !causes.contains(&cause) {
                    causes.push(cause);
                }
            }
            causes.join(", ")
        }
        DialError::WrongPeerId { obtained, .. } => format!("another peer answers there: {obtained}"),
        DialError::LocalPeerId { .. } => "that is this side itself".to_owned(),
        DialError::NoAddresses => "no address is known".to_owned(),
        DialError::Aborted => "the attempt was given up".to_owned(),
        error => innermost(error),
    }
}

/// What the last of a chain of causes says, on one line.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !text.trim().is_empty() {
            said = text;
        }
        next = cause.source();
    }
    plain(&said)
}

/// Without the system's number, the resolver's question, line breaks and a capital at the start.
fn plain(said: &str) -> String {
    let said = said.split(" (os error ").next().unwrap_or(said);
    let said = said.split(" for Query {").next().unwrap_or(said);
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = line.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io;

    use libp2p::core::transport::TransportError;

    use super::*;

    #[test]
    fn a_cause_is_said_once_and_plainly() {
        let refused = || io::Error::from_raw_os_error(111);
        let wrapped = || TransportError::Other(io::Error::other(io::Error::other(refused())));
        let address: libp2p::Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        let error = DialError::Transport(vec![(address.clone(), wrapped()), (address, wrapped())]);
        assert_eq!(reason(&error), "connection refused");
        assert_eq!(plain("no records found for Query { name: x }"), "no records found");
        assert_eq!(plain("Several:\n - lines"), "several: - lines");
    }
}
