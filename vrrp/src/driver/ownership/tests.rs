use super::super::testbed::{instance, ip, settings_of};
use super::*;
use crate::config::Delivery;
use crate::interfaces::{Interface, TAG};

fn owned(text: &str) -> Owned {
    line(text).unwrap()
}

/// An interface with these addresses, on a kernel that keeps marks or not.
fn picture(addresses: &[(&str, u8)]) -> Interfaces {
    let interface =
        Interface { index: 2, name: "eth1".into(), is_up: true, mac: None, forwards_ipv6: false };
    let assigned = |&(text, tag): &(&str, u8)| {
        let (address, prefix_len) = text.split_once('/').unwrap();
        Assigned {
            index: 2,
            address: ip(address),
            prefix_len: prefix_len.parse().unwrap(),
            tag,
            is_secondary: false,
            is_unusable: false,
        }
    };
    let mut picture = Interfaces::default();
    picture.replace(vec![interface], addresses.iter().map(assigned).collect());
    picture
}

fn addresses(held: &[Assigned]) -> Vec<String> {
    held.iter().map(|found| format!("{}/{}", found.address, found.prefix_len)).collect()
}

#[test]
fn with_marks_what_bears_ours_is_ours() {
    let picture = picture(&[("10.0.0.51/24", 0), ("10.0.0.100/32", TAG), ("10.0.0.101/32", 18)]);
    assert_eq!(addresses(&Marks::Kept.held(&picture)), ["10.0.0.100/32"]);
    let find = |tagging| Marks::find(&picture, Path::new("/nonexistent"), tagging).unwrap();
    assert_eq!(find(Tagging::AsTheKernelDoes), Marks::Kept);
    assert_eq!(find(Tagging::Ignored), Marks::Listed(Vec::new()));
}

#[test]
fn without_marks_what_the_list_names_is_ours_as_it_stands_there() {
    let picture = picture(&[("10.0.0.51/24", 0), ("10.0.0.100/32", 0), ("fd00::1/128", 0)]);
    let listed = [
        owned("eth1 10.0.0.100/32"),
        owned("eth1 10.0.0.100/32"),
        owned("eth1 10.0.0.51/32"),
        owned("eth2 fd00::1/128"),
        owned("eth1 10.0.0.7/32"),
    ];
    assert_eq!(addresses(&Marks::Listed(listed.to_vec()).held(&picture)), ["10.0.0.100/32"]);
    assert!(Marks::Listed(Vec::new()).held(&picture).is_empty());
}

#[test]
fn a_list_that_is_missing_is_empty_and_one_that_is_broken_is_read_as_far_as_it_goes() {
    let folder = scratch("broken");
    assert_eq!(read(&folder).unwrap(), []);
    let mut text = b"eth1 10.0.0.100/32\nnonsense\neth1 10.0.0.101\neth1 fd00::1/128\n".to_vec();
    text.extend([0xff, b' ', b'/', b'\n']);
    fs::write(folder.join(NAME), text).unwrap();
    let expected = [owned("eth1 10.0.0.100/32"), owned("eth1 fd00::1/128")];
    assert_eq!(read(&folder).unwrap(), expected);
    fs::remove_file(folder.join(NAME)).unwrap();
    fs::create_dir(folder.join(NAME)).unwrap();
    let error = read(&folder).unwrap_err().to_string();
    assert!(error.starts_with("cannot read '") && error.contains("addresses'"), "{error}");
    let settings = settings_of(Vec::new());
    assert!(write(&folder, &[&settings]).is_err());
    fs::remove_dir_all(folder).unwrap();
}

fn scratch(name: &str) -> PathBuf {
    let folder = format!("halb-vrrp-ownership-{name}-{}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn kernels_keep_marks_since_5_18() {
    for (version, keeps) in [
        ("6.1.0-18-amd64\n", true),
        ("5.18.0", true),
        ("10.0", true),
        ("5.17.15-generic", false),
        ("5.9.0", false),
        ("4.18.0-553.el8_10.x86_64", false),
        ("", false),
        ("unknown", false),
    ] {
        assert_eq!(keeps_tags(version), keeps, "{version}");
    }
}

#[test]
fn the_addresses_of_all_settings_are_listed_with_their_interfaces() {
    let folder = scratch("list");
    let old = settings_of(vec![instance("VI_1", 1, Delivery::Multicast, &["10.0.0.100"])]);
    let mut new = settings_of(vec![instance("VI_6", 6, Delivery::Multicast, &["fd00::100"])]);
    new.instances[0].placements[0].interface = Some("lan0".into());
    write(&folder, &[&old, &new]).unwrap();
    let expected = [owned("eth1 10.0.0.100/32"), owned("lan0 fd00::100/128")];
    assert_eq!(read(&folder).unwrap(), expected);
    write(&folder, &[&new]).unwrap();
    assert_eq!(read(&folder).unwrap(), expected[1..]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing unfinished is left");
    fs::remove_dir_all(folder).unwrap();
}
