//! Replays what the fuzzers start from and what they found, without a fuzzer.
//!
//! `protocol/fuzz/corpus/<target>/` holds the golden files as raw bytes (`golden-…`), inputs that must be refused
//! (`hostile-…`), and every other that ever made a target fail. `STORGO_GOLDEN=write` writes the golden ones that are
//! missing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::golden;
use super::targets::TARGETS;

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(directory: &Path) -> BTreeSet<String> {
    std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn every_input_of_the_corpus_is_decoded_or_refused() {
    let mut inputs = 0;
    for (target, run) in TARGETS {
        let directory = fuzz().join("corpus").join(target);
        for name in names(&directory) {
            let bytes = std::fs::read(directory.join(&name)).expect("a readable input");
            let accepted = run(&bytes);
            assert!(accepted || !name.starts_with("golden-"), "{target} refuses {name}");
            assert!(!accepted || !name.starts_with("hostile-"), "{target} accepts {name}");
            inputs += 1;
        }
    }
    assert!(inputs >= TARGETS.len());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "files of the source tree, written by hand and seldom")]
fn the_corpus_has_every_golden_file() {
    for golden in golden::all() {
        let directory = fuzz().join("corpus").join(golden.target);
        let path = directory.join(format!("golden-{}", golden.file.trim_end_matches(".hex")));
        if std::env::var("STORGO_GOLDEN").as_deref() == Ok("write") && !path.try_exists().expect("a directory") {
            std::fs::create_dir_all(&directory).expect("making a directory");
            std::fs::write(&path, &golden.bytes).expect("writing an input");
        }
        assert_eq!(std::fs::read(&path).ok(), Some(golden.bytes), "{}", path.display());
    }
}

#[test]
fn each_target_has_a_fuzzer_and_each_fuzzer_a_target() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    // Those of the Redis door are replayed where its decoders stand.
    let own = |names: BTreeSet<String>| -> BTreeSet<String> {
        names.into_iter().map(|name| name.replace(".rs", "")).filter(|name| !name.starts_with("resp_")).collect()
    };
    assert_eq!(own(names(&fuzz().join("fuzz_targets"))), targets);
    assert_eq!(own(names(&fuzz().join("corpus"))), targets);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).expect("the fuzz crate's manifest");
    for target in targets {
        let file = std::fs::read_to_string(fuzz().join(format!("fuzz_targets/{target}.rs"))).expect("a fuzz target");
        assert!(file.contains(&format!("targets::{target}(")), "{target}.rs runs another target");
        assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"")), "{target}");
    }
}
