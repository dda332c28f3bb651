//! How many files and connections this process may have open.
//!
//! The usual soft limit of 1,024 is for programs that call `select`. A node that runs into it refuses peers and pushes
//! while its disks are well, so it takes what the hard limit allows. It knows nothing of what they are used for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use storgo_protocol::limits::DESCRIPTORS_WANTED;

/// Raises the soft limit as far as is wanted and allowed. A node runs with what it has if that fails.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // No limit at all is none.
    let (soft, hard) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    let wanted = DESCRIPTORS_WANTED.min(hard);
    if soft >= wanted {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }) {
        Ok(()) => tracing::debug!(before = soft, now = wanted, "more descriptors are allowed"),
        Err(error) => tracing::warn!(%error, soft, "no more descriptors are allowed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_soft_limit_is_raised_to_what_is_allowed() {
        let hard = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum: hard }).unwrap();
        raise_limit();
        let wanted = hard.unwrap_or(u64::MAX).min(DESCRIPTORS_WANTED);
        assert_eq!(getrlimit(Resource::Nofile).current, Some(wanted));
    }
}
