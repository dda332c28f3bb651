//! Reads what members send and what they keep: whatever repeats in it is counted before it is decoded.
//!
//! Bytes come from peers, from the log and from records. Whether a message makes sense is not known here.

use bytes::Bytes;

use super::{Frame, LogId, Payload, StateId, Vote};
use crate::DecodeError;
use crate::fields::{Field, Shape, Shaped, at_most, decode};
use crate::limits::{
    GROUP_SEATS_MAX, GROUPS_MAX, LOG_ENTRY_BYTES_MAX, LOG_MARK_BYTES_MAX, RAFT_ENTRIES_MAX, RAFT_ENVELOPES_MAX,
    RAFT_FRAME_BYTES_MAX, RECORDS_BLOB_BYTES_MAX,
};

/// Sets of voters in a membership: one, or two while it changes.
const CONFIGS_MAX: usize = 2;

const MEMBERSHIP: Shape =
    &[Field::each(1, CONFIGS_MAX, &[Field::many(1, GROUP_SEATS_MAX)]), Field::many(2, GROUP_SEATS_MAX)];
const STATE: Shape = &[Field::once(3, MEMBERSHIP)];
const ENVELOPE: Shape = &[
    Field::once(10, &[Field::many(3, RAFT_ENTRIES_MAX as usize)]),
    Field::once(14, &[Field::once(2, STATE)]),
    Field::once(17, &[Field::many(1, GROUPS_MAX + 1)]),
];

impl Shaped for Frame {
    const SHAPE: Shape = &[Field::each(1, RAFT_ENVELOPES_MAX, ENVELOPE)];
}

impl Shaped for Payload {
    const SHAPE: Shape = &[Field::once(2, MEMBERSHIP)];
}

impl Shaped for StateId {
    const SHAPE: Shape = STATE;
}

impl Shaped for Vote {}
impl Shaped for LogId {}

impl Frame {
    /// Reads a frame of a peer.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a frame of at most [`RAFT_FRAME_BYTES_MAX`] bytes and [`RAFT_ENVELOPES_MAX`]
    /// messages, each of at most [`RAFT_ENTRIES_MAX`] entries and [`GROUP_SEATS_MAX`] seats.
    pub fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        decode(at_most(bytes, RAFT_FRAME_BYTES_MAX)?)
    }
}

impl Payload {
    /// Reads what an entry holds.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a payload of at most [`LOG_ENTRY_BYTES_MAX`] bytes and [`GROUP_SEATS_MAX`] seats.
    pub fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        decode(at_most(bytes, LOG_ENTRY_BYTES_MAX)?)
    }
}

impl StateId {
    /// Reads what stands beside records.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a state's name of at most [`RECORDS_BLOB_BYTES_MAX`] bytes and
    /// [`GROUP_SEATS_MAX`] seats.
    pub fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        decode(at_most(bytes, RECORDS_BLOB_BYTES_MAX)?)
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

#[cfg(test)]
mod tests;
