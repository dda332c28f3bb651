//! What is asked of a storage peer, and what it answers.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use super::frame::Frame;
use super::{bounded_text, id32, wire};
use crate::fields::decode;
use crate::limits::{
    FRAME_PAYLOAD_BYTES_MAX, IDS_PER_MESSAGE_MAX, LAYOUT_RECORDS_MAX, NODE_BYTES_MAX, NODE_COPIES_MAX,
    REASON_CHARS_MAX, SHARD_BYTES_MAX,
};
use crate::{ContentId, DecodeError, LayoutRecord, NodeId, ShardAddress, ShardIndex, ShardSet, StripeHeader, StripeId};

/// A request on a `shard` stream. `authority` is an encoded [`Authority`](crate::Authority): it is kept encoded here so
/// that a peer checks each signature once and not with every shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Which shards of these stripes and how many copies of these nodes are held?
    Has {
        /// The stripes; with the nodes at most [`IDS_PER_MESSAGE_MAX`].
        stripes: Vec<StripeId>,
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Read and check everything, rather than look it up.
        verify: bool,
    },
    /// These shards could be pushed: which are held already? Those get their lease and need no push.
    Offer {
        /// Leave to write.
        authority: Bytes,
        /// The shards; at most [`IDS_PER_MESSAGE_MAX`].
        shards: Vec<ShardAddress>,
    },
    /// Keep these shards, all of them.
    Push {
        /// Leave to write.
        authority: Bytes,
        /// At least one, at most [`SHARDS_PER_PUSH_MAX`](crate::limits::SHARDS_PER_PUSH_MAX).
        shards: Vec<PushedShard>,
    },
    /// Give this shard.
    Pull {
        /// The shard.
        shard: ShardAddress,
    },
    /// Give these bytes of this shard with the hashes that verify them.
    PullRange {
        /// The shard.
        shard: ShardAddress,
        /// First byte of the payload.
        first: u32,
        /// Bytes from there on, at least one.
        bytes: u32,
    },
    /// Keep this node.
    PushNode {
        /// Leave to write.
        authority: Bytes,
        /// Its id.
        node: NodeId,
        /// On how many distinct disks, as far as there are.
        copies: u8,
        /// Whether to announce it in the DHT, and to go on doing so.
        publish: bool,
        /// The node.
        payload: Bytes,
    },
    /// Give this node.
    PullNode {
        /// Its id.
        node: NodeId,
    },
    /// Keep this layout record beside its root.
    PushRecord {
        /// Leave to write.
        authority: Bytes,
        /// The record, its signature checked.
        record: LayoutRecord,
    },
    /// Give the layout records beside this root.
    PullRecords {
        /// The root's content.
        content: ContentId,
    },
    /// See that these stripes and nodes belong to the layout that the authority's repair grant names.
    Show {
        /// Leave to write, with a repair grant.
        authority: Bytes,
        /// The top of the layout, or a node of it that was shown to belong.
        payload: Bytes,
    },
}

/// A shard to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedShard {
    /// Its stripe.
    pub header: StripeHeader,
    /// Its place there.
    pub index: ShardIndex,
    /// Its bytes.
    pub payload: Bytes,
}

impl PushedShard {
    /// Where it will be found.
    #[must_use]
    pub const fn address(&self) -> ShardAddress {
        ShardAddress { stripe: self.header.id(), index: self.index }
    }

    /// Whether the bytes are what the stripe says.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.header.verifies(self.index, &self.payload)
    }
}

/// An answer on a `shard` stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// No, and why.
    Refused(Refusal),
    /// To `Has`.
    Holds {
        /// A set for each stripe asked.
        shards: Vec<ShardSet>,
        /// Copies of each node asked.
        nodes: Vec<u32>,
    },
    /// To `Offer`: for each shard, whether it is held and its lease written.
    Offered {
        /// True: do not push. False: push.
        have: Vec<bool>,
    },
    /// To a push or `Show`: all of it is durable, with its lease.
    Stored,
    /// To `Pull` and `PullRange`.
    Shard {
        /// The stripe that the peer says it belongs to.
        header: StripeHeader,
        /// The shard, or the verified slice.
        payload: Bytes,
    },
    /// To `PullNode`.
    Node {
        /// The node.
        payload: Bytes,
    },
    /// To `PullRecords`: records whose signatures hold.
    Records {
        /// At most [`LAYOUT_RECORDS_MAX`].
        records: Vec<LayoutRecord>,
    },
}

