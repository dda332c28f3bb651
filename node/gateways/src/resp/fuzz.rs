//! What the fuzz targets of this door run on whatever is made up; the tests replay the corpus through the same.

#![expect(clippy::missing_panics_doc, reason = "to panic is how each says what it found")]

use bytes::{Bytes, BytesMut};

use super::collections::{Collection, Hash, List, Set, Sorted};
use super::request::{Bounds, ProtocolError, RequestParser};
use super::said::Said;
use super::{glob, numbers, payload};

/// Requests of bytes that come in pieces, until they are wrong.
fn requests(bytes: &[u8], piece: usize, bounds: &Bounds) -> (Vec<Vec<Bytes>>, Option<ProtocolError>) {
    let (mut parser, mut input, mut found) = (RequestParser::default(), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match parser.next(&mut input, bounds) {
                Ok(Some(args)) => found.push(args),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
        assert!(parser.held_bytes() <= bytes.len() * (1 + size_of::<Bytes>()), "it holds more than has come");
    }
    (found, None)
}

/// Requests are the same, however their bytes come; what they hold is within its bounds. The first byte says how they come.
pub fn request(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let bounds =
        Bounds { args_max: 64, bulk_bytes_max: 4096, inline_bytes_max: 256, is_authenticated: how.is_multiple_of(2) };
    let (found, error) = requests(bytes, bytes.len().max(1), &bounds);
    for piece in [1, usize::from(how / 2).max(1)] {
        assert_eq!(requests(bytes, piece, &bounds), (found.clone(), error));
    }
    assert!(found.iter().all(|args| !args.is_empty() && args.iter().all(|arg| arg.len() <= bounds.bulk_bytes_max)));
    if let Some(error) = error {
        assert!(!error.to_string().contains(['\r', '\n']), "an error is one line");
    }
}

/// A pattern takes what begins as it says, and every text as it stands. The first byte says where the pattern ends.
pub fn pattern(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first() else { return };
    let (pattern, text) = rest.split_at_checked((*length).into()).unwrap_or((rest, b""));
    if glob::matches(pattern, text) {
        assert!(text.starts_with(&glob::literal_prefix(pattern)));
    }
    let literal: Vec<u8> = text.iter().flat_map(|byte| [b'\\', *byte]).collect();
    assert!(glob::matches(&literal, text) && glob::literal_prefix(&literal) == text);
}

/// A body is read as it was written, or not at all. Its second byte says of what.
pub fn collection(bytes: &[u8]) {
    fn check<C: Collection>(body: &Bytes) {
        if let Ok(read) = C::decode(body) {
            assert!(!read.is_empty() && read.weight() >= body.len().saturating_sub(16));
            assert_eq!(read.encode(), body);
        }
    }
    let body = Bytes::copy_from_slice(bytes);
    match bytes.get(1) {
        Some(b'h') => check::<Hash>(&body),
        Some(b'l') => check::<List>(&body),
        Some(b's') => check::<Set>(&body),
        _ => check::<Sorted>(&body),
    }
}

/// A payload is read as it was written, or not at all; here all have the right sum.
pub fn payload(bytes: &[u8]) {
    let payload = payload::summed(bytes);
    if let Some(content) = payload::decode(&payload) {
        assert_eq!(payload::encode(content), payload);
    }
    let _ = payload::decode(&Bytes::copy_from_slice(bytes));
}

/// What another door says is read as it was written, or not at all.
pub fn said(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    // Where a door is can be written in several ways.
    if let Some(said) = Said::decode(bytes.clone())
        && !matches!(said, Said::Door { .. })
    {
        assert_eq!(said.encode(), bytes);
    }
}

/// A sum of decimals is a number that is read again. A zero byte stands between them.
pub fn number(bytes: &[u8]) {
    let (value, by) = bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    let by = by.get(1..).unwrap_or_default();
    if let Ok(sum) = numbers::increment_float(Some(value), by) {
        assert!(numbers::parse_float(&sum).is_some_and(f64::is_finite));
    }
    if let Some(number) = numbers::parse_int(value) {
        assert_eq!(number.to_string().as_bytes(), value);
        assert_eq!(numbers::increment(Some(value), 0), Ok(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(target: &str, run: fn(&[u8])) {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../protocol/fuzz/corpus");
        let files: Vec<_> = std::fs::read_dir(corpus.join(target)).unwrap().collect();
        assert!(!files.is_empty(), "{target}");
        for file in files {
            run(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }

    #[test]
    fn the_corpus_is_borne() {
        replay("resp_collection", collection);
        replay("resp_number", number);
        replay("resp_pattern", pattern);
        replay("resp_payload", payload);
        replay("resp_request", request);
        replay("resp_said", said);
    }
}
