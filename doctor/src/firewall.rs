//! What a host's rules do to a packet, as far as they can be read.
//!
//! nftables has more than is modelled here. Where a rule asks something unknown the answer is
//! "perhaps", and it stays so to the end: [`Verdict::Perhaps`] names the rule to look at.

mod parse;
mod test;

use std::net::IpAddr;

use test::Answer;
use test::Test;
pub(crate) use test::same_network;

/// Rules nest no deeper: nftables' own bound.
const JUMPS_MAX: u8 = 16;

/// All chains of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruleset {
    chains: Vec<Chain>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Chain {
    family: String,
    table: String,
    name: String,
    base: Option<Base>,
    rules: Vec<Rule>,
}

/// What makes a chain one that packets enter by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Base {
    hook: String,
    priority: i64,
    accepts: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    tests: Vec<Test>,
    action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
    /// Counts, logs, marks: the packet goes on.
    Nothing,
}

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To this host.
    In,
    /// From this host.
    Out,
    /// Through it, to where its destination was translated to.
    Through,
}

impl Way {
    /// The hook that it meets.
    #[must_use]
    pub fn hook(self) -> &'static str {
        match self {
            Self::In => "input",
            Self::Out => "output",
            Self::Through => "forward",
        }
    }
}

/// A packet that must come through: the first of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The interface that it comes in or goes out at; none: any.
    pub interface: Option<String>,
    /// Which way it goes.
    pub way: Way,
    /// Number of its protocol.
    pub protocol: u8,
    /// Where it goes.
    pub destination: Option<IpAddr>,
    /// The port there.
    pub port: Option<u16>,
    /// Whether it is of IPv6.
    pub ipv6: bool,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It comes through.
    Accepted,
    /// It doesn't.
    Dropped(Place),
    /// It depends on something that isn't modelled.
    Perhaps(Place),
}

/// A place in the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `FAMILY TABLE CHAIN`, as nft takes it.
    pub chain: String,
    /// Number of the rule, from 1; none: the chain's policy.
    pub rule: Option<usize>,
}

impl Place {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        match self.rule {
            Some(rule) => format!("rule {rule} of the chain {}", self.chain),
            None => format!("the policy of the chain {}", self.chain),
        }
    }
}

enum Walk {
    Accept,
    Drop(Place),
    Return,
}

impl Ruleset {
    /// Reads what `nft --json list ruleset` says.
    ///
    /// # Errors
    /// It isn't that.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        parse::read(json)
    }

    /// What becomes of `packet`: every base chain of its hook must let it pass.
    #[must_use]
    pub fn verdict(&self, packet: &Packet) -> Verdict {
        let family = if packet.ipv6 { "ip6" } else { "ip" };
        let mut bases: Vec<(&Base, &Chain)> = self
            .chains
            .iter()
            .filter(|chain| chain.family == family || chain.family == "inet")
            .filter_map(|chain| Some((chain.base.as_ref()?, chain)))
            .filter(|(base, _)| base.hook == packet.way.hook())
            .collect();
        bases.sort_by_key(|(base, _)| base.priority);
        let mut doubt = None;
        for (base, chain) in bases {
            let end = match self.walk(chain, packet, JUMPS_MAX, &mut doubt) {
                Walk::Accept => continue,
                Walk::Return if base.accepts => continue,
                Walk::Return => chain.place(None),
                Walk::Drop(place) => place,
            };
            // An earlier rule may have let it through.
            return if doubt.is_some() { Verdict::Perhaps(end) } else { Verdict::Dropped(end) };
        }
        doubt.map_or(Verdict::Accepted, Verdict::Perhaps)
    }

    fn walk(&self, chain: &Chain, packet: &Packet, jumps: u8, doubt: &mut Option<Place>) -> Walk {
        for (index, rule) in chain.rules.iter().enumerate() {
            let place = || chain.place(Some(index + 1));
            let answers = rule.tests.iter().map(|test| test.ask(packet));
            let answer = answers.min().unwrap_or(Answer::Yes);
            let end = match (&rule.action, answer) {
                (_, Answer::No) | (Action::Nothing, _) => continue,
                (Action::Accept, _) => Walk::Accept,
                (Action::Drop, _) => Walk::Drop(place()),
                (Action::Return, _) => Walk::Return,
                (Action::Jump(target) | Action::Goto(target), _) => {
                    let end = self.enter(target, chain, packet, jumps, doubt);
                    match (end, &rule.action) {
                        (Walk::Return, Action::Jump(_)) => continue,
                        (end, _) => end,
                    }
                }
            };
            if answer == Answer::Yes {
                return end;
            }
            if doubt.is_none() && !matches!(end, Walk::Return) {
                *doubt = Some(place());
            }
        }
        Walk::Return
    }

    fn enter(
        &self,
        name: &str,
        from: &Chain,
        packet: &Packet,
        jumps: u8,
        doubt: &mut Option<Place>,
    ) -> Walk {
        let target = self.chains.iter().find(|chain| {
            chain.name == name && chain.table == from.table && chain.family == from.family
        });
        match (target, jumps.checked_sub(1)) {
            (Some(chain), Some(left)) => self.walk(chain, packet, left, doubt),
            (None, _) | (_, None) => Walk::Return,
        }
    }
}

impl Chain {
    fn place(&self, rule: Option<usize>) -> Place {
        Place { chain: format!("{} {} {}", self.family, self.table, self.name), rule }
    }
}

#[cfg(test)]
mod tests;
