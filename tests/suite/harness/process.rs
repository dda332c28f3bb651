//! A command that runs, and what it left: never longer than the patience of a test, never longer than its test.

use std::io::{Read, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, kill_process};
use serde_json::Value;

use super::wait::until;

pub use rustix::process::Signal;

/// Letters of a word that are shown when a command fails.
const WORD_CHARS: usize = 60;

/// What a command left.
#[derive(Debug)]
pub struct Output {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
    line: String,
}

impl Output {
    /// Fails unless the command ended with 0.
    pub fn ok(self) -> Self {
        self.ended(0)
    }

    /// Fails unless the command ended with this code.
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}\n{}", self.line, self.text(), self.stderr);
        self
    }

    /// Fails unless standard error says this, in whatever case.
    pub fn says(self, words: &str) -> Self {
        let said = self.stderr.to_lowercase();
        assert!(said.contains(&words.to_lowercase()), "{}\nshould say `{words}` and says\n{}", self.line, self.stderr);
        self
    }

    /// Standard output as text, without the white space around it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// The JSON on standard output.
    pub fn json(&self) -> Value {
        parse(&self.text(), &self.line)
    }

    /// The JSON on the last line of standard error, where it stands when standard output has the bytes.
    pub fn remark(&self) -> Value {
        parse(self.stderr.lines().last().unwrap_or_default(), &self.line)
    }
}

fn parse(text: &str, line: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{line}\nprinted no JSON ({error}):\n{text}"))
}

/// A command under way. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    line: String,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let line = line_of(&command);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{line}: {error}"));
        Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(collect),
            stderr: child.stderr.take().map(collect),
            child,
            line,
        }
    }

    /// Writes to its standard input, which stays open.
    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        stdin.write_all(bytes).unwrap_or_else(|error| panic!("{} does not take its input: {error}", self.line));
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_some()
    }

    /// Closes its standard input and waits for its end.
    pub fn finish(mut self) -> Output {
        drop(self.stdin.take());
        let line = self.line.clone();
        let status = until(&format!("{line} ends"), || self.child.try_wait().expect("it can be waited for"));
        let taken = |pipe: Option<JoinHandle<Vec<u8>>>| pipe.expect("taken once").join().expect("it reads on");
        let (stdout, stderr) = (taken(self.stdout.take()), taken(self.stderr.take()));
        Output { code: status.code(), stdout, stderr: String::from_utf8_lossy(&stderr).into_owned(), line }
    }

    /// Kills it as a power cut would, and waits for its end.
    pub fn kill(self) -> Output {
        self.signal(Signal::KILL);
        self.finish()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever has ended already cannot be killed any more.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The command as one would type it; of long words, such as tickets, the beginning.
fn line_of(command: &Command) -> String {
    let words = command.get_args().map(|word| word.to_string_lossy().chars().take(WORD_CHARS).collect());
    [vec!["storgo".to_owned()], words.collect()].concat().join(" ")
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}
