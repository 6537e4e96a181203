use super::*;
use crate::samples::picture;

#[test]
fn the_state_of_each_server_is_a_line_of_25_fields() {
    let mut picture = picture();
    let backend = picture.proxies[1].backend.as_mut().unwrap();
    backend.servers[1].admin = Admin::Drain;
    backend.servers[3].admin = Admin::Maint;
    let text = state(&picture, None).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "1");
    assert_eq!(lines[1].split(' ').count(), 26, "25 names after the #");
    // As HAProxy 2.6.12 told the same servers.
    let expected = [
        "3 masters 1 kmaster1 127.0.0.1 2 0 3 3 0 15 3 4 6 0 0 0 - 7001 - 0 0 - - 0",
        "3 masters 2 kmaster2 127.0.0.1 2 8 1 1 0 15 3 4 6 0 0 0 - 7002 - 0 0 - - 0",
        "3 masters 3 kmaster3 127.0.0.1 0 0 1 1 0 8 2 0 6 0 0 0 - 7003 - 0 0 - - 0",
        "3 masters 4 spare 127.0.0.1 0 1 1 1 0 15 3 0 14 0 0 0 - 7004 - 0 0 - - 0",
        "4 plain 1 one 127.0.0.1 2 0 1 1 0 1 0 2 0 0 0 0 - 7001 - 0 0 - - 0",
    ];
    assert_eq!(lines[2..], expected);
}

#[test]
fn one_backend_is_found_by_name_or_number_and_another_word_is_refused() {
    let named = state(&picture(), Some("plain")).unwrap();
    assert_eq!(named.lines().count(), 3);
    assert_eq!(state(&picture(), Some("4")), Some(named));
    assert_eq!(state(&picture(), Some("nope")), None);
    assert!(connections(&picture(), Some("plain")).unwrap().contains("\nplain/one 4/1 127.0.0.1 "));
    assert_eq!(backends(&picture()), "# name\nmasters\nplain\ndirect\n");
}
