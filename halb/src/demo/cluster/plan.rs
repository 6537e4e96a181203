//! What can be done to the cluster, what is done to it at the moment, and what should follow.

use std::fmt;
use std::net::IpAddr;

/// One of the two balancers, by its place in [`BALANCERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Balancer {
    /// The one that has the address while it can.
    One,
    Two,
}

/// One of the servers, by its place in [`SERVERS`].
pub(super) type Server = usize;

/// Name and address of each machine, as in the guides.
pub(super) const BALANCERS: [(&str, &str); 2] =
    [("loadbalancer01", "172.16.16.51"), ("loadbalancer02", "172.16.16.52")];
pub(super) const SERVERS: [(&str, &str); 3] =
    [("kmaster1", "172.16.16.101"), ("kmaster2", "172.16.16.102"), ("kmaster3", "172.16.16.103")];

/// The virtual IP.
pub(super) const VIP: &str = "172.16.16.100";

/// One of the addresses above.
pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("it is written as an address")
}

/// Something that is done to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// A server takes connections and says nothing.
    Hang(Server),
    Wake(Server),
    /// halb on a balancer gets SIGKILL.
    Kill(Balancer),
    Start(Balancer),
    /// A balancer's cable is pulled.
    Cut(Balancer),
    Restore(Balancer),
    /// `halb vip yield` on a balancer.
    Yield(Balancer),
    Resume(Balancer),
}

/// What has been done to the cluster and not undone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Condition {
    hung: [bool; SERVERS.len()],
    killed: [bool; BALANCERS.len()],
    cut: [bool; BALANCERS.len()],
    yielded: [bool; BALANCERS.len()],
}

/// A deed that a key stands for at the moment, and what to expect of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) key: char,
    pub(super) deed: Deed,
    pub(super) expect: String,
}

impl Balancer {
    pub(super) const ALL: [Self; 2] = [Self::One, Self::Two];

    pub(super) fn index(self) -> usize {
        match self {
            Self::One => 0,
            Self::Two => 1,
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }

    pub(super) fn name(self) -> &'static str {
        BALANCERS[self.index()].0
    }
}

impl fmt::Display for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Condition {
    /// As it is once a deed is done.
    pub(super) fn after(mut self, deed: Deed) -> Self {
        match deed {
            Deed::Hang(server) => self.hung[server] = true,
            Deed::Wake(server) => self.hung[server] = false,
            Deed::Kill(balancer) => {
                self.killed[balancer.index()] = true;
                // What an operator has said is forgotten with the process.
                self.yielded[balancer.index()] = false;
            }
            Deed::Start(balancer) => self.killed[balancer.index()] = false,
            Deed::Cut(balancer) => self.cut[balancer.index()] = true,
            Deed::Restore(balancer) => self.cut[balancer.index()] = false,
            Deed::Yield(balancer) => self.yielded[balancer.index()] = true,
            Deed::Resume(balancer) => self.yielded[balancer.index()] = false,
        }
        self
    }

    pub(super) fn is_hung(&self, server: Server) -> bool {
        self.hung[server]
    }

    pub(super) fn is_killed(&self, balancer: Balancer) -> bool {
        self.killed[balancer.index()]
    }

    pub(super) fn is_cut(&self, balancer: Balancer) -> bool {
        self.cut[balancer.index()]
    }

    fn is_yielded(&self, balancer: Balancer) -> bool {
        self.yielded[balancer.index()]
    }

    /// Whether a balancer can hold the address.
    fn is_able(&self, balancer: Balancer) -> bool {
        !self.is_killed(balancer) && !self.is_cut(balancer)
    }

    /// Who should have the address; none: nobody can.
    pub(super) fn holder(&self) -> Option<Balancer> {
        let able = Balancer::ALL.into_iter().filter(|balancer| self.is_able(*balancer));
        // Who has yielded serves only if nobody else does; of two that may, the first is better.
        able.min_by_key(|balancer| (self.is_yielded(*balancer), balancer.index()))
    }

    /// Whether clients should be served at all.
    pub(super) fn serves(&self) -> bool {
        self.holder().is_some() && self.hung.contains(&false)
    }

    /// What can be done, each with its key. A key that did something undoes it next.
    pub(super) fn offers(&self) -> Vec<Offer> {
        let first = |is: fn(&Self, Balancer) -> bool| {
            Balancer::ALL.into_iter().find(|balancer| is(self, *balancer))
        };
        let holder = self.holder();
        let kill = first(Self::is_killed).map(Deed::Start).or_else(|| holder.map(Deed::Kill));
        let cut = first(Self::is_cut).map(Deed::Restore).or_else(|| holder.map(Deed::Cut));
        let give = holder.filter(|holder| self.is_able(holder.other())).map(Deed::Yield);
        let give = first(Self::is_yielded).map(Deed::Resume).or(give);
        let server = |server| {
            Some(if self.is_hung(server) { Deed::Wake(server) } else { Deed::Hang(server) })
        };
        let keys = [
            ('k', kill),
            ('c', cut),
            ('y', give),
            ('1', server(0)),
            ('2', server(1)),
            ('3', server(2)),
        ];
        let offered = keys.into_iter().filter_map(|(key, deed)| Some((key, deed?)));
        offered.map(|(key, deed)| Offer { key, deed, expect: self.expect(deed) }).collect()
    }

