use super::*;
use crate::samples::{checked, picture, server as sample};

fn status(server: &Server) -> String {
    server.status()
}

#[test]
fn a_server_s_status_is_told_in_haproxy_s_words() {
    let table = [
        (0, false, "DOWN"),
        (1, false, "DOWN 1/2"),
        (2, true, "UP 1/3"),
        (3, true, "UP 2/3"),
        (4, true, "UP"),
    ];
    for (health, up, expected) in table {
        let check = Check { health, ..checked("L7OK", up) };
        assert_eq!(status(&sample("one", 1, Some(check))), expected);
    }
    let mut unchecked = sample("one", 1, None);
    assert_eq!(status(&unchecked), "no check");
    unchecked.admin = Admin::Drain;
    assert_eq!(status(&unchecked), "DRAIN");
    unchecked.admin = Admin::Maint;
    assert_eq!(status(&unchecked), "MAINT");
    let mut down = sample("one", 1, Some(checked("L4CON", false)));
    down.admin = Admin::Drain;
    assert_eq!(status(&down), "DOWN", "HAProxy shows health before drain");
}

#[test]
fn a_backend_adds_up_the_servers_that_take_connections() {
    let rows = rows(&picture());
    let backend = rows.iter().find(|row| row.kind == Kind::Backend).unwrap();
    for (column, number) in [("weight", 4), ("act", 2), ("bck", 1), ("stot", 5), ("bin", 390)] {
        assert_eq!(backend.value(column), Some(&Value::Count(number)), "{column}");
    }
    assert_eq!(backend.text("status"), "UP");
    let empty = rows.last().unwrap();
    assert_eq!((empty.text("status"), empty.value("downtime")), ("UP", None));
}

#[test]
fn backups_count_when_no_other_server_takes_connections() {
    let mut picture = picture();
    let backend = picture.proxies[1].backend.as_mut().unwrap();
    for server in &mut backend.servers[..3] {
        server.admin = Admin::Maint;
    }
    assert!(backend.up());
    assert_eq!(backend.usable().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["spare"]);
    backend.servers[3].up = false;
    assert!(!backend.up());
}

#[test]
fn maintenance_hides_what_checks_said() {
    let mut one = sample("one", 1, Some(checked("L7OK", true)));
    let shown = Row::new(Kind::Server, 2, 1, server("pool", &one));
    assert_eq!(shown.text("check_desc"), "Layer7 check passed");
    assert_eq!(shown.value("check_code"), Some(&Value::Count(200)));
    one.admin = Admin::Maint;
    let hidden = Row::new(Kind::Server, 2, 1, server("pool", &one));
    assert_eq!((hidden.value("check_status"), hidden.value("check_rise")), (None, None));
    assert_eq!(hidden.value("chkfail"), Some(&Value::Count(0)));
}
