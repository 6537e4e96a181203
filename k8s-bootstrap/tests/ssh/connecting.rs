//! Reached, recognised, let in.

use std::fs;
use std::time::Duration;

use halb_k8s_bootstrap::driver::access::Asked;
use halb_k8s_bootstrap::driver::host::Host;
use halb_k8s_bootstrap::driver::run::Job;
use halb_k8s_bootstrap::driver::target::Target;
use russh::keys::HashAlg;
use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, PrivateKey};

use crate::operator::{Operator, chain};
use crate::server::Server;

const LIMIT: Duration = Duration::from_secs(60);

/// What `hostname`-like nothing costs: a command that only says that it ran.
async fn says_hello(host: &Host) -> Result<String, String> {
    let job = Job::root("echo hello", LIMIT);
    host.must("greeting", &job).await.map(|output| output.text()).map_err(|error| chain(&error))
}

#[tokio::test]
async fn a_host_is_trusted_the_first_time_and_must_be_the_same_ever_after() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    assert_eq!(says_hello(&operator.host(&server)).await.unwrap(), "hello\n");
    assert_eq!(says_hello(&operator.host(&server)).await.unwrap(), "hello\n");
    let (known, commands) = (server.host_key(), server.commands());
    server.change_host_key();
    let error = says_hello(&operator.host(&server)).await.unwrap_err();
    for key in [known, server.host_key()] {
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        assert!(error.contains(&fingerprint), "no {fingerprint} in: {error}");
    }
    assert!(error.contains("has changed") && error.contains("ssh-keygen -R"), "{error}");
    assert_eq!(server.commands(), commands, "a stranger was told to do something");
}

#[tokio::test]
async fn a_key_with_a_passphrase_is_asked_for_once_for_all_hosts() {
    let mut operator = Operator::new();
    operator.protect_key("correct horse");
    operator.knows(Asked::Passphrase(operator.key_file()), "correct horse");
    let shared = operator.shared();
    for name in ["lb01", "lb02"] {
        let server = Server::start(operator.key.public_key()).await;
        let host = Host::new(operator.target(name, server.address), shared.clone());
        assert_eq!(says_hello(&host).await.unwrap(), "hello\n");
    }
    assert_eq!(*operator.asked.lock().unwrap(), [Asked::Passphrase(operator.key_file())]);
}

#[tokio::test]
async fn a_wrong_passphrase_and_none_at_all_are_told_apart() {
    let mut operator = Operator::new();
    operator.protect_key("correct horse");
    let server = Server::start(operator.key.public_key()).await;
    let error = says_hello(&operator.host(&server)).await.unwrap_err();
    assert!(error.contains("has a passphrase, and nobody is there to ask"), "{error}");
    operator.knows(Asked::Passphrase(operator.key_file()), "wrong horse");
    let error = says_hello(&operator.host(&server)).await.unwrap_err();
    assert!(error.contains("the passphrase of") && error.contains("is wrong"), "{error}");
}

#[tokio::test]
async fn whom_a_host_does_not_know_is_told_what_was_tried() {
    let operator = Operator::new();
    let other = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
    let server = Server::start(other.public_key()).await;
    let error = says_hello(&operator.host(&server)).await.unwrap_err();
    assert!(error.contains("lets root in with none of these: the key"), "{error}");
    assert!(error.contains("id_ed25519"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_key_is_named() {
    let operator = Operator::new();
    fs::write(operator.key_file(), "no key").unwrap();
    let server = Server::start(operator.key.public_key()).await;
    let error = says_hello(&operator.host(&server)).await.unwrap_err();
    assert!(error.contains("id_ed25519 is no private key that can be used"), "{error}");
}

#[tokio::test]
async fn a_host_behind_a_bastion_is_reached_and_both_are_recognised() {
    let operator = Operator::new();
    let bastion = Server::start(operator.key.public_key()).await;
    let server = Server::start(operator.key.public_key()).await;
    let target = Target {
        bastion: Some(operator.login(bastion.address)),
        ..operator.target("kmaster01", server.address)
    };
    let through = || Host::new(target.clone(), operator.shared());
    assert_eq!(says_hello(&through()).await.unwrap(), "hello\n");
    assert_eq!((bastion.commands(), server.commands()), (0, 1));
    assert_eq!(fs::read_to_string(operator.known_hosts()).unwrap().lines().count(), 2);
    server.change_host_key();
    let error = says_hello(&through()).await.unwrap_err();
    assert!(error.contains(&format!("]:{} has changed", server.address.port())), "{error}");
    bastion.change_host_key();
    let error = says_hello(&through()).await.unwrap_err();
    assert!(error.contains("the bastion") && error.contains("has changed"), "{error}");
}

#[tokio::test]
async fn a_connection_that_was_lost_is_made_anew() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let host = operator.host(&server);
    says_hello(&host).await.unwrap();
    server.cut();
    // Whoever speaks first after that may meet the old connection.
    if says_hello(&host).await.is_err() {
        assert_eq!(says_hello(&host).await.unwrap(), "hello\n");
    }
}

#[tokio::test]
async fn where_nobody_listens_the_address_is_named() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let host = operator.host(&server);
    let address = server.address.to_string();
    drop(server);
    // The port is free again when the task that accepted is gone.
    let error = loop {
        match says_hello(&host).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(error.contains(&address), "{error}");
}
