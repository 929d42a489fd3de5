//! The intents that a fault can aim at.

use std::str::FromStr;

/// A method of the store that changes something, or that a decision hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intent {
    /// [`Store::join`](regrow_store::Store::join)
    Join,
    /// [`Store::accept`](regrow_store::Store::accept)
    Accept,
    /// [`Store::claim`](regrow_store::Store::claim)
    Claim,
    /// [`Store::append`](regrow_store::Store::append)
    Append,
    /// [`Store::finish`](regrow_store::Store::finish)
    Finish,
    /// [`Store::release`](regrow_store::Store::release)
    Release,
    /// [`Store::heartbeat`](regrow_store::Store::heartbeat)
    Heartbeat,
    /// [`Store::disown`](regrow_store::Store::disown)
    Disown,
    /// [`Store::drain`](regrow_store::Store::drain)
    Drain,
    /// [`Store::leave`](regrow_store::Store::leave)
    Leave,
    /// [`Store::reap`](regrow_store::Store::reap)
    Reap,
    /// [`Store::abort`](regrow_store::Store::abort)
    Abort,
    /// [`Store::due_schedules`](regrow_store::Store::due_schedules)
    DueSchedules,
    /// [`Store::fire`](regrow_store::Store::fire)
    Fire,
    /// [`Store::find_run`](regrow_store::Store::find_run)
    FindRun,
    /// [`Store::read_log`](regrow_store::Store::read_log)
    ReadLog,
    /// [`Store::load`](regrow_store::Store::load)
    Load,
    /// [`Store::hold`](regrow_store::Store::hold)
    Hold,
    /// [`Store::let_go`](regrow_store::Store::let_go)
    LetGo,
    /// [`Store::prune`](regrow_store::Store::prune)
    Prune,
}

impl Intent {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Join,
        Self::Accept,
        Self::Claim,
        Self::Append,
        Self::Finish,
        Self::Release,
        Self::Heartbeat,
        Self::Disown,
        Self::Drain,
        Self::Leave,
        Self::Reap,
        Self::Abort,
        Self::DueSchedules,
        Self::Fire,
        Self::FindRun,
        Self::ReadLog,
        Self::Load,
        Self::Hold,
        Self::LetGo,
        Self::Prune,
    ];

    /// The method's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Accept => "accept",
            Self::Claim => "claim",
            Self::Append => "append",
            Self::Finish => "finish",
            Self::Release => "release",
            Self::Heartbeat => "heartbeat",
            Self::Disown => "disown",
            Self::Drain => "drain",
            Self::Leave => "leave",
            Self::Reap => "reap",
            Self::Abort => "abort",
            Self::DueSchedules => "due_schedules",
            Self::Fire => "fire",
            Self::FindRun => "find_run",
            Self::ReadLog => "read_log",
            Self::Load => "load",
            Self::Hold => "hold",
            Self::LetGo => "let_go",
            Self::Prune => "prune",
        }
    }
}

impl FromStr for Intent {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|intent| intent.name() == name);
        found.ok_or_else(|| format!("the store has no intent `{name}` that a fault can aim at"))
    }
}
