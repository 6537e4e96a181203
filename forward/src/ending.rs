//! Ends flows whose server is down.
//!
//! The entry goes, and with it the way to a server that doesn't answer. A client that speaks gets a
//! reset then. One that only listens, as a Kubernetes watch does, would wait for ever: so it is sent
//! one bare ACK from the address that it knows. Its sequence number is wrong on purpose; a TCP
//! answers such a segment with its own numbers (RFC 9293, 3.10.7.4), and that answer is a segment
//! without a flow, which gets a reset that fits exactly.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::flows::{FLOWS_MAX, Flow, Key};
use crate::mix::mix;

/// Flows that are being ended.
#[derive(Debug, Default)]
pub struct Ending {
    due: BTreeMap<(Instant, Key), (Flow, usize)>,
    counters: Counters,
}

/// What is to be done with a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Take its entry away.
    Delete(Flow),
    /// Send its client an ACK from the address that it knows, with this sequence number.
    Ask {
        /// Whose client.
        flow: Flow,
        /// Of the segment.
        sequence: u32,
    },
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Flows that were ended.
    pub ended: u64,
    /// Flows beyond [`FLOWS_MAX`], which end when their client speaks.
    pub beyond: u64,
}

/// When clients are asked, after the entry went: at once, and again in case a packet was lost or
/// strays met silence for a moment after a take-over. A client that was reset ignores it.
const ASKS: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(600), Duration::from_millis(2_000)];

/// Steps at a time, so that events are read in between.
const STEPS_MAX: usize = 256;

impl Ending {
    /// Ends flows, each at a moment of its own within `spread`, so that their clients don't all
    /// come back at once.
    pub fn end(&mut self, flows: impl IntoIterator<Item = Flow>, spread: Duration, now: Instant) {
        for flow in flows {
            if self.due.len() >= FLOWS_MAX {
                self.counters.beyond += 1;
                continue;
            }
            let delay = spread.mul_f64(share(&flow));
            self.due.insert((now + delay, flow.key()), (flow, 0));
            self.counters.ended += 1;
        }
    }

    /// What is due, in order; to be asked until there is nothing more.
    pub fn poll(&mut self, now: Instant) -> Vec<Step> {
        let mut steps = Vec::new();
        while steps.len() < STEPS_MAX {
            let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= now) else {
                break;
            };
            let ((at, key), (flow, asked)) = first.remove_entry();
            if asked == 0 {
                steps.push(Step::Delete(flow));
            }
            steps.push(Step::Ask { flow, sequence: sequence(&flow, asked) });
            if let (Some(next), Some(this)) = (ASKS.get(asked + 1), ASKS.get(asked)) {
                self.due.insert((at + (*next - *this), key), (flow, asked + 1));
            }
        }
        steps
    }

    /// When the next step is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// What became of it all.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

fn hash(flow: &Flow) -> u64 {
    let mut hasher = DefaultHasher::new();
    flow.hash(&mut hasher);
    mix(hasher.finish())
}

/// Where in a spread a flow stands, from 0 to 1.
fn share(flow: &Flow) -> f64 {
    let [.., high, low] = hash(flow).to_be_bytes();
    f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
}

/// Differs from ask to ask by a quarter of the space, so that at most one of them falls into the
/// client's window, where it would be taken for a harmless duplicate.
fn sequence(flow: &Flow, asked: usize) -> u32 {
    let [a, b, c, d, ..] = hash(flow).to_be_bytes();
    let quarter = u32::try_from(asked).unwrap_or_default() << 30;
    u32::from_be_bytes([a, b, c, d]).wrapping_add(quarter)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn flow(port: u16) -> Flow {
        let address = |last, port| std::net::SocketAddr::from(([172, 16, 16, last], port));
        Flow {
            client: address(9, port),
            vip: address(100, 6443),
            server: address(101, 6443),
            source: address(100, port),
        }
    }

    #[test]
    fn an_entry_goes_first_and_its_client_is_asked_three_times() {
        let mut ending = Ending::default();
        let begin = Instant::now();
        ending.end([flow(1)], Duration::ZERO, begin);
        let mut steps = Vec::new();
        while let Some(at) = ending.poll_timeout() {
            assert_eq!(ending.poll(at - Duration::from_nanos(1)), []);
            steps.extend(ending.poll(at).into_iter().map(|step| (at - begin, step)));
        }
        assert_eq!(steps[0], (Duration::ZERO, Step::Delete(flow(1))));
        let asks: Vec<_> = steps[1..].iter().map(|(at, _)| *at).collect();
        assert_eq!(asks, ASKS);
        let sequences: HashSet<_> =
            steps[1..].iter().map(|(_, step)| format!("{step:?}")).collect();
        assert_eq!(sequences.len(), 3);
    }

    #[test]
    fn flows_end_spread_over_the_time_given() {
        let mut ending = Ending::default();
        let begin = Instant::now();
        ending.end((1..=1000).map(flow), Duration::from_secs(10), begin);
        let mut deleted = Vec::new();
        while let Some(at) = ending.poll_timeout() {
            let deletes = ending.poll(at).into_iter().filter(|s| matches!(s, Step::Delete(_)));
            deleted.extend(deletes.map(|_| at - begin));
        }
        assert_eq!(deleted.len(), 1000);
        assert!(deleted.iter().all(|at| *at <= Duration::from_secs(10)));
        let first_half = deleted.iter().filter(|at| **at < Duration::from_secs(5)).count();
        assert!((400..600).contains(&first_half), "{first_half}");
    }

    #[test]
    fn a_flood_of_flows_is_cut_and_counted() {
        let mut ending = Ending::default();
        let now = Instant::now();
        let flows = (0..=u16::MAX).flat_map(|port| {
            let other = Flow { server: flow(2).vip, vip: flow(2).server, ..flow(port) };
            [flow(port), other]
        });
        ending.end(flows, Duration::from_secs(10), now);
        assert_eq!(ending.counters().beyond, 65_536);
        assert_eq!(ending.poll(now + Duration::from_secs(11)).len(), STEPS_MAX);
    }
}
