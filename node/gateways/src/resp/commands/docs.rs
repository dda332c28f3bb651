//! `COMMAND DOCS`: what each command is for, in a table beside this file.
//!
//! Below the name of a group stand its commands: the name, the version of Redis that had it first, what it costs here, and
//! what it does. A letter stands for what many cost.

use bytes::Bytes;

use super::super::reply::Reply;
use super::super::state::State;
use super::{Begun, Command, all, find, parts};

const TABLE: &str = include_str!("docs.txt");

/// What the table says of a command.
struct Doc {
    group: &'static str,
    since: &'static str,
    cost: &'static str,
    summary: &'static str,
}

/// What is said of a command; nothing if the table has none of that name.
fn doc(name: &str) -> Option<Doc> {
    let mut group = "";
    for line in TABLE.lines() {
        if let Some(next) = line.strip_prefix("# ") {
            group = next;
        } else if let Some(rest) = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')) {
            let (since, rest) = rest.split_once(' ')?;
            let (cost, summary) = rest.split_once(": ")?;
            return Some(Doc { group, since, cost: spelt(cost), summary });
        }
    }
    None
}

/// A cost in full. A value is read and written whole, so most depend on its bytes.
fn spelt(cost: &'static str) -> &'static str {
    match cost {
        "1" => "O(1)",
        "V" => "O(N) with the bytes of the values",
        "K" => "O(N) with the keys that are named",
        "A" => "O(N) with all keys",
        "C" => "O(N) with the clients of this door",
        "M" => "O(N) with the commands that there are",
        "P" => "Depends on the part",
        other => other,
    }
}

/// Those that are named and there are, or all.
#[expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]
pub(super) fn docs(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let names = args.get(2..).unwrap_or_default();
    let told: Vec<(Reply, Reply)> = if names.is_empty() {
        all().map(told).collect()
    } else {
        names.iter().filter_map(|name| find(name)).map(told).collect()
    };
    Ok(Reply::Map(told).into())
}

fn told(command: &'static Command) -> (Reply, Reply) {
    let mut pairs = Vec::new();
    if let Some(Doc { group, since, cost, summary }) = doc(command.name) {
        let said = [("summary", summary), ("since", since), ("group", group), ("complexity", cost)];
        pairs.extend(said.map(|(name, text)| (Reply::bulk(name), Reply::bulk(text))));
    }
    let parts = parts::of(command);
    if !parts.is_empty() {
        pairs.push((Reply::bulk("subcommands"), Reply::Map(parts.iter().map(told).collect())));
    }
    (Reply::bulk(command.name), Reply::Map(pairs))
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    #[test]
    fn each_command_stands_in_the_table_once_and_nothing_else() {
        let in_table = TABLE.lines().filter(|line| !line.starts_with('#'));
        let mut in_table: Vec<_> = in_table.map(|line| line.split(' ').next().unwrap()).collect();
        let mut there: Vec<_> = names().collect();
        in_table.sort_unstable();
        there.sort_unstable();
        assert_eq!(in_table, there);
        for name in there {
            let Doc { group, since, cost, summary } = doc(name).unwrap();
            assert!(!group.is_empty() && since.split('.').count() == 3, "{name}");
            assert!(cost.starts_with("O(") || cost.starts_with("Depends"), "{name}: {cost}");
            assert!(summary.starts_with(|first: char| first.is_ascii_uppercase()), "{name}: {summary}");
        }
    }
}
