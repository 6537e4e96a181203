use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::series::Marks;
use super::state::{Action, Dialog, Key, Top, Wish};
use super::view;
use super::view::Means;
use crate::pictures;
use crate::status::samples::{Sample, pair};
use crate::status::text::Colour;
use crate::status::{Admin, Status, samples};

const NARROW: Means = Means { colour: Colour::Plain, marks: Marks::Blocks, width: 80, height: 24 };
const WIDE: Means = Means { width: 160, height: 40, ..NARROW };

/// New connections at each look, and how many milliseconds a check took.
const LOOKS: [(u64, f64); 9] = [
    (0, 0.003),
    (12, 0.003),
    (14, 0.004),
    (9, 0.003),
    (16, 0.003),
    (31, 0.011),
    (22, 0.006),
    (13, 0.003),
    (12, 0.004),
];

/// A terminal before which somebody has sat for as many looks as [`LOOKS`] has.
fn watched(mut sample: Sample, now: Instant) -> Top {
    let mut top = Top::new();
    for (new, took) in LOOKS {
        sample.facts.uptime_seconds += 1.0;
        let frontend = &mut sample.snapshot.frontends[0];
        frontend.accepted += new;
        frontend.bytes_in += new * 2_000;
        frontend.bytes_out += new * 71_000;
        for server in &mut sample.snapshot.backends[0].servers {
            let share = if server.connections > 0 { new / 3 } else { 0 };
            server.established += share;
            server.bytes_in += share * 2_000;
            server.bytes_out += share * 71_000;
        }
        for view in sample.checks.values_mut().filter(|view| view.check.code == "L7OK") {
            view.check.duration_seconds = Some(took);
        }
        top.look(Ok(sample.status()), now);
    }
    top
}

