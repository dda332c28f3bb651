//! How often fields repeat in rows of group 0, in questions and in answers: counted before they are decoded.

use super::wire;
use crate::fields::{Field, Shape, Shaped};
use crate::limits::{
    BUCKET_ACCESS_KEYS_MAX, BUCKET_FORMER_MAX, BUCKET_KEYS_MAX, BUCKET_MEMBERS_MAX, BUCKETS_LISTED_MAX,
    EVENTS_LISTED_MAX, GROUP_SEATS_MAX, GROUPS_MAX, LISTED_MAX, MEMBER_ADDRESSES_MAX, MEMBERS_MAX, SHIPPED_PAIRS_MAX,
    SLOTS, TALK_MESSAGES_MAX,
};

const MEMBER: Shape = &[Field::many(4, MEMBER_ADDRESSES_MAX), Field::many(7, GROUPS_MAX + 1)];
const GROUP: Shape = &[Field::many(1, GROUP_SEATS_MAX)];
const TABLE: Shape = &[Field::many(1, SLOTS as usize)];

const MAP: Shape = &[
    Field::each(4, MEMBERS_MAX, &[Field::once(1, MEMBER)]),
    Field::each(5, GROUPS_MAX + 1, &[Field::once(2, GROUP)]),
    Field::once(6, TABLE),
];

impl Shaped for wire::Network {}

impl Shaped for wire::Member {
    const SHAPE: Shape = MEMBER;
}

impl Shaped for wire::Group {
    const SHAPE: Shape = GROUP;
}

impl Shaped for wire::Slots {
    const SHAPE: Shape = TABLE;
}

impl Shaped for wire::SlotMove {}

impl Shaped for wire::Bucket {
    const SHAPE: Shape = &[
        Field::each(6, BUCKET_MEMBERS_MAX, &[Field::many(3, BUCKET_KEYS_MAX)]),
        Field::many(11, BUCKET_FORMER_MAX),
        Field::many(12, BUCKET_ACCESS_KEYS_MAX),
    ];
}

impl Shaped for wire::Ask {
    const SHAPE: Shape = &[Field::once(6, &[Field::once(1, MEMBER)])];
}

impl Shaped for wire::Told {
    const SHAPE: Shape = &[
        Field::once(4, &[Field::many(1, LISTED_MAX)]),
        Field::once(5, MAP),
        Field::once(6, &[Field::many(1, BUCKETS_LISTED_MAX)]),
        Field::once(8, &[Field::many(4, SHIPPED_PAIRS_MAX)]),
        Field::once(9, &[Field::many(3, GROUP_SEATS_MAX), Field::many(4, GROUP_SEATS_MAX)]),
        Field::once(10, &[Field::each(1, GROUPS_MAX + 1, &[Field::many(2, GROUP_SEATS_MAX)])]),
        Field::once(11, &[Field::many(1, EVENTS_LISTED_MAX)]),
    ];
}

impl Shaped for wire::Talk {
    const SHAPE: Shape = &[Field::many(3, TALK_MESSAGES_MAX)];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Ask, Bucket, GroupRow, MemberRow, NetworkRow, SlotMove, SlotTable, Talk, Told};
    use crate::fields::tests::{Door, hold};

    #[test]
    fn what_repeats_is_counted_before_it_is_decoded() {
        hold(
            "storgo.cluster.v1",
            &[
                Door::new::<wire::Network>("Network", |bytes| NetworkRow::decode(bytes).map(drop)),
                Door::new::<wire::Member>("Member", |bytes| MemberRow::decode(bytes).map(drop)),
                Door::new::<wire::Group>("Group", |bytes| GroupRow::decode(bytes).map(drop)),
                Door::new::<wire::Slots>("Slots", |bytes| SlotTable::decode(bytes).map(drop)),
                Door::new::<wire::SlotMove>("SlotMove", |bytes| SlotMove::decode(bytes).map(drop)),
                Door::new::<wire::Bucket>("Bucket", |bytes| Bucket::decode(&bytes).map(drop)),
                Door::new::<wire::Ask>("Ask", |bytes| Ask::decode(bytes).map(drop)),
                Door::new::<wire::Told>("Told", |bytes| Told::decode(bytes).map(drop)),
                Door::new::<wire::Talk>("Talk", |bytes| Talk::decode(bytes).map(drop)),
            ],
        );
    }
}
