//! Tables of what is an address and what isn't.

use proptest::prelude::*;

use super::*;

fn read(text: &str, purpose: Purpose) -> Result<String, String> {
    parse_socket_address(text, purpose)
        .map(|address| address.to_string())
        .map_err(|problem| format!("{}; {}", problem.why, problem.remedy))
}

#[test]
fn addresses_with_ports_are_read() {
    for (text, expected) in [
        ("*:6443", "0.0.0.0:6443"),
        ("0.0.0.0:6443", "0.0.0.0:6443"),
        ("[::]:6443", "[::]:6443"),
        ("10.0.0.1:1", "10.0.0.1:1"),
        ("[fd00::1]:65535", "[fd00::1]:65535"),
        ("[::1]:80", "[::1]:80"),
    ] {
        assert_eq!(read(text, Purpose::Bind).as_deref(), Ok(expected), "{text}");
    }
    assert_eq!(read("10.0.0.1:6443", Purpose::Connect).as_deref(), Ok("10.0.0.1:6443"));
    assert_eq!(read("[fd00::1]:6443", Purpose::Connect).as_deref(), Ok("[fd00::1]:6443"));
}

#[test]
fn each_slip_gets_its_own_remedy() {
    use Purpose::{Bind, Connect};
    for (text, purpose, why, remedy) in [
        ("", Bind, "empty", "10.0.0.1:6443"),
        ("10.0.0.1", Connect, "port is missing", "\"10.0.0.1:6443\""),
        ("10.0.0.1:", Connect, "port is missing", "\"10.0.0.1:6443\""),
        ("[fd00::1]", Connect, "port is missing", "\"[fd00::1]:6443\""),
        (":6443", Bind, "address before the port", "\"*:6443\""),
        ("6443", Bind, "address before the port", "\"[::]:6443\""),
        (":6443", Connect, "address before the port", "\"10.0.0.1:6443\""),
        (":::6443", Bind, "brackets", "\"[::]:6443\""),
        ("fd00::1:6443", Connect, "brackets", "\"[fd00::1]:6443\""),
        ("fd00::1", Connect, "brackets", "\"[fd00::1]:6443\""),
        ("a:b:c", Connect, "brackets", "[ADDRESS]:PORT"),
        ("[fd00::1:6443", Connect, "bracket isn't closed", "[ADDRESS]:PORT"),
        ("[fd00::zz]:1", Connect, "no IPv6 address", "[fd00::1]:6443"),
        ("[10.0.0.1]:1", Connect, "without brackets", "\"10.0.0.1:1\""),
        ("[fe80::1%eth0]:1", Connect, "zone", "global"),
        ("[fe80::1]:1", Connect, "link-local", "global"),
        ("[::ffff:10.0.0.1]:1", Connect, "guise", "\"10.0.0.1:1\""),
        ("*:6443-6450", Bind, "range", "\"*:6443\", …, \"*:6450\""),
        ("*:0", Bind, "'0' is no port", "1 to 65535"),
        ("*:65536", Bind, "'65536' is no port", "1 to 65535"),
        ("*:+80", Bind, "'+80' is no port", "1 to 65535"),
        ("*:https", Bind, "'https' is no port", "1 to 65535"),
        ("*:6443", Connect, "no address to connect to", "\"10.0.0.1:6443\""),
        ("0.0.0.0:1", Connect, "all addresses", "own address"),
        ("[::]:1", Connect, "all addresses", "own address"),
        ("10.0.0.256:1", Connect, "no IPv4 address", "0 to 255"),
        ("10.0.0.01:1", Connect, "no IPv4 address", "leading zeros"),
        ("10.0.0:1", Connect, "no IPv4 address", "four numbers"),
        ("10.0.0.0/8:1", Connect, "no single address", "\"10.0.0.1:1\""),
        ("kmaster1:6443", Connect, "is a name", "10.0.0.1:6443"),
        ("localhost:6443", Bind, "is a name", "10.0.0.1:6443"),
        ("https://10.0.0.1:6443/x", Connect, "starts with 'https://'", "\"10.0.0.1:6443\""),
        ("/run/a.sock", Bind, "unix socket", "TCP"),
        ("unix:/run/a.sock", Bind, "unix socket", "TCP"),
        ("10.0.0.1 :6443", Bind, "space", "\"10.0.0.1:6443\""),
        ("*:6443,*:6444", Bind, "several", "\"*:6443\", \"*:6444\""),
        ("224.0.0.18:1", Bind, "multicast", "unicast"),
        ("255.255.255.255:1", Connect, "broadcast", "unicast"),
    ] {
        let said = read(text, purpose).expect_err(text);
        assert!(said.contains(why) && said.contains(remedy), "{text}: {said}");
    }
}

#[test]
fn a_plain_address_has_no_port_and_no_brackets() {
    assert_eq!(parse_ip("10.0.0.1"), Ok("10.0.0.1".parse().unwrap()));
    assert_eq!(parse_ip("fd00::1"), Ok("fd00::1".parse().unwrap()));
    for (text, remedy) in [
        ("[fd00::1]", "\"fd00::1\""),
        ("10.0.0.1:80", "without a port, \"10.0.0.1\""),
        ("0.0.0.0", "unicast"),
        ("eth0", "write an IP address"),
    ] {
        let problem = parse_ip(text).expect_err(text);
        assert!(problem.remedy.contains(remedy), "{text}: {problem:?}");
    }
}

#[test]
fn a_prefix_is_an_address_and_a_length() {
    let net = |text: &str| text.parse::<IpNet>().unwrap();
    assert_eq!(parse_prefix("10.0.0.0/8"), Ok((net("10.0.0.0/8"), false)));
    assert_eq!(parse_prefix("10.0.0.5/8"), Ok((net("10.0.0.0/8"), true)));
    assert_eq!(parse_prefix("10.0.0.5"), Ok((net("10.0.0.5/32"), false)));
    assert_eq!(parse_prefix("fd00::/8"), Ok((net("fd00::/8"), false)));
    for (text, remedy) in [
        ("10.0.0.0/33", "0 to 32"),
        ("fd00::/129", "0 to 128"),
        ("10.0.0.0/255.0.0.0", "0 to 32"),
        ("all", "10.0.0.0/8"),
        ("", "10.0.0.0/8"),
    ] {
        let problem = parse_prefix(text).expect_err(text);
        assert!(problem.remedy.contains(remedy), "{text}: {problem:?}");
    }
}

proptest! {
    #[test]
    fn every_unicast_address_survives_being_written_and_read(
        octets in any::<[u8; 4]>().prop_filter("unicast", |o| o[0] > 0 && o[0] < 224),
        port in 1..=u16::MAX,
    ) {
        let address = SocketAddr::new(octets.into(), port);
        let read = parse_socket_address(&address.to_string(), Purpose::Connect);
        prop_assert_eq!(read, Ok(address));
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,40}|[0-9a-f:.\\[\\]*/%-]{0,40}") {
        let _ = parse_socket_address(&text, Purpose::Bind);
        let _ = parse_socket_address(&text, Purpose::Connect);
        let _ = parse_ip(&text);
        let _ = parse_prefix(&text);
    }
}
