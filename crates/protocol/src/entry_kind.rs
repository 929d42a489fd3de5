//! The kinds of entries in a session's log: the transcript and the journal in one.

/// What an entry records. The numbers are persisted and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A consumed message.
    User,
    /// A model's answer that asks for tools.
    Assistant,
    /// The intent to execute an unsafe tool, committed before it starts.
    ToolStarted,
    /// A tool's result.
    ToolResult,
    /// A summary that stands for older entries.
    Compaction,
    /// The end of a run: its reply, or why there is none.
    Final,
    /// The conversation starts afresh after this entry.
    Reset,
    /// Written by a newer release; shown, never interpreted.
    Unknown(u8),
}

impl EntryKind {
    /// The persisted number.
    pub fn code(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Assistant => 2,
            Self::ToolStarted => 3,
            Self::ToolResult => 4,
            Self::Compaction => 6,
            Self::Final => 7,
            Self::Reset => 10,
            Self::Unknown(code) => code,
        }
    }

    /// The kind with this persisted number.
    pub fn from_code(code: u8) -> Self {
        match code {
            1 => Self::User,
            2 => Self::Assistant,
            3 => Self::ToolStarted,
            4 => Self::ToolResult,
            6 => Self::Compaction,
            7 => Self::Final,
            10 => Self::Reset,
            other => Self::Unknown(other),
        }
    }
}
