//! Facts in, findings out.

mod forwarding;
mod network;
mod process;
mod segment;

use serde::Serialize;

use crate::facts::{Host, Wanted};

/// Something about the host, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at.
    pub topic: Topic,
    /// What is so.
    pub text: String,
    /// What to change, as commands or settings.
    pub remedy: Option<String>,
}

/// How bad something is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something that is configured can't work.
    Fault,
    /// It works, and will be regretted.
    Advice,
    /// It couldn't be looked at.
    Unknown,
    /// As it should be.
    Fine,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Rights of the process.
    Capabilities,
    /// Descriptors.
    Descriptors,
    /// Ports that clients connect to.
    Ports,
    /// The clock.
    Clock,
    /// Links that virtual IPs are on.
    Interfaces,
    /// Programs that set addresses.
    Managers,
    /// Settings of the kernel's network.
    Sysctl,
    /// Bridges.
    Bridges,
    /// Rules for packets.
    Firewall,
    /// What the kernel needs to forward.
    Forwarding,
    /// Who else uses a router id.
    RouterId,
}

/// All that is to be said of `host`, the worst first.
#[must_use]
pub fn judge(host: &Host, wanted: &Wanted) -> Vec<Finding> {
    let mut findings = Vec::new();
    process::judge(host, wanted, &mut findings);
    network::judge(host, wanted, &mut findings);
    segment::judge(host, wanted, &mut findings);
    forwarding::judge(host, wanted, &mut findings);
    findings.sort_by_key(|finding| (finding.level, finding.topic));
    findings
}

impl Finding {
    fn fault(topic: Topic, text: String, remedy: impl Into<String>) -> Self {
        Self { level: Level::Fault, topic, text, remedy: Some(remedy.into()) }
    }

    fn advice(topic: Topic, text: String, remedy: impl Into<String>) -> Self {
        Self { level: Level::Advice, topic, text, remedy: Some(remedy.into()) }
    }

    fn unknown(topic: Topic, text: String) -> Self {
        Self { level: Level::Unknown, topic, text, remedy: None }
    }

    fn fine(topic: Topic, text: impl Into<String>) -> Self {
        Self { level: Level::Fine, topic, text: text.into(), remedy: None }
    }
}

#[cfg(test)]
mod tests;
