//! Protocols that lack one thing each.

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Variant {
    /// Nothing: the protocol as it is.
    Sound,
    /// A write names nothing at all.
    NoGuard,
    /// A write names neither its replica nor its epoch.
    NoFence,
    /// A write names its replica, and not its epoch.
    NoEpoch,
    /// A write names its epoch, and not its replica.
    NoReplica,
    /// A write does not name the head that it builds on: the store puts it wherever the log ends.
    NoHead,
    /// Keys are not looked up.
    NoDedupe,
    /// Leases whose grant was lost are not looked for.
    NoAudit,
    /// A replica that is gone is forgotten, and its lease is not.
    NoTakeover,
    /// Running sessions are claimed like ready ones.
    ClaimsRunning,
    /// The end of a run leaves its message in the inbox.
    KeepsMessage,
    /// A repeated end is taken for the recorded one, whoever wrote that.
    TakesAnyEnd,
    /// A repeated end hands out whatever lease the replica has by now.
    HandsOutAnyLease,
    /// A repeated write is refused like a stale one.
    RefusesRepeats,
    /// A lease that nobody knows is given up whatever its epoch is by now.
    DisownsAnyEpoch,
    /// A claim has the epoch that it finds.
    ClaimKeepsEpoch,
    /// A takeover leaves the epoch to the next claim.
    TakeoverKeepsEpoch,
    /// Giving a lease up leaves the epoch to the next claim.
    ReleaseKeepsEpoch,
    /// The epoch of a kept lease is that of the run before.
    KeptLeaseKeepsEpoch,
    /// Epochs never grow.
    NoEpochs,
}
