//! Another implementation of libp2p (js-libp2p, `tests/foreign/`) meets storgo's hash table: it knows nothing of storgo
//! but what the documents say. Packages of other languages are installed here, for other tests too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Lab, MIB, until};
use crate::tidy::root;

/// The oldest Node.js that its packages run on.
const NODE_MAJOR_MIN: u32 = 20;

#[test]
fn js_libp2p_joins_pings_identifies_and_finds_peers_and_providers() {
    let Some(packages) = packages() else { return };
    let mut lab = Lab::new(4);
    let bytes = lab.bytes.take(MIB + 1);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &[]);
    // Holders announce themselves after they have answered.
    let holders = until("two holders are announced", || {
        let rows = lab.ask(&lab.nodes[1], &["dht", "providers", put.content()]).json();
        let peers: Vec<_> = rows.as_array()?.iter().filter_map(|row| Some(row["peer"].as_str()?.to_owned())).collect();
        (peers.len() >= 2).then_some(peers)
    });

    let (via, wanted) = (&lab.nodes[0], &lab.nodes[3]);
    let asked = json!({
        "network": via.ready["network"],
        "via": via.address(),
        "find": wanted.peer(),
        "content": put.content(),
    });
    let told = meet(&packages, &asked);
    assert_eq!(told["identified"]["peer"], via.peer(), "{told}");
    assert!(told["identified"]["agent"].as_str().is_some_and(|agent| agent.starts_with("storgo/")), "{told}");
    assert!(told["pingMs"].as_u64().is_some(), "{told}");
    assert_eq!(told["found"]["peer"], wanted.peer(), "{told}");
    let address = wanted.address().split("/p2p/").next();
    let addresses = told["found"]["addresses"].as_array().expect("addresses").iter().filter_map(Value::as_str);
    assert!(addresses.map(|found| found.split("/p2p/").next()).any(|found| found == address), "{told}");
    let mut found: Vec<_> = told["providers"].as_array().expect("providers").iter().filter_map(Value::as_str).collect();
    found.retain(|peer| !holders.iter().any(|holder| holder == peer));
    assert!(found.is_empty(), "these hold nothing: {found:?}");
    assert!(told["providers"].as_array().is_some_and(|found| found.len() >= 2), "{told}");
}

/// Runs the foreign peer to its end, and gives what it says.
fn meet(packages: &Path, asked: &Value) -> Value {
    let mut node = Command::new("node");
    let output = node.arg("meet.mjs").arg(asked.to_string()).current_dir(packages).output().expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// The directory where its packages are installed; `None` where they cannot be.
fn packages() -> Option<PathBuf> {
    match npm_packages(&root().join("tests/foreign"), "meet.mjs") {
        Ok(packages) => Some(packages),
        Err(reason) => {
            eprintln!("skipped: js-libp2p cannot run here: {reason}");
            None
        }
    }
}

/// Installs what the lock file of a folder names, beside its script, and says where; or why that is not possible.
pub fn npm_packages(source: &Path, script: &str) -> Result<PathBuf, String> {
    let version = said(Command::new("node").arg("--version"))?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MAJOR_MIN) {
        return Err(format!("node {version} is older than {NODE_MAJOR_MIN}"));
    }
    let place = place_for(&source.join("package-lock.json"))?;
    for file in ["package.json", "package-lock.json", ".npmrc", script] {
        fs::copy(source.join(file), place.join(file)).map_err(|error| format!("{file}: {error}"))?;
    }
    // npm writes this last.
    if !place.join("node_modules/.package-lock.json").is_file() {
        said(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&place))?;
    }
    Ok(place)
}

/// A directory beside what was built, for what this file pins: another where the file changes.
pub fn place_for(pins: &Path) -> Result<PathBuf, String> {
    let pinned = fs::read(pins).map_err(|error| format!("{}: {error}", pins.display()))?;
    let name = format!("foreign-{}", &blake3::hash(&pinned).to_hex()[..16]);
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    Ok(place)
}

/// What a command said on standard output, or on standard error if it failed.
pub fn said(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
