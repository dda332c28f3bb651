//! A 32-byte secret as it stands in a file of mode 0600: one line that says what it is and shows damage.

use std::path::Path;

use data_encoding::HEXLOWER;
use storgo_object::ports::Random;

use crate::error::NodeError;
use crate::private_file;

/// Reads the secret called `kind` from `path`, or makes a random one.
///
/// # Shape
/// `storgo KIND 1 HEX CRC`: 64 hexadecimal digits, then the CRC-32 of all before it in 8. A damaged secret is never
/// replaced: what was made with the old one would be out of reach.
///
/// # Errors
/// [`NodeError::Damaged`] for a file that is none of ours, [`NodeError::Io`] when the file system refuses.
pub(crate) fn read_or_make(path: &Path, kind: &str, random: &dyn Random) -> Result<[u8; 32], NodeError> {
    let mut fresh = [0; 32];
    random.fill(&mut fresh);
    let line = private_file::read_or_make(path, encode(kind, &fresh).as_bytes(), random)?;
    decode(kind, &line).map_err(|reason| NodeError::Damaged { path: path.to_owned(), reason: reason.into() })
}

/// Reads the secret called `kind` from `path`; `None` if there is none.
///
/// # Errors
/// As [`read_or_make`].
pub(crate) fn read(path: &Path, kind: &str) -> Result<Option<[u8; 32]>, NodeError> {
    let damaged = |reason: &str| NodeError::Damaged { path: path.to_owned(), reason: reason.into() };
    private_file::read(path)?.map(|line| decode(kind, &line).map_err(damaged)).transpose()
}

/// Keeps a secret in `path`.
///
/// # Errors
/// [`NodeError::Io`] when the file system refuses.
pub(crate) fn keep(path: &Path, kind: &str, secret: &[u8; 32], random: &dyn Random) -> Result<(), NodeError> {
    private_file::replace(path, encode(kind, secret).as_bytes(), random)
}

fn encode(kind: &str, seed: &[u8; 32]) -> String {
    let body = format!("storgo {kind} 1 {}", HEXLOWER.encode(seed));
    let crc = crc32fast::hash(body.as_bytes());
    format!("{body} {crc:08x}\n")
}

fn decode(kind: &str, line: &[u8]) -> Result<[u8; 32], &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not text")?;
    let (body, crc) = line.trim_end().rsplit_once(' ').ok_or("it has no checksum")?;
    if u32::from_str_radix(crc, 16) != Ok(crc32fast::hash(body.as_bytes())) {
        return Err("its checksum does not match");
    }
    let rest = body.strip_prefix("storgo ").and_then(|rest| rest.strip_prefix(kind));
    let hex = rest.and_then(|rest| rest.strip_prefix(" 1 ")).ok_or("it is a secret of another kind or version")?;
    let seed = HEXLOWER.decode(hex.as_bytes()).map_err(|_| "its secret is not hexadecimal")?;
    seed.try_into().map_err(|_| "its secret has not 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_comes_back_and_every_changed_letter_is_noticed() {
        let line = encode("identity", &[0xab; 32]).into_bytes();
        assert_eq!(decode("identity", &line), Ok([0xab; 32]));
        assert!(decode("convergence", &line).is_err());
        // The last letter is the newline, which says nothing.
        for at in 0..line.len() - 1 {
            let mut changed = line.clone();
            changed[at] ^= 1;
            assert!(decode("identity", &changed).is_err(), "letter {at}");
            assert!(decode("identity", &line[..at]).is_err(), "cut at {at}");
        }
    }
}
