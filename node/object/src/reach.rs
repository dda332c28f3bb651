//! What an operation reaches peers with: a pool of those that answer, and the words to ask them.

use std::sync::Arc;
use std::time::Duration;

use storgo_protocol::limits::{LINGER_MS_FOR_GET, LINGER_MS_FOR_PUT, PEERS_DIALLED_FOR_GET, PEERS_DIALLED_FOR_PUT};

use crate::engine::Engine;
use crate::error::ObjectError;
use crate::pool::Pool;
use crate::remote::Remote;

impl Engine {
    /// The peers, asked one question at a time.
    pub(crate) fn remote(&self) -> Remote {
        Remote::new(Arc::clone(&self.peers), Arc::clone(&self.pace))
    }

    /// The peers that answer now, to put on.
    pub(crate) async fn pool_to_put(&self) -> Result<Arc<Pool>, ObjectError> {
        self.pool(PEERS_DIALLED_FOR_PUT, LINGER_MS_FOR_PUT).await
    }

    /// The peers that answer now, to get, survey or repair from.
    pub(crate) async fn pool_to_get(&self) -> Result<Arc<Pool>, ObjectError> {
        self.pool(PEERS_DIALLED_FOR_GET, LINGER_MS_FOR_GET).await
    }

    async fn pool(&self, enough: usize, linger_ms: u64) -> Result<Arc<Pool>, ObjectError> {
        let cards = self.peers.answering_soon(enough, Duration::from_millis(linger_ms)).await;
        Ok(Arc::new(Pool::new(cards, &self.peers.distrusted())?))
    }
}