/// Why a peer refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the caller can do about it.
    pub kind: RefusalKind,
    /// For people; at most [`REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// What a refused caller can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// It is not here: ask another peer. Also the answer for what is here and forbidden.
    NotFound,
    /// No room: push elsewhere.
    NoSpace,
    /// The owner's quota here is used up: push elsewhere.
    Quota,
    /// The authority does not cover this: get another.
    Denied,
    /// Too much at once: later, or elsewhere.
    Busy,
    /// The request makes no sense: do not repeat it.
    Invalid,
    /// A fault on the peer's side: ask another.
    Failed,
    /// The peer is of another network.
    OtherNetwork,
    /// No common message version.
    Version,
    /// It was here, failed its check and was set aside: ask another peer.
    Corrupt,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Refusal {
    /// A refusal; the reason is cut to its bound.
    #[must_use]
    pub fn new(kind: RefusalKind, reason: impl Into<String>) -> Self {
        let reason: String = reason.into().chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        Self { kind, reason }
    }

    pub(super) fn to_wire(&self) -> wire::Refusal {
        let kind = match self.kind {
            RefusalKind::NotFound => wire::RefusalKind::NotFound,
            RefusalKind::NoSpace => wire::RefusalKind::NoSpace,
            RefusalKind::Quota => wire::RefusalKind::Quota,
            RefusalKind::Denied => wire::RefusalKind::Denied,
            RefusalKind::Busy => wire::RefusalKind::Busy,
            RefusalKind::Invalid => wire::RefusalKind::Invalid,
            RefusalKind::Failed => wire::RefusalKind::Failed,
            RefusalKind::OtherNetwork => wire::RefusalKind::OtherNetwork,
            RefusalKind::Version => wire::RefusalKind::Version,
            RefusalKind::Corrupt => wire::RefusalKind::Corrupt,
        };
        wire::Refusal { kind: kind.into(), reason: self.reason.clone() }
    }

    pub(super) fn from_wire(refusal: wire::Refusal) -> Result<Self, DecodeError> {
        let kind = match refusal.kind() {
            wire::RefusalKind::NotFound => RefusalKind::NotFound,
            wire::RefusalKind::NoSpace => RefusalKind::NoSpace,
            wire::RefusalKind::Quota => RefusalKind::Quota,
            wire::RefusalKind::Denied => RefusalKind::Denied,
            wire::RefusalKind::Busy => RefusalKind::Busy,
            wire::RefusalKind::Invalid => RefusalKind::Invalid,
            wire::RefusalKind::OtherNetwork => RefusalKind::OtherNetwork,
            wire::RefusalKind::Version => RefusalKind::Version,
            wire::RefusalKind::Corrupt => RefusalKind::Corrupt,
            // A kind that a newer peer has and this one does not is a failure all the same.
            wire::RefusalKind::Failed | wire::RefusalKind::Unspecified => RefusalKind::Failed,
        };
        Ok(Self { kind, reason: bounded_text(refusal.reason, REASON_CHARS_MAX)? })
    }
}

impl Request {
    /// The frame to send.
    #[must_use]
    pub fn encode(self) -> Frame {
        use wire::request::Request as Wire;
        let mut pieces = Vec::new();
        let (request, payload) = match self {
            Self::Has { stripes, nodes, verify } => {
                let stripes = stripes.iter().map(|id| id.as_bytes().to_vec().into()).collect();
                let nodes = nodes.iter().map(|id| id.as_bytes().to_vec().into()).collect();
                (Wire::Has(wire::Has { stripes, nodes, verify }), Bytes::new())
            }
            Self::Offer { authority, shards } => {
                let shards = shards.into_iter().map(address_to_wire).collect();
                (Wire::Offer(wire::Offer { authority, shards }), Bytes::new())
            }
            Self::Push { authority, shards } => {
                let described = shards.iter().map(|shard| wire::PushedShard {
                    stripe_header: shard.header.encode().into(),
                    index: shard.index.as_u8().into(),
                });
                let push = wire::Push { authority, shards: described.collect() };
                pieces = shards.into_iter().map(|shard| shard.payload).collect();
                (Wire::Push(push), Bytes::new())
            }
            Self::Pull { shard } => (Wire::Pull(wire::Pull { shard: Some(address_to_wire(shard)) }), Bytes::new()),
            Self::PullRange { shard, first, bytes } => {
                let shard = Some(address_to_wire(shard));
                (Wire::PullRange(wire::PullRange { shard, first, bytes }), Bytes::new())
            }
            Self::PushNode { authority, node, copies, publish, payload } => {
                let node = node.as_bytes().to_vec().into();
                (Wire::PushNode(wire::PushNode { authority, node, copies: copies.into(), publish }), payload)
            }
            Self::PullNode { node } => {
                (Wire::PullNode(wire::PullNode { node: node.as_bytes().to_vec().into() }), Bytes::new())
            }
            Self::PushRecord { authority, record } => {
                let record = record.encode().into();
                (Wire::PushRecord(wire::PushRecord { authority, record }), Bytes::new())
            }
            Self::PullRecords { content } => {
                let content = content.as_bytes().to_vec().into();
                (Wire::PullRecords(wire::PullRecords { content }), Bytes::new())
            }
            Self::Show { authority, payload } => (Wire::Show(wire::Show { authority }), payload),
        };
        let head = wire::Request { request: Some(request) }.encode_to_vec().into();
        if pieces.is_empty() { Frame::new(head, payload) } else { Frame { head, payload: pieces } }
    }