    /// What a deed should lead to.
    fn expect(&self, deed: Deed) -> String {
        let after = self.after(deed);
        match deed {
            Deed::Hang(_) if !after.serves() => "no server is left: requests fail".to_owned(),
            Deed::Hang(_) => "found within 1.5 s, then left alone".to_owned(),
            Deed::Wake(_) => "used again after two good checks".to_owned(),
            Deed::Kill(_) | Deed::Cut(_) | Deed::Yield(_) if after.holder().is_none() => {
                "nobody is left to serve".to_owned()
            }
            _ if !after.serves() => "no server is left all the same".to_owned(),
            Deed::Kill(killed) => format!("{} serves within 0.2 s", killed.other()),
            Deed::Cut(cut) => format!("{} serves after 0.4 s", cut.other()),
            Deed::Yield(from) => format!("{} takes over, no gap", from.other()),
            Deed::Start(_) | Deed::Restore(_) | Deed::Resume(_) => {
                match (self.holder(), after.holder()) {
                    (None, _) => "clients are served again".to_owned(),
                    (before, after) if before == after => "it stands by again".to_owned(),
                    _ => "it takes the address back, few notice".to_owned(),
                }
            }
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hang(server) => write!(f, "hang {}", SERVERS[*server].0),
            Self::Wake(server) => write!(f, "wake {}", SERVERS[*server].0),
            Self::Kill(balancer) => write!(f, "kill -9 halb on {balancer}"),
            Self::Start(balancer) => write!(f, "start halb on {balancer}"),
            Self::Cut(balancer) => write!(f, "cut the link of {balancer}"),
            Self::Restore(balancer) => write!(f, "mend the link of {balancer}"),
            Self::Yield(balancer) => write!(f, "make {balancer} yield"),
            Self::Resume(balancer) => write!(f, "make {balancer} resume"),
        }
    }
}

/// A fault of each kind, each undone: what is shown where nobody can press keys.
pub(super) const SHOW: [Deed; 8] = [
    Deed::Hang(1),
    Deed::Wake(1),
    Deed::Yield(Balancer::One),
    Deed::Resume(Balancer::One),
    Deed::Kill(Balancer::One),
    Deed::Start(Balancer::One),
    Deed::Cut(Balancer::One),
    Deed::Restore(Balancer::One),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn after(deeds: &[Deed]) -> Condition {
        deeds.iter().fold(Condition::default(), |condition, deed| condition.after(*deed))
    }

    fn offered(condition: Condition, key: char) -> Option<Deed> {
        condition.offers().into_iter().find(|offer| offer.key == key).map(|offer| offer.deed)
    }

    #[test]
    fn the_first_balancer_has_the_address_while_it_can_and_may() {
        use Balancer::{One, Two};
        for (deeds, holder) in [
            (&[][..], Some(One)),
            (&[Deed::Kill(One)], Some(Two)),
            (&[Deed::Cut(One)], Some(Two)),
            (&[Deed::Yield(One)], Some(Two)),
            (&[Deed::Yield(One), Deed::Kill(Two)], Some(One)),
            (&[Deed::Yield(One), Deed::Kill(One), Deed::Start(One)], Some(One)),
            (&[Deed::Kill(One), Deed::Cut(Two)], None),
            (&[Deed::Hang(0), Deed::Hang(1), Deed::Hang(2)], Some(One)),
        ] {
            assert_eq!(after(deeds).holder(), holder, "{deeds:?}");
        }
        assert!(!after(&[Deed::Hang(0), Deed::Hang(1), Deed::Hang(2)]).serves());
    }

    #[test]
    fn a_key_undoes_what_it_did() {
        for key in ['k', 'c', 'y', '1', '2', '3'] {
            let done = offered(Condition::default(), key).unwrap();
            let undone = offered(after(&[done]), key).unwrap();
            assert_eq!(after(&[done, undone]), Condition::default(), "{key}: {done:?}, {undone:?}");
        }
    }

    #[test]
    fn nobody_yields_to_a_node_that_cannot_take_over() {
        assert_eq!(offered(after(&[Deed::Kill(Balancer::Two)]), 'y'), None);
        assert_eq!(offered(after(&[Deed::Cut(Balancer::Two)]), 'y'), None);
    }

    #[test]
    fn nobody_is_promised_to_serve_where_nobody_can() {
        for deeds in
            [&[Deed::Kill(Balancer::One)][..], &[Deed::Hang(0), Deed::Hang(1), Deed::Hang(2)]]
        {
            for Offer { deed, expect, .. } in after(deeds).offers() {
                let serves = after(&[deeds, &[deed]].concat()).serves();
                assert!(serves || !expect.contains("serves"), "{deeds:?}, {deed:?}: {expect}");
            }
        }
    }

    #[test]
    fn faults_hit_whoever_has_the_address() {
        let condition = after(&[Deed::Yield(Balancer::One)]);
        assert_eq!(offered(condition, 'k'), Some(Deed::Kill(Balancer::Two)));
        assert_eq!(offered(condition, 'c'), Some(Deed::Cut(Balancer::Two)));
    }

    #[test]
    fn the_show_undoes_all_it_does_and_offers_no_deed_that_a_key_would_not() {
        let mut condition = Condition::default();
        for deed in SHOW {
            assert!(condition.offers().iter().any(|offer| offer.deed == deed), "{deed:?}");
            condition = condition.after(deed);
        }
        assert_eq!(condition, Condition::default());
    }
}
