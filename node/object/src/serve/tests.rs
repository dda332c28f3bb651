//! Who gets in, and what with: every way in which an authority can be wrong is tried.

use bytes::Bytes;
use storgo_protocol::limits::{GRANT_SECONDS_MAX, GRANTS_REMEMBERED_MAX};
use storgo_protocol::message::PushedShard;
use storgo_protocol::{
    Authority, ChunkId, Code, ContentId, Grant, GrantTerms, Identity, LayoutEntry, LayoutId, LayoutItems, LayoutRecord,
    LayoutTop, NodeId, RepairGrant, ShardId, ShardIndex, StripeHeader,
};

use super::*;
use crate::fake::{FixedClock, MemoryStore};

const NOW: u64 = 1_800_000_000;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

fn node() -> PeerId {
    identity(1).id()
}

fn holder() -> PeerId {
    identity(2).id()
}

fn owner() -> Identity {
    identity(3)
}

fn service(capacity_bytes: u64) -> ShardService {
    ShardService::new(node(), Arc::new(MemoryStore::new(capacity_bytes)), Arc::new(FixedClock(NOW)))
}

fn terms() -> GrantTerms {
    GrantTerms { holder: holder(), peer: node(), owner: owner().id(), bytes: 100, nonce: [9; 16], expiry: NOW + 60 }
}

fn encode(signer: &Identity, terms: GrantTerms, repair: Option<RepairGrant>) -> Bytes {
    Authority { grant: Grant::sign(signer, terms), repair }.encode().into()
}

fn shard(byte: u8) -> (StripeHeader, ShardIndex, Bytes) {
    let payload = Bytes::from(vec![byte; 40]);
    let id = ShardId::from_bytes(*blake3::hash(&payload).as_bytes());
    let chunk = ChunkId::from_bytes([byte; 32]);
    (StripeHeader::new(chunk, 40, Code::new(1, 0).unwrap(), &[id]).unwrap(), ShardIndex::default(), payload)
}

fn push(authority: Bytes, byte: u8) -> Request {
    let (header, index, payload) = shard(byte);
    Request::Push { authority, shards: vec![PushedShard { header, index, payload }] }
}

fn layout_of(stripe: storgo_protocol::StripeId) -> (LayoutId, Bytes) {
    let entry = LayoutEntry { chunk: ChunkId::from_bytes([5; 32]), stripe };
    let top = LayoutTop {
        content: ContentId::from_bytes([8; 32]),
        node_copies: 1,
        code: Code::new(1, 0).unwrap(),
        extents: 1,
        index_nodes: 0,
        items: LayoutItems::Entries(vec![entry]),
    };
    let bytes = Bytes::from(top.encode());
    (LayoutId::from_bytes(*NodeId::of(&bytes).as_bytes()), bytes)
}

async fn refusal(service: &ShardService, from: PeerId, request: Request) -> Option<RefusalKind> {
    match service.serve(from, request).await {
        Answer::Refused(refusal) => Some(refusal.kind),
        _ => None,
    }
}

#[tokio::test]
async fn a_sound_grant_lets_its_holder_in_until_its_bytes_are_used_up() {
    let service = service(1 << 20);
    let authority = encode(&owner(), terms(), None);
    assert_eq!(refusal(&service, holder(), push(authority.clone(), 1)).await, None);
    assert_eq!(refusal(&service, holder(), push(authority.clone(), 2)).await, None);
    // 80 of 100 bytes are used: another 40 do not fit, though looking does.
    assert_eq!(refusal(&service, holder(), push(authority.clone(), 3)).await, Some(RefusalKind::Denied));
    let offer = Request::Offer { authority, shards: vec![] };
    assert_eq!(refusal(&service, holder(), offer).await, None);
}

#[tokio::test]
async fn every_other_grant_is_denied() {
    let other = identity(7);
    let cases: Vec<(&str, Bytes)> = vec![
        ("of another holder", encode(&owner(), GrantTerms { holder: other.id(), ..terms() }, None)),
        ("for another peer", encode(&owner(), GrantTerms { peer: other.id(), ..terms() }, None)),
        ("expired", encode(&owner(), GrantTerms { expiry: NOW, ..terms() }, None)),
        ("for too long", encode(&owner(), GrantTerms { expiry: NOW + 2 * GRANT_SECONDS_MAX, ..terms() }, None)),
        ("signed by another", encode(&other, terms(), None)),
        ("cut short", encode(&owner(), terms(), None).slice(..Grant::BYTES - 1)),
        ("empty", Bytes::new()),
    ];
    for (what, authority) in cases {
        let service = service(1 << 20);
        assert_eq!(refusal(&service, holder(), push(authority, 1)).await, Some(RefusalKind::Denied), "{what}");
    }
    let mut forged = encode(&owner(), terms(), None).to_vec();
    forged[50] ^= 1;
    let service = service(1 << 20);
    assert_eq!(refusal(&service, holder(), push(forged.into(), 1)).await, Some(RefusalKind::Denied));
}