fn text(top: &Top, means: Means, now: Instant) -> String {
    let lines = view::lines(top, means, now);
    assert!(lines.len() <= means.height, "{} lines of {}", lines.len(), means.height);
    let mut text = String::new();
    for line in lines {
        let line: String = line.spans.iter().map(|span| &*span.content).collect();
        assert!(line.chars().count() <= means.width, "wider than {}: {line}", means.width);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn picture(sample: Sample, means: Means) -> String {
    let now = Instant::now();
    text(&watched(sample, now), means, now)
}

/// What the page shows, by name.
fn pictures() -> Vec<(&'static str, String)> {
    let now = Instant::now();
    let mut silent = watched(pair(samples::all_fine(), |_| ()), now);
    let later = now + Duration::from_secs(12);
    silent.look(
        Err("no halb runs on /run/halb/admin.sock; start it: systemctl start halb".into()),
        later,
    );
    let mut asked = watched(pair(samples::one_down(), |_| ()), now);
    for key in [Key::Down, Key::Char('d')] {
        assert_eq!(asked.press(key), None);
    }
    vec![
        ("well", picture(pair(samples::all_fine(), |_| ()), NARROW)),
        ("server-down", picture(pair(samples::one_down(), |_| ()), NARROW)),
        (
            "split-brain",
            picture(
                pair(samples::all_fine(), |word| word.state = halb_vrrp::router::State::Active),
                NARROW,
            ),
        ),
        ("no-server", picture(pair(samples::all_down(), |_| ()), NARROW)),
        ("bad-reload", picture(pair(samples::after_failed_reload(), |_| ()), NARROW)),
        ("silent", text(&silent, NARROW, later)),
        ("question", text(&asked, NARROW, now)),
        ("wide", picture(pair(samples::one_down(), |_| ()), WIDE)),
    ]
}

#[test]
fn the_page_shows_what_the_terminal_shows() {
    pictures::hold("top.md", &pictures());
}

#[test]
fn the_first_line_says_what_is_wrong_and_the_second_where() {
    let starts = |sample: Sample, first: &str, second: &str| {
        let picture = picture(pair(sample, |_| ()), NARROW);
        let mut lines = picture.lines();
        assert!(lines.next().unwrap().starts_with(first), "{picture}");
        assert!(lines.next().unwrap().starts_with(second), "{picture}");
    };
    starts(samples::all_fine(), "All is well: 3 of 3 servers up", "");
    starts(
        samples::one_down(),
        "Serving, but a server is DOWN: ",
        "  ! kmaster2 of masters is DOWN",
    );
    starts(
        samples::all_down(),
        "NOT READY, no server is left: 0 of 3",
        "  !! no server of backend masters is up",
    );
    starts(
        samples::after_failed_reload(),
        "Serving, but the last reload failed: ",
        "  ! last reload failed",
    );
}

#[test]
fn a_split_brain_is_marked_on_both_nodes() {
    let split = pair(samples::one_down(), |word| word.state = halb_vrrp::router::State::Active);
    let picture = picture(split, NARROW);
    assert_eq!(picture.lines().filter(|line| line.starts_with("!! ")).count(), 2, "{picture}");
    assert!(picture.starts_with("SPLIT BRAIN, two nodes hold the address: "), "{picture}");
    let second = picture.lines().nth(1).unwrap();
    assert!(
        second.starts_with("  ! vip VI_1: 172.16.16.52 says that it is active too"),
        "{picture}"
    );
}

#[test]
fn colour_repeats_what_words_say() {
    let now = Instant::now();
    let top = watched(pair(samples::all_down(), |_| ()), now);
    let coloured = Means { colour: Colour::Ansi, ..NARROW };
    assert_eq!(text(&top, coloured, now), text(&top, NARROW, now));
    let colours = |means| {
        let lines = view::lines(&top, means, now);
        lines.iter().flat_map(|line| &line.spans).filter(|span| span.style.fg.is_some()).count()
    };
    assert!(colours(coloured) > 0);
    assert_eq!(colours(NARROW), 0, "none where none is wanted");
}

#[test]
fn a_terminal_of_another_charset_gets_plain_marks() {
    let now = Instant::now();
    let top = watched(pair(samples::one_down(), |_| ()), now);
    let shown = text(&top, Means { marks: Marks::Ascii, ..WIDE }, now);
    assert!(shown.is_ascii(), "{shown}");
}

#[test]
fn an_order_is_given_after_yes_only_and_one_at_a_time() {
    let now = Instant::now();
    let mut top = watched(samples::all_fine(), now);
    assert_eq!(top.press(Key::Char('d')), None);
    let wish = Wish { server: "masters/kmaster1".to_owned(), admin: Admin::Drain };
    assert_eq!(*top.dialog(), Dialog::Sure(wish.clone()));
    assert_eq!(top.press(Key::Char('n')), None);
    assert_eq!(top.outcome(), Some("nothing was changed"));
    assert_eq!(top.press(Key::Char('y')), None, "nothing was asked");
    top.press(Key::Char('d'));
    assert_eq!(top.press(Key::Char('y')), Some(Action::Tell(wish)));
    top.press(Key::Char('r'));
    assert!(matches!(top.dialog(), Dialog::Told(_)), "the first hasn't come back");
    top.told("masters/kmaster1 drains".to_owned());
    assert!(text(&top, NARROW, now).contains("masters/kmaster1 drains"));
    top.press(Key::Char('m'));
    assert_eq!(top.press(Key::Interrupt), Some(Action::Quit), "whatever is asked");
    assert_eq!(Top::new().press(Key::Char('d')), None, "nothing is there to be drained");
}

#[test]
fn who_takes_the_last_server_away_is_told_what_follows() {
    let now = Instant::now();
    let mut sample = samples::all_fine();
    sample.refuse(0);
    sample.refuse(2);
    let mut top = watched(sample, now);
    top.press(Key::End);
    top.press(Key::Char('d'));
    let shown = text(&top, NARROW, now).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("Drain masters/kmaster2?"), "{shown}");
    assert!(shown.contains("IT IS THE LAST ONE UP"), "{shown}");
    top.press(Key::Escape);
    top.press(Key::Up);
    top.press(Key::Char('d'));
    assert!(!text(&top, NARROW, now).contains("LAST ONE"), "it is down already");
}

/// The servers from above, by name.
fn order(top: &Top) -> Vec<String> {
    top.rows().iter().map(|row| row.server.name.clone()).collect()
}

#[test]
fn each_column_sorts_by_its_key_and_turns_round_at_the_second_press() {
    let mut sample = samples::one_down();
    sample.server(0).weight = 3;
    sample.server(2).connections = 9;
    let mut top = watched(sample, Instant::now());
    assert_eq!(order(&top), ["kmaster2", "kmaster1", "kmaster3"], "the unusual first");
    let mut sorted = |key: char| {
        top.press(Key::Char(key));
        order(&top)
    };
    assert_eq!(sorted('1'), ["kmaster1", "kmaster2", "kmaster3"]);
    assert_eq!(sorted('1'), ["kmaster3", "kmaster2", "kmaster1"]);
    assert_eq!(sorted('2'), ["kmaster2", "kmaster1", "kmaster3"]);
    assert_eq!(sorted('3'), ["kmaster3", "kmaster1", "kmaster2"]);
    assert_eq!(sorted('4'), ["kmaster1", "kmaster3", "kmaster2"]);
    assert_eq!(sorted('5'), ["kmaster1", "kmaster3", "kmaster2"]);
    assert_eq!(sorted('6'), ["kmaster1", "kmaster3", "kmaster2"]);
    assert_eq!(sorted('7'), ["kmaster1", "kmaster3", "kmaster2"]);
    assert_eq!(sorted('8'), ["kmaster1", "kmaster3", "kmaster2"]);
    assert_eq!(sorted('9'), ["kmaster1", "kmaster2", "kmaster3"]);
    assert_eq!(sorted('0'), ["kmaster2", "kmaster1", "kmaster3"]);
}

#[test]
fn the_chosen_server_stays_chosen_when_another_one_overtakes_it() {
    let now = Instant::now();
    let mut top = watched(samples::all_fine(), now);
    top.press(Key::Home);
    assert_eq!(top.rows()[top.place()].id, "masters/kmaster1");
    top.look(Ok(samples::one_down().status()), now);
    assert_eq!(top.place(), 1, "kmaster2 is above it");
    assert_eq!(top.rows()[top.place()].id, "masters/kmaster1");
}

#[test]
fn silence_is_told_with_its_age_and_ends_with_the_next_answer() {
    let now = Instant::now();
    let mut top = Top::new();
    assert!(text(&top, NARROW, now).contains("halb is asked how it is"));
    top.look(Err("no halb runs on /run/x".to_owned()), now);
    let shown = text(&top, NARROW, now);
    assert!(shown.starts_with("NO ANSWER from halb\n  !! no halb runs on /run/x"), "{shown}");
    let mut top = watched(samples::all_fine(), now);
    let hangs = now + Duration::from_secs(5);
    let shown = text(&top, NARROW, hangs);
    assert!(shown.starts_with("NO ANSWER from halb for 5 s\n"), "{shown}");
    assert!(shown.contains("As it was 5 s ago: All is well"), "{shown}");
    assert_eq!(top.press(Key::Char('q')), Some(Action::Quit));
    top.look(Ok(samples::all_fine().status()), hangs);
    assert!(text(&top, NARROW, hangs).starts_with("All is well"));
    top.look(Err("gone".to_owned()), hangs);
    top.press(Key::Char('d'));
    assert_eq!(*top.dialog(), Dialog::None, "whoever doesn't answer isn't ordered about");
}

#[test]
fn rates_begin_anew_with_another_process() {
    let now = Instant::now();
    let mut top = watched(samples::all_fine(), now);
    assert!(top.trends().of_server("masters/kmaster1").is_some());
    let mut status = samples::all_fine().status();
    status.process.pid += 1;
    top.look(Ok(status), now);
    assert!(top.trends().of_server("masters/kmaster1").is_none());
}

#[test]
fn the_help_names_each_key_and_fits() {
    let now = Instant::now();
    let mut top = watched(samples::all_fine(), now);
    top.press(Key::Char('?'));
    let shown = text(&top, NARROW, now);
    for key in ["d  ", "m  ", "r  ", "q, Ctrl-C", "0  ", "1 … 9", "Any key goes back."] {
        assert!(shown.contains(key), "{key} isn't in:\n{shown}");
    }
    top.press(Key::Char('q'));
    assert!(text(&top, NARROW, now).starts_with("All is well"), "a key goes back and does no more");
}

fn many(servers: usize) -> Status {
    let mut status = samples::one_down().status();
    let one = status.backends[0].servers[1].clone();
    let named = |number| crate::status::Server { name: format!("s{number}"), ..one.clone() };
    status.backends[0].servers = (0..servers).map(named).collect();
    status
}

#[test]
fn a_thousand_servers_are_gone_through_by_keys() {
    let now = Instant::now();
    let mut top = Top::new();
    top.look(Ok(many(1_000)), now);
    let shown = text(&top, NARROW, now);
    assert!(shown.contains("masters/s0 ") && shown.contains("more below"), "{shown}");
    top.press(Key::PageDown);
    top.press(Key::Down);
    let shown = text(&top, NARROW, now);
    assert!(shown.contains(">!masters/s11 ") && shown.contains("more above"), "{shown}");
    top.press(Key::End);
    let shown = text(&top, NARROW, now);
    assert!(shown.contains(">!masters/s999 ") && !shown.contains("more below"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_size_and_no_keys_break_the_picture(
        width in 0_usize..200,
        height in 0_usize..60,
        servers in 0_usize..40,
        keys in "[0-9dmrykjqh?]{0,12}",
    ) {
        let now = Instant::now();
        let mut top = Top::new();
        top.look(Ok(many(servers)), now);
        for key in keys.chars() {
            top.press(Key::Char(key));
            text(&top, Means { width, height, ..NARROW }, now);
        }
        top.look(Ok(many(servers / 2)), now);
        text(&top, Means { width, height, ..NARROW }, now);
        prop_assert!(top.place() < servers.max(1));
    }
}
