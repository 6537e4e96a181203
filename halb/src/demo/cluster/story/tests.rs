use super::*;

/// A story with its clients, played second by second.
struct Play {
    story: Story,
    felt: Felt,
    now: Instant,
    told: usize,
}

fn said(state: &'static str) -> Option<Said> {
    Some(Said { state, servers: ["UP", "UP", "UP"].map(str::to_owned) })
}

impl Play {
    fn new() -> Self {
        let mut play =
            Self { story: Story::new(), felt: Felt::default(), now: Instant::now(), told: 0 };
        play.look(|_| {});
        assert_eq!(play.told(), ["loadbalancer01 has 172.16.16.100"]);
        play
    }

    /// A tenth of a second later: all is well but for what is changed.
    fn look(&mut self, change: impl FnOnce(&mut Look)) {
        self.now += Duration::from_millis(100);
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

    /// Such looks for two seconds.
    fn looks(&mut self, change: impl Fn(&mut Look)) {
        (0..20).for_each(|_| self.look(&change));
    }

    /// A deed that is done at once.
    fn does(&mut self, deed: Deed) {
        self.story.begin(deed, self.now);
        self.story.done(deed, self.now, Ok(()));
    }

    fn request(&mut self, answer: Result<u64, ()>) {
        let number = self.felt.begin(self.now);
        match answer {
            Ok(took) => {
                let at = self.now + Duration::from_millis(took);
                self.felt.end(number, at, Ok("kmaster1".to_owned()));
            }
            Err(()) => self.felt.end(number, self.now, Err("reset".to_owned())),
        }
        self.now += Duration::from_millis(10);
    }

    /// What was told since last asked.
    fn told(&mut self) -> Vec<String> {
        let (events, told) = self.story.since(self.told);
        self.told = told;
        events.into_iter().map(|event| event.text.clone()).collect()
    }
}

/// loadbalancer01 is gone, the other one has the address.
fn moved(look: &mut Look) {
    look.balancers[0] = Node::default();
    look.balancers[1].holds = true;
}

#[test]
fn a_deed_is_told_with_what_followed_and_what_it_cost() {
    let mut play = Play::new();
    play.request(Ok(3));
    play.does(Deed::Kill(Balancer::One));
    (0..7).for_each(|_| play.request(Err(())));
    play.look(|look| look.balancers[0] = Node::default());
    play.look(moved);
    play.request(Ok(8));
    assert!(!play.story.is_settled());
    play.looks(moved);
    assert_eq!(
        play.told(),
        [
            "halb on loadbalancer01 is killed (kill -9)",
            "nobody has 172.16.16.100",
            "loadbalancer02 has 172.16.16.100",
            "clients: no answer for 280 ms; 7 failed",
        ]
    );
    assert!(play.story.is_settled() && play.story.is_as_expected());
}

#[test]
fn a_deed_that_nobody_feels_is_told_as_such() {
    let mut play = Play::new();
    play.does(Deed::Yield(Balancer::One));
    (0..5).for_each(|_| play.request(Ok(9)));
    play.looks(|look| {
        look.balancers[0].holds = false;
        look.balancers[1].holds = true;
    });
    let told = play.told();
    assert_eq!(
        told.last().unwrap(),
        "clients noticed nothing: none failed, the slowest answer took 9 ms"
    );
}

#[test]
fn a_hung_server_is_awaited_until_the_checks_know() {
    let mut play = Play::new();
    play.does(Deed::Hang(1));
    play.looks(|_| {});
    assert!(!play.story.is_settled(), "nobody knows yet");
    let down = |look: &mut Look| {
        for node in &mut look.balancers {
            node.said.as_mut().unwrap().servers[1] = "DOWN".to_owned();
        }
    };
    play.look(|look| look.balancers[0].said.as_mut().unwrap().servers[1] = "UP 1/2".to_owned());
    play.looks(down);
    assert!(play.story.is_settled());
    play.does(Deed::Wake(1));
    play.looks(|_| {});
    let told = play.told();
    assert_eq!(told[0], "kmaster2 hangs: it takes connections and says nothing");
    assert_eq!(told[1], "loadbalancer01 finds kmaster2 DOWN");
    assert_eq!(told[4], "loadbalancer01 finds kmaster2 UP");
    assert_eq!(told.len(), 6, "{told:?}");
}

#[test]
fn clients_that_still_wait_are_waited_for() {
    let mut play = Play::new();
    play.does(Deed::Cut(Balancer::One));
    let waiting = play.felt.begin(play.now);
    let cut = |look: &mut Look| {
        look.balancers[0].holds = false;
        look.balancers[1].holds = true;
    };
    play.looks(cut);
    assert!(!play.story.is_settled());
    play.felt.end(waiting, play.now, Ok("kmaster1".to_owned()));
    play.looks(cut);
    let told = play.told();
    assert_eq!(told.last().unwrap(), "clients: no gap; none failed, 1 late (up to 2 s)");
}

#[test]
fn what_does_not_become_as_it_should_is_said_in_the_end() {
    let mut play = Play::new();
    play.does(Deed::Cut(Balancer::One));
    (0..16).for_each(|_| play.looks(|_| {}));
    assert!(play.story.is_settled() && !play.story.is_as_expected());
    let told = play.told();
    assert_eq!(told.last().unwrap(), "and the cluster isn't as it should be after 30 s");
}

#[test]
fn a_deed_that_could_not_be_done_is_told() {
    let mut play = Play::new();
    let deed = Deed::Start(Balancer::Two);
    play.story.begin(deed, play.now);
    play.story.done(deed, play.now, Err("no memory".to_owned()));
    assert_eq!(play.told()[1], "can't start halb on loadbalancer02: no memory");
    assert!(!play.story.is_as_expected());
}

#[test]
fn a_moment_with_two_holders_is_not_told() {
    let mut play = Play::new();
    play.look(|look| look.balancers[1].holds = true);
    play.look(|_| {});
    assert_eq!(play.told(), Vec::<String>::new());
}

#[test]
fn nobody_waits_for_calm_where_nobody_can_be_served() {
    let mut play = Play::new();
    for server in 0..3 {
        play.does(Deed::Hang(server));
    }
    play.felt.begin(play.now);
    play.looks(|look| {
        for node in &mut look.balancers {
            node.said.as_mut().unwrap().servers = ["DOWN", "DOWN", "DOWN"].map(str::to_owned);
        }
    });
    assert_eq!(play.told().last().unwrap(), "clients: nobody can be served");
}

#[test]
fn the_story_keeps_its_latest_events_only() {
    let mut play = Play::new();
    for _ in 0..EVENTS {
        play.does(Deed::Hang(0));
    }
    assert_eq!(play.story.events().count(), EVENTS);
    let (all, told) = play.story.since(0);
    assert_eq!((all.len(), told), (EVENTS, EVENTS + 1));
}
