//! A program that judges the server.

use std::io;
use std::net::SocketAddr;

use super::shortage;
use crate::config::ScriptProbe;
use crate::outcome::{FailureKind, Layer, Outcome};
use crate::program::{self, Ended, Gate, Program, RunError, Trust};

/// Runs the script. Has no deadline of its own: dropping the future kills the process group.
pub(super) async fn run(
    script: &ScriptProbe,
    server: SocketAddr,
    gate: &Gate,
) -> Result<Outcome, Outcome> {
    let mut running = match program::start(&program(script, server), gate) {
        Ok(running) => running,
        Err(error @ RunError::Busy) => {
            return Ok(Outcome::failed(FailureKind::ScriptTimeout, &error.to_string()));
        }
        Err(error) => return Err(not_run(&error)),
    };
    running.ended().await.map(|ended| judge(&ended)).map_err(|error| not_run(&error))
}

fn program(script: &ScriptProbe, server: SocketAddr) -> Program {
    let (address, port) = (server.ip().to_string(), server.port().to_string());
    let fill = |argument: &String| argument.replace("{address}", &address).replace("{port}", &port);
    let mut words = script.command.iter();
    let path = words.next().cloned();
    Program {
        words: path.into_iter().chain(words.map(fill)).collect(),
        environment: vec![
            ("HALB_SERVER_ADDRESS".to_owned(), address.clone()),
            ("HALB_SERVER_PORT".to_owned(), port.clone()),
        ],
        trust: Trust::Anyone,
    }
}

fn judge(ended: &Ended) -> Outcome {
    if ended.status.success() {
        Outcome::passed(Layer::Script, &ended.to_string())
    } else {
        Outcome::failed(FailureKind::Script, &ended.to_string())
    }
}

fn not_run(error: &RunError) -> Outcome {
    let failed =
        |source: &io::Error| shortage::outcome(FailureKind::Script, &error.to_string(), source);
    match error {
        RunError::Start { source, .. } | RunError::Host { source, .. } => failed(source),
        RunError::Busy | RunError::NotOurs(_) => {
            Outcome::failed(FailureKind::Script, &error.to_string())
        }
        RunError::Lost => Outcome::inconclusive(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_that_has_not_ended_keeps_the_next_one_out() {
        let gate = Gate::default();
        let script = |words: &[&str]| ScriptProbe {
            command: words.iter().map(ToString::to_string).collect(),
        };
        let server = "192.0.2.1:1".parse().unwrap();
        let sleep = program(&script(&["/bin/sleep", "300"]), server);
        let before = program::start(&sleep, &gate).expect("nothing runs");
        let outcome = run(&script(&["/bin/true"]), server, &gate).await.unwrap();
        assert_eq!(outcome.code().as_str(), "PROCTOUT");
        drop(before);
        let outcome = loop {
            let outcome = run(&script(&["/bin/true"]), server, &gate).await.unwrap();
            if outcome.code().as_str() != "PROCTOUT" {
                break outcome;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(outcome.code().as_str(), "PROCOK");
    }
}
