use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn interface(index: u32, name: &str) -> Interface {
    let mac = Some([2, 0, 0, 0, 0, 1]);
    Interface { index, name: name.into(), is_up: true, mac, forwards_ipv6: false }
}

fn assigned(index: u32, text: &str) -> Assigned {
    let (address, prefix_len) = text.split_once('/').unwrap();
    Assigned {
        index,
        address: ip(address),
        prefix_len: prefix_len.parse().unwrap(),
        tag: 0,
        is_secondary: false,
        is_unusable: false,
    }
}

fn picture(addresses: &[&str]) -> Interfaces {
    let mut picture = Interfaces::default();
    let addresses = addresses.iter().map(|text| assigned(2, text)).collect();
    picture.replace(vec![interface(1, "lo"), interface(2, "eth1")], addresses);
    picture
}

fn source(picture: &Interfaces, family: Family, rule: SourceRule) -> Option<IpAddr> {
    let vips = [ip("10.0.0.100"), ip("fe80::100"), ip("fd00::100")];
    picture.link("eth1", family, rule, |address| vips.contains(&address)).source
}

fn towards(peer: &str) -> SourceRule {
    SourceRule { wanted: None, towards: Some(ip(peer)) }
}

#[test]
fn the_first_address_that_is_no_virtual_one_is_the_source() {
    let picture = picture(&["10.0.0.100/32", "10.0.0.51/24", "10.1.0.51/24"]);
    assert_eq!(source(&picture, Family::V4, SourceRule::default()), Some(ip("10.0.0.51")));
    assert_eq!(source(&picture, Family::V6, SourceRule::default()), None);
}

#[test]
fn an_address_that_bears_our_mark_is_no_source_even_if_no_configuration_names_it() {
    let mut picture = picture(&[]);
    picture.apply(Change::Address(Assigned { tag: TAG, ..assigned(2, "10.0.0.7/32") }));
    assert_eq!(source(&picture, Family::V4, SourceRule::default()), None);
    picture.apply(Change::Address(assigned(2, "10.0.0.51/24")));
    assert_eq!(source(&picture, Family::V4, SourceRule::default()), Some(ip("10.0.0.51")));
}

#[test]
fn multicast_of_ipv6_comes_from_a_link_local_address_that_is_usable() {
    let mut picture = picture(&["fd00::51/64", "fe80::100/64"]);
    assert_eq!(source(&picture, Family::V6, SourceRule::default()), None);
    let tentative = Assigned { is_unusable: true, ..assigned(2, "fe80::51/64") };
    picture.apply(Change::Address(tentative));
    assert_eq!(source(&picture, Family::V6, SourceRule::default()), None);
    picture.apply(Change::Address(assigned(2, "fe80::51/64")));
    assert_eq!(source(&picture, Family::V6, SourceRule::default()), Some(ip("fe80::51")));
}

#[test]
fn unicast_comes_from_the_peers_subnet_and_else_from_the_first_address() {
    let picture = picture(&["10.0.0.51/24", "10.1.0.51/24", "fe80::51/64", "fd00::51/64"]);
    assert_eq!(source(&picture, Family::V4, towards("10.1.0.52")), Some(ip("10.1.0.51")));
    assert_eq!(source(&picture, Family::V4, towards("192.0.2.1")), Some(ip("10.0.0.51")));
    assert_eq!(source(&picture, Family::V6, towards("fd00::52")), Some(ip("fd00::51")));
    assert_eq!(source(&picture, Family::V6, towards("fe80::52")), Some(ip("fe80::51")));
}

#[test]
fn a_wanted_source_is_that_one_or_none() {
    let mut picture = picture(&["10.0.0.51/24"]);
    let rule = SourceRule { wanted: Some(ip("10.9.9.9")), towards: None };
    assert_eq!(source(&picture, Family::V4, rule), None);
    picture.apply(Change::Address(assigned(1, "10.9.9.9/32")));
    assert_eq!(source(&picture, Family::V4, rule), Some(ip("10.9.9.9")));
}

#[test]
fn an_interface_that_is_gone_or_renamed_is_no_longer_found_by_its_name() {
    let mut picture = picture(&["10.0.0.51/24"]);
    picture.apply(Change::Interface(interface(2, "old1")));
    picture.apply(Change::Interface(interface(3, "eth1")));
    assert_eq!(picture.named("eth1").map(|found| found.index), Some(3));
    assert_eq!(source(&picture, Family::V4, SourceRule::default()), None);
    picture.apply(Change::InterfaceGone { index: 2 });
    assert!(picture.named("old1").is_none() && picture.addresses(2).is_empty());
    assert!(picture.named("eth1").is_some());
    let link = picture.link("eth9", Family::V4, SourceRule::default(), |_| false);
    assert_eq!(link, Link::default());
}

