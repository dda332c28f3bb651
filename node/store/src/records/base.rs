//! The database as one transaction left it.
//!
//! It never changes, so a value that was opened once need not be opened again: most commands look at the same few rows. The
//! next state takes over those that its transaction left as they were. What is replaced afterwards keeps its space as long
//! as somebody holds this.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase as _};
use storgo_protocol::limits::{RECORDS_HOT_BYTES_MAX, RECORDS_HOT_MAX};

use super::error::RecordsError;
use super::memory::Changes;
use super::tables;

/// A section's rows as they stand in the database.
pub(super) type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// A section.
pub(super) struct Section {
    table: Table,
    /// Some values that were opened.
    hot: Mutex<HashMap<Bytes, Bytes>>,
}

impl Section {
    pub(super) const fn table(&self) -> &Table {
        &self.table
    }

    /// The value of a key, which `open` opens.
    pub(super) fn get(
        &self,
        key: &[u8],
        open: impl FnOnce(&[u8]) -> Result<Bytes, RecordsError>,
    ) -> Result<Option<Bytes>, RecordsError> {
        if let Some(value) = self.hot.lock().get(key) {
            return Ok(Some(value.clone()));
        }
        let found = self.table.get(key).map_err(RecordsError::during("reading a record"))?;
        let Some(value) = found.map(|sealed| open(sealed.value())).transpose()? else { return Ok(None) };
        if value.len() <= RECORDS_HOT_BYTES_MAX {
            let mut hot = self.hot.lock();
            if hot.len() == RECORDS_HOT_MAX {
                hot.clear();
            }
            hot.insert(Bytes::copy_from_slice(key), value.clone());
        }
        Ok(Some(value))
    }
}

/// A state of the database. Sections are opened once, when they are first asked for.
pub(super) struct Base {
    transaction: ReadTransaction,
    opened: Mutex<BTreeMap<u64, Arc<Section>>>,
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Base").field("opened", &self.opened.lock().len()).finish_non_exhaustive()
    }
}

impl Base {
    pub(super) fn now(database: &Database) -> Result<Self, RecordsError> {
        let transaction = database.begin_read().map_err(RecordsError::during("reading the records"))?;
        Ok(Self { transaction, opened: Mutex::default() })
    }

    /// Takes over the values that were opened of the state before, which is looked at no more, but for those of `changed`
    /// rows: of these sections, which differ in nothing else.
    pub(super) fn take_over<'a>(
        &self,
        before: &Self,
        sections: impl Iterator<Item = (u64, Option<&'a Changes>)>,
    ) -> Result<(), RecordsError> {
        for (number, changed) in sections {
            let Some(old) = before.opened.lock().get(&number).map(Arc::clone) else { continue };
            let mut hot = std::mem::take(&mut *old.hot.lock());
            for key in changed.into_iter().flat_map(Changes::keys) {
                hot.remove(key);
            }
            *self.section(number)?.hot.lock() = hot;
        }
        Ok(())
    }

    /// A section that is there.
    pub(super) fn section(&self, section: u64) -> Result<Arc<Section>, RecordsError> {
        let mut opened = self.opened.lock();
        if let Some(known) = opened.get(&section) {
            return Ok(Arc::clone(known));
        }
        let name = tables::section_name(section);
        let table = match self.transaction.open_table(tables::section(&name)) {
            Err(redb::TableError::TableDoesNotExist(_)) => {
                return Err(RecordsError::damaged("the rows of a group are missing"));
            }
            table => table.map_err(RecordsError::during("reading the records"))?,
        };
        let found = Arc::new(Section { table, hot: Mutex::default() });
        opened.insert(section, Arc::clone(&found));
        Ok(found)
    }
}
