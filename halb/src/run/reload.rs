//! Settings that only a restart can change: found, said, and not forgotten.

use halb_config::settings::{AccessTo, Settings, Syslog};

/// One phrase for each setting that waits for a restart.
pub(super) fn needs_restart(running: &Settings, wanted: &Settings) -> Vec<String> {
    let mut waiting = Vec::new();
    let mut compare = |key: &str, running: String, wanted: String| {
        if running != wanted {
            waiting.push(format!("{key} is {running} and becomes {wanted}"));
        }
    };
    let workers = |settings: &Settings| match settings.global.workers {
        Some(workers) => workers.to_string(),
        None => "one per core".to_owned(),
    };
    compare("global.workers", workers(running), workers(wanted));
    let state_dir = |settings: &Settings| settings.global.state_dir.display().to_string();
    compare("global.state_dir", state_dir(running), state_dir(wanted));
    let http = |settings: &Settings| match settings.admin.http {
        Some(address) => address.to_string(),
        None => "off".to_owned(),
    };
    compare("admin.http", http(running), http(wanted));
    let socket = |settings: &Settings| settings.admin.socket.display().to_string();
    compare("admin.socket", socket(running), socket(wanted));
    let commands = |settings: &Settings| match &settings.haproxy.socket {
        Some(socket) => {
            format!("{} ({:?}, {:o})", socket.path.display(), socket.level, socket.mode)
        }
        None => "off".to_owned(),
    };
    compare("haproxy.socket", commands(running), commands(wanted));
    let format = |settings: &Settings| format!("{:?}", settings.log.format).to_lowercase();
    compare("log.format", format(running), format(wanted));
    if wanted.log.access {
        compare("log.access", access(running), access(wanted));
    }
    compare("log.syslog", syslog(running), syslog(wanted));
    let realtime = |settings: &Settings| match settings.vrrp.routers.realtime {
        Some(priority) => priority.to_string(),
        None => "off".to_owned(),
    };
    compare("global.realtime_priority", realtime(running), realtime(wanted));
    waiting
}

fn access(settings: &Settings) -> String {
    match &settings.log.access_to {
        AccessTo::Stderr => "stderr".to_owned(),
        AccessTo::Syslog => "syslog".to_owned(),
        AccessTo::File(path) => path.display().to_string(),
    }
}

fn syslog(settings: &Settings) -> String {
    let to = match &settings.log.syslog {
        None => return "off".to_owned(),
        Some(Syslog::Udp(address)) => address.to_string(),
        Some(Syslog::Local(path)) => path.display().to_string(),
    };
    format!("{to}, facility {}", settings.log.facility)
}

/// `wanted` as far as it is in force: what waits for a restart is as it runs, so that the next
/// reload still finds the difference.
pub(super) fn merged(running: &Settings, wanted: Settings) -> Settings {
    let mut merged = wanted;
    merged.global.workers = running.global.workers;
    merged.global.state_dir = running.global.state_dir.clone();
    merged.admin = running.admin.clone();
    merged.haproxy.socket = running.haproxy.socket.clone();
    merged.log.format = running.log.format;
    merged.log.access_to = running.log.access_to.clone();
    merged.log.syslog = running.log.syslog.clone();
    merged.log.facility = running.log.facility;
    merged.vrrp.routers.realtime = running.vrrp.routers.realtime;
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: &str = "[frontend.web]\nbind = [\"127.0.0.1:8080\"]\nbackend = \"pool\"\n\
                          [backend.pool.server]\none = \"127.0.0.1:8081\"\n";

    fn settings(rest: &str) -> Settings {
        let text = format!("{rest}\n{COMMON}");
        halb_config::parse(&text, "test.toml").expect("a good configuration").settings
    }

    #[test]
    fn what_can_change_at_run_time_waits_for_nothing() {
        let wanted = settings("[global]\ndrain_timeout = \"9s\"\n[log]\nlevel = \"debug\"");
        assert!(needs_restart(&settings(""), &wanted).is_empty());
    }

    #[test]
    fn what_waits_for_a_restart_is_named_with_both_values() {
        let wanted = settings(
            "[global]\nworkers = 3\nstate_dir = \"/srv/halb\"\nrealtime_priority = 50\n[log]\nformat = \"json\"\naccess = \"syslog\"\nsyslog = \"/dev/log\"\n\
             [admin]\nhttp = \"127.0.0.1:9999\"\nsocket = \"/run/other.sock\"\n\
             [haproxy]\nsocket = \"/run/h.sock\"\nmetrics = true",
        );
        assert_eq!(
            needs_restart(&settings(""), &wanted),
            [
                "global.workers is one per core and becomes 3",
                "global.state_dir is /var/lib/halb and becomes /srv/halb",
                "admin.http is 127.0.0.1:8404 and becomes 127.0.0.1:9999",
                "admin.socket is /run/halb/admin.sock and becomes /run/other.sock",
                "haproxy.socket is off and becomes /run/h.sock (Operator, 660)",
                "log.format is text and becomes json",
                "log.access is stderr and becomes syslog",
                "log.syslog is off and becomes /dev/log, facility 3",
                "global.realtime_priority is off and becomes 50",
            ]
        );
        let merged = merged(&settings(""), wanted.clone());
        assert_eq!(needs_restart(&merged, &wanted).len(), 9, "forgotten after one reload");
    }
}
