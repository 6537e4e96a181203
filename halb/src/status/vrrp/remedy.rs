//! What to do about adverts that aren't taken.

use halb_vrrp::packet::Refusal;

/// What to do about a node with this one's priority.
pub const SAME_PRIORITY: &str =
    "the greater address decides; give each node another 'priority', tens apart";

/// What to do about a node that claims other addresses under the same id.
pub const OTHER_ADDRESSES: &str = "if it is the other node, give both the same 'addresses'; if it isn't \
                                   yours, that 'router_id' is in use: choose another one on all of \
                                   your nodes";

/// What to do about two nodes that hold an address at once.
pub const SPLIT: &str = "see whether that is the other node and why its adverts aren't heard (a \
                         firewall that drops protocol 112, another password or router id; 'halb vip \
                         explain' on both), or who else has that address";

/// What to look for where another node's adverts don't come.
pub const MUTE: &str = "look for a firewall that drops IP protocol 112 (allow: nft add rule inet filter \
                        input ip protocol vrrp accept), for another segment, or for a switch that \
                        drops multicast";

/// What is wrong, without what to do.
#[must_use]
pub fn fault(refusal: Refusal) -> String {
    let text = refusal.to_string();
    text.split("; ").next().unwrap_or_default().to_owned()
}

/// One sentence for whoever has to mend it.
#[must_use]
pub fn of(refusal: Refusal) -> String {
    let text = match refusal {
        Refusal::TooShort(_) | Refusal::Length { .. } | Refusal::NoAddress => {
            "the sender is no VRRP router of this kind, or something cuts its packets; look at it \
             with: tcpdump -nvi IFACE 'ip proto 112 or ip6 proto 112'"
        }
        Refusal::ForeignVrId { theirs, .. } => {
            return format!(
                "nothing, if {theirs} is another team's virtual router; else give both nodes the \
                 same 'router_id'"
            );
        }
        Refusal::Own => "nothing, if it is rare: a switch or a bridge sends our packets back to us",
        Refusal::HopLimit { .. } => {
            "the packet came through a router; put both nodes on one segment, or use 'unicast_peers' \
             with a lower bound for the hop limit"
        }
        Refusal::Version { .. } => {
            "set the same 'version' on both nodes; or choose another 'router_id' if this one is \
             somebody else's"
        }
        Refusal::AuthTypeInvalid(_) => "the sender uses authentication that VRRP no longer has",
        Refusal::AuthTypeMismatch { .. } => {
            "give both nodes the same 'auth_pass', or remove it from both; or choose another \
             'router_id' if this one is somebody else's"
        }
        Refusal::AuthFailure => {
            "give both nodes the same 'auth_pass' ('auth_pass_also' accepts a second one while \
             you change it); or choose another 'router_id' if this one is somebody else's"
        }
        Refusal::Interval { theirs, .. } => {
            return format!(
                "give both nodes the same 'advert_interval'; the sender has {}",
                crate::status::words::exact(theirs.as_secs_f64())
            );
        }
        Refusal::IntervalRange(_) => "the sender's interval is broken; look at its configuration",
        Refusal::Type(_) => "nothing: it is no advert",
        Refusal::Checksum => {
            "something damages packets on the way, or the sender is broken; look for offloading \
             and tunnels in between"
        }
        Refusal::Delivery { unicast: true } => {
            "the sender uses multicast; set 'unicast_peers' there too, or remove it here"
        }
        Refusal::Delivery { unicast: false } => {
            "the sender uses unicast; set 'unicast_peers' here too, or remove it there"
        }
        Refusal::UnknownPeer => "if it is the other node, add its address to 'unicast_peers'",
    };
    text.to_owned()
}
