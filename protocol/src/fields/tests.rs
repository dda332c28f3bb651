use std::collections::{BTreeMap, BTreeSet};

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use super::*;

/// A message that is decoded by itself, and what decodes it.
pub(crate) struct Door {
    message: &'static str,
    shape: Shape,
    read: Box<dyn Fn(Bytes) -> Result<(), DecodeError>>,
}

impl Door {
    pub(crate) fn new<M: Shaped>(
        message: &'static str,
        read: impl Fn(Bytes) -> Result<(), DecodeError> + 'static,
    ) -> Self {
        Self { message, shape: M::SHAPE, read: Box::new(read) }
    }
}

/// Holds the shapes of a package against its .proto file, and its decoders to their shapes: every message in which
/// something repeats, at whatever depth, has a bound for it, and who exceeds one is refused before anything is decoded.
pub(crate) fn hold(package: &str, doors: &[Door]) {
    let package = Package::of(package);
    let mut seen = BTreeSet::new();
    for door in doors {
        package.covers(door.message, door.shape, &mut seen);
        for (crowd, max) in crowds(door.shape) {
            let read = (door.read)(crowd.into());
            assert!(
                matches!(read, Err(DecodeError::TooMany { max: bound, .. }) if bound == max),
                "{}, {max} times: {read:?}",
                door.message
            );
        }
    }
    for message in package.messages.keys().filter(|message| package.repeats(message)) {
        assert!(seen.contains(message), "{message} is in no shape");
    }
}

/// The messages of a .proto file.
struct Package {
    messages: BTreeMap<String, DescriptorProto>,
}

impl Package {
    #[expect(clippy::disallowed_methods, reason = "of this build, not from outside")]
    fn of(name: &str) -> Self {
        let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
        let files = FileDescriptorSet::decode(&bytes[..]).unwrap().file;
        let file = files.into_iter().find(|file| file.package() == name).unwrap();
        Self { messages: file.message_type.into_iter().map(|message| (message.name().to_owned(), message)).collect() }
    }

    /// The message that a field holds, if it holds one.
    fn held<'a>(&self, field: &'a FieldDescriptorProto) -> Option<&'a str> {
        let name = field.type_name().rsplit('.').next()?;
        self.messages.contains_key(name).then_some(name)
    }

    fn repeats(&self, message: &str) -> bool {
        self.messages[message].field.iter().any(|field| self.counts(field))
    }

    /// Whether it has to be in a shape.
    fn counts(&self, field: &FieldDescriptorProto) -> bool {
        let holds = matches!(field.r#type(), Type::Message | Type::Bytes | Type::String);
        let inner = self.held(field).is_some_and(|message| self.repeats(message));
        (holds && field.label() == Label::Repeated) || inner
    }

    fn covers(&self, message: &str, shape: Shape, seen: &mut BTreeSet<String>) {
        seen.insert(message.to_owned());
        let fields = &self.messages[message].field;
        let counted: Vec<_> = fields.iter().filter(|field| self.counts(field)).collect();
        let numbers = |field: &&FieldDescriptorProto| u32::try_from(field.number()).unwrap();
        assert_eq!(
            counted.iter().map(numbers).collect::<BTreeSet<_>>(),
            shape.iter().map(|field| field.number).collect(),
            "what repeats in {message}"
        );
        for field in counted {
            let known = shape.iter().find(|known| known.number == numbers(&field)).unwrap();
            assert!(field.label() == Label::Repeated || known.max == 1, "{message}: {}", field.name());
            match self.held(field) {
                Some(held) => self.covers(held, known.within, seen),
                None => assert!(known.within.is_empty(), "{message}: {}", field.name()),
            }
        }
    }
}

/// For each field of a shape, at whatever depth: a message in which it stands once too often. The first of them is none,
/// so that who decodes before counting sees that instead.
fn crowds(shape: Shape) -> Vec<(Vec<u8>, usize)> {
    let mut list = Vec::new();
    for field in shape {
        let empty = standing(field.number, &[]);
        list.push(([standing(field.number, &[0xff]), empty.repeat(field.max)].concat(), field.max));
        let within = crowds(field.within).into_iter();
        list.extend(within.map(|(crowd, max)| (standing(field.number, &crowd), max)));
    }
    list
}

/// A field as it stands in a message.
fn standing(number: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(number, WireType::LengthDelimited, &mut out);
    prost::encoding::encode_varint(value.len() as u64, &mut out);
    [out.as_slice(), value].concat()
}

const SHAPE: Shape = &[Field::many(2, 3), Field::each(4, 1, &[Field::many(1, 2)])];
const ONE: Shape = &[Field::many(2, 1)];
const NONE: Shape = &[Field::many(9, 0)];

#[test]
fn fields_are_counted_among_others_and_in_others() {
    // Field 2, "a"; field 1, varint 5; field 2, empty; field 3, "b"; field 2, "cd".
    let message = [0x12, 1, b'a', 0x08, 5, 0x12, 0, 0x1a, 1, b'b', 0x12, 2, b'c', b'd'];
    assert_eq!(check(&message, SHAPE), Ok(()));
    assert_eq!(check(&message, ONE), Err(DecodeError::TooMany { count: 3, max: 1 }));
    assert_eq!(check(&message, NONE), Ok(()));
    let within = |count: usize| [&message[..], &standing(4, &standing(1, b"x").repeat(count))].concat();
    assert_eq!(check(&within(2), SHAPE), Ok(()));
    assert_eq!(check(&within(3), SHAPE), Err(DecodeError::TooMany { count: 3, max: 2 }));
    assert_eq!(check(&within(1).repeat(2), SHAPE), Err(DecodeError::TooMany { count: 6, max: 3 }));
    for cut in [1, 2, 4, 13] {
        assert!(check(&message[..cut], SHAPE).is_err(), "{cut}");
    }
    assert!(check(&[0x10, 5], SHAPE).is_err(), "a number is no bytes");
    assert!(check(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], SHAPE).is_err());
}
