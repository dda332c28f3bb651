//! What is being put where at this moment, so that pushes of one stripe that run at once spread over the disks too.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::item::Item;
use crate::place::Slot;

/// The items on their way, by stripe or node id.
#[derive(Debug, Default)]
pub(crate) struct Placing(Mutex<HashMap<[u8; 32], Vec<OnTheWay>>>);

/// An item and where it goes.
type OnTheWay = (Item, Slot);

/// An item on its way to a slot, until this is dropped.
#[derive(Debug)]
pub(crate) struct PlaceHold {
    placing: Arc<Placing>,
    item: Item,
    slot: Slot,
}

impl Drop for PlaceHold {
    fn drop(&mut self) {
        let mut placing = self.placing.0.lock();
        if let Some(items) = placing.get_mut(self.item.id()) {
            if let Some(at) = items.iter().position(|&held| held == (self.item, self.slot)) {
                items.swap_remove(at);
            }
            if items.is_empty() {
                placing.remove(self.item.id());
            }
        }
    }
}

impl Placing {
    /// Lets `choose` pick a slot from what is on its way under the item's id, and notes the choice before anyone else
    /// chooses.
    pub(crate) fn enter<E>(
        self: &Arc<Self>,
        item: Item,
        choose: impl FnOnce(&[OnTheWay]) -> Result<Option<Slot>, E>,
    ) -> Result<Option<(Slot, PlaceHold)>, E> {
        let mut placing = self.0.lock();
        let chosen = choose(placing.get(item.id()).map_or(&[], Vec::as_slice))?;
        Ok(chosen.map(|slot| {
            placing.entry(*item.id()).or_default().push((item, slot));
            (slot, PlaceHold { placing: Arc::clone(self), item, slot })
        }))
    }
}
