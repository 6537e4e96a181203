//! Metrics of the virtual IPs. Counters that keepalived has too carry its names between
//! `halb_vrrp_` and `_total`.

use super::{Metric, counter, gauge, histogram};

const THREAD: &[&str] = &[];
const INSTANCE: &[&str] = &["router"];
const STATES: &[&str] = &["router", "state"];
const ADDRESS: &[&str] = &["router", "address"];
const REASON: &[&str] = &["router", "to", "reason"];

metrics! {
    STATE = gauge(
        "halb_vrrp_state", "", STATES,
        "1 for the state that the virtual router is in, 0 for the others: initialize, backup, active, fault"
    );
    STATE_AGE = gauge(
        "halb_vrrp_state_age_seconds", "seconds", INSTANCE,
        "Time since the state last changed"
    );
    PRIORITY = gauge(
        "halb_vrrp_priority", "", INSTANCE,
        "Priority in force, 1 to 255"
    );
    PRIORITY_CONFIGURED = gauge(
        "halb_vrrp_priority_configured", "", INSTANCE,
        "Priority of the configuration, before trackers"
    );
    SICK = gauge(
        "halb_vrrp_sick", "", INSTANCE,
        "1 if something that is tracked is not as it should be"
    );
    YIELDED = gauge(
        "halb_vrrp_yielded", "", INSTANCE,
        "1 if an operator has given the addresses away"
    );
    PRESENT = gauge(
        "halb_vrrp_address_present", "", ADDRESS,
        "1 if the virtual address is on an interface of this node, as the kernel says"
    );
    PEERS = gauge(
        "halb_vrrp_peers", "", INSTANCE,
        "Other nodes that were heard since the start; an active node doesn't hear its backups"
    );
    TRANSITIONS = counter(
        "halb_vrrp_transitions_total", "", REASON,
        "Changes of state, by what they led to and why"
    );
    ANNOUNCEMENTS = counter(
        "halb_vrrp_announcements_total", "", INSTANCE,
        "Gratuitous ARP and unsolicited neighbour advertisements sent"
    );
    FOREIGN_CLAIMS = counter(
        "halb_vrrp_foreign_claims_total", "", INSTANCE,
        "Times that another machine claimed an address while this node held it"
    );
    ADVERT_RCVD = counter(
        "halb_vrrp_advert_rcvd_total", "", INSTANCE,
        "Adverts that were accepted"
    );
    ADVERT_SENT = counter(
        "halb_vrrp_advert_sent_total", "", INSTANCE,
        "Adverts that were sent"
    );
    BECOME_MASTER = counter(
        "halb_vrrp_become_master_total", "", INSTANCE,
        "Times that the node became active"
    );
    RELEASE_MASTER = counter(
        "halb_vrrp_release_master_total", "", INSTANCE,
        "Times that the node ceased to be active"
    );
    PRI_ZERO_RCVD = counter(
        "halb_vrrp_pri_zero_rcvd_total", "", INSTANCE,
        "Accepted adverts with priority 0: another node gave the addresses up"
    );
    PRI_ZERO_SENT = counter(
        "halb_vrrp_pri_zero_sent_total", "", INSTANCE,
        "Sent adverts with priority 0"
    );
    PACKET_LEN_ERR = counter(
        "halb_vrrp_packet_len_err_total", "", INSTANCE,
        "Refused: a length that no advert has"
    );
    IP_TTL_ERR = counter(
        "halb_vrrp_ip_ttl_err_total", "", INSTANCE,
        "Refused: time to live or hop limit below 255, so that a router was in between"
    );
    INVALID_TYPE_RCVD = counter(
        "halb_vrrp_invalid_type_rcvd_total", "", INSTANCE,
        "Refused: not an advertisement"
    );
    ADVERT_INTERVAL_ERR = counter(
        "halb_vrrp_advert_interval_err_total", "", INSTANCE,
        "Refused: another interval than ours with version 2, or none"
    );
    ADDR_LIST_ERR = counter(
        "halb_vrrp_addr_list_err_total", "", INSTANCE,
        "Accepted adverts that claim other addresses than this node"
    );
    INVALID_AUTHTYPE = counter(
        "halb_vrrp_invalid_authtype_total", "", INSTANCE,
        "Refused: a type of authentication that doesn't exist"
    );
    AUTHTYPE_MISMATCH = counter(
        "halb_vrrp_authtype_mismatch_total", "", INSTANCE,
        "Refused: one node has a password, the other none"
    );
    AUTH_FAILURE = counter(
        "halb_vrrp_auth_failure_total", "", INSTANCE,
        "Refused: another password"
    );
    CHECKSUM_ERR = counter(
        "halb_vrrp_checksum_err_total", "", INSTANCE,
        "Refused: a wrong checksum (keepalived doesn't count these)"
    );
    VERSION_ERR = counter(
        "halb_vrrp_version_err_total", "", INSTANCE,
        "Refused: another version of VRRP (keepalived doesn't count these)"
    );
    NO_ADDRESS_ERR = counter(
        "halb_vrrp_no_address_err_total", "", INSTANCE,
        "Refused: no address in the advert (keepalived doesn't count these)"
    );
    FOREIGN_VRID = counter(
        "halb_vrrp_foreign_vrid_total", "", INSTANCE,
        "Refused: for another virtual router (keepalived doesn't count these)"
    );
    OWN_PACKET = counter(
        "halb_vrrp_own_packet_total", "", INSTANCE,
        "Refused: our own advert, reflected by a switch (keepalived doesn't count these)"
    );
    DELIVERY_ERR = counter(
        "halb_vrrp_delivery_err_total", "", INSTANCE,
        "Refused: multicast where unicast is configured, or the other way round (keepalived doesn't count these)"
    );
    UNKNOWN_PEER = counter(
        "halb_vrrp_unknown_peer_total", "", INSTANCE,
        "Refused: a sender that is no configured peer (keepalived doesn't count these)"
    );
    IGNORED = counter(
        "halb_vrrp_ignored_total", "", INSTANCE,
        "Packets that came before the start or in a fault (keepalived doesn't count these)"
    );
    STALLS = counter(
        "halb_vrrp_stalls_total", "", INSTANCE,
        "Timers so late that another node may have taken over meanwhile (keepalived doesn't count these)"
    );
    REPAIRS = counter(
        "halb_vrrp_repairs_total", "", INSTANCE,
        "Times that an address which somebody else removed was put back (keepalived doesn't count these)"
    );
    ARRIVALS = histogram(
        "halb_vrrp_advert_interarrival_seconds", "seconds", INSTANCE,
        "Time between accepted adverts of other nodes"
    );
    LATENESS = histogram(
        "halb_vrrp_timer_lateness_seconds", "seconds", INSTANCE,
        "How late timers were: what a busy host costs"
    );
    HEARTBEAT_AGE = gauge(
        "halb_vrrp_heartbeat_age_seconds", "seconds", THREAD,
        "Time since the thread of the virtual IPs last told of itself; above 5 it stands still"
    );
    REALTIME = gauge(
        "halb_vrrp_realtime", "", THREAD,
        "1 if the thread is scheduled in real time"
    );
    MEMORY_LOCKED = gauge(
        "halb_vrrp_memory_locked", "", THREAD,
        "1 if memory of the daemon can't be swapped out"
    );
    GUARD = gauge(
        "halb_vrrp_guard_up", "", THREAD,
        "1 if a guard process watches, which takes the addresses off if the daemon dies or freezes"
    );
    GUARD_REALTIME = gauge(
        "halb_vrrp_guard_realtime", "", THREAD,
        "1 if a guard process watches and is scheduled in real time"
    );
    GUARD_REPLACED = counter(
        "halb_vrrp_guard_replacements_total", "", THREAD,
        "Guard processes that died and were replaced"
    );
    GUARD_REVOCATIONS = counter(
        "halb_vrrp_guard_revocations_total", "", THREAD,
        "Times that the guard took the addresses off because the daemon stood still"
    );
    GUARD_FAILURES = counter(
        "halb_vrrp_guard_failures_total", "", THREAD,
        "Addresses and goodbyes that the guard failed with"
    );
    NETLINK_OVERRUNS = counter(
        "halb_vrrp_netlink_overruns_total", "", THREAD,
        "Times that changes of interfaces were missed, so that all was read anew"
    );
    EVENTS_DROPPED = counter(
        "halb_vrrp_events_dropped_total", "", THREAD,
        "Events of virtual routers that were neither logged nor handed to hooks"
    );
    STRAYS = counter(
        "halb_vrrp_stray_adverts_total", "", THREAD,
        "Adverts for virtual routers that this node doesn't have"
    );
    BROKEN = counter(
        "halb_vrrp_broken_packets_total", "", THREAD,
        "Packets of protocol 112 that can't hold an advert"
    );
    HOOK_RUNS = counter(
        "halb_vrrp_hook_runs_total", "", THREAD,
        "Runs of hooks that ended well"
    );
    HOOK_FAILURES = counter(
        "halb_vrrp_hook_failures_total", "", THREAD,
        "Runs of hooks that failed or took too long"
    );
    HOOKS_SKIPPED = counter(
        "halb_vrrp_hooks_skipped_total", "", THREAD,
        "Changes whose hook was skipped for a later change, because too many waited"
    );
    FIFO_LOST = counter(
        "halb_vrrp_fifo_lost_total", "", THREAD,
        "Changes that found no room in the FIFO of notify_fifo, or no FIFO"
    );
}

