use proptest::prelude::*;

use super::*;
use crate::load::Window;

const MS: Duration = Duration::from_millis(1);

/// A client, its tally and a clock that only a test moves.
struct Rig {
    client: Client,
    tally: Tally,
    now: Instant,
}

impl Rig {
    /// The window begins at once and lasts for a second.
    fn new(work: Work) -> Self {
        let now = Instant::now();
        let tally = Tally::new(Window { from: now, to: now + 1000 * MS });
        Self { client: Client::new(work, now), tally, now }
    }

    fn want(&mut self) -> Want {
        self.client.want(self.now)
    }

    fn connect(&mut self) {
        assert_eq!(self.want(), Want::Connect);
        self.client.connected(self.now);
    }

    fn send(&mut self) {
        let Want::Move { send, receive: 0, .. } = self.want() else { panic!("it sends") };
        self.client.sent(send, self.now, &mut self.tally);
    }

    fn receive(&mut self) {
        let Want::Move { send: 0, receive, .. } = self.want() else { panic!("it receives") };
        self.client.received(receive, self.now, &mut self.tally);
    }

    fn latency(&self, share: f64) -> Duration {
        let exact = self.tally.latency(share).expect("something was done");
        Duration::from_millis(u64::try_from((exact + MS / 2).as_millis()).unwrap())
    }
}

fn exchanges(pace: Pace, life: Life) -> Work {
    Work::Exchanges { up: 100, down: 200, pace, life }
}

#[test]
fn a_closed_loop_asks_again_as_soon_as_it_was_answered() {
    let mut rig = Rig::new(exchanges(Pace::Closed, Life::Kept));
    rig.connect();
    for _ in 0..3 {
        rig.send();
        rig.now += 7 * MS;
        rig.receive();
    }
    assert_eq!((rig.tally.done, rig.latency(1.0)), (3, 7 * MS));
    assert_eq!((rig.tally.up, rig.tally.down), (3 * 124, 3 * 200));
}

#[test]
fn a_request_that_goes_out_in_pieces_is_one_request() {
    let mut rig = Rig::new(exchanges(Pace::Closed, Life::Kept));
    rig.connect();
    assert_eq!(rig.want(), Want::Move { sent: 0, send: 124, receive: 0 });
    rig.client.sent(30, rig.now, &mut rig.tally);
    assert_eq!(rig.want(), Want::Move { sent: 30, send: 94, receive: 0 });
    rig.client.sent(94, rig.now, &mut rig.tally);
    rig.client.received(150, rig.now, &mut rig.tally);
    assert_eq!(rig.want(), Want::Move { sent: 0, send: 0, receive: 50 });
    assert_eq!(rig.tally.done, 0);
    rig.receive();
    assert_eq!(rig.tally.done, 1);
}

#[test]
fn a_connection_for_one_exchange_is_closed_and_its_latency_has_the_connect_in_it() {
    let once = Life::Exchanges(NonZeroU32::MIN);
    let mut rig = Rig::new(exchanges(Pace::Closed, once));
    for _ in 0..2 {
        assert_eq!(rig.want(), Want::Connect);
        rig.now += 5 * MS;
        rig.client.connected(rig.now);
        rig.send();
        rig.receive();
        assert_eq!(rig.want(), Want::Close);
        rig.client.closed(rig.now);
    }
    assert_eq!((rig.tally.done, rig.latency(0.0)), (2, 5 * MS));
}

#[test]
fn an_open_loop_counts_from_when_a_request_was_due_not_from_when_it_went_out() {
    let mut rig = Rig::new(exchanges(Pace::Every(10 * MS), Life::Kept));
    rig.connect();
    rig.send();
    rig.now += 35 * MS; // the subject stalls; three more are due meanwhile
    rig.receive();
    for _ in 0..3 {
        rig.send();
        rig.receive();
    }
    assert_eq!(rig.want(), Want::Rest(Some(rig.client.since + 5 * MS)));
    let slowest_first = [1.0, 0.75, 0.5, 0.25].map(|share| rig.latency(share));
    assert_eq!(slowest_first, [35 * MS, 25 * MS, 15 * MS, 5 * MS]);
}

#[test]
fn what_is_due_and_never_done_counts_at_the_end() {
    let mut rig = Rig::new(exchanges(Pace::Every(100 * MS), Life::Kept));
    rig.connect();
    rig.send();
    // No answer, ever: ten requests were due within the window.
    rig.client.finish(&mut rig.tally);
    assert_eq!((rig.tally.done, rig.tally.unfinished), (0, 10));
    assert_eq!(rig.latency(1.0), 1000 * MS);
    assert_eq!(rig.latency(0.1), 100 * MS);
}

