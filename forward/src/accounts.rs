//! What each server was given: connections and bytes, out of what the kernel counts.
//!
//! The kernel tells of a flow when it opens and when it ends, with its bytes then; in between it is
//! asked now and then. A flow's bytes are those of its packets, headers included.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::flows::{Event, FLOWS_MAX, Flow, Key, Scope};

/// Counts flows of addresses that this node holds.
#[derive(Debug)]
pub struct Accounts {
    scope: Scope,
    open: HashMap<Key, Account>,
    served: BTreeMap<(SocketAddr, SocketAddr), Served>,
    /// Flows so far whose port was taken at their server.
    renumbered: u64,
    /// When the kernel is to be asked.
    list_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Account {
    flow: Flow,
    /// Of these, from the client and from the server, all are counted.
    bytes: [u64; 2],
}

/// What a server was given on behalf of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// The address and port that clients use.
    pub bind: SocketAddr,
    /// The server.
    pub server: SocketAddr,
    /// Connections at the moment.
    pub open: u64,
    /// Connections that opened, or came to this node with their address, since the start.
    pub begun: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// Between questions: a listing of 65,536 entries takes the kernel some 100 ms.
const LIST_EVERY: Duration = Duration::from_secs(5);

impl Accounts {
    /// Knows nothing and holds nothing.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            scope: Scope::default(),
            open: HashMap::new(),
            served: BTreeMap::new(),
            renumbered: 0,
            list_at: Some(now),
        }
    }

    /// Another table, or other addresses. What servers of before were given is forgotten.
    pub fn set_scope(&mut self, scope: Scope, now: Instant) {
        if scope == self.scope {
            return;
        }
        self.scope = scope;
        let scope = &self.scope;
        self.open.retain(|_, account| is_ours(scope, &account.flow));
        self.served.retain(|pair, _| scope.pairs().contains(pair));
        self.count_open();
        self.list_at = Some(now);
    }

    /// The kernel told of a flow, and perhaps of its bytes.
    pub fn observe(&mut self, event: &Event, flow: &Flow, bytes: Option<[u64; 2]>) {
        if !is_ours(&self.scope, flow) {
            return;
        }
        match event {
            Event::Open(_) => self.open(*flow, bytes),
            Event::Over(key) => {
                if let Some(account) = self.open.remove(key) {
                    let served = self.entry(&account.flow);
                    served.open = served.open.saturating_sub(1);
                    credit(served, account.bytes, bytes.unwrap_or(account.bytes));
                }
            }
        }
    }

    /// The kernel had more to tell than there was room for.
    pub fn overrun(&mut self, now: Instant) {
        self.list_at = Some(now);
    }

    /// True if all flows are to be listed, and given to [`Accounts::listed`].
    pub fn poll(&mut self, now: Instant) -> bool {
        let is_due = self.list_at.is_some_and(|at| at <= now);
        if is_due {
            self.list_at = Some(now + LIST_EVERY);
        }
        is_due && !self.scope.is_idle()
    }

    /// When it is to be asked again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.list_at.filter(|_| !self.scope.is_idle())
    }

    /// All open flows of the kernel, with their bytes.
    pub fn listed(&mut self, flows: impl IntoIterator<Item = (Flow, Option<[u64; 2]>)>) {
        let before = std::mem::take(&mut self.open);
        for (flow, bytes) in flows {
            if !is_ours(&self.scope, &flow) {
                continue;
            }
            if let Some(account) = before.get(&flow.key()).filter(|account| account.flow == flow) {
                self.open.insert(flow.key(), *account);
            }
            self.open(flow, bytes);
        }
        // An end that wasn't told leaves no trace but this.
        self.count_open();
    }

    /// What each server was given, sorted.
    #[must_use]
    pub fn served(&self) -> Vec<Served> {
        self.served.values().copied().collect()
    }

    /// Flows since the start whose server sees another port than their client's: another client's
    /// connection to the same server had that one. No other node could find it by itself.
    #[must_use]
    pub fn renumbered(&self) -> u64 {
        self.renumbered
    }

    fn open(&mut self, flow: Flow, bytes: Option<[u64; 2]>) {
        let known = self.open.get(&flow.key()).copied().filter(|account| account.flow == flow);
        if known.is_none() && self.open.len() >= FLOWS_MAX {
            return;
        }
        let counted = known.map_or([0, 0], |account| account.bytes);
        let bytes = bytes.unwrap_or(counted);
        if known.is_none() && flow.source.port() != flow.client.port() {
            self.renumbered += 1;
        }
        let served = self.entry(&flow);
        if known.is_none() {
            served.open += 1;
            served.begun += 1;
        }
        credit(served, counted, bytes);
        self.open.insert(flow.key(), Account { flow, bytes });
    }

    fn entry(&mut self, flow: &Flow) -> &mut Served {
        let (bind, server) = (flow.vip, flow.server);
        let none = Served { bind, server, open: 0, begun: 0, bytes_in: 0, bytes_out: 0 };
        self.served.entry((bind, server)).or_insert(none)
    }

    fn count_open(&mut self) {
        self.served.values_mut().for_each(|served| served.open = 0);
        let flows: Vec<_> = self.open.values().map(|account| account.flow).collect();
        for flow in flows {
            self.entry(&flow).open += 1;
        }
    }
}

fn is_ours(scope: &Scope, flow: &Flow) -> bool {
    scope.knows(flow) && scope.holds(flow.vip.ip())
}

