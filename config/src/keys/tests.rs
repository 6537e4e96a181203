//! The tables of keys, and what unknown words are corrected to.

use std::collections::HashSet;

use super::*;

/// Sections whose keys stand side by side in one table of the file.
fn groups() -> Vec<Vec<&'static Section>> {
    let (check, others): (Vec<_>, Vec<_>) =
        SECTIONS.iter().copied().partition(|section| section.path.starts_with("check "));
    others.into_iter().map(|section| vec![section]).chain([check]).collect()
}

#[test]
fn every_key_is_documented_and_no_name_means_two_keys() {
    for group in groups() {
        let mut names = HashSet::new();
        for key in group.iter().flat_map(|section| section.keys) {
            assert!(!key.doc.is_empty() && key.doc.ends_with('.'), "{} has no doc", key.name);
            assert!(!key.takes.is_empty() && !key.example.is_empty(), "{}", key.name);
            for name in key.also.iter().chain([&key.name]) {
                assert!(names.insert(*name), "'{name}' stands twice in {}", group[0].path);
                assert_eq!(plain(name), *name, "names are compared in this form");
            }
        }
    }
}

#[test]
fn an_unknown_key_is_corrected_to_the_one_that_was_meant() {
    for (section, unknown, expected) in [
        (&FRONTEND, "bnid", Some("bind")),
        (&FRONTEND, "Bind", Some("bind")),
        (&FRONTEND, "default_backend", Some("backend")),
        (&FRONTEND, "user-timeout", Some("user_timeout")),
        (&FRONTEND, "accept_rat", Some("accept_rate")),
        (&FRONTEND, "mode", None),
        (&FRONTEND, "x", None),
        (&BACKEND, "balanc", Some("balance")),
        (&BACKEND, "on_marked_down", Some("on_down")),
        (&BACKEND, "slowstart", Some("slow_start")),
        (&CHECK, "inter", Some("interval")),
        (&CHECK, "interv", Some("interval")),
        (&CHECK, "risee", Some("rise")),
        (&CHECK, "", None),
        (&SERVER, "wieght", Some("weight")),
        (&SERVER, "ip", Some("address")),
        (&VRRP, "virtual_router_id", Some("router_id")),
        (&VRRP, "advert_int", Some("advert_interval")),
        (&VRRP, "virtual_ipaddress", Some("addresses")),
        (&VRRP, "mcast_src_ip", Some("source")),
        (&VRRP, "unicast_peer", Some("unicast_peers")),
        (&VRRP, "garp_master_refresh", Some("garp_refresh")),
        (&VRRP, "priorty", Some("priority")),
        (&TRACK, "wieght", Some("weight")),
        (&ROOT, "vrrp_instance", Some("vrrp")),
    ] {
        let found = nearest_key(&[section], unknown).map(|key| key.name);
        assert_eq!(found, expected, "{unknown:?} in {}", section.path);
    }
}

#[test]
fn a_habit_from_keepalived_gets_its_own_answer() {
    for (word, said) in [
        ("nopreempt", "`preempt = false`"),
        ("preempt_delay", "`preempt = \"30s\"`"),
        ("track-script", "track = [{ script = "),
        ("state", "every node begins as backup"),
    ] {
        let remedy = habit(&[&VRRP], word).expect(word);
        assert!(remedy.contains(said), "{word}: {remedy}");
    }
    assert_eq!(habit(&[&BACKEND], "state"), None);
    let words = vrrp::HABITS.iter().flat_map(|habit| habit.words.iter().map(move |w| (habit, w)));
    for (habit, word) in words {
        assert_eq!(plain(word), *word, "words are compared in this form");
        let known =
            habit.section.keys.iter().any(|key| key.name == *word || key.also.contains(word));
        assert!(!known, "'{word}' is another name of a key");
    }
}

#[test]
fn a_long_word_is_near_to_nothing() {
    assert_eq!(nearest(["masters"], &"m".repeat(1_000_000)), None);
}

#[test]
fn a_key_is_found_in_the_tables_that_hold_it() {
    let homes = |name| homes(name).map(|section| section.path).collect::<Vec<_>>();
    assert_eq!(homes("weight"), ["[backend.NAME.server]", "track = [{ … }]"]);
    assert_eq!(homes("router_id"), ["[vrrp.NAME]"]);
    assert_eq!(homes("mode"), [""; 0]);
}
