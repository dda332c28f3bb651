//! A day's work of Redis's clients in other languages (`tests/foreign/redis/`) at the doors of three members.
//!
//! They know nothing of storgo. Each compares every answer with what Redis says, ends with the first that differs, and
//! says last what it counted. All work at once, on keys of their own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::foreign::{npm_packages, place_for, said};
use crate::redis::{address, doors};
use crate::tidy::root;

/// The oldest redis-cli that says by its exit code that a command failed.
const REDIS_CLI_MAJOR_MIN: u32 = 7;

/// How long a day may take on a busy machine, with a program that is not optimized.
const DAY_SECONDS_MAX: u32 = 600;

/// A client.
struct Client {
    name: &'static str,
    /// Installs it, and gives the command that its day begins with; or says why that is not possible.
    install: fn() -> Result<Vec<OsString>, String>,
    /// What the keys of its days begin with; the last letter is the protocol.
    days: &'static [&'static str],
    /// What a day has to count.
    counts: fn() -> Value,
}

static CLIENTS: [Client; 4] = [
    Client { name: "redis-py", install: redis_py, days: &["py2", "py3"], counts: counts_of_a_library },
    Client { name: "ioredis", install: ioredis, days: &["js2", "js3"], counts: counts_of_a_library },
    Client { name: "hiredis", install: hiredis, days: &["c2"], counts: counts_of_a_library },
    Client { name: "redis-cli", install: redis_tools, days: &["cli2"], counts: counts_of_tools },
];

#[test]
fn clients_of_other_languages_do_a_days_work() {
    let clients: Vec<_> = CLIENTS.iter().filter_map(|client| Some((client, installed(client)?))).collect();
    if clients.is_empty() {
        return;
    }
    let names = doors(3, "");
    let addresses: Vec<_> = (0..3).map(|member| address(&names, member)).collect();
    let ports: Vec<_> = addresses.iter().map(|address| address.rsplit_once(':').expect("a port").1).collect();
    thread::scope(|scope| {
        let ports = &ports;
        for (client, command) in &clients {
            scope.spawn(move || work(client, command, ports));
        }
    });
    // Of all that they wrote, each left one value, which storgo reads too.
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    for day in clients.iter().flat_map(|(client, _)| client.days) {
        let left = names.alice(&["cat", &format!("storgo://redis/{day}:left")]).ok().stdout;
        assert!(left == every_byte.repeat(100), "{day} left {} bytes", left.len());
    }
}

/// Runs a client's days to their end.
fn work(client: &Client, command: &[OsString], ports: &[&str]) {
    let mut days = Command::new("timeout");
    days.arg("--verbose").arg(DAY_SECONDS_MAX.to_string()).args(command).arg("127.0.0.1").args(ports);
    let told = said(&mut days).unwrap_or_else(|error| panic!("{}: {error}", client.name));
    let told: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{}: {error}: {told}", client.name));
    let wanted: Vec<_> = client.days.iter().map(|day| counted(client, day)).collect();
    assert_eq!(told["days"], Value::Array(wanted), "{told}");
}

/// What a client has to say of a day.
fn counted(client: &Client, day: &str) -> Value {
    let mut counts = (client.counts)();
    counts["protocol"] = day.chars().last().and_then(|letter| letter.to_digit(10)).into();
    counts
}

fn counts_of_a_library() -> Value {
    json!({ "errors": 14, "counted": 150, "committed": 30, "scanned": 300, "deleted": 371 })
}

fn counts_of_tools() -> Value {
    json!({ "counted": 3200, "scanned": 500, "deleted": 504 })
}

/// The command of a client's day; `None` where it cannot be installed.
fn installed(client: &Client) -> Option<Vec<OsString>> {
    match (client.install)() {
        Ok(command) => Some(command),
        Err(reason) => {
            eprintln!("skipped: {} cannot run here: {reason}", client.name);
            None
        }
    }
}

fn source(file: &str) -> PathBuf {
    root().join("tests/foreign/redis").join(file)
}

fn redis_py() -> Result<Vec<OsString>, String> {
    let requirements = source("requirements.txt");
    let place = place_for(&requirements)?;
    let python = place.join("bin/python");
    if said(Command::new(&python).args(["-c", "import redis"])).is_err() {
        said(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
        let install =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement"];
        said(Command::new(&python).args(install).arg(&requirements))?;
    }
    Ok(vec![python.into(), source("day.py").into()])
}

fn ioredis() -> Result<Vec<OsString>, String> {
    let packages = npm_packages(&source(""), "day.mjs")?;
    Ok(vec!["node".into(), packages.join("day.mjs").into()])
}

fn hiredis() -> Result<Vec<OsString>, String> {
    // Whether the library is there is one question, whether the program fits it is another.
    said(Command::new("cc").args(["-E", "-include", "hiredis/hiredis.h", "-x", "c", "/dev/null"]))?;
    let program = place_for(&source("day.c"))?.join("day");
    let mut compile = Command::new("cc");
    compile.args(["-std=gnu11", "-O1", "-o"]).arg(&program).arg(source("day.c")).arg("-lhiredis");
    said(&mut compile).unwrap_or_else(|error| panic!("{error}"));
    Ok(vec![program.into()])
}

fn redis_tools() -> Result<Vec<OsString>, String> {
    said(Command::new("redis-benchmark").arg("--version"))?;
    let version = said(Command::new("redis-cli").arg("--version"))?;
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    let major = number.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < REDIS_CLI_MAJOR_MIN) {
        return Err(format!("{version} is older than {REDIS_CLI_MAJOR_MIN}"));
    }
    Ok(vec!["bash".into(), source("day.sh").into()])
}
