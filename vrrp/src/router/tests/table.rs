//! Each input in each state: what comes of it, and what is sent and done.

use super::*;

/// States that differ in what they do.
const STATES: [&str; 9] =
    ["stopped", "waiting", "deaf", "backup", "failed", "active", "offering", "invited", "retiring"];

fn bench_in(state: &str) -> Bench {
    let behaviour = Behaviour { startup_delay: SECOND * 30, ..Behaviour::default() };
    let delayed = config(v3(100), behaviour);
    let plain = || config(v3(100), Behaviour::default());
    let mut bench = match state {
        "stopped" => {
            let mut bench = Bench::new(plain(), well(100));
            bench.link(true, Some(OWN));
            bench
        }
        "waiting" => {
            let mut bench = Bench::new(delayed, well(100));
            bench.link(true, Some(OWN));
            bench.router.handle_start(bench.now);
            bench
        }
        "deaf" => {
            let mut bench = Bench::backup(plain(), well(100));
            bench.link(false, None);
            bench
        }
        "backup" => Bench::backup(plain(), well(100)),
        "failed" => {
            let mut bench = Bench::backup(plain(), well(100));
            bench.stand(sick(100, 0));
            bench
        }
        "active" => Bench::active(plain(), well(100)),
        "offering" => {
            let mut bench = Bench::active(plain(), well(100));
            bench.stand(sick(100, -10));
            bench
        }
        // Its kernel hasn't answered yet.
        "invited" => {
            let mut bench = Bench::backup(plain(), well(100));
            bench.obedient = false;
            bench.overhear(invitation(GREATER, 98));
            bench
        }
        "retiring" => {
            let mut bench = Bench::active(plain(), well(100));
            bench.order(Router::retire);
            bench.pass(ms(100));
            bench
        }
        _ => unreachable!("not in the list"),
    };
    bench.settle();
    bench.clear();
    bench
}

fn input(bench: &mut Bench, input: &str) {
    let now = bench.now;
    let report = |bench: &mut Bench, report| bench.router.handle_addresses(report, now);
    match input {
        "start" => bench.router.handle_start(now),
        "stop" => bench.router.handle_stop(now),
        "link down" => bench.link(false, Some(OWN)),
        "no source" => bench.link(true, None),
        "link up" => bench.link(true, Some(OWN)),
        "new source" => bench.link(true, Some("172.16.16.60")),
        "hear 0" => bench.hear(GREATER, 0),
        "hear 50" => bench.hear(GREATER, 50),
        "hear 100 lesser" => bench.hear(LESSER, 100),
        "hear 100 greater" => bench.hear(GREATER, 100),
        "hear 200" => bench.hear(LESSER, 200),
        "time" => {
            if bench.router.poll_timeout().is_some() {
                bench.pass_to_due();
            }
        }
        "early" => bench.router.handle_timeout(Inbox::Drained, now),
        "sick -10" => bench.stand(sick(100, -10)),
        "sick 0" => bench.stand(sick(100, 0)),
        "well" => bench.stand(well(100)),
        "raised" => bench.stand(well(120)),
        "installed" => report(bench, AddressReport::Installed),
        "lost" => report(bench, AddressReport::Lost),
        "refused" => report(bench, AddressReport::Refused),
        "unsent 3" => (0..3).for_each(|_| bench.router.handle_sent(false, now)),
        "sent" => bench.router.handle_sent(true, now),
        "revoked" => bench.router.handle_revoked(now),
        "give away" => bench.order(Router::give_away),
        "resume" => bench.order(Router::resume),
        "retire" => bench.order(Router::retire),
        "word 150 well" => drop(bench.overhear(word(GREATER, 150, Health::Well))),
        "word 50 sick" => drop(bench.overhear(word(GREATER, 50, Health::Sick))),
        "invited by 50" => drop(bench.overhear(invitation(GREATER, 50))),
        "invited by 150" => drop(bench.overhear(invitation(GREATER, 150))),
        _ => unreachable!("not in the list"),
    }
    bench.settle();
}

