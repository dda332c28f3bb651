//! How fresh a read of a name is to be, as a word.

use clap::Args;
use storgo_protocol::cluster::{Level, ReadPreference};

use crate::error::{CliError, Exit};

/// `--level`, for commands that read names.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct LevelArg {
    /// How fresh what is known of a name has to be: `linearizable`, `lease`, `bounded:MILLISECONDS` or `eventual`
    /// [default: as the bucket has it]
    #[arg(long, value_name = "LEVEL", value_parser = parse)]
    level: Option<ReadPreference>,
}

impl LevelArg {
    pub(crate) fn wanted(self) -> Option<Level> {
        self.level.map(Level::from)
    }

    /// What a ticket leads to is always the same.
    pub(crate) fn is_for_names(self) -> Result<(), CliError> {
        match self.level {
            None => Ok(()),
            Some(_) => Err(CliError::new(Exit::Usage, "what a ticket leads to never changes: --level is for names")),
        }
    }
}

/// Reads a word.
pub(crate) fn parse(text: &str) -> Result<ReadPreference, String> {
    match text {
        "linearizable" => Ok(ReadPreference::Linearizable),
        "lease" => Ok(ReadPreference::Lease),
        "eventual" => Ok(ReadPreference::Eventual),
        bounded => {
            let ms = bounded.strip_prefix("bounded:").and_then(|ms| ms.parse().ok());
            ms.map(ReadPreference::Bounded)
                .ok_or_else(|| "expected linearizable, lease, bounded:MILLISECONDS or eventual".into())
        }
    }
}

/// The word.
pub(crate) fn word(preference: ReadPreference) -> String {
    match preference {
        ReadPreference::Linearizable => "linearizable".to_owned(),
        ReadPreference::Lease => "lease".to_owned(),
        ReadPreference::Bounded(ms) => format!("bounded:{ms}"),
        ReadPreference::Eventual => "eventual".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for level in [
            ReadPreference::Linearizable,
            ReadPreference::Lease,
            ReadPreference::Bounded(250),
            ReadPreference::Eventual,
        ] {
            assert_eq!(parse(&word(level)), Ok(level));
        }
        for wrong in ["", "bounded", "bounded:", "bounded:-1", "bounded:x", "strong"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