    /// Decodes a frame that anyone may have sent.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole request within its bounds.
    pub fn decode(frame: Frame) -> Result<Self, DecodeError> {
        use wire::request::Request as Wire;
        let (head, payload) = frame.into_parts();
        // Decoded from `Bytes`, so that the fields share the head instead of copying it.
        let request: wire::Request = decode(head)?;
        let request = request.request.ok_or(DecodeError::field("request"))?;
        let carries = matches!(request, Wire::Push(_) | Wire::PushNode(_) | Wire::Show(_));
        if !carries && !payload.is_empty() {
            return Err(DecodeError::Trailing { bytes: payload.len() });
        }
        Ok(match request {
            Wire::Has(has) => {
                bounded(has.stripes.len() + has.nodes.len(), IDS_PER_MESSAGE_MAX)?;
                Self::Has {
                    stripes: ids(&has.stripes, StripeId::from_bytes)?,
                    nodes: ids(&has.nodes, NodeId::from_bytes)?,
                    verify: has.verify,
                }
            }
            Wire::Offer(offer) => {
                let shards = offer.shards.into_iter().map(|a| address_from_wire(Some(a))).collect::<Result<_, _>>()?;
                Self::Offer { authority: offer.authority, shards }
            }
            Wire::Push(push) => Self::Push { authority: push.authority, shards: pushed_shards(&push.shards, payload)? },
            Wire::Pull(pull) => Self::Pull { shard: address_from_wire(pull.shard)? },
            Wire::PullRange(pull) => {
                let end = pull.first.checked_add(pull.bytes).map_or(usize::MAX, |end| end as usize);
                if pull.bytes == 0 || end > SHARD_BYTES_MAX {
                    return Err(DecodeError::field("range"));
                }
                Self::PullRange { shard: address_from_wire(pull.shard)?, first: pull.first, bytes: pull.bytes }
            }
            Wire::PushNode(push) => {
                let copies = u8::try_from(push.copies).ok().filter(|n| (1..=NODE_COPIES_MAX).contains(&(*n).into()));
                Self::PushNode {
                    authority: push.authority,
                    node: id32(&push.node, NodeId::from_bytes)?,
                    copies: copies.ok_or(DecodeError::field("copies"))?,
                    publish: push.publish,
                    payload: node_bytes(payload)?,
                }
            }
            Wire::PullNode(pull) => Self::PullNode { node: id32(&pull.node, NodeId::from_bytes)? },
            Wire::PushRecord(push) => {
                Self::PushRecord { authority: push.authority, record: LayoutRecord::decode(&push.record)? }
            }
            Wire::PullRecords(pull) => Self::PullRecords { content: id32(&pull.content, ContentId::from_bytes)? },
            Wire::Show(show) => Self::Show { authority: show.authority, payload: node_bytes(payload)? },
        })
    }

    /// Payload bytes that an answer to this request can carry at the most: 0 for those that carry none.
    #[must_use]
    pub const fn answer_payload_max(&self) -> usize {
        match self {
            Self::Pull { .. } => SHARD_BYTES_MAX,
            Self::PullRange { .. } => FRAME_PAYLOAD_BYTES_MAX,
            Self::PullNode { .. } => NODE_BYTES_MAX,
            _ => 0,
        }
    }

    /// A word for logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Has { .. } => "has",
            Self::Offer { .. } => "offer",
            Self::Push { .. } => "push",
            Self::Pull { .. } => "pull",
            Self::PullRange { .. } => "pull_range",
            Self::PushNode { .. } => "push_node",
            Self::PullNode { .. } => "pull_node",
            Self::PushRecord { .. } => "push_record",
            Self::PullRecords { .. } => "pull_records",
            Self::Show { .. } => "show",
        }
    }
}

