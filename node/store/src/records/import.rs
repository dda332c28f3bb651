//! Taking a group's state from pages, beside the one it has, until all of it is there.

use bytes::Bytes;
use storgo_protocol::{DecodeError, SnapshotPage, SnapshotStart};

use super::batch::Applied;
use super::error::RecordsError;
use super::handle::GroupRecords;
use super::request::Request;

/// A state that arrives page by page. The group keeps its own until [`Import::finish`]; if this is dropped before, or the
/// process ends, what arrived is forgotten.
#[derive(Debug)]
pub struct Import {
    group: GroupRecords,
    section: Option<u64>,
    next: u64,
    previous: [u8; 32],
    applied: Option<Applied>,
    is_whole: bool,
    last_key: Option<Bytes>,
}

impl Import {
    pub(super) const fn new(group: GroupRecords, section: u64) -> Self {
        Self {
            group,
            section: Some(section),
            next: 0,
            previous: [0; 32],
            applied: None,
            is_whole: false,
            last_key: None,
        }
    }

    /// The number of the page that is wanted next, after a break too; `None` once all are there.
    #[must_use]
    pub const fn next_page(&self) -> Option<u64> {
        if self.is_whole { None } else { Some(self.next) }
    }

    /// The hash of the last page that was taken, which the next one names; zeros before the first.
    #[must_use]
    pub const fn previous_page(&self) -> [u8; 32] {
        self.previous
    }

    /// Takes the next page.
    ///
    /// # Errors
    /// [`RecordsError::Page`] for other bytes than those of the next page of the same export, which leaves it as it
    /// was; [`RecordsError::Stopped`], [`RecordsError::Damaged`], [`RecordsError::Closed`].
    pub async fn push(&mut self, page: Bytes) -> Result<(), RecordsError> {
        let (id, expected, previous, last_key) = (self.group.id(), self.next, self.previous, self.last_key.clone());
        let refuse = move |source| RecordsError::Page { group: id, expected, source };
        let section = self.section.filter(|_| !self.is_whole).ok_or_else(|| refuse(None))?;
        let (is_last, hash, start, rows) = self
            .group
            .handle
            .run(move || {
                let found = SnapshotPage::decode(&page).map_err(|error| refuse(Some(error)))?;
                if (found.group, found.number, found.previous) != (id, expected, previous) {
                    return Err(refuse(None));
                }
                let content = unpack(&found).map_err(|error| refuse(Some(error)))?;
                let (start, rows) =
                    SnapshotPage::decode_content(expected, &content).map_err(|error| refuse(Some(error)))?;
                if rows.first().is_some_and(|row| last_key.is_some_and(|last| last >= row.key)) {
                    return Err(refuse(None));
                }
                Ok((found.is_last, SnapshotPage::hash_of(&page), start, rows))
            })
            .await?;
        let last_key = rows.last().map(|row| row.key.clone());
        self.group.handle.ask(|done| Request::Fill(id, section, rows, done)).await?;
        if let Some(SnapshotStart { index, term, blob }) = start {
            self.applied = Some(Applied { index, term, blob });
        }
        self.last_key = last_key.or(self.last_key.take());
        (self.previous, self.next, self.is_whole) = (hash, expected + 1, is_last);
        Ok(())
    }

    /// Puts the state that arrived in place of the group's own, durably and in one step; gives where it stands.
    ///
    /// # Errors
    /// [`RecordsError::Page`] if pages are missing; [`RecordsError::Order`] if the group is further by now;
    /// [`RecordsError::Stopped`], [`RecordsError::Damaged`], [`RecordsError::Closed`].
    pub async fn finish(mut self) -> Result<Applied, RecordsError> {
        let group = self.group.id();
        let missing = RecordsError::Page { group, expected: self.next, source: None };
        let (true, Some(applied)) = (self.is_whole, self.applied.take()) else { return Err(missing) };
        let section = self.section.take().ok_or(missing)?;
        self.group.handle.ask(|done| Request::Replace(group, section, applied.clone(), done)).await?;
        Ok(applied)
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        if let Some(section) = self.section.take() {
            self.group.handle.ask_in_passing(Request::Discard(section));
        }
    }
}

/// The content of a page: as long as the page says, or nothing.
fn unpack(page: &SnapshotPage) -> Result<Bytes, DecodeError> {
    let bytes = page.content_bytes as usize;
    match zstd::bulk::decompress(&page.packed, bytes) {
        Ok(content) if content.len() == bytes => Ok(content.into()),
        _ => Err(DecodeError::Unverified { what: "the content of a snapshot page" }),
    }
}
