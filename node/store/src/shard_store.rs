//! What the engine asks of a store: [`ShardStore`], one method a request.
//!
//! It decides what is looked at, staged and answered; how blocking work and waiting are done is [`Store`]'s.

use async_trait::async_trait;
use bytes::Bytes;
use storgo_object::ports::{Holdings, Lease, Scrutiny, ShardStore, StoreError, StoreStatus};
use storgo_protocol::limits::{NODE_BYTES_MAX, NODE_COPIES_MAX};
use storgo_protocol::message::PushedShard;
use storgo_protocol::{ContentId, LayoutRecord, NodeId, ShardAddress, ShardFileHead, ShardSet, StripeHeader, StripeId};

use crate::core::{Core, Prepared, merge};
use crate::item::Item;
use crate::published;
use crate::read::{self, Fault};
use crate::store::Store;
use crate::volume::Volume;

#[async_trait]
impl ShardStore for Store {
    async fn has(&self, stripes: &[StripeId], nodes: &[NodeId], scrutiny: Scrutiny) -> Result<Holdings, StoreError> {
        let mut holdings = Holdings::default();
        for &stripe in stripes {
            let named = self.run(move |core| Ok(core.catalog.shards(stripe)?)).await?;
            let mut held = ShardSet::EMPTY;
            for (item, slot) in named {
                let Item::Shard(shard) = item else { continue };
                let there = match scrutiny {
                    Scrutiny::Indexed => self.core.good(slot).is_some(),
                    Scrutiny::Verified => held.contains(shard.index) || !self.sound(item, verify).await?.is_empty(),
                };
                if there {
                    held.insert(shard.index);
                }
            }
            holdings.shards.push(held);
        }
        for &node in nodes {
            let look = if scrutiny == Scrutiny::Verified { verify } else { trust };
            let copies = self.sound(Item::Node(node), look).await?.len();
            holdings.nodes.push(u32::try_from(copies).unwrap_or(u32::MAX));
        }
        Ok(holdings)
    }

    async fn renew(&self, shards: &[ShardAddress], lease: &Lease) -> Result<Vec<bool>, StoreError> {
        let (mut held, mut parts) = (Vec::with_capacity(shards.len()), Vec::new());
        for &shard in shards {
            let item = Item::Shard(shard);
            let sound = self.sound(item, glance).await?;
            held.push(!sound.is_empty());
            let part = |(volume, bytes)| Prepared { item, volume, files: Vec::new(), place: None, bytes };
            parts.extend(sound.into_iter().map(part));
        }
        if !parts.is_empty() {
            self.keep(lease, |_| Ok(parts)).await?;
        }
        Ok(held)
    }

    async fn push(&self, shards: Vec<PushedShard>, lease: &Lease) -> Result<(), StoreError> {
        let mut wanted = Vec::with_capacity(shards.len());
        for PushedShard { header, index, payload } in shards {
            let head = ShardFileHead::new(header, index).ok_or(StoreError::Mismatch { what: "shard index" })?;
            // What is there already was read and compared: nothing the pusher sends could say more.
            let kept = self.sound(Item::Shard(head.address()), verify).await?.pop();
            wanted.push((head, payload, kept));
        }
        let stage = move |core: &Core| {
            let staged = wanted.into_iter().map(|(head, payload, kept)| match kept {
                Some((volume, bytes)) if head.header().verifies(head.index(), &payload) => {
                    Ok(Prepared { item: Item::Shard(head.address()), volume, files: Vec::new(), place: None, bytes })
                }
                Some(_) => Err(StoreError::Mismatch { what: "shard" }),
                None => core.stage_shard(&head, &payload),
            });
            staged.collect()
        };
        self.keep(lease, stage).await
    }

    async fn pull(&self, shard: ShardAddress) -> Result<(StripeHeader, Bytes), StoreError> {
        self.read(Item::Shard(shard), move |volume| read::shard(&*volume.disk, &volume.path, shard)).await
    }

    async fn pull_range(
        &self,
        shard: ShardAddress,
        first: u32,
        bytes: u32,
    ) -> Result<(StripeHeader, Bytes), StoreError> {
        let range = first as usize..(first as usize).saturating_add(bytes as usize);
        self.read(Item::Shard(shard), move |volume| read::range(&*volume.disk, &volume.path, shard, &range)).await
    }

    async fn push_node(
        &self,
        node: NodeId,
        payload: Bytes,
        copies: u8,
        publish: bool,
        lease: &Lease,
    ) -> Result<(), StoreError> {
        if payload.len() > NODE_BYTES_MAX || NodeId::of(&payload) != node {
            return Err(StoreError::Mismatch { what: "node" });
        }
        let copies = usize::from(copies).min(NODE_COPIES_MAX);
        let sound = self.sound(Item::Node(node), verify).await?;
        self.keep(lease, move |core| core.stage_node(node, &payload, copies, publish, sound)).await
    }

    async fn pull_node(&self, node: NodeId) -> Result<Bytes, StoreError> {
        self.read(Item::Node(node), move |volume| read::node(&*volume.disk, &volume.path, node)).await
    }

    async fn push_record(&self, record: &LayoutRecord, lease: &Lease) -> Result<(), StoreError> {
        let node = NodeId::from(record.content);
        let _turn = self.records_turn.lock().await;
        let holders: Vec<_> = self.sound(Item::Node(node), glance).await?.into_iter().map(|(at, _)| at).collect();
        if holders.is_empty() {
            return Err(StoreError::NotFound);
        }
        let record = record.clone();
        self.keep(lease, move |_| Core::stage_record(&record, holders)).await
    }

    async fn pull_records(&self, content: ContentId) -> Result<Vec<LayoutRecord>, StoreError> {
        let node = NodeId::from(content);
        let (found, wrong) = self
            .run(move |core| {
                let (mut found, mut wrong, mut failed) = (Vec::new(), Vec::new(), Ok(()));
                for (volume, _) in core.holders(Item::Records(node))? {
                    match read::records(&*volume.disk, &volume.path, node) {
                        Ok((records, whole)) => {
                            if !whole {
                                tracing::warn!(disk = %volume.path.display(), %node, "layout records are damaged");
                            }
                            found.extend(records);
                        }
                        Err(Fault::Failed(source)) => {
                            let disk = volume.path.clone();
                            failed = Err(StoreError::Io { what: "reading layout records", disk, source });
                        }
                        Err(_) => wrong.push(volume.slot),
                    }
                }
                // That none could be read does not say that there are none.
                if found.is_empty() {
                    failed?;
                }
                Ok((merge(found.into_iter()), wrong))
            })
            .await?;
        for slot in wrong {
            self.inspect(slot, Item::Records(node)).await?;
        }
        Ok(found)
    }

    async fn published(&self, after: Option<NodeId>, max: usize) -> Result<Vec<NodeId>, StoreError> {
        self.run(move |core| published::page(core, after, max)).await
    }

    fn status(&self) -> StoreStatus {
        StoreStatus { disks: self.core.volumes.iter().map(|volume| volume.status()).collect() }
    }
}

fn verify(volume: &Volume, item: Item, _: u64) -> Result<(), Fault> {
    read::verify(&*volume.disk, &volume.path, item)
}

fn glance(volume: &Volume, item: Item, bytes: u64) -> Result<(), Fault> {
    read::glance(&*volume.disk, &volume.path, item, bytes)
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a look at the file could fail")]
fn trust(_: &Volume, _: Item, _: u64) -> Result<(), Fault> {
    Ok(())
}