/// `.` stands for nothing; see [`Bench`] for the rest. States as in [`STATES`].
const TABLE: &[(&str, [&str; 9])] = &[
    ("start", ["- I>B", ".", ".", ".", ".", ".", ".", ".", "."]),
    ("stop", [".", ".", "F>I", "B>I", "F>I", "!0 - A>I", "!0 - A>I", "- A>I", "!0 - A>I"]),
    ("link down", [".", ".", ".", "B>F", ".", "!0 - A>F", "!0 - A>F", "- A>F", "!0 - A>I"]),
    ("no source", [".", ".", ".", "B>F", ".", "!0 - A>F", "!0 - A>F", "- A>F", "!0 - A>I"]),
    ("link up", [".", ".", "F>B", ".", ".", ".", ".", ".", "."]),
    ("new source", [".", ".", "F>B", ".", ".", "!100", "!0", "!100", "."]),
    ("hear 0", [".", ".", ".", ".", ".", "!100", "!90", ".", "."]),
    ("hear 50", [".", ".", ".", ".", ".", "!100 *", "!90 *", "!100", "- A>I"]),
    ("hear 100 lesser", [".", ".", ".", ".", ".", "!100 *", "- A>B", "!100", "- A>I"]),
    ("hear 100 greater", [".", ".", ".", ".", ".", "- A>B", "- A>B", ".", "- A>I"]),
    ("hear 200", [".", ".", ".", ".", ".", "- A>B", "- A>B", "- A>B", "- A>I"]),
    ("time", [".", "I>B", ".", "!100 + B>A *", "!1 + F>A *", "!100", "!0", "!100", "!0 - A>I"]),
    ("early", [".", ".", ".", ".", ".", ".", ".", ".", "."]),
    ("sick -10", [".", ".", ".", ".", "F>B", "!0", ".", "!0", "."]),
    ("sick 0", [".", ".", ".", "B>F", ".", "!0", "!0", "!0", "."]),
    ("well", [".", ".", ".", ".", "F>B", ".", "!100", ".", "."]),
    ("raised", [".", ".", ".", ".", "F>B", "!120", "!120", "!120", "."]),
    ("installed", [".", ".", ".", ".", ".", "*", "*", "* !100", "*"]),
    ("lost", [".", ".", ".", ".", ".", "+ *", "+ *", "+", "+ *"]),
    ("refused", [".", ".", ".", ".", ".", "!0 - A>F", "!0 - A>F", "- A>F", "!0 - A>I"]),
    ("unsent 3", [".", ".", ".", ".", ".", "!0 - A>F", "!0 - A>F", "- A>F", "!0 - A>I"]),
    ("sent", [".", ".", ".", ".", ".", ".", ".", ".", "."]),
    ("revoked", [".", ".", ".", ".", ".", "- A>B", "- A>B", "- A>B", "- A>I"]),
    ("give away", [".", ".", ".", ".", ".", "!0", "!0", "!0", "."]),
    ("resume", [".", ".", ".", ".", ".", ".", ".", ".", "."]),
    ("retire", [".", ".", "F>I", "B>I", "F>I", "!0", "!0", "!0", "."]),
    ("word 150 well", [".", ".", ".", ".", ".", ".", ".", ".", "."]),
    ("word 50 sick", [".", ".", ".", ".", ".", ".", "!90", ".", "."]),
    ("invited by 50", [".", ".", ".", "+ B>A * !100", ".", ".", "!90", ".", "."]),
    ("invited by 150", [".", ".", ".", ".", ".", ".", ".", ".", "."]),
];

#[test]
fn each_input_in_each_state_does_what_the_table_says() {
    let mut wrong = Vec::new();
    for (name, cells) in TABLE {
        for (state, expected) in STATES.iter().zip(cells) {
            let mut bench = bench_in(state);
            input(&mut bench, name);
            let mut got = bench.log();
            if got.is_empty() {
                got = ".".into();
            }
            if got != *expected {
                wrong.push(format!("{name} while {state}: '{got}' instead of '{expected}'"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
