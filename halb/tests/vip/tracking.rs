//! What the priority depends on: the checks of the guides, and halb's own knowledge of its frontends.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use halb_lab::eventually;
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::member::Kind;
use crate::support::router::Router;
use crate::support::segment::{Segment, with_each_pair};
use crate::support::server::Server;

/// A file for each node that is there while the node is well.
struct Health(TempDir);

impl Health {
    fn new() -> Self {
        let health = Self(TempDir::new().unwrap());
        for number in [0, 1] {
            health.restore(number);
        }
        health
    }

    fn path(&self, number: usize) -> PathBuf {
        self.0.path().join(format!("healthy{number}"))
    }

    fn fail(&self, number: usize) {
        fs::remove_file(self.path(number)).unwrap();
    }

    fn restore(&self, number: usize) {
        fs::write(self.path(number), "").unwrap();
    }

    fn router(&self, number: usize) -> Router {
        let priority = if number == 0 { 101 } else { 100 };
        Router { health: Some(self.path(number)), ..Router::fast(priority) }
    }
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_failed_check_moves_the_address_and_a_check_that_succeeds_again_moves_it_back() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let health = Health::new();
        let members = [0, 1].map(|n| segment.start(n, kinds[n], &health.router(n)));
        segment.wait_for_holder(0);
        health.fail(0);
        segment.wait_for_holder(1);
        health.restore(0);
        segment.wait_for_holder(0);
        assert!(members.iter().all(|member| member.faults().is_empty()));
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_sickness_that_both_nodes_have_leaves_the_address_with_one() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let health = Health::new();
        let _members = [0, 1].map(|n| segment.start(n, kinds[n], &health.router(n)));
        segment.wait_for_holder(0);
        health.fail(0);
        segment.wait_for_holder(1);
        health.fail(1);
        // The order of the priorities is as before: 99 and 98.
        segment.wait_for_holder(0);
        segment.stays_for(Duration::from_secs(2));
        health.restore(0);
        health.restore(1);
        segment.wait_for_holder(0);
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_frontend_without_servers_moves_the_address_with_no_script() {
    for other in [Kind::Keepalived, Kind::Halb] {
        let segment = Segment::new();
        let at = Server::address(&segment.client);
        let server = Server::listen(&segment.client);
        let tracking = Router { tracked_server: Some(at), ..Router::fast(101) };
        let members =
            [segment.start(0, Kind::Halb, &tracking), segment.start(1, other, &Router::fast(100))];
        segment.wait_for_holder(0);
        drop(server);
        segment.wait_for_holder(1);
        segment.stays_for(Duration::from_millis(500));
        let _server = Server::listen(&segment.client);
        segment.wait_for_holder(0);
        eventually("nobody found a fault", PATIENCE, || members[1].faults().is_empty());
    }
}