impl Answer {
    /// The frame to send.
    #[must_use]
    pub fn encode(self) -> Frame {
        use wire::answer::Answer as Wire;
        let (answer, payload) = match self {
            Self::Refused(refusal) => (Wire::Refusal(refusal.to_wire()), Bytes::new()),
            Self::Holds { shards, nodes } => {
                let shards = shards.into_iter().map(ShardSet::bits).collect();
                (Wire::Holds(wire::Holds { shards, nodes }), Bytes::new())
            }
            Self::Offered { have } => (Wire::Offered(wire::Offered { have }), Bytes::new()),
            Self::Stored => (Wire::Stored(wire::Stored {}), Bytes::new()),
            Self::Shard { header, payload } => {
                (Wire::Shard(wire::Shard { stripe_header: header.encode().into() }), payload)
            }
            Self::Node { payload } => (Wire::Node(wire::Node {}), payload),
            Self::Records { records } => {
                let records = records.iter().take(LAYOUT_RECORDS_MAX).map(|r| r.encode().into()).collect();
                (Wire::Records(wire::Records { records }), Bytes::new())
            }
        };
        Frame::new(wire::Answer { answer: Some(answer) }.encode_to_vec().into(), payload)
    }

    /// Decodes a frame that anyone may have sent. Whether it answers what was asked is for the caller to see.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole answer within its bounds.
    pub fn decode(frame: Frame) -> Result<Self, DecodeError> {
        use wire::answer::Answer as Wire;
        let (head, payload) = frame.into_parts();
        let answer: wire::Answer = decode(head)?;
        let answer = answer.answer.ok_or(DecodeError::field("answer"))?;
        if !matches!(answer, Wire::Shard(_) | Wire::Node(_)) && !payload.is_empty() {
            return Err(DecodeError::Trailing { bytes: payload.len() });
        }
        Ok(match answer {
            Wire::Refusal(refusal) => Self::Refused(Refusal::from_wire(refusal)?),
            Wire::Holds(holds) => {
                bounded(holds.shards.len(), IDS_PER_MESSAGE_MAX)?;
                bounded(holds.nodes.len(), IDS_PER_MESSAGE_MAX)?;
                let shards = holds.shards.into_iter().map(ShardSet::from_bits).collect();
                Self::Holds { shards, nodes: holds.nodes }
            }
            Wire::Offered(offered) => {
                bounded(offered.have.len(), IDS_PER_MESSAGE_MAX)?;
                Self::Offered { have: offered.have }
            }
            Wire::Stored(_) => Self::Stored,
            Wire::Shard(shard) => Self::Shard { header: StripeHeader::decode(&shard.stripe_header)?, payload },
            Wire::Node(_) => Self::Node { payload: node_bytes(payload)? },
            Wire::Records(records) => {
                let records = records.records.iter().map(|record| LayoutRecord::decode(record));
                Self::Records { records: records.collect::<Result<_, _>>()? }
            }
        })
    }
}

fn address_to_wire(address: ShardAddress) -> wire::Address {
    wire::Address { stripe: address.stripe.as_bytes().to_vec().into(), index: address.index.as_u8().into() }
}

fn address_from_wire(address: Option<wire::Address>) -> Result<ShardAddress, DecodeError> {
    let address = address.ok_or(DecodeError::field("address"))?;
    Ok(ShardAddress { stripe: id32(&address.stripe, StripeId::from_bytes)?, index: shard_index(address.index)? })
}

fn shard_index(index: u32) -> Result<ShardIndex, DecodeError> {
    ShardIndex::new(index as usize).ok_or(DecodeError::field("shard index"))
}

/// Cuts the payload into the shards that are described. No byte is copied.
fn pushed_shards(described: &[wire::PushedShard], mut payload: Bytes) -> Result<Vec<PushedShard>, DecodeError> {
    let mut shards = Vec::with_capacity(described.len());
    for shard in described {
        let header = StripeHeader::decode(&shard.stripe_header)?;
        let index = shard_index(shard.index)?;
        if header.shard(index).is_none() || payload.len() < header.shard_bytes() {
            return Err(DecodeError::field("payload bytes"));
        }
        let payload = payload.split_to(header.shard_bytes());
        shards.push(PushedShard { header, index, payload });
    }
    if shards.is_empty() || !payload.is_empty() {
        return Err(DecodeError::field("payload bytes"));
    }
    Ok(shards)
}

fn ids<T>(items: &[Bytes], make: impl Fn([u8; 32]) -> T) -> Result<Vec<T>, DecodeError> {
    items.iter().map(|bytes| id32(bytes, &make)).collect()
}

fn bounded(count: usize, max: usize) -> Result<(), DecodeError> {
    if count > max { Err(DecodeError::TooMany { count, max }) } else { Ok(()) }
}

fn node_bytes(payload: Bytes) -> Result<Bytes, DecodeError> {
    match payload.len() {
        0..=NODE_BYTES_MAX => Ok(payload),
        count => Err(DecodeError::TooMany { count, max: NODE_BYTES_MAX }),
    }
}
