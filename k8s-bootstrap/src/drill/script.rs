//! What watchers run on hosts, and what they say.

use crate::inventory::{Inventory, Role};
use crate::paths;
use crate::shell;

use super::Seen;

/// A balancer's script: whether it has the virtual IP, five times a second.
#[must_use]
pub fn balancer_script(inventory: &Inventory) -> String {
    let address = inventory.endpoint.address;
    format!(
        "while :; do\n    \
         if ip -o -4 address show | grep -qF ' {address}/'; then echo holds yes\n    \
         else echo holds no; fi\n    \
         sleep 0.2\n\
         done"
    )
}

/// The witness' script: requests to the endpoint, five times a second, and beside them nodes and
/// members of etcd, each about once a second: by the word that etcd has for it, which it gives to
/// whoever shows a certificate of its own authority, as the API server does.
#[must_use]
pub fn witness_script(inventory: &Inventory) -> String {
    let (address, port) = (inventory.endpoint.address, inventory.endpoint.port);
    let members: Vec<_> = inventory
        .with_role(Role::Master)
        .map(|host| format!("{}={}", host.name, host.address))
        .collect();
    let ready = "jsonpath={range .items[*]}{.metadata.name}{\" \"}\
                 {.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}";
    format!(
        "LC_ALL=C; export LC_ALL\n\
         nodes() {{\n    \
             timeout 8 kubectl --kubeconfig={admin} --request-timeout=4s get nodes -o '{ready}' \\\n        \
             2>/dev/null | while read -r name ready; do echo \"node $name $ready\"; done\n\
         }}\n\
         member() {{\n    \
             code=$(curl -s --max-time 2 -o /dev/null -w '%{{http_code}}' --cacert {authority} \\\n        \
             --cert {client}.crt --key {client}.key \"https://${{1#*=}}:2379/health\" || :)\n    \
             case $code in 200) up=yes ;; *) up=no ;; esac\n    \
             echo \"etcd ${{1%%=*}} $up\"\n\
         }}\n\
         while :; do nodes; sleep 1; done &\n\
         for one in {members}; do while :; do member \"$one\"; sleep 1; done & done\n\
         while :; do\n    \
             code=$(curl -sk --max-time 1 -o /dev/null -w '%{{http_code}}' \\\n        \
             https://{address}:{port}/readyz || :)\n    \
             echo \"api $code\"\n    \
             sleep 0.2\n\
         done",
        admin = paths::ADMIN_CONF,
        authority = shell::quote(&format!("{}/etcd/ca.crt", paths::PKI)),
        client = shell::quote(&format!("{}/apiserver-etcd-client", paths::PKI)),
        members = members.join(" "),
    )
}

/// What a watcher on a host says in a line; none if it makes no sense.
#[must_use]
pub fn read(host: &str, line: &str) -> Option<Seen> {
    let words: Vec<_> = line.split_whitespace().collect();
    match words.as_slice() {
        ["api", code] => Some(Seen::Api(code.parse().ok().filter(|code: &u16| *code >= 100))),
        ["holds", holds] => Some(Seen::Holds(host.to_owned(), *holds == "yes")),
        ["node", name, ready] => Some(Seen::Node((*name).to_owned(), *ready == "True")),
        ["etcd", name, up] => Some(Seen::Etcd((*name).to_owned(), *up == "yes")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_watchers_are_read_and_others_are_left_alone() {
        assert_eq!(read("m1", "api 200"), Some(Seen::Api(Some(200))));
        assert_eq!(read("m1", "api 000"), Some(Seen::Api(None)));
        assert_eq!(read("b1", "holds yes"), Some(Seen::Holds("b1".to_owned(), true)));
        assert_eq!(read("m1", "node w2 Unknown"), Some(Seen::Node("w2".to_owned(), false)));
        assert_eq!(read("m1", "etcd m3 yes"), Some(Seen::Etcd("m3".to_owned(), true)));
        assert_eq!(read("m1", "Welcome to this host!"), None);
    }
}
