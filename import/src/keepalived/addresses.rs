//! Virtual addresses.

use std::net::IpAddr;

use super::tree::Directive;
use super::words::Word;
use crate::document::Value;
use crate::finding::Class;

/// A line of `virtual_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: IpAddr,
    /// Length of its prefix, where that isn't all of it.
    pub(super) prefix_len: Option<u8>,
    pub(super) interface: Option<String>,
    pub(super) label: Option<String>,
    /// What halb can't do.
    not_kept: Vec<String>,
    /// What keepalived itself doesn't take up.
    ignored: Vec<String>,
}

/// Words that have another one behind them.
const WITH_VALUE: [&str; 9] =
    ["brd", "broadcast", "dev", "scope", "label", "peer", "preferred_lft", "track_group", "metric"];

/// Reads a line. None: it begins with no address, and keepalived skips it.
pub(super) fn read(directive: &Directive) -> Option<Address> {
    let (first, words) = directive.words.split_first()?;
    let (ip, length) = match first.text.split_once('/') {
        Some((ip, length)) => (ip, Some(length)),
        None => (first.text.as_str(), None),
    };
    let ip: IpAddr = ip.parse().ok()?;
    let whole = if ip.is_ipv4() { 32 } else { 128 };
    let mut address = Address {
        ip,
        prefix_len: None,
        interface: None,
        label: None,
        not_kept: Vec::new(),
        ignored: Vec::new(),
    };
    if let Some(length) = length {
        match length.parse::<u8>().ok().filter(|length| (1..=whole).contains(length)) {
            Some(length) => address.prefix_len = Some(length).filter(|length| *length < whole),
            None => address.ignored.push(format!("'/{length}', which is no length of a prefix")),
        }
    }
    address.take(words);
    Some(address)
}

impl Address {
    fn take(&mut self, words: &[Word]) {
        let mut words = words.iter().map(|word| word.text.as_str());
        while let Some(word) = words.next() {
            let value = if WITH_VALUE.contains(&word) { words.next() } else { None };
            match (word, value) {
                ("dev", Some(name)) => self.interface = Some(name.to_owned()),
                ("label", Some(label)) if self.ip.is_ipv4() => self.label = Some(label.to_owned()),
                // An address that stands alone has no broadcast address to speak of, and the whole
                // world as its scope, in either program.
                ("brd" | "broadcast", Some(_)) if self.prefix_len.is_none() => {}
                ("scope", Some("global" | "0")) => {}
                ("preferred_lft", Some("0" | "forever")) => {}
                ("home" | "-nodad" | "mngtmpaddr" | "autojoin", None) => {}
                // The one thing that a wide prefix does is the route.
                ("noprefixroute", None) => self.prefix_len = None,
                ("brd" | "broadcast" | "scope" | "peer" | "label" | "metric", Some(value)) => {
                    self.not_kept.push(format!("{word} {value}"));
                }
                ("no_track" | "use_vmac", None) => self.not_kept.push(word.to_owned()),
                (word, _) => self.ignored.push(format!("'{word}'")),
            }
        }
    }

    /// As halb's file has it. `own`: the interface that addresses are put on anyway.
    pub(super) fn value(&self, own: Option<&str>) -> Value {
        let text = match self.prefix_len {
            Some(length) => format!("{}/{length}", self.ip),
            None => self.ip.to_string(),
        };
        let interface = self.interface.as_deref().filter(|name| Some(*name) != own);
        if interface.is_none() && self.label.is_none() {
            return text.into();
        }
        let mut pairs = vec![("address".to_owned(), text.into())];
        pairs.extend(interface.map(|name| ("interface".to_owned(), name.into())));
        pairs.extend(self.label.as_ref().map(|label| ("label".to_owned(), label.as_str().into())));
        Value::Inline(pairs)
    }

    /// What becomes of its line.
    pub(super) fn class(&self, table: &str) -> Class {
        let joined = |words: &[String]| words.join(", ");
        match (self.not_kept.as_slice(), self.ignored.as_slice()) {
            ([], []) => Class::to(format!("{table}.addresses")),
            ([], ignored) => Class::left_out(format!(
                "keepalived doesn't take up {} either; the address is kept",
                joined(ignored)
            )),
            (not_kept, _) => {
                let because = format!("'{}' isn't kept; the address is", joined(not_kept));
                let is_small = |word: &String| word.starts_with("brd") || word == "no_track";
                match not_kept.iter().all(is_small) {
                    true => Class::left_out(because),
                    false => Class::lost(because),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::Account;
    use super::super::expand::{At, Line};
    use super::super::text::Text;
    use super::super::tree::grow;
    use super::super::words::items;
    use super::*;

    fn address(line: &str) -> Option<Address> {
        let line = Line { text: Text::bare(line).text, at: At { file: 0, line: 1 } };
        let tree = grow(&items(&[line], &mut Account::default()));
        read(&tree.directives[0])
    }

    #[test]
    fn options_are_kept_or_told() {
        let all =
            address("192.168.200.18/24 brd 192.168.200.255 dev eth2 scope link label eth2:1 foo");
        let all = all.unwrap();
        assert_eq!((all.prefix_len, all.interface.as_deref()), (Some(24), Some("eth2")));
        assert_eq!(all.not_kept, ["brd 192.168.200.255", "scope link"]);
        assert_eq!(all.ignored, ["'foo'"]);
        assert!(all.class("vrrp.a").changes_behaviour());
        let wide = address("10.0.0.1/24 noprefixroute").unwrap();
        assert_eq!(wide.value(None), Value::from("10.0.0.1"));
        assert_eq!(address("10.0.0.1/32 brd +").unwrap().class("v"), Class::to("v.addresses"));
        assert_eq!(
            address("fe80::1/64 dev eth0").unwrap().value(Some("eth0")),
            Value::from("fe80::1/64")
        );
    }

    #[test]
    fn keepalived_takes_one_address_of_a_line_and_no_mask() {
        let two = address("10.0.0.1 10.0.0.2").unwrap();
        assert_eq!(two.ignored, ["'10.0.0.2'"]);
        assert!(address("10.0.0.1/255.255.255.0").unwrap().ignored[0].contains("no length"));
        assert_eq!(address("track_script"), None);
    }
}
