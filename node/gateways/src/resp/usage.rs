//! What this process takes of its machine, as Linux tells it. Elsewhere nothing is told.

/// Clock ticks a second in `/proc/self/stat`: fixed by Linux's ABI, whatever the kernel's own tick.
const TICKS_PER_SECOND: u64 = 100;

/// Hundredths of a second that it computed, in the kernel and by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cpu {
    pub(super) system: u64,
    pub(super) user: u64,
}

/// CPU time until now.
pub(super) fn cpu() -> Option<Cpu> {
    read_cpu(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Bytes of memory that it has.
pub(super) fn memory() -> Option<u64> {
    read_memory(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Seconds, as they are told.
pub(super) fn seconds(hundredths: u64) -> String {
    format!("{}.{:02}0000", hundredths / TICKS_PER_SECOND, hundredths % TICKS_PER_SECOND)
}

/// utime and stime are fields 14 and 15 of proc(5). The command in parentheses before them may contain anything.
fn read_cpu(stat: &str) -> Option<Cpu> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map_while(|field| field.parse().ok());
    let (user, system) = (times.next()?, times.next()?);
    Some(Cpu { system, user })
}

fn read_memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_understood() {
        let line = "7 (a) (b c) S 1 7 7 0 -1 4194560 100 200 0 0 10 20 30 40 20 0 1 0 5 6 7";
        assert_eq!(read_cpu(line), Some(Cpu { system: 20, user: 10 }));
        assert_eq!(read_memory("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2048 * 1024));
        assert_eq!((read_cpu("nonsense"), read_memory("VmRSS: some")), (None, None));
        assert_eq!(seconds(1234), "12.340000");
    }
}
