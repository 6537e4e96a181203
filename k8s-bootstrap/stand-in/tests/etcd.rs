//! What the stand-in says of etcd's members is what etcd itself says: one learner at a time, no vote
//! for one that isn't in step, and a list in the form that halb's script of facts reads.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::Duration;

use halb_lab::subject::{Member as Started, etcd};
use halb_lab::{Host, Lab, eventually};
use halb_stand_in::store::{Member, State};

/// Longest wait for a member to be in step; a machine under load may take long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What etcd says and the stand-in, of the same thing.
struct Both {
    first: Host,
    state: State,
}

impl Both {
    fn etcdctl(&self, words: &[&str]) -> Output {
        let mut command = Command::new("etcdctl");
        let endpoint = format!("--endpoints=http://{}:2379", self.first.ip());
        command.env("ETCDCTL_API", "3").args([&endpoint, "--command-timeout=20s"]).args(words);
        self.first.run(|| command.output()).unwrap()
    }

    fn done(&self, words: &[&str]) -> String {
        let output = self.etcdctl(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Why etcd doesn't do something.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.etcdctl(words);
        assert!(!output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The number that etcd gave to the member with this peer address.
    fn id(&self, peer: &str) -> String {
        let list = self.done(&["member", "list"]);
        let line = list.lines().find(|line| line.contains(peer)).unwrap();
        line.split(", ").next().unwrap().to_owned()
    }

    /// Both lists have the same lines, in whichever order; etcd orders by numbers that it makes up.
    fn assert_same_list(&self) {
        let sorted = |list: &str| {
            let mut lines: Vec<_> = list.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&self.state.member_list()), sorted(&self.done(&["member", "list"])));
    }
}

fn peer(host: &Host) -> String {
    format!("http://{}:2380", host.ip())
}

#[test]
#[ignore = "needs root and etcd"]
fn members_come_and_go_as_etcd_has_it() {
    let lab = Lab::new().unwrap();
    let [first, second, third] = [1, 2, 3].map(|number| {
        lab.host(&format!("kmaster0{number}"), &format!("172.16.16.10{number}/24")).unwrap()
    });
    let started = Started {
        name: first.name(),
        client: SocketAddr::new(first.ip(), 2379),
        peer: SocketAddr::new(first.ip(), 2380),
        place: &first,
    };
    let _running = etcd(&[started]).unwrap();
    let [second, third] = [second, third].map(|host| peer(&host));
    let mut both = Both { first, state: State::default() };
    let own = peer(&both.first);
    let (id, name) = (both.id(&own), both.first.name().to_owned());
    both.state.members.push(Member { id, name, peer: own, learner: false });
    both.assert_same_list();

    let add = |peer: &str| format!("--peer-urls={peer}");
    both.done(&["member", "add", "kmaster02", "--learner", &add(&second)]);
    let learner = both.state.add_learner(&second).unwrap();
    let of_etcd = both.id(&second);
    for member in &mut both.state.members {
        if member.id == learner.id {
            member.id.clone_from(&of_etcd);
        }
    }
    both.assert_same_list();

    let expected = both.state.add_learner(&third).unwrap_err();
    let said = both.refused(&["member", "add", "kmaster03", "--learner", &add(&third)]);
    assert!(said.contains(&expected), "{said}");
    let expected = both.state.promote(&of_etcd, "").unwrap_err();
    let said = both.refused(&["member", "promote", &of_etcd]);
    assert!(said.contains(&expected), "{said}");

    // What halb does with a join that broke off; then the next one may be added.
    let said = both.done(&["member", "remove", &of_etcd]);
    assert!(said.contains(&format!("Member {of_etcd} removed from cluster")), "{said}");
    both.state.remove_member(&of_etcd).unwrap();
    both.assert_same_list();
    let expected = both.state.remove_member(&of_etcd).unwrap_err();
    let said = both.refused(&["member", "remove", &of_etcd]);
    assert!(said.contains(&expected), "{said}");
    eventually("room for the next learner", PATIENCE, || {
        let output = both.etcdctl(&["member", "add", "kmaster03", "--learner", &add(&third)]);
        if output.status.success() { Ok(()) } else { Err(output) }
    });
    both.state.add_learner(&third).unwrap();
}
