//! Whose pod is deleted, and when it isn't begun.

use crate::addon::patroni;
use crate::inventory::Inventory;
use crate::plan::preflight::Fault;

use super::{Drill, How, Round, Standing, leader, leaders};

const CALM: &str = "a drill begins with all that is well: halb k8s addon patroni list tells more";

/// The drill on whoever leads in this round, with a master from which members are asked.
///
/// # Errors
/// Why it would do harm, or would prove nothing.
pub fn choose(
    inventory: &Inventory,
    round: &Round,
    how: How,
    witness: &str,
) -> Result<Drill, Vec<Fault>> {
    let members = patroni::members(inventory);
    if members.is_empty() {
        let what = "the inventory has no section 'addons.patroni'";
        return Err(vec![Fault::of_all(what, "there is no database to be tried")]);
    }
    let mut faults = Vec::new();
    let mut refuse = |what: String| faults.push(Fault::of_all(what, CALM));
    let names: Vec<_> = leaders(round).map(String::as_str).collect();
    match names.as_slice() {
        [] => refuse("no member of the database leads".to_owned()),
        [_] => {}
        several => refuse(format!("{} lead at the same time", several.join(" and "))),
    }
    for name in &members {
        match round.get(name).map(|member| member.standing) {
            Some(Standing::Leads | Standing::Streams) => {}
            Some(standing) => refuse(format!("{name} {}", standing.words())),
            None => refuse(format!("{name} has no pod")),
        }
    }
    let is_followed = round.values().any(|member| member.standing == Standing::Streams);
    if let (Some(leader), false) = (leader(round), is_followed) {
        refuse(format!("{leader} is the last one that has everything: no replica streams"));
    }
    match leader(round) {
        Some(leader) if faults.is_empty() => {
            Ok(Drill { how, leader: leader.clone(), witness: witness.to_owned(), members })
        }
        Some(_) | None => Err(faults),
    }
}
