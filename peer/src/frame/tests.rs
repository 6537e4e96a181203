use super::*;
use crate::config::Keys;

#[test]
fn what_was_sealed_is_read_with_the_same_key() {
    let sign = Key::from_hex(&"0123456789abcdef".repeat(4)).unwrap();
    let keys = Keyring::new(&Keys { sign, also: None });
    let header = Header {
        channel: 3,
        from: Session::from_random(7),
        to: None,
        sequence: NonZeroU64::MIN,
        echo: None,
    };
    let frame = keys.seal(&header, b"word").unwrap();
    let verified = parse(&frame).unwrap().verify(&keys).unwrap();
    assert_eq!((verified.header, verified.payload), (header, b"word".as_slice()));
}