/// Counters out of the status' `stats`, by keepalived's names.
pub const STATS: &[(&str, &Metric)] = &[
    ("advert_rcvd", &ADVERT_RCVD),
    ("advert_sent", &ADVERT_SENT),
    ("become_master", &BECOME_MASTER),
    ("release_master", &RELEASE_MASTER),
    ("pri_zero_rcvd", &PRI_ZERO_RCVD),
    ("pri_zero_sent", &PRI_ZERO_SENT),
    ("packet_len_err", &PACKET_LEN_ERR),
    ("ip_ttl_err", &IP_TTL_ERR),
    ("invalid_type_rcvd", &INVALID_TYPE_RCVD),
    ("advert_interval_err", &ADVERT_INTERVAL_ERR),
    ("addr_list_err", &ADDR_LIST_ERR),
    ("invalid_authtype", &INVALID_AUTHTYPE),
    ("authtype_mismatch", &AUTHTYPE_MISMATCH),
    ("auth_failure", &AUTH_FAILURE),
    ("checksum_err", &CHECKSUM_ERR),
    ("version_err", &VERSION_ERR),
    ("no_address_err", &NO_ADDRESS_ERR),
    ("foreign_vrid", &FOREIGN_VRID),
    ("own_packet", &OWN_PACKET),
    ("delivery_err", &DELIVERY_ERR),
    ("unknown_peer", &UNKNOWN_PEER),
    ("ignored", &IGNORED),
    ("stalls", &STALLS),
    ("repairs", &REPAIRS),
];
