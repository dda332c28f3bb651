//! The members that answered lately, as whoever leads group 0 finds them: noted by the conductor, read where somebody asks
//! what it would do.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_protocol::PeerId;

/// Who is present; nothing where group 0 is not led. Clones are the same. It is locked to copy the set in or out.
#[derive(Debug, Clone, Default)]
pub(super) struct Present(Arc<Mutex<Option<BTreeSet<PeerId>>>>);

impl Present {
    pub(super) fn note(&self, present: Option<BTreeSet<PeerId>>) {
        *self.0.lock() = present;
    }

    pub(super) fn known(&self) -> Option<BTreeSet<PeerId>> {
        self.0.lock().clone()
    }
}
