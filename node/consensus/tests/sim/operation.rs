//! What was done to a key, and what came of it.

use std::time::Duration;

/// A value that was written; each write has its own.
pub type Value = u64;

/// What a client did to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// Wrote a value, which may end by itself if `expires`.
    Put { value: Value, expires: bool },
    /// Wrote a value if the key was absent.
    PutIfAbsent { value: Value },
    /// Wrote a value in place of another one.
    Replace { old: Value, value: Value },
    /// Deleted the key.
    Delete,
    /// Read the key.
    Get,
}

/// What it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is done.
    Done,
    /// Its condition did not hold.
    Refused,
    /// This is what the key holds.
    Holds(Option<Value>),
    /// Nothing: it may have happened, or happen yet.
    Nothing,
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub key: u8,
    pub did: Did,
    pub told: Told,
    pub began: Duration,
    pub ended: Duration,
}
