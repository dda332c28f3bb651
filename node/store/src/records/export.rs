//! A group's state as a row of pages that can be sent, and asked for again.

use std::ops::Bound;

use bytes::Bytes;
use storgo_protocol::limits::RECORDS_SCAN_MAX;
use storgo_protocol::{SnapshotPage, SnapshotRow, SnapshotStart};

use super::batch::Applied;
use super::error::RecordsError;
use super::view::{Rows, View};

/// How hard pages are compressed: what is beyond costs more than it saves.
const LEVEL: i32 = 1;

/// A group's state at one moment, in pages. A page is the same whenever it is asked for, as long as this lasts.
#[derive(Debug)]
pub struct Export {
    view: View,
    applied: Applied,
    /// For each page that was made, and the next: the last key before it, and the hash of the page before.
    begins: Vec<(Option<Bytes>, [u8; 32])>,
    /// The number of the last page, once it was made.
    last: Option<u64>,
}

impl Export {
    pub(super) fn new(view: View) -> Option<Self> {
        let applied = view.applied()?.clone();
        Some(Self { view, applied, begins: vec![(None, [0; 32])], last: None })
    }

    /// Where in its log the state stands.
    #[must_use]
    pub const fn applied(&self) -> &Applied {
        &self.applied
    }

    /// The page with this number, from 0; `None` behind the last. A page before it that was not made yet is made on the
    /// way. Reads from the disk and compresses, so it blocks.
    ///
    /// # Errors
    /// [`RecordsError::Stopped`], [`RecordsError::Damaged`].
    pub fn page(&mut self, number: u64) -> Result<Option<Bytes>, RecordsError> {
        loop {
            if self.last.is_some_and(|last| number > last) {
                return Ok(None);
            }
            let next = self.begins.len() as u64 - 1;
            let at = number.min(next);
            let page = self.make(at)?;
            if at == number {
                return Ok(Some(page));
            }
        }
    }

    fn make(&mut self, number: u64) -> Result<Bytes, RecordsError> {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let (after, previous) = self.begins.get(at).cloned().ok_or_else(|| RecordsError::damaged("no such page"))?;
        let first = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let Rows { rows, has_more } = self.view.scan((first, Bound::Unbounded), RECORDS_SCAN_MAX)?;
        let mut content = Vec::new();
        if number == 0 {
            let Applied { index, term, blob } = self.applied.clone();
            SnapshotStart { index, term, blob }.encode_to(&mut content);
        }
        let last = rows.last().map(|(key, _)| key.clone());
        for (key, value) in rows {
            SnapshotRow { key, value }.encode_to(&mut content);
        }
        let packed = zstd::bulk::compress(&content, LEVEL).map_err(|error| RecordsError::damaged(error.to_string()))?;
        let page = SnapshotPage {
            group: self.view.group(),
            number,
            is_last: !has_more,
            previous,
            content_bytes: u32::try_from(content.len()).unwrap_or(u32::MAX),
            packed: packed.into(),
        };
        let page = page.encode();
        if at + 1 == self.begins.len() {
            if has_more {
                self.begins.push((last, SnapshotPage::hash_of(&page)));
            } else {
                self.last = Some(number);
            }
        }
        Ok(page.into())
    }
}
