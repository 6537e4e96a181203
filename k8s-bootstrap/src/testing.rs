//! Plans for tests.

use std::time::Duration;

use crate::plan::step::{Act, Command, Step};
use crate::plan::{HostPlan, Pace, Plan, Stage, StageName};

/// A plan of one stage: hosts, each with so many steps of probe, act and verify.
pub(crate) fn plan(hosts: &[(&str, usize)]) -> Plan {
    Plan { cluster: "test".to_owned(), stages: vec![stage(StageName::Nodes, Pace::AtOnce, hosts)] }
}

/// A stage of such hosts.
pub(crate) fn stage(name: StageName, pace: Pace, hosts: &[(&str, usize)]) -> Stage {
    let hosts = hosts.iter().map(|(host, steps)| HostPlan {
        host: (*host).to_owned(),
        steps: (0..*steps).map(|number| step(&format!("step {number}"))).collect(),
    });
    Stage { name, pace, hosts: hosts.collect() }
}

fn step(title: &str) -> Step {
    let command = Command::new(["true"]).within(Duration::from_secs(20));
    Step::new(title.replace(' ', "-"), title, Act::Run { command: command.clone() })
        .unless(command.clone())
        .verified_by(command)
}
