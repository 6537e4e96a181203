//! What must hold for [`parse`] on any bytes.

use halb_lb::proxy_protocol::{ENCODED_LEN_MAX, HEADER_LEN_MAX, Header, Parsed, encode, parse};

/// Panics if a promise of the parser is broken for `input` or for one of its beginnings.
pub(crate) fn check(input: &[u8]) {
    let whole = parse(input);
    // All beginnings of a short input, a few hundred of a long one.
    for arrived in (0..input.len()).step_by(1 + input.len() / 256) {
        let early = parse(&input[..arrived]);
        if let Ok(Parsed::Incomplete { need_at_least }) = early {
            check_need(arrived, need_at_least, &whole);
        } else {
            assert_eq!(early, whole, "more bytes changed the answer after {arrived}");
        }
    }
    match whole {
        Ok(Parsed::Header(header)) => check_header(input, header),
        Ok(Parsed::Incomplete { need_at_least }) => assert!(need_at_least > input.len()),
        Err(_) => {}
    }
}

fn check_need<E>(arrived: usize, need_at_least: usize, whole: &Result<Parsed<'_>, E>) {
    assert!(need_at_least > arrived, "asked for nothing after {arrived} bytes");
    assert!(need_at_least <= HEADER_LEN_MAX);
    match whole {
        Ok(Parsed::Header(header)) => assert!(need_at_least <= header.len, "asked for payload"),
        Ok(Parsed::Incomplete { need_at_least: later }) => assert!(need_at_least <= *later),
        Err(_) => {}
    }
}

fn check_header(input: &[u8], header: Header<'_>) {
    assert!(header.len <= input.len().min(HEADER_LEN_MAX));
    assert_eq!(parse(&input[..header.len]), Ok(Parsed::Header(header)), "the payload was read");
    assert!(header.tlvs.map(|tlv| tlv.value.len() + 3).sum::<usize>() <= header.len);
    let Some(endpoints) = header.endpoints else { return };
    let mut out = [0; ENCODED_LEN_MAX];
    let len = encode(header.version, header.endpoints, &mut out);
    match parse(&out[..len]) {
        Ok(Parsed::Header(Header { endpoints: Some(again), len: again_len, .. })) => {
            assert_eq!((again, again_len), (endpoints, len));
        }
        other => panic!("{endpoints:?} is encoded as {other:?}"),
    }
}
