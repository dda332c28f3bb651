//! Reads what members send and what they keep: whatever repeats in it is counted before it is decoded.
//!
//! Bytes come from peers, from the log and from records. Whether a message makes sense is not known here.

use bytes::Bytes;

use super::{Frame, LogId, Payload, StateId, Vote};
use crate::DecodeError;
use crate::fields::{at_most, decode, values};
use crate::limits::{
    GROUP_SEATS_MAX, LOG_ENTRY_BYTES_MAX, LOG_MARK_BYTES_MAX, RAFT_ENTRIES_MAX, RAFT_ENVELOPES_MAX,
    RAFT_FRAME_BYTES_MAX, RECORDS_BLOB_BYTES_MAX,
};

/// A field that does not repeat. Protobuf would merge what stands twice; nobody writes it so.
const ONCE: usize = 1;

/// Sets of voters in a membership: one, or two while it changes.
const CONFIGS_MAX: usize = 2;

impl Frame {
    /// Reads a frame of a peer.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a frame of at most [`RAFT_FRAME_BYTES_MAX`] bytes and [`RAFT_ENVELOPES_MAX`]
    /// messages, each of at most [`RAFT_ENTRIES_MAX`] entries and [`GROUP_SEATS_MAX`] seats.
    pub fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        let bytes = at_most(bytes, RAFT_FRAME_BYTES_MAX)?;
        for envelope in values(&bytes, 1, RAFT_ENVELOPES_MAX)? {
            for append in values(&envelope, 10, ONCE)? {
                values(&append, 3, RAFT_ENTRIES_MAX as usize)?;
            }
            for page in values(&envelope, 14, ONCE)? {
                values(&page, 2, ONCE)?.iter().try_for_each(check_state)?;
            }
        }
        decode(bytes)
    }
}

impl Payload {
    /// Reads what an entry holds.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a payload of at most [`LOG_ENTRY_BYTES_MAX`] bytes and [`GROUP_SEATS_MAX`] seats.
    pub fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        let bytes = at_most(bytes, LOG_ENTRY_BYTES_MAX)?;
        values(&bytes, 2, ONCE)?.iter().try_for_each(check_membership)?;
        decode(bytes)
    }
}

impl StateId {
    /// Reads what stands beside records.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a state's name of at most [`RECORDS_BLOB_BYTES_MAX`] bytes and
    /// [`GROUP_SEATS_MAX`] seats.
    pub fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        let bytes = at_most(bytes, RECORDS_BLOB_BYTES_MAX)?;
        check_state(&bytes)?;
        decode(bytes)
    }
}

impl Vote {
    /// Reads a vote as the log keeps it.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a vote of at most [`LOG_MARK_BYTES_MAX`] bytes.
    pub fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        decode(at_most(bytes, LOG_MARK_BYTES_MAX)?)
    }
}

impl LogId {
    /// Reads a place in the log as the log keeps it.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a place of at most [`LOG_MARK_BYTES_MAX`] bytes.
    pub fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        decode(at_most(bytes, LOG_MARK_BYTES_MAX)?)
    }
}

fn check_state(state: &Bytes) -> Result<(), DecodeError> {
    values(state, 3, ONCE)?.iter().try_for_each(check_membership)
}

fn check_membership(membership: &Bytes) -> Result<(), DecodeError> {
    for config in values(membership, 1, CONFIGS_MAX)? {
        values(&config, 1, GROUP_SEATS_MAX)?;
    }
    values(membership, 2, GROUP_SEATS_MAX).map(drop)
}

#[cfg(test)]
mod tests;
