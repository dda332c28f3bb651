//! The exit codes that scripts rely on, and their words.

use std::process::ExitCode;

/// How a command failed, as its exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// For a reason that has no code of its own.
    Failed,
    /// The command was not understood, or makes no sense.
    Usage,
    /// What was named is not there.
    NotFound,
    /// Too few shards or copies are within reach.
    NotEnough,
    /// What is there is damaged.
    Corrupt,
    /// Somebody must make room.
    NoSpace,
    /// It is not allowed.
    Denied,
    /// Nobody answers now, or not in time.
    Unavailable,
    /// A condition did not hold.
    Conflict,
}

impl Exit {
    /// All of them; the position of each, plus one, is its code.
    const ALL: [Self; 9] = [
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::NotEnough,
        Self::Corrupt,
        Self::NoSpace,
        Self::Denied,
        Self::Unavailable,
        Self::Conflict,
    ];

    /// The code of the process.
    pub(crate) const fn code(self) -> u8 {
        self as u8 + 1
    }

    /// What a process of ours meant by its code.
    pub(crate) fn from_code(code: i32) -> Self {
        Self::ALL.into_iter().find(|exit| i32::from(exit.code()) == code).unwrap_or(Self::Failed)
    }

    /// The word for it in `--json`.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not-found",
            Self::NotEnough => "not-enough-shards",
            Self::Corrupt => "corrupt",
            Self::NoSpace => "no-space",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_what_the_documents_say() {
        let codes: Vec<_> = Exit::ALL.into_iter().map(Exit::code).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(Exit::NotFound.code(), 3);
        assert_eq!(Exit::NotEnough.code(), 4);
        assert_eq!(Exit::Conflict.code(), 9);
        for exit in Exit::ALL {
            assert_eq!(Exit::from_code(i32::from(exit.code())), exit);
        }
        assert_eq!(Exit::from_code(-1), Exit::Failed);
    }
}
