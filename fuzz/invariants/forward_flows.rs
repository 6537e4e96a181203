//! What must hold for any bytes that a peer sends of its flows.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use halb_forward::flows::shadow::{Order, Shadow};
use halb_forward::flows::wire::{ADDRESSES_MAX, Body, CHANGES_MAX, LEN_MAX, Message};
use halb_forward::flows::{FLOWS_MAX, Flow, Key, Scope};
use halb_forward::table::{Balance, Frontend, Limits, Server, Standing, Strays, Table};

/// Panics if a promise is broken for `input`: messages, each after two bytes that say how long it
/// is, as they come in on a standby.
pub(crate) fn check(input: &[u8]) {
    let mut standby = Standby::new();
    let mut rest = input;
    while let [high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (bytes, next) = after.split_at(length);
        if let Ok(message) = Message::parse(bytes) {
            check_message(&message, bytes);
            standby.take(&message);
        }
        rest = next;
    }
}

/// What was understood is exactly what was sent, and within its bounds.
fn check_message(message: &Message, bytes: &[u8]) {
    assert_eq!(message.encode(), bytes, "{message:?}");
    assert!(bytes.len() <= LEN_MAX, "{}", bytes.len());
    match &message.body {
        Body::Changes { changes, .. } => assert!(changes.len() <= CHANGES_MAX),
        Body::End { addresses, .. } => assert!(addresses.len() <= ADDRESSES_MAX),
        Body::Want => {}
    }
}

/// The address that the standby doesn't hold, and the one that it does.
const FOREIGN: [u8; 4] = [172, 16, 16, 100];
const OWN: [u8; 4] = [172, 16, 16, 200];

/// A node with two forwarded addresses, one of them its own, and the entries of its kernel.
struct Standby {
    shadow: Shadow,
    kernel: HashMap<Key, Flow>,
    now: Instant,
}

impl Standby {
    fn new() -> Self {
        let now = Instant::now();
        let mut shadow = Shadow::new(now);
        shadow.set_scope(Scope::new(&table(), [OWN.into()]), now);
        Self { shadow, kernel: HashMap::new(), now }
    }

    fn take(&mut self, message: &Message) {
        self.now += Duration::from_millis(10);
        for order in self.shadow.take(message, self.now) {
            self.carry_out(order);
        }
        assert_eq!(self.shadow.flows(), self.kernel.len());
        assert!(self.shadow.flows() <= FLOWS_MAX);
        let soon = self.now + Duration::from_secs(120);
        assert!(self.shadow.poll_timeout() <= soon, "it asks again in bounded time");
    }

    /// Only flows that the own table knows, of addresses that are the peer's.
    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Insert(entry) => {
                let Flow { client, vip, server, source } = entry.flow;
                assert_eq!(vip, SocketAddr::from((FOREIGN, 6443)));
                assert!(server.port() == 6443 && matches!(last_byte(server), Some(101..=103)));
                assert!(client.is_ipv4() && source.ip() == vip.ip());
                let old = self.kernel.insert(entry.flow.key(), entry.flow);
                assert_eq!(old, None, "inserted twice");
            }
            Order::Refresh(entry) => {
                assert_eq!(self.kernel.get(&entry.flow.key()), Some(&entry.flow));
            }
            Order::Delete(flow) => {
                assert!(self.kernel.remove(&flow.key()).is_some(), "{flow:?} isn't there");
            }
        }
    }
}

fn last_byte(address: SocketAddr) -> Option<u8> {
    match address {
        SocketAddr::V4(address) => Some(address.ip().octets()[3]),
        SocketAddr::V6(_) => None,
    }
}

fn table() -> Table {
    let server = |last: u8| Server {
        address: ([172, 16, 16, last], 6443).into(),
        weight: 1,
        standing: Standing::Serving,
    };
    let frontend = |name: &str, address: [u8; 4]| Frontend {
        name: name.to_owned(),
        binds: vec![(address, 6443).into()],
        balance: Balance::RoundRobin,
        servers: [101, 102, 103].map(server).to_vec(),
        spread: Duration::ZERO,
        strays: Strays::Reset,
        limits: Limits::default(),
    };
    Table::new(vec![frontend("foreign", FOREIGN), frontend("own", OWN)]).unwrap()
}
