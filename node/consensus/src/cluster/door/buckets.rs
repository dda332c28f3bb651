//! Questions about buckets: who sees them, and who may make, change and remove them.

use storgo_protocol::PeerId;
use storgo_protocol::cluster::{Ask, Bucket, BucketRow, Failed, FailedKind, RowKey, Told};
use storgo_protocol::limits::{BUCKETS_LISTED_MAX, BUCKETS_MAX};
use storgo_protocol::meta::{Action, BucketId, RefusedKind, Reply, Stamp};

use super::{Answer, Door, WITHIN, refused};
use crate::cluster::{GROUP_0, change, state};
use crate::machine;

impl Door {
    pub(super) async fn bucket(&self, from: PeerId, name: &str) -> Answer {
        let row = self.read_0(|view| state::read_bucket(view, name)).await?;
        match row {
            Some(row) if self.sees(from, &row.bucket)? => Ok(Told::Buckets { buckets: vec![row], more: false }),
            Some(_) | None => Err(Failed::new(FailedKind::NotFound, format!("no bucket {name}"))),
        }
    }

    fn sees(&self, from: PeerId, bucket: &Bucket) -> Result<bool, Failed> {
        Ok(self.is_member(from) || bucket.config.admits(self.user(from)?, false))
    }

    pub(super) async fn buckets(&self, from: PeerId, after: &str) -> Answer {
        let mut after = after.to_owned();
        let mut buckets: Vec<BucketRow> = Vec::new();
        loop {
            let (page, more) = self.read_0(|view| state::read_buckets(view, &after)).await?;
            let last = page.last().map(|row| row.bucket.name.clone());
            for row in page {
                if self.sees(from, &row.bucket)? {
                    if buckets.len() == BUCKETS_LISTED_MAX {
                        return Ok(Told::Buckets { buckets, more: true });
                    }
                    buckets.push(row);
                }
            }
            match last {
                Some(last) if more => after = last,
                _ => return Ok(Told::Buckets { buckets, more: false }),
            }
        }
    }

    pub(super) async fn set_bucket(
        &self,
        from: PeerId,
        name: String,
        bucket: Option<Bucket>,
        expected: Option<Stamp>,
    ) -> Answer {
        let user = self.user(from)?;
        let look = |view: &dyn machine::View| Ok((state::read_bucket(view, &name)?, state::count_buckets(view)?));
        let (known, count) = self.read_0(look).await?;
        if known.as_ref().is_some_and(|row| row.bucket.owner != user) {
            // That a name is taken cannot be hidden from who wants it.
            let reason = format!("bucket {name} is not yours, or there is none");
            return Err(Failed::new(
                if expected.is_none() { FailedKind::Conflict } else { FailedKind::Denied },
                reason,
            ));
        }
        if known.as_ref().map(|row| row.revision) != expected {
            // What was asked for may have been done by an earlier try of the same.
            return match (&known, &bucket) {
                (Some(row), Some(wanted)) if row.bucket == *wanted => self.spread(&row.bucket).await,
                _ => Err(Failed::new(FailedKind::Conflict, format!("bucket {name} was changed meanwhile"))),
            };
        }
        let key = RowKey::Bucket(name.clone());
        match (known, bucket) {
            (None, None) => Err(Failed::new(FailedKind::NotFound, format!("no bucket {name}"))),
            (Some(known), None) => {
                if !known.bucket.config.fenced {
                    return Err(refused("a bucket is fenced before it is removed"));
                }
                let named = RowKey::BucketName(known.bucket.config.bucket);
                let revision = self.read_0(|view| state::revision(view, &named)).await?;
                self.set_rows(vec![change::row(&key, expected, None), change::row(&named, revision, None)]).await?;
                Ok(Told::Done)
            }
            (known, Some(bucket)) => {
                if let Some(reason) = misfit(known.as_ref().map(|row| &row.bucket), &bucket, user) {
                    return Err(refused(reason));
                }
                let mut rows = vec![change::row(&key, expected, Some(bucket.encode()))];
                if known.is_none() {
                    if count >= BUCKETS_MAX {
                        return Err(refused("the network has no room for more buckets"));
                    }
                    let named = RowKey::BucketName(bucket.config.bucket);
                    rows.push(change::row(&named, None, Some(name.into())));
                }
                self.set_rows(rows).await?;
                self.spread(&bucket).await
            }
        }
    }

    pub(super) async fn spread_by_id(&self, from: PeerId, id: BucketId) -> Answer {
        match self.read_0(|view| state::read_bucket_by_id(view, id)).await? {
            Some(row) if self.sees(from, &row.bucket)? => self.spread(&row.bucket).await,
            Some(_) | None => Err(Failed::new(FailedKind::NotFound, "no such bucket")),
        }
    }

    /// Tells all groups of a bucket; done when all of them know.
    async fn spread(&self, bucket: &Bucket) -> Answer {
        let map = self.client.map().ok_or_else(|| Failed::new(FailedKind::Busy, "the network is just beginning"))?;
        let ask = Ask::Command(change::command(Action::SetBucket(Box::new(bucket.config.clone()))));
        let told = map.groups.keys().filter(|id| **id != GROUP_0).map(|id| self.client.ask(*id, &ask, WITHIN));
        for told in futures::future::join_all(told).await {
            match told {
                Ok(Told::Reply(Reply::Done { .. })) => {}
                // A newer configuration is there already.
                Ok(Told::Reply(Reply::Refused(refusal))) if matches!(refusal.kind, RefusedKind::Generation(_)) => {}
                Ok(Told::Reply(Reply::Refused(refusal))) => return Err(refused(refusal.reason)),
                Ok(Told::Failed(failed)) => return Err(failed),
                Ok(_) => return Err(refused("an answer to another question")),
                Err(error) => {
                    return Err(Failed::new(
                        FailedKind::Busy,
                        format!("not every group was told of the bucket: {error}"),
                    ));
                }
            }
        }
        Ok(Told::Done)
    }
}

/// Why a bucket may not be made or changed so.
fn misfit(known: Option<&Bucket>, wanted: &Bucket, user: PeerId) -> Option<&'static str> {
    match known {
        _ if wanted.owner != user => Some("a bucket is its owner's"),
        _ if !wanted.config.admits(user, true) => Some("the owner of a bucket is a member that writes"),
        None if wanted.config.generation != 1 || wanted.config.fenced => {
            Some("a new bucket is of generation 1 and open")
        }
        Some(known) if known.config.bucket != wanted.config.bucket => Some("a bucket keeps its id"),
        Some(known) if known.config.rule != wanted.config.rule => Some("a bucket keeps its layout"),
        Some(known) if known.config.generation + 1 != wanted.config.generation => {
            Some("generations follow one another")
        }
        Some(known) if known.key_generation > wanted.key_generation => Some("keys of a bucket are never taken back"),
        _ => None,
    }
}
