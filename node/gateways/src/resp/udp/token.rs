//! Tokens: by one a sender shows that it receives what is sent to its address, since it was sent there. Nothing is kept of
//! those that were given: a token says what it is worth, and is sealed by a key that the door drew when it opened.

use std::net::SocketAddr;

use blake3::{Hash, Hasher, KEY_LEN, OUT_LEN};
use bytes::Bytes;
use storgo_protocol::limits::RESP_UDP_TOKEN_SECONDS;
use tokio::time::Instant;

/// Hexadecimal digits of a seal, so that a token can be typed. The id of an access key stands behind them, if one was shown.
const SEAL_CHARS: usize = 2 * OUT_LEN;

/// Gives tokens, and knows its own again.
pub(super) struct Tokens {
    key: [u8; KEY_LEN],
    since: Instant,
}

impl Tokens {
    pub(super) fn new(key: [u8; KEY_LEN]) -> Self {
        Self { key, since: Instant::now() }
    }

    /// A token for who receives at an address and showed the access key of an id; of an empty one, for who showed none.
    pub(super) fn give(&self, to: SocketAddr, id: &str) -> Bytes {
        let seal = self.seal(self.window(), to, id.as_bytes()).to_hex();
        [seal.as_str(), id].concat().into()
    }

    /// The id in a token that was given to this address not long ago.
    pub(super) fn read(&self, token: &Bytes, from: SocketAddr) -> Option<Bytes> {
        let (seal, id) = token.split_at_checked(SEAL_CHARS)?;
        let (seal, now) = (Hash::from_hex(seal).ok()?, self.window());
        // Hashes are compared in constant time: how long it takes does not tell how much of a guess is right.
        let is_of = |window: &u64| self.seal(*window, from, id) == seal;
        [Some(now), now.checked_sub(1)].iter().flatten().any(is_of).then(|| token.slice(SEAL_CHARS..))
    }

    /// The time in spans of which a token outlives one and no second.
    fn window(&self) -> u64 {
        self.since.elapsed().as_secs() / RESP_UDP_TOKEN_SECONDS
    }

    fn seal(&self, window: u64, address: SocketAddr, id: &[u8]) -> Hash {
        let mut hasher = Hasher::new_keyed(&self.key);
        hasher.update(&window.to_le_bytes());
        // With its scope, and an end that no address has.
        hasher.update(address.to_string().as_bytes()).update(b"\0");
        hasher.update(id).finalize()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_holds_for_its_address_its_key_and_a_while() {
        let tokens = Tokens::new([1; KEY_LEN]);
        let [here, there]: [SocketAddr; 2] = ["127.0.0.1:1", "127.0.0.1:11"].map(|text| text.parse().unwrap());
        for id in ["", "KEY"] {
            let token = tokens.give(here, id);
            assert_eq!(tokens.read(&token, here).unwrap(), id);
            assert_eq!(tokens.read(&token, there), None);
            assert_eq!(Tokens::new([2; KEY_LEN]).read(&token, here), None);
            for other in ["1", "KEYS", "EY"] {
                let other = Bytes::from([&token[..SEAL_CHARS], other.as_bytes()].concat());
                assert_eq!(tokens.read(&other, here), None);
            }
            for end in 0..SEAL_CHARS {
                assert_eq!(tokens.read(&token.slice(..end), here), None, "{end}");
            }
        }
        let (first, span) = (tokens.give(here, ""), Duration::from_secs(RESP_UDP_TOKEN_SECONDS));
        tokio::time::advance(Duration::from_secs(RESP_UDP_TOKEN_SECONDS - 1)).await;
        let last = tokens.give(here, "");
        tokio::time::advance(span).await;
        assert!([&first, &last].into_iter().all(|token| tokens.read(token, here).is_some()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!([&first, &last].into_iter().all(|token| tokens.read(token, here).is_none()));
    }
}
