use halb_haproxy_api::rows::{Kind, rows};

use super::*;
use crate::status::samples;

fn drawn(status: &Status) -> Picture {
    let config = Config::new(Vec::new(), Vec::new(), None).unwrap();
    draw(status, &config, &HashMap::new(), Facts::default())
}

#[test]
fn frontends_come_first_and_then_backends() {
    let status = samples::one_down().status();
    let picture = drawn(&status);
    let names: Vec<&str> = picture.proxies.iter().map(|proxy| proxy.name.as_str()).collect();
    assert_eq!(names, ["kubernetes", "masters"]);
    let states: Vec<String> = rows(&picture)
        .iter()
        .filter(|row| row.kind == Kind::Server)
        .map(|row| format!("{} {}", row.text("status"), row.text("check_status")))
        .collect();
    assert_eq!(states, ["UP L7OK", "DOWN L4CON", "UP L7OK"]);
    assert_eq!(picture.proxies[1].backend.as_ref().unwrap().full, 500);
}

#[test]
fn a_frontend_and_a_backend_of_one_name_are_one_proxy() {
    let mut status = samples::all_fine().status();
    status.backends[0].name = "kubernetes".to_owned();
    let picture = drawn(&status);
    assert_eq!(picture.proxies.len(), 1);
    assert!(picture.proxies[0].frontend.is_some() && picture.proxies[0].backend.is_some());
}

#[test]
fn a_server_that_drains_after_its_removal_is_not_shown() {
    let mut sample = samples::all_fine();
    sample.server(0).removed = true;
    let picture = drawn(&sample.status());
    assert_eq!(picture.proxies[1].backend.as_ref().unwrap().servers.len(), 2);
}

#[test]
fn changes_downward_are_counted_from_whatever_it_began_with() {
    let mut status = samples::one_down().status();
    let check = status.backends[0].servers[1].check.as_mut().unwrap();
    for (flips, healthy, downs) in [(0, true, 0), (1, false, 1), (2, true, 1), (3, false, 2)] {
        check.flips = flips;
        assert_eq!(super::check(check, healthy, None).downs, downs, "{flips} {healthy}");
    }
    for (flips, healthy, downs) in [(0, false, 0), (1, true, 0), (2, false, 1), (3, true, 1)] {
        check.flips = flips;
        assert_eq!(super::check(check, healthy, None).downs, downs, "{flips} {healthy}");
    }
}

#[test]
fn the_status_of_an_http_answer_is_read_from_what_the_check_tells() {
    assert_eq!(http_status("HTTP status 200 OK"), Some(200));
    assert_eq!(http_status("HTTP status 500, expected 200"), Some(500));
    assert_eq!(http_status("connection refused"), None);
}
