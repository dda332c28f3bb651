//! A get in a new process: it has an empty home and knows nothing but the ticket and one living peer.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use storgo_protocol::{PeerAddress, Ticket};
use tokio::process::Command;

use super::stage::executable;
use crate::commands::get::GetJson;
use crate::error::{CliError, Exit};

/// What the process prints when it fails.
#[derive(Debug, Deserialize)]
struct Failure {
    error: String,
    #[serde(default)]
    causes: Vec<String>,
}

/// Gets `ticket` into a new directory `place`; gives what the process reported and where the file is.
pub(super) async fn fetch(place: &Path, ticket: &Ticket, via: &PeerAddress) -> Result<(GetJson, PathBuf), CliError> {
    let failed = |error| CliError::io("starting storgo get", error);
    std::fs::create_dir(place).map_err(failed)?;
    let target = place.join("copy");
    // The demo holds the other end of its standard input: it does not outlive the demo.
    let mut child = Command::new(executable()?)
        .args(["get", "--json", "--exit-with-stdin", &ticket.to_string(), "--via", &via.to_string()])
        .arg("--home")
        .arg(place.join("home"))
        .arg("--output")
        .arg(&target)
        .env_remove("STORGO_NODE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let line = child.stdin.take();
    let output = child.wait_with_output().await.map_err(failed)?;
    drop(line);
    if !output.status.success() {
        return Err(failure(output.status.code(), &output.stderr));
    }
    let report = serde_json::from_slice(&output.stdout).map_err(|error| CliError::new(Exit::Failed, error))?;
    Ok((report, target))
}

fn failure(code: Option<i32>, stderr: &[u8]) -> CliError {
    let exit = code.map_or(Exit::Failed, Exit::from_code);
    let text = String::from_utf8_lossy(stderr);
    let said = text.lines().rev().find_map(|line| serde_json::from_str::<Failure>(line).ok());
    let reason = match said {
        Some(said) => [vec![said.error], said.causes].concat().join(": "),
        None => text.trim().to_owned(),
    };
    CliError::new(exit, format!("get in a new process: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_its_code_and_its_words() {
        let stderr =
            b"WARN something\n{\"error\":\"chunk 3: 3 of the 4 that are needed\",\"exit\":4,\"causes\":[\"x\"]}\n";
        let error = failure(Some(4), stderr);
        assert_eq!(error.exit, Exit::NotEnough);
        assert_eq!(error.lines(), ["get in a new process: chunk 3: 3 of the 4 that are needed: x"]);
        assert_eq!(failure(None, b"killed").exit, Exit::Failed);
    }
}
