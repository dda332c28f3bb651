//! Whether two files are equal, byte for byte.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{CliError, Exit};

const BUFFER_BYTES: usize = 1 << 20;

/// Fails unless `copy` has exactly the bytes of `original`.
pub(super) async fn compare(original: &Path, copy: &Path) -> Result<(), CliError> {
    let (left, right) = (original.to_owned(), copy.to_owned());
    let compared = tokio::task::spawn_blocking(move || first_difference(&left, &right)).await;
    match compared.map_err(|error| CliError::new(Exit::Failed, error))? {
        Ok(None) => Ok(()),
        Ok(Some(at)) => Err(CliError::new(Exit::Corrupt, format!("what came back differs at byte {at}"))),
        Err(error) => Err(CliError::io("comparing what came back", error)),
    }
}

/// The first byte at which two files differ, if there is one.
fn first_difference(left: &Path, right: &Path) -> io::Result<Option<u64>> {
    let (mut left, mut right) = (File::open(left)?, File::open(right)?);
    let (mut ours, mut theirs) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let mut done = 0;
    loop {
        let (ours, theirs) = (fill(&mut left, &mut ours)?, fill(&mut right, &mut theirs)?);
        if ours != theirs {
            let equal = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
            return Ok(Some(done + equal as u64));
        }
        if ours.is_empty() {
            return Ok(None);
        }
        done += ours.len() as u64;
    }
}

/// Reads until the buffer is full or the file ends.
fn fill<'a>(file: &mut File, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test's own files, in a directory of its own")]
    fn every_difference_is_found() {
        let root = tempfile::tempdir().unwrap();
        let (left, right) = (root.path().join("a"), root.path().join("b"));
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(BUFFER_BYTES + 5).collect();
        std::fs::write(&left, &bytes).unwrap();
        std::fs::write(&right, &bytes).unwrap();
        assert_eq!(first_difference(&left, &right).unwrap(), None);
        for at in [0, 17, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 4] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(&right, &changed).unwrap();
            assert_eq!(first_difference(&left, &right).unwrap(), Some(at as u64));
        }
        std::fs::write(&right, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(first_difference(&left, &right).unwrap(), Some(bytes.len() as u64 - 1));
    }
}
