//! The virtual routers in the shape and under the names of the JSON that keepalived writes on
//! `SIGJSON`, for programs that read that.
//!
//! Left out is what keepalived tells of its own settings: passwords, scripts, and numbers of
//! announcements.

use serde_json::{Value, json};

use super::{Instance, State, Vrrp};

/// keepalived's numbers for states.
const INIT: u8 = 0;
const BACKUP: u8 = 1;
const MASTER: u8 = 2;
const FAULT: u8 = 3;

/// All of them. `now`: seconds since 1970, UTC.
#[must_use]
pub fn json(vrrp: &Vrrp, now: f64) -> Value {
    vrrp.instances.iter().map(|instance| one(instance, now)).collect()
}

fn one(instance: &Instance, now: f64) -> Value {
    let is_here = instance.state == State::Active;
    let master = instance.peers.iter().find(|peer| peer.active && !is_here);
    let interval = instance.timers.advert_interval_seconds;
    let heard = master.and_then(|peer| peer.interval_seconds).filter(|_| instance.version == 3);
    let vips: Vec<_> = instance.addresses.iter().map(address).collect();
    json!({
        "data": {
            "iname": instance.name,
            "ifp_ifname": instance.interface.name,
            "vmac_ifname": "",
            "dont_track_primary": 0,
            "skip_check_adv_addr": 0,
            "strict_mode": 0,
            "promote_secondaries": false,
            "accept": 1,
            "smtp_alert": false,
            "vrid": instance.router_id,
            "version": instance.version,
            "base_priority": instance.priority.configured,
            "effective_priority": instance.priority.effective,
            "master_priority": master.and_then(|peer| peer.priority).unwrap_or(0),
            "last_transition": now - instance.since_seconds,
            "vipset": instance.addresses.iter().any(|address| address.present),
            "adver_int": interval,
            "master_adver_int": heard.unwrap_or(interval),
            "state": state(instance.state),
            "wantstate": BACKUP,
            "vips": vips,
        },
        "stats": instance.stats,
    })
}

fn state(state: State) -> u8 {
    match state {
        State::Initialize => INIT,
        State::Backup => BACKUP,
        State::Active => MASTER,
        State::Fault => FAULT,
    }
}

/// `172.16.16.100 dev eth1 scope global set`: whole prefixes aren't told.
fn address(address: &super::Address) -> String {
    let text = address.address.as_str();
    let alone = if text.contains(':') { "/128" } else { "/32" };
    let text = text.strip_suffix(alone).unwrap_or(text);
    let set = if address.present { " set" } else { "" };
    format!("{text} dev {} scope global{set}", address.interface)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn who_holds_the_addresses_is_master_by_number() {
        let told = json(&samples::active().vrrp(), 1000.0);
        let data = &told[0]["data"];
        assert_eq!(
            (&data["state"], &data["vipset"], &data["master_priority"]),
            (&json!(2), &json!(true), &json!(0))
        );
        assert_eq!(data["vips"], json!(["172.16.16.100 dev eth1 scope global set"]));
        assert_eq!((&data["iname"], &data["vrid"]), (&json!("VI_1"), &json!(1)));
        let told = json(&samples::backup().vrrp(), 1000.0);
        let data = &told[0]["data"];
        assert_eq!((&data["state"], &data["vipset"]), (&json!(1), &json!(false)));
        assert!(data["master_priority"].as_u64().unwrap() > 0, "{data}");
        assert!(data["last_transition"].as_f64().unwrap() <= 1000.0);
    }

    #[test]
    fn all_counters_of_keepalived_are_told() {
        let told = json(&samples::active().vrrp(), 0.0);
        let mut names: Vec<_> = told[0]["stats"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        for name in KEEPALIVEDS {
            assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
        }
    }

    /// What keepalived 2.2.7 writes.
    const KEEPALIVEDS: [&str; 14] = [
        "advert_rcvd",
        "advert_sent",
        "become_master",
        "release_master",
        "packet_len_err",
        "advert_interval_err",
        "ip_ttl_err",
        "invalid_type_rcvd",
        "addr_list_err",
        "invalid_authtype",
        "authtype_mismatch",
        "auth_failure",
        "pri_zero_rcvd",
        "pri_zero_sent",
    ];
}