#[test]
fn two_interfaces_that_swap_their_names_keep_their_own() {
    let mut picture = picture(&["10.0.0.51/24"]);
    for (index, name) in [(2, "swap"), (1, "eth1"), (2, "lo")] {
        picture.apply(Change::Interface(interface(index, name)));
    }
    assert_eq!(picture.named("eth1").map(|found| found.index), Some(1));
    assert_eq!(picture.named("lo").map(|found| found.index), Some(2));
    assert!(picture.named("swap").is_none());
}

#[test]
fn a_change_that_is_known_already_changes_nothing() {
    let mut picture = picture(&["10.0.0.51/24"]);
    picture.apply(Change::Address(assigned(2, "10.0.0.51/24")));
    picture.apply(Change::Address(assigned(9, "10.0.0.51/24")));
    picture.apply(Change::AddressGone(assigned(2, "10.0.0.51/32")));
    picture.apply(Change::InterfaceGone { index: 9 });
    assert_eq!(picture.addresses(2), [assigned(2, "10.0.0.51/24")]);
    assert_eq!(picture.holders(ip("10.0.0.51")).count(), 1);
}

#[test]
fn a_virtual_address_is_there_only_with_its_prefix_where_it_belongs_and_usable() {
    let mut picture = picture(&["10.0.0.100/24"]);
    let mut placement =
        Placement { address: ip("10.0.0.100"), prefix_len: 32, interface: None, label: None };
    let placed = picture.resolve(&placement, "eth1").unwrap();
    assert!(!picture.has(&placed), "only with another prefix");
    picture.apply(Change::Address(Assigned { is_unusable: true, ..assigned(2, "10.0.0.100/32") }));
    assert!(!picture.has(&placed));
    picture.apply(Change::Address(assigned(2, "10.0.0.100/32")));
    assert!(picture.has(&placed));
    assert_eq!(picture.holders(ip("10.0.0.100")).count(), 2);

    placement.interface = Some("lo".into());
    let elsewhere = picture.resolve(&placement, "eth1").unwrap();
    assert_eq!(elsewhere.index, 1);
    assert!(!picture.has(&elsewhere));
    placement.interface = Some("eth9".into());
    assert_eq!(picture.resolve(&placement, "eth1"), None);
}

#[test]
fn the_kernel_keeps_marks_if_it_shows_any() {
    let mut picture = picture(&["10.0.0.51/24"]);
    assert!(!picture.shows_tags());
    picture.apply(Change::Address(Assigned { tag: 1, ..assigned(1, "127.0.0.1/8") }));
    assert!(picture.shows_tags());
    assert_eq!(picture.tagged().count(), 0);
}

#[test]
fn more_interfaces_or_addresses_than_the_bound_are_counted_and_left_out() {
    let mut picture = Interfaces::default();
    for index in 1..=u32::try_from(INTERFACES_MAX).unwrap() + 2 {
        picture.apply(Change::Interface(interface(index, &format!("veth{index}"))));
    }
    assert_eq!(picture.left_out(), 2);
    for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 3 {
        let address = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 | number));
        picture.apply(Change::Address(Assigned { address, ..assigned(1, "10.0.0.0/32") }));
    }
    assert_eq!(picture.left_out(), 5);
    picture.apply(Change::Interface(interface(1, "renamed")));
    assert!(picture.named("renamed").is_some(), "one that is known is still kept up to date");
}

#[test]
fn prefixes_of_all_lengths_are_compared() {
    assert!(assigned(1, "10.0.0.1/0").reaches(ip("192.0.2.1")));
    assert!(assigned(1, "10.0.0.1/24").reaches(ip("10.0.0.200")));
    assert!(!assigned(1, "10.0.0.1/24").reaches(ip("10.0.1.1")));
    assert!(!assigned(1, "10.0.0.1/32").reaches(ip("10.0.0.2")));
    assert!(assigned(1, "fd00::1/0").reaches(ip("2001:db8::1")));
    assert!(assigned(1, "fd00::1/128").reaches(ip("fd00::1")));
    assert!(!assigned(1, "fd00::1/0").reaches(ip("10.0.0.1")));
}
