//! The hosts of an inventory, and how to get into them.

use crate::inventory::problem::Problem;
use crate::inventory::problem::Span;
use crate::inventory::reader::{Key, Placed, Problems, Table, nearest};
use crate::inventory::yaml::{Node, Value};
use crate::inventory::{Bastion, Host, Role, Ssh, Sudo};

const HOST: &[Key] = &[
    ("name", "kmaster01"),
    ("role", "master"),
    ("roles", "[master, balancer]"),
    ("address", "172.16.16.101"),
    ("ssh", "{user: vagrant}"),
];

const SSH: &[Key] = &[
    ("address", "203.0.113.7"),
    ("port", "22"),
    ("user", "vagrant"),
    ("key", "~/.ssh/id_ed25519"),
    ("agent", "true"),
    ("bastion", "{address: gate.example.net, user: me}"),
    ("sudo", "passwordless"),
];

const BASTION: &[Key] = &[
    ("address", "gate.example.net"),
    ("port", "22"),
    ("user", "me"),
    ("key", "~/.ssh/id_ed25519"),
];

/// Most hosts. Plans are read by people, and one file of a thousand hosts isn't.
const HOSTS_MAX: usize = 1000;

/// A host with the places that later checks point at.
#[derive(Debug)]
pub(super) struct HostDraft {
    pub(super) host: Host,
    pub(super) name_span: Span,
    pub(super) address_span: Span,
}

/// What `ssh` says, of all hosts or of one.
#[derive(Debug, Clone, Default)]
struct SshDraft {
    address: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    key: Option<String>,
    agent: Option<bool>,
    bastion: Option<Bastion>,
    sudo: Option<Sudo>,
}

/// Reads all hosts; those that lack what nothing stands in for are left out and reported.
pub(super) fn read(top: &Table<'_>) -> Vec<HostDraft> {
    let common = top.table("ssh", SSH);
    let common = common.as_ref().map(read_ssh).unwrap_or_default();
    let Some(nodes) = top.list("hosts") else { return Vec::new() };
    if nodes.len() > HOSTS_MAX {
        let what = format!("there are {} hosts, more than {HOSTS_MAX}", nodes.len());
        top.problems.report(Problem::error(nodes[HOSTS_MAX].span.clone(), what));
    }
    let numbered = nodes.iter().take(HOSTS_MAX).enumerate();
    numbered.filter_map(|(index, node)| read_host(top.problems, node, index, &common)).collect()
}

fn read_host(
    problems: &Problems,
    node: &Node,
    index: usize,
    common: &SshDraft,
) -> Option<HostDraft> {
    let table = Table::open(problems, node, &format!("hosts[{index}]"), HOST)?;
    table.require("name", "its node is called so");
    table.require("address", "the other hosts reach it there");
    let name = table.dns_name("name");
    let address = table.address("address");
    let roles = read_roles(&table);
    let own = table.table("ssh", SSH);
    let own = own.as_ref().map(read_ssh).unwrap_or_default();
    let (name, address) = (name?, address?);
    let user = own.user.or_else(|| common.user.clone()).unwrap_or_else(|| "root".to_owned());
    let root = user == "root";
    let sudo = own.sudo.or(common.sudo);
    let ssh = Ssh {
        address: own.address.unwrap_or_else(|| address.value.to_string()),
        port: own.port.or(common.port).unwrap_or(22),
        user,
        key: own.key.or_else(|| common.key.clone()),
        agent: own.agent.or(common.agent).unwrap_or(true),
        bastion: own.bastion.or_else(|| common.bastion.clone()),
        sudo: sudo.unwrap_or(if root { Sudo::No } else { Sudo::Passwordless }),
    };
    let (name_span, address_span) = (name.span, address.span);
    let host = Host { name: name.value, roles: roles?, address: address.value, ssh };
    Some(HostDraft { host, name_span, address_span })
}

/// `role: master`, or `roles: [master, balancer]`.
fn read_roles(table: &Table<'_>) -> Option<Vec<Role>> {
    const WORDS: [(&str, Role); 3] =
        [("balancer", Role::Balancer), ("master", Role::Master), ("worker", Role::Worker)];
    let Some(nodes) = table.list_if_written("roles") else {
        table.require("role", "halb would not know what to do with it");
        return table.choice("role", &WORDS).map(|role| vec![role]);
    };
    let mut roles = Vec::new();
    for node in nodes {
        let Value::Text(word) = &node.value else {
            let what = "a role is a word";
            table.problems.report(Problem::error(node.span.clone(), what));
            continue;
        };
        match WORDS.iter().find(|(known, _)| known == word) {
            Some((_, role)) if roles.contains(role) => {
                let what = format!("'{word}' is written twice");
                table.problems.report(Problem::error(node.span.clone(), what));
            }
            Some((_, role)) => roles.push(*role),
            None => {
                let meant = nearest(WORDS.iter().map(|(known, _)| *known), word);
                let remedy = meant.unwrap_or("balancer, master or worker");
                table.problems.report(
                    Problem::error(node.span.clone(), format!("there is no role '{word}'"))
                        .remedy(format!("write {remedy}")),
                );
            }
        }
    }
    if roles.len() > 1 && roles.contains(&Role::Worker) {
        let what = "a worker can't have another role";
        table.problems.report(
            Problem::error(table.place("roles"), what)
                .consequence("masters run no workloads, and a balancer's port would be taken")
                .remedy("write [master, balancer], or [worker] alone"),
        );
        return None;
    }
    if roles.is_empty() {
        let what = "a host has no role";
        table.problems.report(
            Problem::error(table.place("roles"), what).remedy("write balancer, master or worker"),
        );
        return None;
    }
    roles.sort_unstable();
    Some(roles)
}

fn read_ssh(table: &Table<'_>) -> SshDraft {
    let word = |key| table.text(key).map(|Placed { value, .. }| value.to_owned());
    let bastion = table.table("bastion", BASTION);
    SshDraft {
        address: word("address"),
        port: table.number("port", 1..=65535).map(|port| port.value),
        user: word("user"),
        key: word("key"),
        agent: table.boolean("agent"),
        bastion: bastion.as_ref().and_then(read_bastion),
        sudo: table.choice(
            "sudo",
            &[("no", Sudo::No), ("passwordless", Sudo::Passwordless), ("password", Sudo::Password)],
        ),
    }
}

fn read_bastion(table: &Table<'_>) -> Option<Bastion> {
    table.require("address", "there would be nothing to go through");
    table.require("user", "the bastion asks who comes");
    let word = |key| table.text(key).map(|Placed { value, .. }| value.to_owned());
    let (address, user, key) = (word("address"), word("user"), word("key"));
    let port = table.number("port", 1..=65535).map_or(22, |port| port.value);
    Some(Bastion { address: address?, port, user: user?, key })
}
