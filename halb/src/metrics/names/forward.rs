//! Metrics of kernel forwarding.

use super::{Metric, counter, gauge};

const KERNEL: &[&str] = &[];

metrics! {
    APPLIED = gauge(
        "halb_forward_applied", "", KERNEL,
        "1 if the kernel has the rules that it should have"
    );
    CONNECTIONS = gauge(
        "halb_forward_connections", "", KERNEL,
        "Connections that the kernel forwards for addresses held here"
    );
    ENDED = counter(
        "halb_forward_ended_total", "", KERNEL,
        "Connections that were ended because their server went down"
    );
    REPAIRS = counter(
        "halb_forward_repairs_total", "", KERNEL,
        "Times that rules which somebody else had changed were put right"
    );
    RENUMBERED = counter(
        "halb_forward_renumbered_total", "", KERNEL,
        "Connections whose server sees another port than their client's, since that was taken"
    );
    HELD_BACK = counter(
        "halb_forward_held_back_total", "", KERNEL,
        "Segments that would have begun a connection beyond `maxconn` or `accept_rate` and were dropped; clients repeat theirs"
    );
    COPIES = gauge(
        "halb_forward_copies", "", KERNEL,
        "Connections of the other balancer that this node could go on with"
    );
    COPIES_TOLD = counter(
        "halb_forward_copies_told_total", "", KERNEL,
        "Connections told to the other balancer, also again"
    );
    COPIES_LOST = counter(
        "halb_forward_copies_lost_total", "", KERNEL,
        "Messages of the other balancer that never came; the next round makes up for them"
    );
    COPIES_REFUSED = counter(
        "halb_forward_copies_refused_total", "", KERNEL,
        "Connections of the other balancer that weren't taken: the two have different servers or addresses, or the kernel refused them"
    );
    COPY_AGE = gauge(
        "halb_forward_copy_age_seconds", "seconds", KERNEL,
        "Time that the latest change of a connection waited at the other balancer before it was sent"
    );
}
