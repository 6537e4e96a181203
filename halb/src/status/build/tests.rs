use halb_lb::snapshot::{Admin, Health};

use crate::status::samples;

type Change = fn(&mut samples::Sample);

#[test]
fn servers_are_called_what_haproxy_calls_them() {
    let state = |change: Change| {
        let mut sample = samples::all_fine();
        change(&mut sample);
        let server = sample.status().backends[0].servers[0].clone();
        (server.state, server.usable)
    };
    let cases: [(&str, bool, Change); 10] = [
        ("UP", true, |_| {}),
        ("no check", true, |s| s.checks.clear()),
        ("DOWN", false, |s| {
            s.checks.clear();
            s.server(0).health = Health::Down;
        }),
        ("UP 2/3", true, |s| s.checks.get_mut("masters/kmaster1").unwrap().state = "UP 2/3".into()),
        ("DOWN 1/2", false, |s| {
            s.server(0).health = Health::Down;
            s.checks.get_mut("masters/kmaster1").unwrap().state = "DOWN 1/2".into();
        }),
        // The data path has not heard the verdict yet: it decides what clients meet.
        ("UP", true, |s| s.checks.get_mut("masters/kmaster1").unwrap().state = "DOWN".into()),
        ("DRAIN", false, |s| s.server(0).admin = Admin::Drain),
        ("DRAIN", false, |s| s.server(0).weight = 0),
        ("DRAIN", false, |s| s.server(0).removed = true),
        ("MAINT", false, |s| {
            s.server(0).admin = Admin::Maint;
            s.server(0).removed = true;
        }),
    ];
    for (word, usable, change) in cases {
        assert_eq!(state(change), (word.to_owned(), usable));
    }
}

#[test]
fn a_removed_server_is_not_shown_with_the_check_of_its_successor() {
    let mut sample = samples::all_fine();
    sample.server(0).removed = true;
    assert!(sample.status().backends[0].servers[0].check.is_none());
}

#[test]
fn the_tree_survives_json() {
    let status = samples::after_failed_reload().status();
    let json = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<crate::status::Status>(&json).unwrap(), status);
}