#[test]
fn a_lost_connection_is_counted_and_tried_again_a_little_later() {
    let mut rig = Rig::new(exchanges(Pace::Closed, Life::Kept));
    rig.connect();
    rig.send();
    rig.client.lost(rig.now, &mut rig.tally);
    assert_eq!((rig.tally.failed, rig.tally.unfinished), (1, 1));
    assert_eq!(rig.want(), Want::Rest(Some(rig.now + RETRY)));
    rig.now += RETRY;
    assert_eq!(rig.want(), Want::Connect);
}

#[test]
fn only_what_is_under_way_grows_overdue() {
    let mut rig = Rig::new(Work::Idle);
    assert_eq!(rig.want(), Want::Connect);
    let later = rig.now + PATIENCE + MS;
    assert!(rig.client.is_overdue(later));
    rig.client.connected(rig.now);
    rig.send();
    assert!(rig.client.is_overdue(later));
    rig.receive();
    assert!(!rig.client.is_overdue(later));
    assert_eq!(rig.want(), Want::Rest(None));
    rig.client.finish(&mut rig.tally);
    assert_eq!(rig.tally.held, 1);
}

#[test]
fn a_watch_is_held_to_the_pace_of_its_first_event() {
    let mut rig = Rig::new(Work::Watch { event: 10, every: 100 * MS });
    rig.connect();
    assert_eq!(rig.want(), Want::Move { sent: 0, send: 24, receive: u64::MAX });
    rig.client.sent(24, rig.now, &mut rig.tally);
    rig.client.received(10, rig.now, &mut rig.tally);
    rig.now += 103 * MS;
    rig.client.received(4, rig.now, &mut rig.tally);
    assert_eq!(rig.tally.done, 1);
    rig.client.received(6, rig.now, &mut rig.tally);
    assert_eq!((rig.tally.done, rig.latency(1.0)), (2, 3 * MS));
    rig.now += 297 * MS; // two events late, one in time, all at once
    rig.client.received(30, rig.now, &mut rig.tally);
    assert_eq!((rig.tally.done, rig.latency(1.0)), (5, 200 * MS));
}

#[test]
fn a_stream_moves_in_the_directions_that_it_was_made_for() {
    for (up, down) in [(true, false), (false, true), (true, true)] {
        let mut rig = Rig::new(Work::Stream { up, down });
        rig.connect();
        let Want::Move { send, receive, .. } = rig.want() else { panic!("it moves") };
        assert_eq!(send, if up { u64::MAX } else { 24 });
        assert_eq!(receive, if down { u64::MAX } else { 0 });
        rig.client.sent(24, rig.now, &mut rig.tally);
        let Want::Move { sent: 24, send, .. } = rig.want() else { panic!("it moves") };
        assert_eq!(send, if up { u64::MAX } else { 0 });
    }
}

/// What may happen to a client.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Pass(u64),
    /// The socket takes or brings up to so many bytes.
    Move(u64),
    Lose,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0..20_000_u64).prop_map(Happening::Pass),
        6 => (1..400_u64).prop_map(Happening::Move),
        1 => Just(Happening::Lose),
    ]
}

proptest! {
    /// Whatever happens, each request that was due in the window counts once: done or unfinished.
    #[test]
    fn an_open_loop_accounts_for_all_that_was_due(
        happenings in prop::collection::vec(happening(), 1..300),
        is_kept in any::<bool>(),
        period in 1_000..50_000_u64,
    ) {
        let life = if is_kept { Life::Kept } else { Life::Exchanges(NonZeroU32::new(2).unwrap()) };
        let mut rig = Rig::new(exchanges(Pace::Every(Duration::from_micros(period)), life));
        let end = rig.tally.window().to;
        for happening in happenings {
            match happening {
                Happening::Pass(micros) => rig.now += Duration::from_micros(micros),
                Happening::Move(most) => match rig.want() {
                    Want::Connect => rig.client.connected(rig.now),
                    Want::Close => rig.client.closed(rig.now),
                    Want::Move { send, .. } if send > 0 => {
                        rig.client.sent(send.min(most), rig.now, &mut rig.tally);
                    }
                    Want::Move { receive, .. } => {
                        rig.client.received(receive.min(most), rig.now, &mut rig.tally);
                    }
                    Want::Rest(_) => {}
                },
                Happening::Lose => {
                    if !matches!(rig.client.state, State::Away { .. }) {
                        rig.client.lost(rig.now, &mut rig.tally);
                    }
                }
            }
            if rig.now >= end {
                break;
            }
        }
        rig.client.finish(&mut rig.tally);
        let due = 1_000_000_u64.div_ceil(period);
        // What was due in the window and done after it is neither.
        let late = u64::from(rig.now >= end);
        let told = rig.tally.done + rig.tally.unfinished;
        prop_assert!(told <= due && told + late >= due, "{told} of {due}");
        prop_assert_eq!(told, rig.tally.latency_count());
    }
}
