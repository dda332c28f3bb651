//! What a reader relies on: the map of crates is true, named paths exist, every module says what it is for.
//!
//! It reads the sources and runs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crates by directory name, with the storgo crates that they depend on.
type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the repository").to_owned()
}

#[test]
fn crates_depend_on_what_the_architecture_says() {
    let (written, mut real) = (table(&read("ARCHITECTURE.md")), manifests());
    // Examples use the crates and are none of them; the table may leave them out.
    if !written.contains_key("examples") {
        real.remove("examples");
    }
    assert_eq!(written, real, "left: the table in ARCHITECTURE.md, right: the Cargo.toml files");
}

#[test]
fn paths_that_the_architecture_names_exist() {
    let text = read("ARCHITECTURE.md");
    let paths: Vec<_> = text.split('`').skip(1).step_by(2).filter(|word| is_path(word)).collect();
    assert!(paths.len() > 10, "only {paths:?} were found");
    let missing: Vec<_> = paths.iter().filter(|path| !root().join(path).try_exists().unwrap()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names {missing:?}");
}

#[test]
fn every_module_says_first_what_it_is_for() {
    let sources = sources();
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    let headless: Vec<_> = sources.iter().filter(|path| !is_tests(path) && !has_head(path)).collect();
    assert!(headless.is_empty(), "these start without `//!`: {headless:#?}");
}

#[test]
fn every_file_of_the_suite_is_a_module_of_it() {
    let suite = root().join("tests/suite");
    for (map, directory) in
        [(suite.join("main.rs"), suite.clone()), (suite.join("harness/mod.rs"), suite.join("harness"))]
    {
        let listed = fs::read_to_string(&map).unwrap();
        let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.filter(|path| *path != map) {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(listed.lines().any(|line| line == format!("mod {name};")), "{} is not listed", path.display());
        }
    }
}

#[test]
fn no_test_sleeps() {
    let word = concat!("sl", "eep(");
    let sleeps = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let is_test =
            is_tests(path) || path.starts_with(root().join("tests")) || path.iter().any(|part| part == "tests");
        let test_code =
            if is_test { text.as_str() } else { text.split_once("mod tests {").map_or("", |(_, tests)| tests) };
        test_code.contains(word)
    };
    let sleepers: Vec<_> = sources().into_iter().filter(sleeps).collect();
    assert!(sleepers.is_empty(), "a test waits for a condition, with a deadline: {sleepers:#?}");
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The table `| crate | depends on |` under the heading `## Crates`.
fn table(architecture: &str) -> Dependencies {
    let section = architecture.split("\n## ").find(|section| section.starts_with("Crates")).expect("`## Crates`");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|');
        let name = short(cells.next().unwrap());
        let depends_on = cells.next().unwrap_or_else(|| panic!("{row} has one cell"));
        let is_name = |word: &&str| word.contains(|letter: char| letter.is_ascii_alphabetic());
        (name, depends_on.split(',').filter(is_name).map(short).collect())
    })
    .collect()
}

/// What the manifests of the workspace's members say.
fn manifests() -> Dependencies {
    let workspace = read("Cargo.toml");
    let members = workspace.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).expect("members").0;
    let members = members.split(',').map(|member| member.trim().trim_matches('"')).filter(|member| !member.is_empty());
    let crates: Dependencies =
        members.map(|member| (short(member), dependencies(&read(&format!("{member}/Cargo.toml"))))).collect();
    assert!(crates.len() >= 9, "{crates:?}");
    crates
}

fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| name.starts_with("storgo-")).map(short).collect()
}

/// The last part of a crate's name or path: `node/store`, `storgo-store` and `store` are one.
fn short(name: &str) -> String {
    let name = name.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.strip_prefix("storgo-").unwrap_or(last) {
        "storgo" => "cli".to_owned(),
        short => short.to_owned(),
    }
}

/// Whether a word in back-ticks names something in the repository: a path from its root.
fn is_path(word: &str) -> bool {
    let plain = word.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter));
    let first = word.split('/').next().unwrap_or(word);
    let below = word.contains('/') && !word.starts_with('/') && root().join(first).is_dir() && !first.is_empty();
    let at_root = !word.contains('/') && [".md", ".toml"].iter().any(|end| word.ends_with(end));
    plain && (below || at_root)
}

/// All Rust files of the repository but what was built.
fn sources() -> Vec<PathBuf> {
    let mut open = vec![root()];
    let mut sources = Vec::new();
    while let Some(directory) = open.pop() {
        for path in fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && name != "target" && name != ".git" {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                sources.push(path);
            }
        }
    }
    sources.sort();
    sources
}

/// Whether a file holds the tests of the module above it, whose head is theirs.
fn is_tests(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
}

fn has_head(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap();
    // A fuzz target has an attribute that must come first.
    text.lines().find(|line| !line.is_empty() && !line.starts_with("#![")).is_some_and(|line| line.starts_with("//!"))
}
