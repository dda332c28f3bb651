//! All that the program prints: results on standard output, for people or as JSON; the rest on standard error.
//!
//! No other file prints. It knows nothing of what is said.

use std::io::{self, IsTerminal as _, Write as _};

use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::error::CliError;

/// Where results and remarks go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether results are JSON.
    pub(crate) json: bool,
}

impl Output {
    /// Prints a result: `value` as one line of JSON, or else what `text` gives.
    pub(crate) fn result<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) -> Result<(), CliError> {
        if self.json { json_line(value) } else { write_out(&text()) }
    }

    /// Prints a line for people; nothing with `--json`.
    pub(crate) fn say(self, text: &str) -> Result<(), CliError> {
        if self.json { Ok(()) } else { write_out(text) }
    }

    /// Prints a remark on standard error: `value` as one line of JSON, or else what `text` gives.
    pub(crate) fn remark<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) -> Result<(), CliError> {
        let line = if self.json { encode(value)? } else { text() };
        note(&line);
        Ok(())
    }

    /// Prints why a command failed, on standard error.
    pub(crate) fn failure(self, error: &CliError) {
        let lines = error.lines();
        if self.json {
            let value = serde_json::json!({
                "error": lines.first(),
                "kind": error.exit.word(),
                "exit": error.exit.code(),
                "causes": lines.get(1..).unwrap_or_default(),
                "hints": error.hints(),
            });
            return note(&value.to_string());
        }
        for (number, line) in lines.iter().enumerate() {
            match number {
                0 => note(&format!("{} {line}", "error:".red().bold())),
                _ => note(&format!("  because: {line}")),
            }
        }
        for hint in error.hints() {
            note(&format!("{} {hint}", "hint:".cyan()));
        }
    }

    /// Whether somebody watches standard error, so that a progress bar makes sense.
    pub(crate) fn is_watched(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }
}

/// Prints a value as one line of JSON on standard output.
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<(), CliError> {
    write_out(&encode(value)?)
}

/// Prints a line on standard error.
pub(crate) fn note(line: &str) {
    // When even standard error is gone there is nobody left to tell.
    let _told = writeln!(anstream::stderr().lock(), "{line}");
}

fn write_out(text: &str) -> Result<(), CliError> {
    let mut out = anstream::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    write!(out, "{text}{newline}").and_then(|()| out.flush()).map_err(CliError::output)
}

fn encode<T: Serialize>(value: &T) -> Result<String, CliError> {
    serde_json::to_string(value).map_err(|error| CliError::new(crate::error::Exit::Failed, error))
}
