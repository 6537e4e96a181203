//! Reads the `addresses` of a virtual router.

use std::net::IpAddr;
use std::sync::Arc;

use halb_vrrp::packet::VirtualAddresses;
use halb_vrrp::values::Family;
use toml::de::DeValue;

use crate::address::interface::NAME_LEN_MAX;
use crate::diagnostic::{Diagnostic, Span};
use crate::keys;
use crate::reader::{Entry, Table};

/// A virtual address, how it is put on an interface, and where it stands.
pub(super) struct VirtualAddress {
    pub(super) address: IpAddr,
    pub(super) prefix_len: u8,
    pub(super) interface: Option<Arc<str>>,
    pub(super) label: Option<Arc<str>>,
    pub(super) span: Span,
}

impl VirtualAddress {
    /// The length of a prefix that holds one address alone.
    pub(super) fn prefix_len_max(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    /// It brings a route along.
    pub(super) fn is_wide(&self) -> bool {
        self.prefix_len < Self::prefix_len_max(self.address)
    }
}

/// Reads all of them.
pub(super) fn read(table: &Table<'_>) -> Vec<VirtualAddress> {
    if table.require("addresses", "there would be nothing to hold").is_none() {
        return Vec::new();
    }
    let Some(entries) = table.list("addresses") else { return Vec::new() };
    if let (true, Some(entry)) = (entries.is_empty(), table.get("addresses")) {
        table.sink.report(
            Diagnostic::error(entry.span.clone(), format!("'{}' is empty", entry.path))
                .consequence("there would be nothing to hold")
                .remedy("write at least one address, such as \"172.16.16.100\""),
        );
    }
    let read: Vec<_> = entries.iter().filter_map(|entry| read_one(table, entry)).collect();
    check_families(table, &read);
    check_number(table, &read);
    check_duplicates(table, &read);
    read
}

fn read_one(table: &Table<'_>, entry: &Entry<'_>) -> Option<VirtualAddress> {
    let DeValue::Table(_) = entry.value else {
        let (address, length) = table.virtual_address_of(entry)?;
        let prefix_len = length.unwrap_or_else(|| VirtualAddress::prefix_len_max(address));
        let span = entry.span.clone();
        return Some(VirtualAddress { address, prefix_len, interface: None, label: None, span });
    };
    let table = Table::open(table.sink, entry, &[&keys::VIRTUAL_ADDRESS])?;
    table.require("address", "there would be nothing to hold");
    let interface = table.interface("interface").map(Arc::from);
    let label = read_label(&table);
    let entry = table.get("address")?;
    let (address, length) = table.virtual_address_of(entry)?;
    let prefix_len = length.unwrap_or_else(|| VirtualAddress::prefix_len_max(address));
    if let (IpAddr::V6(_), Some(label)) = (address, table.get("label")) {
        let what = format!("{address} can't have a label");
        table.sink.report(
            Diagnostic::error(label.key_span.clone(), what)
                .consequence("the kernel labels IPv4 addresses only")
                .remedy("remove the label"),
        );
    }
    Some(VirtualAddress { address, prefix_len, interface, label, span: entry.span.clone() })
}

fn read_label(table: &Table<'_>) -> Option<Arc<str>> {
    let (text, entry) = table.text("label")?;
    let usual = text.bytes().all(|byte| byte.is_ascii_graphic());
    if (1..=NAME_LEN_MAX).contains(&text.len()) && usual {
        return Some(Arc::from(text));
    }
    let what = format!("\"{text}\" can't be a label");
    table.sink.report(
        Diagnostic::error(entry.span, what)
            .consequence(format!("the kernel takes 1 to {NAME_LEN_MAX} bytes, without spaces"))
            .remedy("write the interface and a word, such as \"eth1:vip\""),
    );
    None
}

fn check_families(table: &Table<'_>, read: &[VirtualAddress]) {
    let Some(first) = read.first() else { return };
    let other = |placed: &&VirtualAddress| placed.address.is_ipv4() != first.address.is_ipv4();
    if let Some(other) = read.iter().find(other) {
        let what = format!("{} and {} are of different families", other.address, first.address);
        table.sink.report(
            Diagnostic::error(other.span.clone(), what)
                .consequence("an advert lists addresses of one family")
                .remedy("give IPv6 a [vrrp.NAME] of its own; it may have the same router_id")
                .related(first.span.clone(), "the first address"),
        );
    }
}

fn check_number(table: &Table<'_>, read: &[VirtualAddress]) {
    let Some(first) = read.first() else { return };
    let (max, name) = match Family::of(first.address) {
        Family::V4 => (VirtualAddresses::MAX_V4, "IPv4"),
        Family::V6 => (VirtualAddresses::MAX_V6, "IPv6"),
    };
    if let Some(beyond) = read.get(max) {
        let what = format!("{} addresses are more than an advert holds", read.len());
        table.sink.report(
            Diagnostic::error(beyond.span.clone(), what)
                .consequence(format!("{max} {name} addresses fit into one"))
                .remedy("give the others a [vrrp.NAME] with another router_id"),
        );
    }
}

fn check_duplicates(table: &Table<'_>, read: &[VirtualAddress]) {
    for (index, placed) in read.iter().enumerate() {
        let Some(first) = read[..index].iter().find(|first| first.address == placed.address) else {
            continue;
        };
        table.sink.report(
            Diagnostic::error(placed.span.clone(), format!("{} is given twice", placed.address))
                .consequence("an address is held once, and adverts list it once")
                .remedy("remove one of them")
                .related(first.span.clone(), "first here"),
        );
    }
}
