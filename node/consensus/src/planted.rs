//! Faults that can be planted, to see that the simulator catches them. They are built in only under `storgo_planted`, and
//! one is chosen at run time, for the thread that a simulation runs in.

/// Something that others got wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// An append is acknowledged before it is synced.
    AcknowledgedBeforeSync,
    /// A vote is given and not kept.
    VoteNotPersisted,
    /// A follower answers from what it has.
    FollowerRead,
    /// The applied state forgets who the members are.
    SnapshotWithoutMembership,
    /// A log is cut where it should have been set aside.
    LogTruncated,
    /// A retry is done again.
    RetryDoneAgain,
    /// A peer that lost its log goes on as who it was.
    WipedVoterVotes,
    /// What expired is decided by the clock of who is asked.
    ExpiryByLocalClock,
    /// The target of a move begins to answer before the source has stopped.
    SlotAnsweredTwice,
    /// A leader stamps by whatever its clock shows.
    WrongClockStamps,
    /// A leader reads by a lease that outlives the time in which another one is elected.
    LeaseOutlivesElections,
    /// A voter that starts again votes at once, though it acknowledged a leader just before.
    RestartedVoterVotes,
    /// A leader that asked another one to lead goes on to read by its lease.
    LeaseOutlivesTransfer,
    /// Who votes for another leader does not tell the one before who asks.
    PromiseUntold,
    /// What is answered by one disk alone is told though something that it rests on did not come to the log.
    GapsUnseen,
}

#[cfg(storgo_planted)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault in whatever this thread runs, in place of the one before.
#[cfg(storgo_planted)]
pub fn plant(fault: Option<Planted>) {
    PLANTED.set(fault);
}

/// Whether this fault is planted.
#[cfg(storgo_planted)]
#[must_use]
pub fn is_planted(fault: Planted) -> bool {
    PLANTED.get() == Some(fault)
}

/// The seat of a peer that takes each log of its for the one before, where that is planted.
#[cfg(storgo_planted)]
pub(crate) fn seat(me: crate::Seat) -> crate::Seat {
    let incarnation = storgo_protocol::LogIncarnation::new(7);
    if is_planted(Planted::WipedVoterVotes) { crate::Seat { incarnation, ..me } } else { me }
}

#[cfg(storgo_planted)]
thread_local! {
    static CLOCK_MS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Tells what the clock of this node shows, for [`is_expired_here`].
#[cfg(storgo_planted)]
pub(crate) fn set_clock(now_ms: u64) {
    CLOCK_MS.set(now_ms);
}

/// Whether something expired by the clock of who is asked, where that fault is planted.
#[cfg(storgo_planted)]
pub(crate) fn is_expired_here(expires_ms: u64) -> bool {
    is_planted(Planted::ExpiryByLocalClock) && storgo_protocol::meta::is_over(expires_ms, CLOCK_MS.get())
}

/// Whether this fault is planted: never, in what is built for use.
#[cfg(not(storgo_planted))]
#[must_use]
pub const fn is_planted(_: Planted) -> bool {
    false
}
