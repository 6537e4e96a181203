use std::sync::Arc;

use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, version};

use super::*;
use crate::config::{SniPattern, SniRoute};
use crate::names::BackendName;

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../../fuzz/corpus/client_hello/", $name)).as_slice()
    };
}

const RECORDED: [(&[u8], Option<&str>); 5] = [
    (recorded!("curl"), Some("api.example.com")),
    // 1,495 bytes: Go offers X25519MLKEM768 first.
    (recorded!("kubectl"), Some("api.example.com")),
    // Asked for as API.Example.com.
    (recorded!("openssl-tls13"), Some("api.example.com")),
    (recorded!("openssl-tls12-no-sni"), None),
    (recorded!("openssl-several-records"), Some("api.example.com")),
];

fn complete(input: &[u8]) -> ClientHello {
    match parse(input) {
        Ok(Parsed::Complete(hello)) => hello,
        other => panic!("{other:?} for {}", input.escape_ascii()),
    }
}

fn name(input: &[u8]) -> Option<String> {
    complete(input).sni.map(|name| name.to_string())
}

/// All beginnings are incomplete, and what follows is not looked at.
fn assert_name_at_every_split(input: &[u8], expected: Option<&str>) {
    assert_eq!(name(input).as_deref(), expected);
    for arrived in 0..input.len() {
        assert_eq!(parse(&input[..arrived]), Ok(Parsed::Incomplete), "{arrived} bytes");
    }
    assert_eq!(name(&[input, b"\x17\x03\x03\xff"].concat()).as_deref(), expected);
}

/// The error appears with the last byte of `input` and not before.
fn assert_last_byte_is_wrong(input: &[u8], reason: NotTls) {
    assert_eq!(parse(input), Err(reason), "{}", input.escape_ascii());
    let before = parse(&input[..input.len() - 1]);
    assert_eq!(before, Ok(Parsed::Incomplete), "{}", input.escape_ascii());
}

/// The handshake bytes of a recorded connection.
fn handshake(mut records: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((&[0x16, 3, _, high, low], rest)) = records.split_first_chunk() {
        let (fragment, rest) = rest.split_at(usize::from(u16::from_be_bytes([high, low])));
        bytes.extend(fragment);
        records = rest;
    }
    bytes
}

/// The message in records of at most `size` bytes.
fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |fragment: &[u8]| {
        let len = u16::try_from(fragment.len()).unwrap().to_be_bytes();
        [&[0x16, 3, 1, len[0], len[1]], fragment].concat()
    };
    message.chunks(size).flat_map(record).collect()
}

fn with_len16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().as_slice(), &with_len16(body)].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    extension(0, &with_len16(&[&[0], with_len16(name).as_slice()].concat()))
}

/// A ClientHello whose part behind the compression methods is `tail`.
fn hello_with_tail(tail: &[u8]) -> Vec<u8> {
    let body = [&[3, 3], [7; 32].as_slice(), &[0], &[0, 2, 0x13, 1], &[1, 0], tail].concat();
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &len[1..], &body].concat()
}

/// A record with a ClientHello that has these extensions.
fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    in_records(&hello_with_tail(&with_len16(&extensions.concat())), 16_384)
}

/// What rustls sends first.
fn rustls_hello(
    versions: &[&'static SupportedProtocolVersion],
    name: &'static str,
    adjust: impl FnOnce(&mut ClientConfig),
) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    adjust(&mut config);
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut sent = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut sent).unwrap();
    }
    sent
}

#[test]
fn recorded_hellos_are_read_at_every_split() {
    for (input, expected) in RECORDED {
        assert_name_at_every_split(input, expected);
    }
}

#[test]
fn hellos_of_rustls_are_read_at_every_split() {
    const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
    let name = "kubernetes.default.svc";
    let hellos = [
        (rustls_hello(BOTH, name, |_| {}), Some(name)),
        (rustls_hello(&[&version::TLS12], name, |_| {}), Some(name)),
        (rustls_hello(&[&version::TLS13], "API.Example.COM", |_| {}), Some("api.example.com")),
        (rustls_hello(BOTH, name, |c| c.alpn_protocols = vec![b"h2".to_vec()]), Some(name)),
        (rustls_hello(BOTH, name, |c| c.enable_sni = false), None),
        (rustls_hello(BOTH, "192.0.2.1", |_| {}), None),
        (rustls_hello(BOTH, name, |c| c.max_fragment_size = Some(32)), Some(name)),
    ];
    for (input, expected) in &hellos {
        assert_name_at_every_split(input, *expected);
    }
    let records = hellos.last().unwrap().0.windows(3).filter(|w| w == &[0x16, 3, 1]).count();
    assert!(records > 5, "the last one was to be in several records");
}

