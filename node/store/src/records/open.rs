//! Opening the records, and what is said of them then.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use redb::{Builder, Database, DatabaseError, ReadableTable as _, StorageError, TableHandle as _};
use storgo_object::ports::Random;
use storgo_protocol::GroupId;

use super::backend::{Backend, Health};
use super::base::Base;
use super::batch::Applied;
use super::config::RecordsConfig;
use super::error::{RecordsError, is_of_content};
use super::memory::Memory;
use super::shared::Shared;
use super::tables::{self, GROUPS, KEY_CHECK, META, NEXT_SECTION, Standing, VERSION, VERSION_KNOWN};
use super::writer::Writer;
use crate::disk::{Disk, DiskFile};

/// What a start found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordsOpening {
    /// Whether the records were made just now.
    pub created: bool,
    /// Imports that were not finished when the last process ended, and were forgotten.
    pub unfinished_imports: usize,
}

/// Opens the records for their writer, and makes them if they are not there. Damaged ones get another name, so that
/// nobody takes what may be left of them for the state.
pub(super) fn open(
    disk: &dyn Disk,
    path: &Path,
    config: RecordsConfig,
    random: Arc<dyn Random>,
) -> Result<(Writer, RecordsOpening), RecordsError> {
    let mut created = false;
    let opened = match disk.open_to_write(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if config.must_exist {
                return Err(RecordsError::Missing { path: path.to_owned() });
            }
            create(disk, path, &config, &*random)?;
            created = true;
            disk.open_to_write(path)
        }
        opened => opened,
    };
    let file = opened.map_err(failed("opening the records", path))?;
    match file.lock() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(RecordsError::InUse { path: path.to_owned() });
        }
        locked => locked.map_err(failed("locking the records", path))?,
    }
    let health = Health::default();
    let read = open_database(file, &health, path, config.cache_bytes).and_then(|database| {
        let found = read(&database, path, &config)?;
        let base = Base::now(&database)?;
        Ok((database, found, base))
    });
    let (database, found, base) = read.map_err(|error| match error {
        RecordsError::Damaged { what } => set_aside(disk, path, what),
        error => error,
    })?;
    let InDatabase { standings, next_section, unfinished_imports } = found;
    let memory = Memory::new(standings.clone(), next_section, base);
    let shared = Arc::new(Shared::new(memory, config.fresh_bytes));
    let writer = Writer { database: Arc::new(database), shared, key: config.key, random, standings, health };
    Ok((writer, RecordsOpening { created, unfinished_imports }))
}

/// Gives damaged records another name; gives what is to be said.
fn set_aside(disk: &dyn Disk, path: &Path, what: String) -> RecordsError {
    let aside = beside(path, ".damaged");
    tracing::error!(%what, to = %aside.display(), "the records are damaged and were set aside");
    let moved = disk.rename(path, &aside).and_then(|()| disk.sync_dir(parent(path)));
    match moved {
        Ok(()) => RecordsError::Damaged { what },
        Err(error) => failed("setting damaged records aside", path)(error),
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a database under another name, and gives it its own once it is whole and durable.
fn create(disk: &dyn Disk, path: &Path, config: &RecordsConfig, random: &dyn Random) -> Result<(), RecordsError> {
    let new = beside(path, ".new");
    match disk.remove(&new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed.map_err(failed("removing unfinished records", &new))?,
    }
    let file = disk.create(&new).map_err(failed("making the records", &new))?;
    let health = Health::default();
    let database = open_database(file, &health, &new, config.cache_bytes)?;
    {
        const WHAT: &str = "making the records";
        let transaction = database.begin_write().map_err(RecordsError::during(WHAT))?;
        {
            let mut meta = transaction.open_table(META).map_err(RecordsError::during(WHAT))?;
            meta.insert(VERSION, VERSION_KNOWN).map_err(RecordsError::during(WHAT))?;
            let mut groups = transaction.open_table(GROUPS).map_err(RecordsError::during(WHAT))?;
            let applied = Applied { index: 0, term: 0, blob: Bytes::new() };
            let check = Standing { section: 0, applied }.seal(KEY_CHECK, &config.key, random)?;
            groups.insert(KEY_CHECK, check.as_slice()).map_err(RecordsError::during(WHAT))?;
        }
        transaction.commit().map_err(RecordsError::during(WHAT))?;
    }
    drop(database);
    if let Some(failure) = health.failure() {
        return Err(RecordsError::Open { what: "closing new records", path: new, source: failure });
    }
    // What the database wrote when it was closed is made durable before it has its name.
    let file = disk.open_to_write(&new).map_err(failed("opening new records", &new))?;
    file.sync().map_err(failed("syncing new records", &new))?;
    disk.rename(&new, path).map_err(failed("naming the records", path))?;
    disk.sync_dir(parent(path)).map_err(failed("syncing the records' name", path))
}

/// Opens a database and checks all of it: redb repairs what a crash left, and believes what was closed. It checks what
/// it reads, and panics over some of what cannot be.
fn open_database(
    file: Box<dyn DiskFile>,
    health: &Health,
    path: &Path,
    cache_bytes: usize,
) -> Result<Database, RecordsError> {
    const WHAT: &str = "opening the records";
    let backend = Backend::new(file, health.clone()).map_err(failed(WHAT, path))?;
    let repaired = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&repaired);
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes).set_repair_callback(move |_| noted.store(true, Ordering::Relaxed));
        let mut database = builder.create_with_backend(backend)?;
        let is_sound = repaired.load(Ordering::Relaxed) || database.check_integrity()?;
        Ok((database, is_sound))
    }));
    match opened {
        Ok(Ok((database, true))) => Ok(database),
        Ok(Ok((_, false))) => Err(RecordsError::damaged("their checksums do not hold")),
        Ok(Err(DatabaseError::Storage(StorageError::Io(error)))) if !is_of_content(&error) => {
            Err(failed(WHAT, path)(error))
        }
        Ok(Err(DatabaseError::Storage(StorageError::PreviousIo))) => {
            Err(failed(WHAT, path)(io::Error::other("the disk failed before")))
        }
        Ok(Err(DatabaseError::UpgradeRequired(version))) => {
            Err(failed(WHAT, path)(io::Error::other(format!("they have the format {version} of another redb"))))
        }
        Ok(Err(error)) => Err(RecordsError::damaged(error.to_string())),
        Err(_) => Err(RecordsError::damaged("the database panicked over them")),
    }
}