/// Bytes from `before` to `after`. An entry that was made anew counts from nothing.
fn credit(served: &mut Served, before: [u64; 2], after: [u64; 2]) {
    let grown = |way: usize| after[way].checked_sub(before[way]).unwrap_or(after[way]);
    served.bytes_in = served.bytes_in.saturating_add(grown(0));
    served.bytes_out = served.bytes_out.saturating_add(grown(1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flows::{Entry, Phase};
    use crate::table::{Balance, Frontend, Limits, Server, Standing, Strays, Table};

    fn address(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], port))
    }

    fn flow(port: u16, server: u8) -> Flow {
        let vip = address(100, 6443);
        Flow {
            client: address(9, port),
            vip,
            server: address(server, 6443),
            source: SocketAddr::new(vip.ip(), port),
        }
    }

    fn scope(servers: &[u8]) -> Scope {
        let server = |last: &u8| Server {
            address: address(*last, 6443),
            weight: 1,
            standing: Standing::Serving,
        };
        let frontend = Frontend {
            name: "a".to_owned(),
            binds: vec![address(100, 6443)],
            balance: Balance::RoundRobin,
            servers: servers.iter().map(server).collect(),
            spread: Duration::ZERO,
            strays: Strays::Drop,
            limits: Limits::default(),
        };
        Scope::new(&Table::new(vec![frontend]).unwrap(), [address(100, 0).ip()])
    }

    fn opens(flow: Flow) -> Event {
        Event::Open(Entry { flow, phase: Phase::Established, timeout: 60 })
    }

    fn figures(accounts: &Accounts) -> Vec<[u64; 4]> {
        let figures = |s: Served| [s.open, s.begun, s.bytes_in, s.bytes_out];
        accounts.served().into_iter().map(figures).collect()
    }

    fn accounts() -> (Accounts, Instant) {
        let now = Instant::now();
        let mut accounts = Accounts::new(now);
        accounts.set_scope(scope(&[101, 102]), now);
        (accounts, now)
    }

    #[test]
    fn a_flow_counts_once_and_its_bytes_as_they_grow() {
        let (mut accounts, _) = accounts();
        let (one, other) = (flow(1, 101), flow(2, 102));
        accounts.observe(&opens(one), &one, None);
        accounts.observe(&opens(one), &one, None);
        accounts.observe(&opens(other), &other, None);
        accounts.listed([(one, Some([10, 100])), (other, Some([1, 2]))]);
        accounts.listed([(one, Some([15, 150])), (other, Some([1, 2]))]);
        assert_eq!(figures(&accounts), [[1, 1, 15, 150], [1, 1, 1, 2]]);
        accounts.observe(&Event::Over(one.key()), &one, Some([20, 200]));
        assert_eq!(figures(&accounts), [[0, 1, 20, 200], [1, 1, 1, 2]]);
    }

    #[test]
    fn ends_and_beginnings_that_were_not_told_are_found_in_a_list() {
        let (mut accounts, _) = accounts();
        let (one, other) = (flow(1, 101), flow(2, 102));
        accounts.observe(&opens(one), &one, None);
        accounts.listed([(other, Some([7, 8]))]);
        assert_eq!(figures(&accounts), [[0, 1, 0, 0], [1, 1, 7, 8]]);
        // The same ports, another server: another connection, counted from nothing.
        let again = flow(2, 101);
        accounts.listed([(again, Some([1, 1]))]);
        assert_eq!(figures(&accounts), [[1, 2, 1, 1], [0, 1, 7, 8]]);
    }

    #[test]
    fn flows_of_addresses_elsewhere_and_of_servers_that_went_do_not_count() {
        let (mut accounts, now) = accounts();
        let (one, stranger) = (flow(1, 101), flow(2, 105));
        accounts.observe(&opens(stranger), &stranger, Some([1, 1]));
        accounts.observe(&opens(one), &one, Some([1, 1]));
        assert_eq!(figures(&accounts), [[1, 1, 1, 1]]);
        accounts.set_scope(scope(&[102]), now);
        assert!(figures(&accounts).is_empty());
        accounts.set_scope(Scope::default(), now);
        assert_eq!(accounts.poll_timeout(), None, "nothing is held, so nobody is asked");
    }

    #[test]
    fn no_more_flows_are_known_than_there_is_room_for() {
        let (mut accounts, _) = accounts();
        let flows = (0..=FLOWS_MAX).map(|number| {
            let [high, low] = u16::try_from(number % 65_536).unwrap().to_be_bytes();
            let client = SocketAddr::from(([11, u8::from(number > 65_535), high, low], 1));
            (Flow { client, ..flow(1, 101) }, None)
        });
        accounts.listed(flows);
        assert_eq!(figures(&accounts), [[65_536, 65_536, 0, 0]]);
    }

    #[test]
    fn a_flow_that_got_another_port_is_counted_once() {
        let (mut accounts, _) = accounts();
        let own = flow(1, 101);
        let source = SocketAddr::new(own.source.ip(), 60_000);
        let moved = Flow { source, ..flow(2, 101) };
        accounts.observe(&opens(own), &own, None);
        assert_eq!(accounts.renumbered(), 0);
        accounts.observe(&opens(moved), &moved, None);
        accounts.listed([(moved, None), (own, None)]);
        assert_eq!(accounts.renumbered(), 1);
    }
}
