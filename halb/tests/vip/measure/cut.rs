//! How long nobody answers when the active node's link is cut, by halb and by keepalived beside it.

use std::thread;
use std::time::{Duration, Instant};

use super::{PACE, cell, median_and_worst};
use crate::support::PATIENCE;
use crate::support::member::{Kind, Member};
use crate::support::router::{Router, VIP};
use crate::support::segment::Segment;

/// Trials of each pair; each cuts at another tenth of an interval after an advert.
const TRIALS: u32 = 10;

/// Who is active and who takes over. The first one is what halb is measured against.
pub(crate) const PAIRS: [(&str, [Kind; 2]); 3] = [
    ("keepalived, both", [Kind::Keepalived, Kind::Keepalived]),
    ("halb takes over from keepalived", [Kind::Keepalived, Kind::Halb]),
    ("halb, both", [Kind::Halb, Kind::Halb]),
];

/// Nodes that run side by side with the others, on a segment of their own.
struct Subject {
    segment: Segment,
    _members: [Member; 2],
    outages: Vec<Duration>,
    /// From the last advert of the node that is cut off to the first answer of the other.
    silences: Vec<Duration>,
}

impl Subject {
    fn new(kinds: [Kind; 2], router: impl Fn(u8) -> Router) -> Self {
        let segment = Segment::with(VIP, PACE);
        let members = segment.pair(kinds, router);
        Self { segment, _members: members, outages: Vec::new(), silences: Vec::new() }
    }

    /// Cuts the active node's link at a moment after one of its adverts, and mends it.
    fn trial(&mut self, phase: Duration) {
        let segment = &self.segment;
        segment.wait_for_holder(0);
        let last = segment.next_advert(0).at;
        thread::sleep(phase.saturating_sub(last.elapsed()));
        let cut = Instant::now();
        segment.balancers[0].link_down().unwrap();
        segment.prober.wait_for_answer_by("loadbalancer02", PATIENCE);
        let outages = segment.prober.outages_since(cut);
        assert_eq!(outages.len(), 1, "one outage, not {outages:?}");
        self.outages.push(outages[0].length(Instant::now()));
        let last = segment.adverts_of(0, 0).last().unwrap().at;
        self.silences.push(outages[0].to.unwrap() - last);
        segment.balancers[0].link_up().unwrap();
        segment.wait_for_holder(0);
    }
}

/// Outages, and silences before them, of each of [`PAIRS`] in turn.
pub(crate) type Trials = [(Vec<Duration>, Vec<Duration>); 3];

/// Plays trials of all pairs side by side, so that what disturbs one disturbs the others.
pub(crate) fn side_by_side(trials: u32, router: impl Fn(u8) -> Router) -> Trials {
    let interval = router(0).interval;
    let mut subjects = PAIRS.map(|(_, kinds)| Subject::new(kinds, &router));
    thread::scope(|scope| {
        for subject in &mut subjects {
            scope.spawn(move || {
                for trial in 0..trials {
                    subject.trial(interval * trial / trials);
                }
            });
        }
    });
    subjects.map(|Subject { outages, silences, .. }| (outages, silences))
}

fn beside_keepalived(setting: &str, router: impl Fn(u8) -> Router) -> Vec<String> {
    let pairs = side_by_side(TRIALS, router);
    let (keepalived, _) = median_and_worst(&pairs[0].0);
    let bound = keepalived.mul_f64(1.05) + Duration::from_millis(1);
    let mut broken = Vec::new();
    for ((name, _), (outages, silences)) in PAIRS.iter().zip(&pairs) {
        let (outage, silence) = (cell(outages), cell(silences));
        println!("| {setting} | {name} | {outage} | {silence} |");
        if median_and_worst(outages).0 > bound {
            broken.push(format!("{setting}, {name}: {outage}, and at most {bound:?} is promised"));
        }
    }
    broken
}

pub(crate) fn every(millis: u64) -> impl Fn(u8) -> Router {
    move |priority| Router { interval: Duration::from_millis(millis), ..Router::fast(priority) }
}

#[test]
#[ignore = "needs root and keepalived; a measurement of minutes"]
fn measure_the_outage_of_a_cut_link_beside_keepalived() {
    println!("**Outage when the link of the active node is cut**");
    println!(
        "| adverts | nodes | outage: median / worst, ms | from the last advert to the first \
         answer, ms |\n|---|---|---|---|"
    );
    let broken = [
        beside_keepalived("version 2, 1 s", Router::of_the_guides),
        beside_keepalived("version 3, 100 ms", every(100)),
        beside_keepalived("version 3, 10 ms", every(10)),
    ];
    let broken = broken.concat();
    assert!(broken.is_empty(), "longer than promised: {broken:#?}");
}
