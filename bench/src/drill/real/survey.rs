//! Who of the pair holds the address, and whether the other one could take it. Pure.

use std::{net::IpAddr, time::Duration};

use serde_json::Value;

/// A pair on which a drill can be played.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The node that holds the address: 0 or 1.
    pub active: usize,
    /// Names of the virtual router, which each node may call otherwise.
    pub instances: [String; 2],
    /// Silence after which the node that doesn't hold it takes it.
    pub down_interval: Duration,
}

/// Why no drill is played: it would be no drill.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A node has no virtual router with the address.
    #[error("{node} has no virtual router with {vip} (halb vip status there)")]
    Stranger {
        /// The node.
        node: String,
        /// The address.
        vip: IpAddr,
    },
    /// Nobody holds the address.
    #[error("neither {} nor {} holds {vip}; first look why (halb vip explain there)", nodes[0], nodes[1])]
    Nobody {
        /// Both.
        nodes: [String; 2],
        /// The address.
        vip: IpAddr,
    },
    /// Both hold it.
    #[error("both {} and {} hold {vip}; first look why (halb vip explain there)", nodes[0], nodes[1])]
    Both {
        /// Both.
        nodes: [String; 2],
        /// The address.
        vip: IpAddr,
    },
    /// The other node couldn't take it.
    #[error("{node} couldn't take {vip}: {why}")]
    NotReady {
        /// The node that should.
        node: String,
        /// The address.
        vip: IpAddr,
        /// What is the matter.
        why: String,
    },
}

impl Pair {
    /// Judges what both nodes say (`halb vip status --json`).
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn of(vip: IpAddr, nodes: &[String; 2], status: [&Value; 2]) -> Result<Self, Refusal> {
        let stranger = |node: usize| Refusal::Stranger { node: nodes[node].clone(), vip };
        let one = instance(status[0], vip).ok_or_else(|| stranger(0))?;
        let other = instance(status[1], vip).ok_or_else(|| stranger(1))?;
        let both = [one, other];
        let active = match both.map(is_active) {
            [true, false] => 0,
            [false, true] => 1,
            [false, false] => return Err(Refusal::Nobody { nodes: nodes.clone(), vip }),
            [true, true] => return Err(Refusal::Both { nodes: nodes.clone(), vip }),
        };
        if let Some(why) = not_ready(both[1 - active]) {
            return Err(Refusal::NotReady { node: nodes[1 - active].clone(), vip, why });
        }
        let seconds = both[1 - active]["timers"]["down_interval_seconds"].as_f64();
        let down_interval = Duration::try_from_secs_f64(seconds.unwrap_or_default());
        Ok(Self {
            active,
            instances: both.map(name),
            down_interval: down_interval.unwrap_or_default(),
        })
    }
}

/// The virtual router with the address, in what a node says.
pub(super) fn instance(status: &Value, vip: IpAddr) -> Option<&Value> {
    let instances = status["instances"].as_array()?;
    instances.iter().find(|instance| {
        let addresses = instance["addresses"].as_array().into_iter().flatten();
        let bare = |address: &Value| address["address"].as_str()?.split('/').next()?.parse().ok();
        addresses.filter_map(bare).any(|address: IpAddr| address == vip)
    })
}

/// Whether it holds its addresses.
pub(super) fn is_active(instance: &Value) -> bool {
    instance["state"] == "active"
}

/// What keeps a node that doesn't hold the address from taking it.
fn not_ready(instance: &Value) -> Option<String> {
    if let Some(fault) = instance["fault"].as_str() {
        return Some(format!("it is in fault ({fault})"));
    }
    if instance["state"] != "backup" {
        return Some(format!("its state is {}", instance["state"]));
    }
    if instance["yielded"] == true {
        return Some("its operator has given it away; there: halb vip resume".to_owned());
    }
    if instance["priority"]["sick"] == true {
        let sum = instance["priority"]["arithmetic"].as_str().unwrap_or_default();
        return Some(format!("it is sick itself: {sum}"));
    }
    if instance["interface"]["up"] == false {
        return Some("its interface is down".to_owned());
    }
    None
}

fn name(instance: &Value) -> String {
    instance["name"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(state: &str) -> Value {
        json!({ "instances": [
            { "name": "other", "addresses": [{ "address": "172.16.16.99/32" }] },
            {
                "name": "VI_1", "state": state, "yielded": false, "fault": null,
                "addresses": [{ "address": "172.16.16.100/32" }],
                "priority": { "sick": false }, "interface": { "up": true },
                "timers": { "down_interval_seconds": 3.609_375 },
            },
        ] })
    }

    fn survey(one: &Value, other: &Value) -> Result<Pair, String> {
        let nodes = ["lb1".to_owned(), "lb2".to_owned()];
        let vip = "172.16.16.100".parse().unwrap();
        Pair::of(vip, &nodes, [one, other]).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_pair_with_one_active_node_and_a_ready_one_is_fine() {
        let pair = survey(&status("backup"), &status("active")).unwrap();
        assert_eq!((pair.active, pair.instances[0].as_str()), (1, "VI_1"));
        assert_eq!(pair.down_interval, Duration::from_micros(3_609_375));
    }

    #[test]
    fn without_exactly_one_active_node_there_is_no_drill() {
        let refused = survey(&status("backup"), &status("backup")).unwrap_err();
        assert!(refused.starts_with("neither lb1 nor lb2 holds 172.16.16.100"), "{refused}");
        let refused = survey(&status("active"), &status("active")).unwrap_err();
        assert!(refused.starts_with("both lb1 and lb2 hold"), "{refused}");
        let refused = survey(&status("active"), &json!({ "instances": [] })).unwrap_err();
        assert!(refused.starts_with("lb2 has no virtual router with 172.16.16.100"), "{refused}");
    }

    #[test]
    fn a_node_that_could_not_take_it_is_named_with_the_reason() {
        for (key, value, why) in [
            ("fault", json!("eth1 is down"), "it is in fault (eth1 is down)"),
            ("state", json!("initialize"), "its state is \"initialize\""),
            ("yielded", json!(true), "its operator has given it away; there: halb vip resume"),
            (
                "priority",
                json!({ "sick": true, "arithmetic": "100 - 2 = 98" }),
                "it is sick itself: 100 - 2 = 98",
            ),
            ("interface", json!({ "up": false }), "its interface is down"),
        ] {
            let mut other = status("backup");
            other["instances"][1][key] = value;
            let refused = survey(&status("active"), &other).unwrap_err();
            assert_eq!(refused, format!("lb2 couldn't take 172.16.16.100: {why}"));
        }
    }
}