/// What a start found in the database.
struct InDatabase {
    standings: BTreeMap<GroupId, Standing>,
    next_section: u64,
    unfinished_imports: usize,
}

/// Reads where each group stands, and forgets sections that no group has.
fn read(database: &Database, path: &Path, config: &RecordsConfig) -> Result<InDatabase, RecordsError> {
    const WHAT: &str = "reading the groups";
    let transaction = database.begin_write().map_err(RecordsError::during(WHAT))?;
    let mut standings = BTreeMap::new();
    let next_section;
    {
        let meta = transaction.open_table(META).map_err(RecordsError::during(WHAT))?;
        let version = meta.get(VERSION).map_err(RecordsError::during(WHAT))?.map(|version| version.value());
        if version.is_some_and(|version| version > VERSION_KNOWN) {
            return Err(failed(WHAT, path)(io::Error::other("a newer storgo wrote them")));
        }
        if version.is_none() {
            return Err(RecordsError::damaged("their version is missing"));
        }
        let next = meta.get(NEXT_SECTION).map_err(RecordsError::during(WHAT))?;
        next_section = next.map_or(0, |next| next.value());
        let groups = transaction.open_table(GROUPS).map_err(RecordsError::during(WHAT))?;
        let check = groups.get(KEY_CHECK).map_err(RecordsError::during(WHAT))?;
        let check = check.ok_or_else(|| RecordsError::damaged("a part of them is missing"))?;
        if Standing::open(KEY_CHECK, &config.key, check.value()).is_err() {
            return Err(RecordsError::WrongKey { path: path.to_owned() });
        }
        for row in groups.range(..KEY_CHECK).map_err(RecordsError::during(WHAT))? {
            let (group, sealed) = row.map_err(RecordsError::during(WHAT))?;
            let standing = Standing::open(group.value(), &config.key, sealed.value())?;
            standings.insert(GroupId::new(group.value()), standing);
        }
    }
    let owned: Vec<String> = standings.values().map(|standing| tables::section_name(standing.section)).collect();
    let found: Vec<String> = transaction
        .list_tables()
        .map_err(RecordsError::during(WHAT))?
        .map(|table| table.name().to_owned())
        .filter(|name| tables::is_section(name))
        .collect();
    if owned.iter().any(|name| !found.contains(name)) {
        return Err(RecordsError::damaged("the rows of a group are missing"));
    }
    let unfinished: Vec<_> = found.iter().filter(|name| !owned.contains(name)).collect();
    for name in &unfinished {
        transaction.delete_table(tables::section(name)).map_err(RecordsError::during(WHAT))?;
    }
    transaction.commit().map_err(RecordsError::during(WHAT))?;
    Ok(InDatabase { standings, next_section, unfinished_imports: unfinished.len() })
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordsError {
    let path = path.to_owned();
    move |source| RecordsError::Open { what, path, source: Arc::new(source) }
}
