//! The help of every command, and that what the documents say to type can be typed.

use std::collections::BTreeMap;
use std::fs;

use crate::harness::{Home, STORGO};
use crate::tidy::root;

/// The help of each command, by the words that lead to it.
type Help = BTreeMap<Vec<String>, String>;

#[test]
fn every_command_has_help_with_an_example() {
    let help = help();
    assert!(help.len() > 12, "{:?}", help.keys());
    for (words, text) in help.iter().filter(|(words, _)| !is_group(&help, words)) {
        let line = format!("storgo {}", words.join(" "));
        let example = text.lines().any(|text| text.contains(&line) && !text.contains("Usage:"));
        assert!(example, "the help of `{line}` shows no example:\n{text}");
    }
}

#[test]
fn what_help_and_readme_say_to_type_exists() {
    let help = help();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let shown = help.values().flat_map(|text| text.lines().map(str::to_owned)).chain(code(&readme));
    let commands: Vec<_> = shown.filter_map(|line| command(&line)).collect();
    assert!(commands.len() > 10, "only {commands:?} were found");
    let wrong: Vec<_> = commands.iter().filter_map(|command| check(&help, command).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn commands_are_found_in_text_and_wrong_ones_are_noticed() {
    let text = "Run `storgo node run` and\n```sh\n$ T=$(storgo put f --private)\ncargo run --release -- demo --kill 3 # loud\n\
                the storgo network\n```\nwith the `storgo` binary.";
    let commands: Vec<_> = code(text).iter().filter_map(|line| command(line)).collect();
    assert_eq!(commands, ["node run", "put f --private", "demo --kill 3"]);
    let help = help();
    for command in commands {
        check(&help, &command).unwrap();
    }
    for wrong in ["putt f", "node walk", "put f --loudly", "dht"] {
        assert!(check(&help, wrong).is_err(), "{wrong}");
    }
}

/// What may stand before a command that is to be typed.
const PROMPTS: [char; 2] = ['$', ' '];

/// Whether a command may begin after this: at the start, in `$(`, after a pipe or another command.
fn starts(before: &str) -> bool {
    let before = before.trim_end();
    before.is_empty() || before.ends_with(['(', '|', ';', '`', ':']) || before.ends_with("&&")
}

/// What follows `storgo` in a line that can be typed.
fn command(line: &str) -> Option<String> {
    // Help begins with a pattern of the command, which is not to be typed.
    let line = Some(line).filter(|line| !line.starts_with("Usage:"))?.replace("cargo run --release -- ", "storgo ");
    let (before, words) = line.trim_start_matches(PROMPTS).split_once("storgo ")?;
    let end = words.find(['|', ')', '#', '>', '`', ';', '&']).unwrap_or(words.len());
    starts(before).then(|| words[..end].trim().to_owned())
}

/// Asks every command for its help.
fn help() -> Help {
    let directory = tempfile::tempdir().unwrap();
    let home = Home::new(directory.path().join("home"), directory.path());
    let (mut help, mut open) = (Help::new(), vec![Vec::new()]);
    while let Some(words) = open.pop() {
        let args: Vec<_> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let text = home.run(&args).ok().text();
        open.extend(subcommands(&text).map(|word| [&words[..], &[word]].concat()));
        help.insert(words, text);
    }
    assert!(STORGO.ends_with("storgo"));
    help
}

/// The words below `Commands:`.
fn subcommands(help: &str) -> impl Iterator<Item = String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|word| *word != "help").map(str::to_owned)
}

fn is_group(help: &Help, words: &[String]) -> bool {
    help.keys().any(|other| other.len() == words.len() + 1 && other.starts_with(words))
}

/// The code of a Markdown text: lines of fenced blocks, and what stands in back-ticks.
fn code(markdown: &str) -> Vec<String> {
    let (mut code, mut fenced) = (Vec::new(), false);
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            code.push(line.to_owned());
        } else {
            code.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    code
}

/// Whether the command exists and has the flags that are shown.
fn check(help: &Help, command: &str) -> Result<(), String> {
    let tokens: Vec<_> = command.split_whitespace().collect();
    let mut path = Vec::new();
    for token in tokens.iter().filter(|token| !token.starts_with('-')) {
        if !is_group(help, &path) {
            break;
        }
        path.push((*token).to_owned());
        if !help.contains_key(&path) {
            return Err(format!("there is no command `{}`", path.join(" ")));
        }
    }
    if !path.is_empty() && is_group(help, &path) {
        return Err(format!("`{}` alone does nothing", path.join(" ")));
    }
    let text = help.get(&path).ok_or("there is no such command")?;
    let flags =
        tokens.iter().filter(|token| token.starts_with("--")).map(|flag| flag.split('=').next().unwrap_or(flag));
    match flags.into_iter().find(|flag| !text.contains(*flag)) {
        Some(flag) => Err(format!("`{}` has no {flag}", path.join(" "))),
        None => Ok(()),
    }
}
