//! Kernel forwarding's part of a scrape; its connections and bytes are those of frontends and
//! servers.

use super::exposition::{Exposition, Row};
use super::names::forward as names;
use crate::status::forward::Forward;

/// All of it.
pub(super) fn fill(out: &mut Exposition, forward: &Forward) {
    let row = [Row::new(&[], forward)];
    out.family(&names::APPLIED, &row, |forward| forward.applied);
    out.family(&names::CONNECTIONS, &row, |forward| forward.connections);
    out.family(&names::ENDED, &row, |forward| forward.ended);
    out.family(&names::REPAIRS, &row, |forward| forward.repairs);
    out.family(&names::RENUMBERED, &row, |forward| forward.renumbered);
    out.family(&names::HELD_BACK, &row, |forward| forward.held_back);
    out.family(&names::COPIES, &row, |forward| forward.copies);
    out.family(&names::COPIES_TOLD, &row, |forward| forward.copies_told);
    out.family(&names::COPIES_LOST, &row, |forward| forward.copies_lost);
    out.family(&names::COPIES_REFUSED, &row, |forward| forward.copies_refused);
    out.family(&names::COPY_AGE, &row, |forward| forward.copy_age_seconds);
}
