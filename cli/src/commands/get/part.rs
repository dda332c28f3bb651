//! A part of an object as people name it: FROM..TO.

use std::ops::Range;

use crate::amounts;
use crate::error::{CliError, Exit};

/// A part of an object; `None` at the end means to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) struct Part {
    pub(super) from: u64,
    pub(super) to: Option<u64>,
}

impl Part {
    pub(in crate::commands) const WHOLE: Self = Self { from: 0, to: None };

    /// The bytes of an object of `size` that are meant.
    pub(in crate::commands) fn of(self, size: u64) -> Result<Range<u64>, CliError> {
        let to = self.to.unwrap_or(size);
        if self.from > to || to > size {
            let text = format!("the range {}..{to} is outside the object of {size} bytes", self.from);
            return Err(CliError::new(Exit::Usage, text));
        }
        Ok(self.from..to)
    }
}

/// Reads FROM..TO; either may be left out.
pub(super) fn parse_range(text: &str) -> Result<Part, String> {
    let (from, to) = text.split_once("..").ok_or("expected FROM..TO, such as 1000..2000")?;
    let number = |text: &str| match text {
        "" => Ok(None),
        text => amounts::parse_bytes(text).map(Some),
    };
    let (from, to) = (number(from)?.unwrap_or(0), number(to)?);
    if to.is_some_and(|to| to < from) {
        return Err("the range ends before it starts".into());
    }
    Ok(Part { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_checked() {
        let part = |from, to| Ok(Part { from, to });
        assert_eq!(parse_range("1000..2000"), part(1000, Some(2000)));
        assert_eq!(parse_range("1M.."), part(1 << 20, None));
        assert_eq!(parse_range("..5"), part(0, Some(5)));
        for text in ["", "5", "2..1", "a..b", "1...2"] {
            assert!(parse_range(text).is_err(), "{text}");
        }
        assert_eq!(Part { from: 2, to: None }.of(5).unwrap(), 2..5);
        assert_eq!(Part { from: 5, to: None }.of(5).unwrap(), 5..5);
        assert_eq!(Part { from: 0, to: Some(6) }.of(5).unwrap_err().exit, Exit::Usage);
        assert_eq!(Part { from: 6, to: None }.of(5).unwrap_err().exit, Exit::Usage);
    }
}
