//! Values for tests elsewhere in this crate.

use storgo_protocol::meta::{Body, ObjectId, RequestId, Version};

/// A version of no interest.
pub(crate) fn version() -> Version {
    Version::new(ObjectId::from_bytes([8; 16]), RequestId::new(1, [0; 10]), Body::Marker)
}
