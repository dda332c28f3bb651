//! How often fields repeat in what peers say to each other: counted before they are decoded.

use super::wire;
use crate::fields::{Field, Shape, Shaped};
use crate::limits::{
    HELLO_PEERS_MAX, IDS_PER_MESSAGE_MAX, LAYOUT_RECORDS_MAX, PEER_ADDRESSES_MAX, SHARDS_PER_PUSH_MAX,
};

const CARD: Shape = &[Field::many(2, PEER_ADDRESSES_MAX)];

impl Shaped for wire::Hello {
    const SHAPE: Shape = &[Field::once(4, CARD)];
}

impl Shaped for wire::HelloAnswer {
    const SHAPE: Shape = &[Field::once(1, &[Field::once(3, CARD), Field::each(4, HELLO_PEERS_MAX, CARD)])];
}

impl Shaped for wire::Request {
    const SHAPE: Shape = &[
        Field::once(1, &[Field::many(1, IDS_PER_MESSAGE_MAX), Field::many(2, IDS_PER_MESSAGE_MAX)]),
        Field::once(2, &[Field::many(2, IDS_PER_MESSAGE_MAX)]),
        Field::once(3, &[Field::many(2, SHARDS_PER_PUSH_MAX)]),
    ];
}

impl Shaped for wire::Answer {
    const SHAPE: Shape = &[Field::once(7, &[Field::many(1, LAYOUT_RECORDS_MAX)])];
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::fields::tests::{Door, hold};
    use crate::message::{Answer, Frame, Hello, HelloAnswer, Request};

    #[test]
    fn what_repeats_is_counted_before_it_is_decoded() {
        let frame = |head| Frame::new(head, Bytes::new());
        hold(
            "storgo.mesh.v1",
            &[
                Door::new::<wire::Hello>("Hello", |head| Hello::decode(&head).map(drop)),
                Door::new::<wire::HelloAnswer>("HelloAnswer", |head| HelloAnswer::decode(&head).map(drop)),
                Door::new::<wire::Request>("Request", move |head| Request::decode(frame(head)).map(drop)),
                Door::new::<wire::Answer>("Answer", move |head| Answer::decode(frame(head)).map(drop)),
            ],
        );
    }
}
