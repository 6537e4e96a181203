//! Attributes of netlink messages: a kind, a length and bytes, or more attributes inside
//! (<https://docs.kernel.org/userspace-api/netlink/intro.html>).

/// One attribute to be sent or looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    kind: u16,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Bytes(Vec<u8>),
    Nested(Vec<Attribute>),
}

/// Bytes of kind and length, which stand before the value.
const HEADER: usize = 4;

/// Attributes begin at multiples of this.
const ALIGNMENT: usize = 4;

/// `NLA_F_NESTED`, and the bits of a kind that are no flags (`NLA_TYPE_MASK`).
const NESTED: u16 = 1 << 15;
const KIND_MASK: u16 = 0x3fff;

impl Attribute {
    pub(crate) fn bytes(kind: u16, bytes: impl Into<Vec<u8>>) -> Self {
        Self { kind, value: Value::Bytes(bytes.into()) }
    }

    pub(crate) fn u8(kind: u16, value: u8) -> Self {
        Self::bytes(kind, [value])
    }

    /// In network order, as all numbers of netfilter are.
    pub(crate) fn u16(kind: u16, value: u16) -> Self {
        Self::bytes(kind, value.to_be_bytes())
    }

    /// In network order.
    pub(crate) fn u32(kind: u16, value: u32) -> Self {
        Self::bytes(kind, value.to_be_bytes())
    }

    /// With a zero at its end, as the kernel gives strings back.
    pub(crate) fn text(kind: u16, text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        Self::bytes(kind, bytes)
    }

    pub(crate) fn nested(kind: u16, inner: impl Into<Vec<Self>>) -> Self {
        Self { kind, value: Value::Nested(inner.into()) }
    }

    /// Appends it to a message.
    ///
    /// # Panics
    /// When it is longer than 64 KiB; who sends lists cuts them.
    pub(crate) fn write(&self, message: &mut Vec<u8>) {
        let begin = message.len();
        message.extend([0; HEADER]);
        let kind = match &self.value {
            Value::Bytes(bytes) => {
                message.extend_from_slice(bytes);
                self.kind
            }
            Value::Nested(inner) => {
                inner.iter().for_each(|attribute| attribute.write(message));
                self.kind | NESTED
            }
        };
        let length = message.len() - begin;
        let length = u16::try_from(length).expect("lists are cut before they are that long");
        message[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
        message[begin + 2..begin + HEADER].copy_from_slice(&kind.to_ne_bytes());
        message.resize(message.len().next_multiple_of(ALIGNMENT), 0);
    }

    /// What `self` says is in `held` too; more may be.
    pub(crate) fn is_held_as(&self, held: &[u8]) -> bool {
        match &self.value {
            Value::Bytes(bytes) => bytes == held,
            Value::Nested(inner) => are_held(inner, held),
        }
    }
}

/// Everything in `should` is in `held`, as often and in the same order; kinds that `should` doesn't
/// name may be there as well, since the kernel adds counts and defaults.
pub(crate) fn are_held(should: &[Attribute], held: &[u8]) -> bool {
    let of_kind = |kind| parse(held).filter(move |(other, _)| *other == kind);
    should.iter().enumerate().all(|(index, attribute)| {
        let before = should[..index].iter().filter(|other| other.kind == attribute.kind).count();
        let wanted = should.iter().filter(|other| other.kind == attribute.kind).count();
        let found = of_kind(attribute.kind).nth(before);
        found.is_some_and(|(_, value)| attribute.is_held_as(value))
            && of_kind(attribute.kind).count() == wanted
    })
}

/// Reads attributes until the bytes end or make no sense.
pub(crate) fn parse(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_ne_bytes(*length));
        let value = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((u16::from_ne_bytes(*kind) & KIND_MASK, value))
    })
}

/// The first attribute of a kind.
pub(crate) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    parse(bytes).find(|(other, _)| *other == kind).map(|(_, value)| value)
}

/// A string, without the zero at its end.
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).ok()
}

/// A number in network order.
pub(crate) fn number<const LENGTH: usize>(bytes: &[u8], kind: u16) -> Option<[u8; LENGTH]> {
    find(bytes, kind)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(attributes: &[Attribute]) -> Vec<u8> {
        let mut bytes = Vec::new();
        attributes.iter().for_each(|attribute| attribute.write(&mut bytes));
        bytes
    }

    fn list() -> Vec<Attribute> {
        let item = |value| Attribute::nested(1, [Attribute::u32(2, value)]);
        vec![Attribute::text(7, "halb"), Attribute::nested(3, [item(5), item(6)])]
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = written(&list());
        assert_eq!(text(find(&bytes, 7).unwrap()), Some("halb"));
        let items = find(&bytes, 3).unwrap();
        let numbers: Vec<_> = parse(items).map(|(_, item)| number::<4>(item, 2)).collect();
        assert_eq!(numbers, [Some(5u32.to_be_bytes()), Some(6u32.to_be_bytes())]);
    }

    #[test]
    fn additions_of_the_kernel_are_no_difference_and_additions_to_a_list_are() {
        let mut more = list();
        more.push(Attribute::u32(9, 1));
        assert!(are_held(&list(), &written(&more)));
        let item = |value| Attribute::nested(1, [Attribute::u32(2, value)]);
        let held = |items: Vec<Attribute>| {
            let list = Attribute::nested(3, items);
            are_held(&self::list(), &written(&[Attribute::text(7, "halb"), list]))
        };
        assert!(held(vec![item(5), item(6)]));
        assert!(!held(vec![item(6), item(5)]));
        assert!(!held(vec![item(5)]));
        assert!(!held(vec![item(5), item(6), item(7)]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).count() <= bytes.len());
            are_held(&list(), &bytes);
        }
    }
}
