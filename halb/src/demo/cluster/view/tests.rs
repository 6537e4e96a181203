use std::time::Duration;

use super::super::story::{Look, Said};
use super::*;

const SOCKET: &str = "/tmp/halb-demo-AbCdEf/1.sock";

/// Some seconds of the demo: requests at a steady pace, then some deeds.
struct Sample {
    began: Instant,
    now: Instant,
    story: Story,
    felt: Felt,
}

impl Sample {
    fn new() -> Self {
        let began = Instant::now();
        let mut sample = Self { began, now: began, story: Story::new(), felt: Felt::default() };
        sample.requests(120, |_| Ok(3));
        sample.look(|_| {});
        sample
    }

    fn requests(&mut self, number: usize, outcome: impl Fn(usize) -> Result<u64, String>) {
        for index in 0..number {
            let request = self.felt.begin(self.now);
            let server = SERVERS[index % SERVERS.len()].0.to_owned();
            let (took, answer) = match outcome(index) {
                Ok(took) => (took, Ok(server)),
                Err(why) => (1, Err(why)),
            };
            self.felt.end(request, self.now + Duration::from_millis(took), answer);
            self.now += Duration::from_millis(10);
        }
    }

    fn look(&mut self, change: impl FnOnce(&mut Look)) {
        let said = |state| Some(Said { state, servers: ["UP", "UP", "UP"].map(str::to_owned) });
        let mut look = Look {
            at: self.now,
            balancers: [
                Node { holds: true, said: said("ACTIVE") },
                Node { holds: false, said: said("BACKUP") },
            ],
        };
        change(&mut look);
        self.story.saw(look, &self.felt);
    }

    fn picture(&self, keyboard: bool) -> String {
        picture(&Scene {
            began: self.began,
            now: self.now,
            story: &self.story,
            felt: &self.felt,
            socket: Path::new(SOCKET),
            keyboard,
        })
    }

    /// After the death of the first balancer's halb.
    fn after_a_death() -> Self {
        let mut sample = Self::new();
        let deed = Deed::Kill(Balancer::One);
        sample.story.begin(deed, sample.now);
        sample.story.done(deed, sample.now, Ok(()));
        sample.requests(7, |_| Err("reset".to_owned()));
        sample.requests(150, |_| Ok(3));
        for _ in 0..20 {
            sample.now += Duration::from_millis(100);
            sample.look(|look| {
                look.balancers[0] = Node::default();
                look.balancers[1].holds = true;
                look.balancers[1].said.as_mut().unwrap().state = "ACTIVE";
            });
        }
        sample
    }
}

#[test]
fn a_picture_when_all_is_well() {
    insta::assert_snapshot!(Sample::new().picture(true));
}

#[test]
fn a_picture_after_a_death() {
    insta::assert_snapshot!(Sample::after_a_death().picture(true));
}

#[test]
fn a_picture_fits_into_80_by_24_whatever_is_done() {
    let mut sample = Sample::new();
    let mut deeds: Vec<Deed> = Vec::new();
    // Each key once and again, in an order that leads through faults on top of faults.
    for key in "y1k23cyk1c23ky".chars() {
        let offers = sample.story.condition().offers();
        if let Some(offer) = offers.into_iter().find(|offer| offer.key == key) {
            deeds.push(offer.deed);
            sample.story.begin(offer.deed, sample.now);
            sample.story.done(offer.deed, sample.now, Err("x".repeat(200)));
        }
        sample.look(|look| look.balancers[0].said = None);
        for keyboard in [true, false] {
            let picture = sample.picture(keyboard);
            assert!(picture.lines().count() <= 24, "{deeds:?}\n{picture}");
            for line in picture.lines() {
                assert!(line.chars().count() <= WIDTH, "{deeds:?}\n{line}");
            }
        }
    }
    assert!(deeds.len() > 10, "{deeds:?}");
}

#[test]
fn an_expectation_is_never_cut_off() {
    let mut sample = Sample::new();
    for key in "k1c23ykc1".chars() {
        let offers = sample.story.condition().offers();
        if let Some(offer) = offers.into_iter().find(|offer| offer.key == key) {
            sample.story.begin(offer.deed, sample.now);
        }
        let picture = sample.picture(true);
        let keys = picture.lines().rev().take(5);
        assert!(keys.clone().all(|line| !line.contains('…')), "{picture}");
    }
}

#[test]
fn no_line_beside_the_pictures_is_wider_than_a_terminal() {
    let sample = Sample::after_a_death();
    let events = sample.story.events().map(|one| event(one, sample.began));
    let text = opening() + &events.collect::<Vec<_>>().join("\n") + "\n" + &farewell(&sample.felt);
    for line in text.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
}

#[test]
fn the_last_words_sum_up() {
    assert_eq!(
        farewell(&Sample::after_a_death().felt),
        "demo ended: 277 requests, 7 failed; nothing of it is left\n"
    );
}
