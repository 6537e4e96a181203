//! Reads `[peer]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::address::Purpose;
use crate::diagnostic::{Diagnostic, Span};
use crate::keys;
use crate::reader::Table;
use crate::settings::Peer;

/// `[peer]` in parts, and where they stand.
pub(super) struct PeerDraft {
    pub(super) address: Option<(SocketAddr, Span)>,
    pub(super) bind: Option<(SocketAddr, Span)>,
    pub(super) key_file: Option<(PathBuf, Span)>,
}

/// Reads the table, if there is one.
pub(super) fn read(top: &Table<'_>) -> Option<PeerDraft> {
    let table = top.table("peer", &[&keys::PEER])?;
    table.require("address", "there would be nobody to talk to");
    table.require("key_file", "who is the other balancer couldn't be told from anybody else");
    let placed = |key, purpose| {
        let address = table.socket_address(key, purpose)?;
        Some((address, table.get(key)?.span.clone()))
    };
    let draft = PeerDraft {
        address: placed("address", Purpose::Connect),
        bind: placed("bind", Purpose::Bind),
        key_file: table.file("key_file").zip(table.get("key_file").map(|key| key.span.clone())),
    };
    check_addresses(&table, &draft);
    Some(draft)
}

fn check_addresses(table: &Table<'_>, draft: &PeerDraft) {
    let (Some((address, span)), Some((bind, bind_span))) = (&draft.address, &draft.bind) else {
        return;
    };
    if address.is_ipv4() != bind.is_ipv4() {
        let what = format!("{bind} and {address} are of different families");
        table.sink.report(
            Diagnostic::error(bind_span.clone(), what)
                .consequence("the one can't be reached from the other")
                .remedy("write an address of the other's family, or leave 'bind' out")
                .related(span.clone(), "the other balancer"),
        );
    }
    if address == bind {
        table.sink.report(
            Diagnostic::error(span.clone(), format!("{address} is this balancer itself"))
                .consequence("it would talk to itself")
                .remedy("write the other balancer's address; each has a file of its own")
                .related(bind_span.clone(), "the same"),
        );
    }
}

impl PeerDraft {
    /// The settings, of a file without errors.
    pub(super) fn settings(self) -> Option<Peer> {
        let (address, _) = self.address?;
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let bind = match self.bind {
            Some((bind, _)) => bind,
            None => SocketAddr::new(any, address.port()),
        };
        Some(Peer { address, bind, key_file: self.key_file?.0 })
    }
}
