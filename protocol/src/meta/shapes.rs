//! How often fields repeat in commands, replies and records: counted before they are decoded.

use super::wire;
use crate::fields::{Field, Shape, Shaped};
use crate::limits::{BATCH_PARTS_MAX, BUCKET_MEMBERS_MAX, ROWS_CHANGED_MAX, SHIPPED_PAIRS_MAX, VERSION_TAGS_MAX};

impl Shaped for wire::Command {
    const SHAPE: Shape = &[
        Field::once(16, &[Field::many(5, SHIPPED_PAIRS_MAX)]),
        Field::once(22, &[Field::many(1, ROWS_CHANGED_MAX)]),
        Field::once(23, &[Field::many(3, BATCH_PARTS_MAX)]),
    ];
}

impl Shaped for wire::Version {
    const SHAPE: Shape = &[Field::many(12, VERSION_TAGS_MAX)];
}

impl Shaped for wire::BucketConfig {
    const SHAPE: Shape = &[Field::many(8, BUCKET_MEMBERS_MAX)];
}

impl Shaped for wire::Proposal {}
impl Shaped for wire::Reply {}
impl Shaped for wire::Remembered {}
impl Shaped for wire::Row {}
impl Shaped for wire::SlotState {}
impl Shaped for wire::Event {}
impl Shaped for wire::Lock {}
impl Shaped for wire::InlineBody {}
impl Shaped for wire::ObjectBody {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::tests::{Door, hold};
    use crate::meta::{BucketConfig, Command, Version};

    #[test]
    fn what_repeats_is_counted_before_it_is_decoded() {
        hold(
            "storgo.meta.v1",
            &[
                Door::new::<wire::Command>("Command", |bytes| Command::decode(&bytes).map(drop)),
                Door::new::<wire::Version>("Version", |bytes| Version::decode(&bytes).map(drop)),
                Door::new::<wire::BucketConfig>("BucketConfig", |bytes| BucketConfig::decode(&bytes).map(drop)),
            ],
        );
    }
}
