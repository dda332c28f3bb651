//! Makes what a plan says, inside a staging directory: directories first, then files, then links, modes and times last.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use storgo_object::ObjectError;
use storgo_protocol::limits::TREE_BLOCK_BYTES;
use storgo_protocol::tree::{TreePath, TreeRoot};

use super::beneath::new_file;
use super::plan::{FileJob, Plan};
use super::staging::Staging;
use crate::error::NodeError;
use crate::tree::attributes::{set_named, set_time};

/// A restoration under way.
#[derive(Debug)]
pub(super) struct Restorer {
    pub(super) plan: Arc<Plan>,
    staging: Staging,
    /// For messages: where the user will find what is restored.
    shown: PathBuf,
    /// Files written so far: each is written under its number first.
    written: u64,
}

/// A file that is being written. Nobody sees it under its name before it is whole.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    name: String,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Restorer {
    pub(super) fn new(plan: Arc<Plan>, staging: Staging, shown: PathBuf) -> Self {
        Self { plan, staging, shown, written: 0 }
    }

    /// Makes the directories, and says of each file whether it is whole already.
    pub(super) fn prepare(&mut self) -> Result<Vec<bool>, NodeError> {
        let plan = Arc::clone(&self.plan);
        for job in &plan.directories {
            let made = self.staging.tree.make_directory(&job.path);
            made.map_err(|error| self.error("making", &job.path, error))?;
        }
        if !self.staging.resumed {
            return Ok(vec![false; plan.files.len()]);
        }
        plan.files.iter().map(|job| self.is_whole(job)).collect()
    }

    /// Whether a file is there as it should be; if not, whatever is there is removed.
    fn is_whole(&mut self, job: &FileJob) -> Result<bool, NodeError> {
        let found = self.staging.tree.open_file(&job.path).and_then(|file| holds(file, job));
        if found.unwrap_or(false) {
            return Ok(true);
        }
        // One that cannot be read is made anew.
        self.staging.tree.remove(&job.path).map_err(|error| self.error("removing", &job.path, error))?;
        Ok(false)
    }

    /// Begins a file.
    pub(super) fn begin(&mut self, job: &FileJob) -> Result<OpenFile, NodeError> {
        self.written += 1;
        let name = self.written.to_string();
        let file = new_file(self.staging.new.root(), &name).map_err(|error| self.error("making", &job.path, error))?;
        Ok(OpenFile { file, name, hasher: blake3::Hasher::new(), bytes: 0 })
    }

    /// Writes the bytes of a file that follow.
    pub(super) fn write(&self, open: &mut OpenFile, job: &FileJob, bytes: &[u8]) -> Result<(), NodeError> {
        open.file.write_all(bytes).map_err(|error| self.error("writing", &job.path, error))?;
        open.hasher.update(bytes);
        open.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Gives a whole file its name.
    pub(super) fn end(&mut self, open: &OpenFile, job: &FileJob) -> Result<(), NodeError> {
        if (open.bytes, open.hasher.finalize()) != (job.file.bytes, job.file.hash) {
            let source = "its bytes have another hash than the catalogue says".into();
            return Err(ObjectError::Corrupt { what: job.path.to_string(), source }.into());
        }
        let Staging { new, tree, .. } = &mut self.staging;
        tree.take_in(new.root(), &open.name, &job.path).map_err(|error| self.error("naming", &job.path, error))
    }

    /// Makes a file of the contents of one that is whole.
    pub(super) fn copy(&mut self, job: &FileJob, from: &FileJob) -> Result<(), NodeError> {
        let source = self.staging.tree.open_file(&from.path);
        let mut source = source.map_err(|error| self.error("opening", &from.path, error))?;
        let mut open = self.begin(job)?;
        let mut buffer = vec![0; TREE_BLOCK_BYTES];
        loop {
            let read = source.read(&mut buffer).map_err(|error| self.error("reading", &from.path, error))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            self.write(&mut open, job, bytes)?;
        }
        self.end(&open, job)
    }

    /// Everything that is left when all files are whole, and the name of the whole.
    pub(super) fn finish(mut self, root: TreeRoot) -> Result<(), NodeError> {
        let plan = Arc::clone(&self.plan);
        for job in &plan.files {
            let named = self.staging.tree.parent(&job.path);
            let set = named.and_then(|(parent, name)| set_named(parent, name, job.file.mode, job.modified));
            set.map_err(|error| self.error("setting mode and time of", &job.path, error))?;
        }
        for job in &plan.links {
            let tree = &mut self.staging.tree;
            let made = tree.make_link(&job.path, &job.target).and_then(|()| tree.parent(&job.path));
            let made = made.and_then(|(parent, name)| set_time(parent, name, job.modified));
            made.map_err(|error| self.error("making", &job.path, error))?;
        }
        // From the last to the first: what is in a directory changes its time, and may not be open to its owner after.
        for job in plan.directories.iter().rev() {
            let named = self.staging.tree.parent(&job.path);
            let set = named.and_then(|(parent, name)| set_named(parent, name, job.mode, job.modified));
            set.map_err(|error| self.error("setting mode and time of", &job.path, error))?;
        }
        self.staging.finish(root)
    }

    fn error(&self, what: &'static str, path: &TreePath, source: io::Error) -> NodeError {
        // As it may be printed, and therefore not always as it is.
        NodeError::Io { what, path: self.shown.join(path.to_string()), source }
    }
}

/// Whether an open file has the bytes that it should.
fn holds(mut file: File, job: &FileJob) -> io::Result<bool> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() != job.file.bytes {
        return Ok(false);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&mut file)?;
    Ok(hasher.finalize() == job.file.hash)
}
