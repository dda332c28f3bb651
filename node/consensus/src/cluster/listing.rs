//! The pages of a listing that groups gave, put together.

use std::time::Duration;

use bytes::Bytes;
use storgo_protocol::cluster::Listed;

/// The pages of all groups as one; `None` if one is missing or a slot is in none or in two.
pub(super) fn merge(pages: Vec<Option<Listed>>, slots: usize, limit: usize) -> Option<Listed> {
    let mut covered = vec![0_u8; slots.div_ceil(8)];
    let mut all = Listed { stale: Some(Duration::ZERO), ..Listed::default() };
    // Behind the last key of a page that goes on, others' keys would pass over its own.
    let mut end: Option<Bytes> = None;
    for page in pages {
        let page = page?;
        if page.more {
            let last = page.found.last().map(|(key, _)| key.clone()).unwrap_or_default();
            end = Some(end.map_or(last.clone(), |end| end.min(last)));
        }
        if page.slots.len() != covered.len() || covered.iter().zip(&page.slots).any(|(have, comes)| have & comes != 0) {
            return None;
        }
        for (have, comes) in covered.iter_mut().zip(&page.slots) {
            *have |= comes;
        }
        all.stale = all.stale.zip(page.stale).map(|(one, other)| one.max(other));
        all.more |= page.more;
        all.found.extend(page.found);
    }
    if covered.iter().map(|byte| byte.count_ones() as usize).sum::<usize>() != slots {
        return None;
    }
    if let Some(end) = end {
        all.found.retain(|(key, _)| *key <= end);
    }
    all.found.sort_by(|(one, _), (other, _)| one.cmp(other));
    all.more |= all.found.len() > limit;
    all.found.truncate(limit);
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as pages come")]
    fn page(slots: &'static [u8], keys: &[&'static str], more: bool) -> Option<Listed> {
        let version = || crate::machine::samples::version();
        let found = keys.iter().map(|key| (Bytes::from_static(key.as_bytes()), version())).collect();
        Some(Listed {
            found,
            more,
            stale: Some(Duration::from_millis(slots.len() as u64)),
            slots: Bytes::from_static(slots),
        })
    }

    #[test]
    fn a_listing_is_whole_only_if_each_slot_is_in_one_page() {
        let keys = |listed: Option<Listed>| {
            listed.map(|all| (all.found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), all.more))
        };
        let whole =
            merge(vec![page(&[0b0101, 0], &["b", "d"], false), page(&[0b1010, 1], &["a", "c"], false)], 5 + 4, 3);
        assert_eq!(keys(whole), None, "slots 4 to 7 are missing");
        let pages = || vec![page(&[0b0000_0101], &["b", "d"], false), page(&[0b0000_1010], &["a", "c"], false)];
        assert_eq!(keys(merge(pages(), 4, 3)), Some((vec!["a".into(), "b".into(), "c".into()], true)));
        assert!(!keys(merge(pages(), 4, 4)).unwrap().1);
        let short = vec![page(&[0b0000_0101], &["b", "c"], true), page(&[0b0000_1010], &["a", "d"], false)];
        assert_eq!(keys(merge(short, 4, 10)), Some((vec!["a".into(), "b".into(), "c".into()], true)));
        let twice = vec![page(&[0b0000_0111], &["b"], false), page(&[0b0000_1010], &["a"], false)];
        assert_eq!(keys(merge(twice, 4, 3)), None);
        assert_eq!(keys(merge(vec![page(&[0b1111], &["b"], false), None], 4, 3)), None);
    }
}
