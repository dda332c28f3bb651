//! CPU time of this process, of the children that it waited for (killed ones too), and of those that still live.

use std::time::Duration;

use crate::error::{CliError, Exit};

/// Clock ticks a second in `/proc/PID/stat`: fixed by Linux's ABI, whatever the kernel's own tick.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time spent until now by all of them.
pub(super) fn spent(living: &[u32]) -> Result<Duration, CliError> {
    let mut total = ticks("/proc/self/stat")?;
    for process in living {
        total += ticks(&format!("/proc/{process}/stat"))?;
    }
    Ok(Duration::from_millis(total * 1000 / TICKS_PER_SECOND))
}

fn ticks(path: &str) -> Result<u64, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| CliError::io(format!("reading {path}"), error))?;
    parse(&text).ok_or_else(|| CliError::new(Exit::Failed, format!("{path} is not understood")))
}

/// utime, stime, cutime and cstime (fields 14 to 17 of proc(5)), added up. The command in parentheses before them may
/// itself contain anything.
fn parse(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times: Vec<u64> = fields.split_whitespace().skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_understood() {
        let line = "7 (a) (b c) S 1 7 7 0 -1 4194560 100 200 0 0 10 20 30 40 20 0 1 0 5 6 7";
        assert_eq!(parse(line), Some(100));
        assert_eq!(parse("nonsense"), None);
        assert_eq!(parse("7 (x) S 1 7"), None);
    }

    #[test]
    fn time_that_was_spent_is_seen() {
        let before = spent(&[]).unwrap();
        let mut hash = blake3::Hasher::new();
        while spent(&[]).unwrap() < before + Duration::from_millis(50) {
            hash.update(&[7; 1 << 13]);
        }
    }
}