#[test]
fn a_hello_is_read_across_records_of_any_size() {
    for (input, expected) in RECORDED {
        let message = handshake(input);
        for size in [1, 2, 3, 16, 63, 500] {
            let records = in_records(&message, size);
            if records.len() <= INPUT_LEN_MAX {
                assert_eq!(name(&records).as_deref(), expected, "records of {size} bytes");
            }
        }
    }
}

#[test]
fn a_hello_without_extensions_has_no_name() {
    let input = in_records(&hello_with_tail(&[]), 16_384);
    assert_name_at_every_split(&input, None);
    assert_name_at_every_split(&hello(&[]), None);
}

#[test]
fn the_outer_name_is_read_where_the_inner_one_is_encrypted() {
    let grease = extension(0x1a1a, &[]);
    let encrypted_client_hello = extension(0xfe0d, &[0xab; 300]);
    let input = hello(&[grease, encrypted_client_hello, server_name(b"public.example.com")]);
    assert_name_at_every_split(&input, Some("public.example.com"));
}

#[test]
fn names_are_lowered_and_lose_a_final_dot() {
    assert_eq!(name(&hello(&[server_name(b"A-1_b.Example.COM.")])).unwrap(), "a-1_b.example.com");
}

#[test]
fn what_is_no_host_name_counts_as_no_name() {
    let label = [b'a'; 63];
    let longest = [&label[..], b".", &label, b".", &label, b".", &label[..61]].concat();
    assert_eq!(longest.len(), 253);
    let longest_name = String::from_utf8(longest.clone()).unwrap();
    assert_eq!(name(&hello(&[server_name(&longest)])).unwrap(), longest_name);
    let dotted = [&longest[..], b"."].concat();
    assert_eq!(name(&hello(&[server_name(&dotted)])).unwrap(), longest_name);

    let too_long = [&longest[..], b"a"].concat();
    let far_too_long = [b'a'; 9_000];
    let no_names: [&[u8]; 11] = [
        b"",
        b".",
        b"a..b",
        b".a",
        b"a b",
        b"a/b",
        b"a\0b",
        b"caf\xc3\xa9.example",
        &[b'a'; 64],
        &too_long,
        &far_too_long,
    ];
    for bytes in no_names {
        assert_eq!(name(&hello(&[server_name(bytes)])), None, "{}", bytes.escape_ascii());
    }
    let unknown_type = extension(0, &with_len16(&[&[9], with_len16(b"a.b").as_slice()].concat()));
    assert_eq!(name(&hello(&[unknown_type])), None);
}

#[test]
fn another_protocol_is_refused_at_the_first_wrong_byte() {
    let table: [(&[u8], NotTls); 12] = [
        (b"G", NotTls::Record),
        (b"SSH-2.0"[..1].as_ref(), NotTls::Record),
        (&[0x80], NotTls::Record), // SSL 2.0 hello
        (&[0x15], NotTls::Record), // alert
        (&[0x17], NotTls::Record), // application data
        (&[0x16, 2], NotTls::Record),
        (&[0x16, 3, 1, 0x41], NotTls::RecordLength),
        (&[0x16, 3, 1, 0x40, 1], NotTls::RecordLength),
        (&[0x16, 3, 1, 0, 0], NotTls::RecordLength),
        (&[0x16, 3, 1, 0, 5, 2], NotTls::Handshake), // ServerHello
        (&[0x16, 3, 1, 0, 5, 1, 1], NotTls::TooLong),
        (&[0x16, 3, 1, 0, 5, 1, 0, 0x3f, 0xfd], NotTls::TooLong),
    ];
    for (input, reason) in table {
        assert_last_byte_is_wrong(input, reason);
    }
}

#[test]
fn a_hello_interrupted_by_another_record_is_refused() {
    let mut input = in_records(&handshake(RECORDED[0].0), 100);
    input[105] = 0x15;
    assert_last_byte_is_wrong(&input[..106], NotTls::Record);
}

#[test]
fn the_longest_hello_is_read_and_a_longer_input_is_not_waited_for() {
    let padding = HELLO_LEN_MAX - hello_with_tail(&with_len16(&server_name(b"a.b"))).len() - 4;
    let tail = with_len16(&[server_name(b"a.b"), extension(21, &vec![0; padding])].concat());
    let message = hello_with_tail(&tail);
    assert_eq!(message.len(), HELLO_LEN_MAX);
    assert_eq!(name(&in_records(&message, 16_384)).unwrap(), "a.b");
    assert_eq!(name(&in_records(&message, 81)).unwrap(), "a.b");

    let too_many = in_records(&message, 79);
    assert_eq!(parse(&too_many[..INPUT_LEN_MAX - 1]), Ok(Parsed::Incomplete));
    assert_eq!(parse(&too_many[..INPUT_LEN_MAX]), Err(NotTls::TooLong));
    assert_eq!(parse(&too_many), Err(NotTls::TooLong));
}

