//! Packets that vanish on the way while the link stays up: a switch that misbehaves, a firewall, a
//! cable of which one pair is broken.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
};

/// Which packets of a host are lost on the bridge. Neither side loses its carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// None: the link is whole.
    Nothing,
    /// What the host sends.
    Sent,
    /// What is sent to the host.
    Received,
    /// Both.
    Everything,
    /// So many of a hundred of both, chosen at random.
    Percent(u8),
}

impl Loss {
    /// Has nftables drop it at a port of the bridge, in place of what was dropped there before.
    ///
    /// To be called in the bridge's namespace.
    pub(super) fn apply(self, port: &str) -> io::Result<()> {
        let table = format!("netdev lab_{port}");
        let which = match self {
            Self::Percent(share) => format!("numgen random mod 100 < {share} "),
            Self::Nothing | Self::Sent | Self::Received | Self::Everything => String::new(),
        };
        let chain = |hook: &str| {
            format!(
                "chain {hook} {{ type filter hook {hook} device \"{port}\" priority 0; \
                 {which}drop; }}\n"
            )
        };
        // What the host sends comes in at the port.
        let (sent, received) = (chain("ingress"), chain("egress"));
        let chains = match self {
            Self::Nothing => String::new(),
            Self::Sent => sent,
            Self::Received => received,
            Self::Everything | Self::Percent(_) => sent + &received,
        };
        // Adding first makes the deletion succeed where there is no table yet; all is one step.
        nft(&format!("add table {table}\ndelete table {table}\ntable {table} {{\n{chains}}}\n"))
    }
}

/// Runs a script of nftables in the network namespace of this thread.
fn nft(script: &str) -> io::Result<()> {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().expect("asked for above").write_all(script.as_bytes())?;
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}
