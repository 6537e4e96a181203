//! Two operators, one cluster.

use std::sync::Arc;

use halb_k8s_bootstrap::driver::lock::{HostLock, LockError, ProjectLock, TakenOver};
use tokio::sync::mpsc;

use crate::operator::{Operator, eventually};
use crate::server::Server;

#[test]
fn a_project_has_one_run_at_a_time_and_says_whose() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let first = ProjectLock::take(&path, "alice@laptop, process 7").unwrap();
    let error = ProjectLock::take(&path, "bob@desk, process 8").unwrap_err();
    assert!(error.to_string().contains("alice@laptop, process 7"), "{error}");
    drop(first);
    ProjectLock::take(&path, "bob@desk").unwrap();
}

#[tokio::test]
async fn a_host_has_one_run_at_a_time_and_says_whose() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let (tell, _told) = mpsc::channel::<TakenOver>(1);
    let host = || Arc::new(operator.host(&server));
    let first = HostLock::take(host(), "alice@laptop, it's me", tell.clone()).await.unwrap();
    let error = HostLock::take(host(), "bob@desk", tell.clone()).await.unwrap_err();
    assert!(
        matches!(&error, LockError::There { host, holder }
        if host == "lb" && holder == "alice@laptop, it's me"),
        "{error}"
    );
    // As when a process is killed: nobody says goodbye.
    drop(first);
    HostLock::take(host(), "bob@desk", tell).await.unwrap();
}

#[tokio::test]
async fn a_lock_that_is_let_go_is_free_at_once_though_the_connection_stays() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let (tell, _told) = mpsc::channel::<TakenOver>(1);
    let host = Arc::new(operator.host(&server));
    let first = HostLock::take(Arc::clone(&host), "alice", tell.clone()).await.unwrap();
    drop(first);
    HostLock::take(host, "alice, for what comes next", tell).await.unwrap();
}

#[tokio::test]
async fn a_lock_survives_the_loss_of_its_connection() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let (tell, mut told) = mpsc::channel(1);
    let lock = HostLock::take(Arc::new(operator.host(&server)), "alice", tell).await.unwrap();
    let before = server.commands();
    server.cut();
    eventually("the lock is taken again", || server.commands() > before).await;
    assert!(told.try_recv().is_err());
    drop(lock);
}

#[tokio::test]
async fn whoever_takes_a_host_over_while_its_holder_is_away_is_told_of() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let (tell, mut told) = mpsc::channel(2);
    let host = || Arc::new(operator.host(&server));
    let _first = HostLock::take(host(), "alice", tell.clone()).await.unwrap();
    server.cut();
    let _second = HostLock::take(host(), "bob", tell).await.unwrap();
    let taken = told.recv().await.unwrap();
    assert_eq!(taken, TakenOver { host: "lb".to_owned(), holder: "bob".to_owned() });
}
