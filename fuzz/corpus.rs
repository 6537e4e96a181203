//! The committed seeds of a fuzz target and mutations of them, for tests that run without a fuzzer.

use std::fs;
use std::io;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The committed inputs of a fuzz target.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let read_all = || -> io::Result<Vec<_>> {
        fs::read_dir(&corpus)?.map(|file| fs::read(file?.path())).collect()
    };
    let seeds = read_all().unwrap_or_else(|e| panic!("{corpus:?}: {e}"));
    assert!(!seeds.is_empty(), "{corpus:?} has no seeds");
    seeds
}

/// A seed with bytes replaced, removed and inserted.
pub(crate) fn mutated(target: &str) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), any::<u8>(), 0..4_u8);
    (select(seeds(target)), prop::collection::vec(change, 0..6)).prop_map(|(mut bytes, changes)| {
        for (at, value, kind) in changes {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 => bytes.insert(at, value),
                2 => bytes.truncate(at.max(1)),
                _ if at < bytes.len() => bytes[at] = value,
                _ => bytes.push(value),
            }
        }
        bytes
    })
}
