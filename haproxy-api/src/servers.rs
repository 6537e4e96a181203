//! `show servers state`, `show servers conn`, `show backend`: servers line by line.

use std::fmt::Write as _;

use crate::picture::{Admin, Backend, Picture, Server};
use crate::rows::{code_number, passed, proxy_number, server_number};

/// Columns of `show servers state` (include/haproxy/server-t.h, `SRV_STATE_FILE_FIELD_NAMES`).
const STATE_HEADER: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state \
     srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status \
     srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id \
     srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr \
     srv_agent_addr srv_agent_port\n";

const CONN_HEADER: &str = "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max \
     need_est unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[1]\n";

/// HAProxy's default of how long idle connections are kept, in milliseconds; halb keeps none.
const PURGE_DELAY: u32 = 5000;

/// The answer to `show servers state`; none: there is no such backend.
#[must_use]
pub fn state(picture: &Picture, only: Option<&str>) -> Option<String> {
    let mut out = STATE_HEADER.to_owned();
    for (id, name, backend) in wanted(picture, only)? {
        for (index, server) in backend.servers.iter().enumerate() {
            // Writing to a String can't fail, here and below.
            let _ = write!(out, "{id} {name} {} {} ", server_number(index), server.name);
            state_line(server, &mut out);
        }
    }
    Some(out)
}

fn state_line(server: &Server, out: &mut String) {
    let maint = server.admin == Admin::Maint;
    let check = server.check.as_ref();
    let operational = if maint || !server.up {
        0
    } else if server.throttle_percent < 100 {
        1
    } else {
        2
    };
    let admin = match server.admin {
        Admin::Ready => 0,
        Admin::Maint => 1,
        Admin::Drain => 8,
    };
    // Configured and enabled; 8 more: resting.
    let check_state = check.map_or(0, |_| if maint { 14 } else { 6 });
    let result = match check.map(|check| check.code.as_str()) {
        None => 0,
        Some("INI") => 1,
        Some(code) => 2 + u64::from(passed(code)),
    };
    let (code, health) = check.map_or((1, 2), |check| (code_number(&check.code), check.health));
    let health = if maint { 0 } else { health };
    let _ = writeln!(
        out,
        "{} {operational} {admin} {} {} {} {code} {result} {health} {check_state} 0 0 0 - {} - 0 0 \
         - - 0",
        server.address.ip(),
        server.weight,
        server.weight_configured,
        server.past.changed_seconds,
        server.address.port(),
    );
}

/// The answer to `show servers conn`; none: there is no such backend.
#[must_use]
pub fn connections(picture: &Picture, only: Option<&str>) -> Option<String> {
    let mut out = CONN_HEADER.to_owned();
    for (id, name, backend) in wanted(picture, only)? {
        for (index, server) in backend.servers.iter().enumerate() {
            let (ip, port) = (server.address.ip(), server.address.port());
            let most = server.past.sessions_max.max(server.sessions);
            let _ = writeln!(
                out,
                "{name}/{} {id}/{} {ip} {port} - {PURGE_DELAY} {} {most} {most} 0 0 -1 0 0",
                server.name,
                server_number(index),
                server.sessions,
            );
        }
    }
    Some(out)
}

/// The answer to `show backend`.
#[must_use]
pub fn backends(picture: &Picture) -> String {
    let mut out = "# name\n".to_owned();
    for proxy in picture.proxies.iter().filter(|proxy| proxy.backend.is_some()) {
        let _ = writeln!(out, "{}", proxy.name);
    }
    out
}

/// Backends with number and name: all, or the one of this name or number.
fn wanted<'a>(
    picture: &'a Picture,
    only: Option<&str>,
) -> Option<Vec<(u64, &'a str, &'a Backend)>> {
    let all = picture.proxies.iter().enumerate().filter_map(|(index, proxy)| {
        Some((proxy_number(index), proxy.name.as_str(), proxy.backend.as_ref()?))
    });
    let Some(only) = only else { return Some(all.collect()) };
    let found: Vec<_> =
        all.filter(|(id, name, _)| *name == only || only.parse() == Ok(*id)).collect();
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests;