#[tokio::test]
async fn a_repair_grant_lets_in_only_what_was_shown_to_belong() {
    let service = service(1 << 20);
    let care = identity(4);
    let (header, ..) = shard(1);
    let (layout, top) = layout_of(header.id());
    let repair = RepairGrant::sign(&owner(), layout, care.id(), 1000, NOW + 1000);
    let authority = encode(&care, terms(), Some(repair));
    assert_eq!(refusal(&service, holder(), push(authority.clone(), 1)).await, Some(RefusalKind::Denied), "not shown");
    let (_, other_top) = layout_of(shard(2).0.id());
    let show = |payload| Request::Show { authority: authority.clone(), payload };
    assert_eq!(refusal(&service, holder(), show(other_top)).await, Some(RefusalKind::Denied), "another layout");
    assert_eq!(refusal(&service, holder(), show(top.clone())).await, None);
    assert_eq!(refusal(&service, holder(), push(authority.clone(), 1)).await, None);
    assert_eq!(refusal(&service, holder(), push(authority.clone(), 2)).await, Some(RefusalKind::Denied), "foreign");
    let node = |payload: Bytes| Request::PushNode {
        authority: authority.clone(),
        node: NodeId::of(&payload),
        copies: 1,
        publish: false,
        payload,
    };
    assert_eq!(refusal(&service, holder(), node(layout_of(shard(9).0.id()).1)).await, Some(RefusalKind::Denied));
}

#[tokio::test]
async fn a_repair_grant_that_the_owner_did_not_give_is_denied() {
    let (care, stranger) = (identity(4), identity(5));
    let (header, ..) = shard(1);
    let (layout, _) = layout_of(header.id());
    let by_stranger = RepairGrant::sign(&stranger, layout, care.id(), 1000, NOW + 1000);
    let for_other_key = RepairGrant::sign(&owner(), layout, stranger.id(), 1000, NOW + 1000);
    let expired = RepairGrant::sign(&owner(), layout, care.id(), 1000, NOW);
    let small = RepairGrant::sign(&owner(), layout, care.id(), 99, NOW + 1000);
    for repair in [by_stranger, for_other_key, expired, small] {
        let service = service(1 << 20);
        let offer = Request::Offer { authority: encode(&care, terms(), Some(repair)), shards: vec![] };
        assert_eq!(refusal(&service, holder(), offer).await, Some(RefusalKind::Denied));
    }
}

#[tokio::test]
async fn nodes_must_be_nodes_and_a_repair_grant_covers_only_its_layouts_record() {
    let service = service(1 << 20);
    let authority = encode(&owner(), GrantTerms { bytes: 1 << 20, ..terms() }, None);
    let anything = Bytes::from_static(b"not a node at all");
    let push_node = |payload: Bytes| Request::PushNode {
        authority: authority.clone(),
        node: NodeId::of(&payload),
        copies: 1,
        publish: true,
        payload,
    };
    assert_eq!(refusal(&service, holder(), push_node(anything)).await, Some(RefusalKind::Invalid));
    let (layout, top) = layout_of(shard(1).0.id());
    assert_eq!(refusal(&service, holder(), push_node(top)).await, None);
    let content = ContentId::from_bytes([8; 32]);
    let record_of = |signer| LayoutRecord::sign(&identity(signer), content, layout, 1);
    let push_record = |authority: &Bytes, record| Request::PushRecord { authority: authority.clone(), record };
    // Anyone may bring a record, which its owner signed; but the root is not held here.
    assert_eq!(refusal(&service, holder(), push_record(&authority, record_of(6))).await, Some(RefusalKind::NotFound));
    let repair = RepairGrant::sign(&owner(), layout, identity(4).id(), 100, NOW + 10);
    let care = encode(&identity(4), terms(), Some(repair));
    assert_eq!(refusal(&service, holder(), push_record(&care, record_of(6))).await, Some(RefusalKind::Denied));
    assert_eq!(refusal(&service, holder(), push_record(&care, record_of(3))).await, Some(RefusalKind::NotFound));
    let other = LayoutRecord::sign(&owner(), content, LayoutId::from_bytes([1; 32]), 2);
    assert_eq!(refusal(&service, holder(), push_record(&care, other)).await, Some(RefusalKind::Denied));
}

#[tokio::test]
async fn the_book_of_grants_is_bounded() {
    let service = service(1 << 20);
    for number in 0..GRANTS_REMEMBERED_MAX + 10 {
        let nonce = (number as u128).to_le_bytes();
        let authority = encode(&owner(), GrantTerms { nonce, ..terms() }, None);
        assert_eq!(refusal(&service, holder(), Request::Offer { authority, shards: vec![] }).await, None);
    }
    assert_eq!(service.grants.remembered(), GRANTS_REMEMBERED_MAX);
}

#[tokio::test]
async fn reading_needs_no_grant_and_unknown_is_not_found() {
    let service = service(1 << 20);
    let shard = ShardAddress { stripe: shard(1).0.id(), index: ShardIndex::default() };
    assert_eq!(refusal(&service, holder(), Request::Pull { shard }).await, Some(RefusalKind::NotFound));
    let node = NodeId::from_bytes([1; 32]);
    assert_eq!(refusal(&service, holder(), Request::PullNode { node }).await, Some(RefusalKind::NotFound));
    let has = Request::Has { stripes: vec![shard.stripe], nodes: vec![node], verify: true };
    let Answer::Holds { shards, nodes } = service.serve(holder(), has).await else { panic!("not an answer to has") };
    assert!(shards.iter().all(|set| set.is_empty()) && nodes == [0]);
}
