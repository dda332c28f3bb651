//! The redundancy that an object gets when nobody asks for one.

use storgo_protocol::Code;

/// The codes that are tried, the widest first.
const DEFAULTS: [(u8, u8); 4] = [(8, 4), (4, 2), (2, 1), (1, 1)];

/// The widest of 8+4, 4+2, 2+1, two copies that the domains can hold one shard each of, or one copy. A small object is replicated
/// to survive as many losses: coding it would cost more in requests than it saves in bytes.
pub(super) fn default_code(domains: usize, small: bool) -> Code {
    let widest = DEFAULTS.iter().filter_map(|(k, m)| Code::new(*k, *m)).find(|code| code.total() <= domains);
    let parity = widest.map_or(0, Code::parity);
    let copies = u8::try_from(parity).ok().and_then(|parity| Code::new(1, parity)).unwrap_or(ONE_COPY);
    if small { copies } else { widest.unwrap_or(copies) }
}

const ONE_COPY: Code = match Code::new(1, 0) {
    Some(code) => code,
    None => unreachable!(),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_code_that_fits_is_taken() {
        for (domains, large, small) in [
            (1, "replicate:1", "replicate:1"),
            (2, "replicate:2", "replicate:2"),
            (3, "erasure:2+1", "replicate:2"),
            (5, "erasure:2+1", "replicate:2"),
            (6, "erasure:4+2", "replicate:3"),
            (11, "erasure:4+2", "replicate:3"),
            (12, "erasure:8+4", "replicate:5"),
            (1000, "erasure:8+4", "replicate:5"),
        ] {
            assert_eq!(default_code(domains, false).to_string(), large, "{domains} domains");
            assert_eq!(default_code(domains, true).to_string(), small, "{domains} domains");
        }
    }
}
