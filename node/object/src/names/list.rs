//! Listing: keys in order, a page at a time, each checked like what is read.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use storgo_protocol::cluster::Listing;
use storgo_protocol::limits::LISTED_MAX;
use storgo_protocol::meta::{Slot, Version, VersionId};

use super::bucket::Bucket;
use super::known::Distrust;
use crate::error::ObjectError;

/// What to list.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// Keys that start so.
    pub prefix: Bytes,
    /// Behind this key, or behind this version of it.
    pub after: Option<(Bytes, Option<VersionId>)>,
    /// So many at the most; never more than [`LISTED_MAX`].
    pub limit: usize,
    /// All versions and markers, rather than the newest of each key that is there.
    pub versions: bool,
    /// Of the bucket's slots these alone: what is found in a few costs less than what is in order in all.
    pub slots: Option<RangeInclusive<Slot>>,
}

/// A page of a listing.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In ascending order of the keys, the newest version of a key first.
    pub entries: Vec<ListedEntry>,
    /// Where the next page begins; `None` behind the last.
    pub next: Option<(Bytes, Option<VersionId>)>,
    /// Nothing is missed that was acknowledged longer ago than this; `None` if nothing is known of that.
    pub stale: Option<Duration>,
}

/// A version in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEntry {
    /// The key.
    pub key: Bytes,
    /// The version; a marker too, where versions are listed.
    pub version: Version,
    /// Why it is not to be believed, if somebody wrote it who could not: one forged record hides no others.
    pub forged: Option<String>,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { prefix: Bytes::new(), after: None, limit: LISTED_MAX, versions: false, slots: None }
    }
}

impl Bucket {
    /// A page of the bucket's keys.
    ///
    /// # Errors
    /// [`NameError::Metadata`](super::NameError::Metadata) if the groups do not answer.
    pub async fn list(&self, options: &ListOptions) -> Result<Page, ObjectError> {
        let known = self.known();
        let ListOptions { prefix, after, limit, versions, slots } = options.clone();
        let listing = Listing { bucket: known.id(), prefix, after, limit: limit.min(LISTED_MAX), versions, slots };
        let listed = self.names.metadata.list(&known.row.config, &listing, self.level()).await?;
        let strange = |version: &Version| matches!(known.judge(version), Err(Distrust::Writer(_)));
        // Perhaps somebody was let in a moment ago.
        let known =
            if listed.found.iter().any(|(_, version)| strange(version)) { self.refresh().await? } else { known };
        let judge = |(key, version): (Bytes, Version)| {
            let forged = known.judge(&version).err().map(|distrust| match distrust {
                Distrust::Signature(error) => error.to_string(),
                Distrust::Writer(writer) => format!("{writer} signed it and could not write it"),
            });
            ListedEntry { key, version, forged }
        };
        let entries: Vec<_> = listed.found.into_iter().map(judge).collect();
        let last = entries.last().filter(|_| listed.more);
        let next = last.map(|entry| (entry.key.clone(), versions.then(|| entry.version.id())));
        Ok(Page { entries, next, stale: listed.stale })
    }
}