#[test]
fn lengths_that_contradict_each_other_are_refused() {
    let sni = || server_name(b"a.b");
    let list = |bytes: &[u8]| hello(&[extension(0, bytes)]);
    let two_names = [&[0], with_len16(b"a").as_slice(), &[0], with_len16(b"b").as_slice()].concat();
    let raw = |tail: &[u8]| in_records(&hello_with_tail(tail), 16_384);
    let table = [
        ("extensions shorter than the hello", raw(&[&with_len16(&sni())[..], &[0]].concat())),
        ("extensions longer than the hello", raw(&[&[0, 9], sni().as_slice()].concat())),
        ("half an extensions length", raw(&[0])),
        ("half an extension header", raw(&with_len16(&[0, 0, 0]))),
        ("an extension that overlaps the end", raw(&with_len16(&[0, 9, 0, 1]))),
        ("two server_name extensions", hello(&[sni(), sni()])),
        ("an empty server_name extension", list(&[])),
        ("a list longer than its extension", list(&[0, 4, 0, 0, 0])),
        ("a list shorter than its extension", list(&[0, 3, 0, 0, 0, 0])),
        ("a name longer than its list", list(&[0, 4, 0, 0, 2, b'a'])),
        ("a name that reaches over the next extension", {
            let list = extension(0, &[0, 4, 0, 0, 5, b'a']);
            hello(&[list, extension(21, &[])])
        }),
        ("two host names", list(&with_len16(&two_names))),
    ];
    for (what, input) in table {
        assert_eq!(parse(&input), Err(NotTls::Malformed), "{what}");
    }
}

#[test]
fn fields_before_the_extensions_are_checked_as_they_arrive() {
    let good = hello(&[]);
    let with = |index: usize, value: u8| [&good[..index], &[value]].concat();
    // Record header 5, handshake header 4, version 2, random 32.
    assert_last_byte_is_wrong(&with(9, 2), NotTls::Malformed);
    assert_last_byte_is_wrong(&with(43, 33), NotTls::Malformed);
    assert_last_byte_is_wrong(&with(45, 3), NotTls::Malformed);
    assert_last_byte_is_wrong(&with(45, 0), NotTls::Malformed);
    assert_last_byte_is_wrong(&with(48, 0), NotTls::Malformed);
    // Reaches beyond the hello: no use in waiting for more.
    assert_last_byte_is_wrong(&with(45, 200), NotTls::Malformed);
}

fn routes() -> Vec<SniRoute> {
    let route = |sni, backend: &str| SniRoute { sni, backend: BackendName::new(backend).unwrap() };
    vec![
        route(SniPattern::Exact("api.example.com".into()), "api"),
        route(SniPattern::Below("apps.example.com".into()), "apps"),
        route(SniPattern::Below("example.com".into()), "rest"),
        route(SniPattern::Exact("late.example.com".into()), "never"),
    ]
}

#[test]
fn the_first_route_that_fits_is_taken() {
    let table = [
        (Some("api.example.com"), Some("api")),
        (Some("API.Example.com."), Some("api")),
        (Some("apiXexample.com"), None),
        (Some("x.api.example.com"), Some("rest")),
        (Some("a.apps.example.com"), Some("apps")),
        (Some("A.B.apps.example.com"), Some("apps")),
        (Some("apps.example.com"), Some("rest")),
        (Some("xapps.example.com"), Some("rest")),
        (Some("a.b.example.com."), Some("rest")),
        (Some("late.example.com"), Some("rest")),
        (Some("example.com"), None),
        (Some(".example.com"), None),
        (Some("badexample.com"), None),
        (Some("example.com.evil.org"), None),
        (Some("com"), None),
        (Some(""), None),
        (None, None),
    ];
    let routes = routes();
    for (sni, expected) in table {
        assert_eq!(route(&routes, sni).map(BackendName::as_str), expected, "{sni:?}");
    }
    assert_eq!(route(&[], Some("api.example.com")), None);
}

proptest! {
    #[test]
    fn any_cut_into_records_gives_the_same_name(
        which in 0..RECORDED.len(),
        cuts in prop::collection::vec(1_usize..400, 1..100),
    ) {
        let (input, expected) = RECORDED[which];
        let message = handshake(input);
        let mut records = Vec::new();
        let mut rest = message.as_slice();
        for size in cuts.iter().cycle() {
            let (fragment, after) = rest.split_at(rest.len().min(*size));
            records.extend(in_records(fragment, 16_384));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let read = name(&records);
        prop_assert_eq!(read.as_deref(), expected);
    }
}
