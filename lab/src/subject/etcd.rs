//! An etcd cluster, from Debian's package.

use std::{net::SocketAddr, process::Command};

use super::{Error, Place, Program, STARTING, Subject};

/// One member of an etcd cluster.
#[derive(Debug)]
pub struct Member<'a> {
    /// Its name in the cluster.
    pub name: &'a str,
    /// Where clients reach it, over plain HTTP.
    pub client: SocketAddr,
    /// Where the other members reach it.
    pub peer: SocketAddr,
    /// Where it runs.
    pub place: &'a dyn Place,
}

/// Starts the members of a new cluster and waits until each serves clients. In the order given.
///
/// # Errors
/// [`Error`].
pub fn etcd(members: &[Member<'_>]) -> Result<Vec<Subject>, Error> {
    let program = PROGRAM.find()?;
    let all: Vec<_> =
        members.iter().map(|member| format!("{}=http://{}", member.name, member.peer)).collect();
    let mut subjects = Vec::new();
    for member in members {
        let directory = PROGRAM.directory()?;
        let (client, peer) =
            (format!("http://{}", member.client), format!("http://{}", member.peer));
        let mut command = Command::new(&program);
        command
            .args(["--name", member.name])
            .arg("--data-dir")
            .arg(directory.path())
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &all.join(","), "--initial-cluster-state", "new"]);
        subjects.push(Subject { process: member.place.spawn(command)?, directory });
    }
    for subject in &subjects {
        subject.process.wait_for_line("ready to serve client requests", STARTING)?;
    }
    Ok(subjects)
}

const PROGRAM: Program = Program { name: "etcd", install: "apt-get install etcd-server" };
