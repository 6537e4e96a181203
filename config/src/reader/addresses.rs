//! Getters of addresses and names.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::{Entry, Table};
use crate::address::{self, Problem, Purpose, ServerAddress, interface, virtual_ip};
use crate::diagnostic::{Diagnostic, Span};

impl<'a> Table<'a> {
    /// `ADDRESS:PORT`.
    pub(crate) fn socket_address(&self, key: &'static str, purpose: Purpose) -> Option<SocketAddr> {
        self.socket_address_of(self.get(key)?, purpose)
    }

    /// `ADDRESS:PORT`, in an entry of an array or a table of servers.
    pub(crate) fn socket_address_of(
        &self,
        entry: &Entry<'a>,
        purpose: Purpose,
    ) -> Option<SocketAddr> {
        let text = self.text_of(entry)?;
        let parsed = address::parse_socket_address(text, purpose);
        self.accept(entry, text, "an address with a port", parsed)
    }

    /// `ADDRESS:PORT` or `NAME:PORT`, in a key or an entry of a table of servers.
    pub(crate) fn server_address_of(&self, entry: &Entry<'a>) -> Option<ServerAddress> {
        let text = self.text_of(entry)?;
        self.accept(entry, text, "a server's address", address::parse_server_address(text))
    }

    /// An address without a port.
    pub(crate) fn ip(&self, key: &'static str) -> Option<(IpAddr, Span)> {
        let entry = self.get(key)?.clone();
        Some((self.ip_of(&entry)?, entry.span))
    }

    /// An address without a port, in an entry of an array.
    pub(crate) fn ip_of(&self, entry: &Entry<'a>) -> Option<IpAddr> {
        let text = self.text_of(entry)?;
        self.accept(entry, text, "an address", address::parse_ip(text))
    }

    /// `ADDRESS` or `ADDRESS/LENGTH` of an address that an interface is to have.
    pub(crate) fn virtual_address_of(&self, entry: &Entry<'a>) -> Option<(IpAddr, Option<u8>)> {
        let text = self.text_of(entry)?;
        self.accept(entry, text, "a virtual address", virtual_ip::parse(text))
    }

    /// The name of a network interface.
    pub(crate) fn interface(&self, key: &'static str) -> Option<&'a str> {
        let (text, entry) = self.text(key)?;
        self.accept(&entry, text, "the name of an interface", interface::check(text)).map(|()| text)
    }

    /// An array of prefixes, each with its place.
    pub(crate) fn prefixes(&self, key: &'static str) -> Vec<(IpNet, Span)> {
        let entries = self.list(key).unwrap_or_default();
        entries.iter().filter_map(|entry| self.prefix(entry)).collect()
    }

    fn prefix(&self, entry: &Entry<'a>) -> Option<(IpNet, Span)> {
        let text = self.text_of(entry)?;
        let parsed = address::parse_prefix(text);
        let (net, cut) = self.accept(entry, text, "a prefix", parsed)?;
        if cut {
            self.sink.report(
                Diagnostic::lint(
                    entry.span.clone(),
                    format!("\"{text}\" has bits beyond its length"),
                )
                .consequence(format!("it is taken as \"{net}\", which holds more than one host"))
                .remedy(format!("write \"{net}\", or \"{}\" for that host alone", host_of(text))),
            );
        }
        Some((net, entry.span.clone()))
    }

    fn accept<T>(
        &self,
        entry: &Entry<'_>,
        text: &str,
        kind: &str,
        parsed: Result<T, Problem>,
    ) -> Option<T> {
        parsed
            .map_err(|problem| {
                let what = format!("\"{text}\" is not {kind}: {}", problem.why);
                let mut wrong = Diagnostic::error(entry.span.clone(), what).remedy(problem.remedy);
                wrong.consequence = problem.consequence.map(str::to_owned);
                self.sink.report(wrong);
            })
            .ok()
    }
}

fn host_of(prefix: &str) -> &str {
    prefix.split('/').next().unwrap_or(prefix)
}
