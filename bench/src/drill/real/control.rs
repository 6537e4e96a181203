//! How a node is asked and told something: by a command, ssh where nothing else is said.

use std::{
    io::{self, Read},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// The nodes, and the words that reach them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The two nodes, as the command names them.
    pub nodes: [String; 2],
    /// What comes before a command for a node; `{node}` in it stands for the node.
    pub reach: Vec<String>,
    /// What asks halb there.
    pub halb: Vec<String>,
    /// What stops it.
    pub stop: Vec<String>,
    /// What starts it.
    pub start: Vec<String>,
}

/// Why a node didn't do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The command can't be run here.
    #[error("{command}: it can't be run")]
    Run {
        /// The whole command.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended badly.
    #[error("{command}: {said}")]
    Failed {
        /// The whole command.
        command: String,
        /// What it said.
        said: String,
    },
    /// It didn't end.
    #[error("{command}: no end within {limit:?}")]
    Late {
        /// The whole command.
        command: String,
        /// The time that it had.
        limit: Duration,
    },
    /// It answered something else than JSON.
    #[error("{command}: the answer isn't JSON")]
    Answer {
        /// The whole command.
        command: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Control {
    /// What the node says of its virtual IPs.
    pub(super) fn status(&self, node: usize) -> Result<Value, ControlError> {
        let words = [&self.halb[..], &["vip", "status", "--json"].map(str::to_owned)].concat();
        let answer = self.run(node, &words)?;
        let command = self.command(node, &words).join(" ");
        serde_json::from_str(&answer).map_err(|source| ControlError::Answer { command, source })
    }

    /// `halb vip yield` or `resume` there, for one virtual router.
    pub(super) fn order(
        &self,
        node: usize,
        order: &str,
        instance: &str,
    ) -> Result<String, ControlError> {
        self.run(node, &[&self.halb[..], &["vip", order, instance].map(str::to_owned)].concat())
    }

    /// Stops the daemon there.
    pub(super) fn stop(&self, node: usize) -> Result<String, ControlError> {
        self.run(node, &self.stop)
    }

    /// Starts it.
    pub(super) fn start(&self, node: usize) -> Result<String, ControlError> {
        self.run(node, &self.start)
    }

    fn command(&self, node: usize, words: &[String]) -> Vec<String> {
        let reach = self.reach.iter().map(|word| word.replace(NODE, &self.nodes[node]));
        reach.chain(words.iter().cloned()).collect()
    }

    fn run(&self, node: usize, words: &[String]) -> Result<String, ControlError> {
        let words = self.command(node, words);
        let command = words.join(" ");
        let Some((program, arguments)) = words.split_first() else { return Ok(String::new()) };
        let spawned = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let run = |source| ControlError::Run { command: command.clone(), source };
        let mut child = spawned.map_err(run)?;
        let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
        let ended = wait(&mut child).map_err(run)?;
        let [out, err] = [out, err].map(|thread| thread.join().unwrap_or_default());
        match ended {
            None => Err(ControlError::Late { command, limit: PATIENCE }),
            Some(true) => Ok(out),
            Some(false) => {
                let said = [err.trim(), out.trim()].join(" ").trim().to_owned();
                Err(ControlError::Failed { command, said })
            }
        }
    }
}

/// Reads a pipe to its end, the beginning of it at least.
fn read(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read before an error is shown.
            let _ = pipe.take(ANSWER_MAX).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Whether it ended well; none: it was killed because it didn't end.
fn wait(child: &mut Child) -> io::Result<Option<bool>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// Stands for the node in the words that reach it.
pub(super) const NODE: &str = "{node}";

/// Longer than `halb vip yield` waits for what comes of it, with the way there.
const PATIENCE: Duration = Duration::from_secs(40);

const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Bytes of an answer that are read: a status of a thousand virtual routers.
const ANSWER_MAX: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn control(reach: &[&str]) -> Control {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Control {
            nodes: ["one".to_owned(), "other".to_owned()],
            reach: words(reach),
            halb: words(&["halb"]),
            stop: words(&["stop"]),
            start: words(&["start"]),
        }
    }

    #[test]
    fn the_node_stands_where_the_words_want_it() {
        let echo = control(&["echo", "to", "root@{node}"]);
        assert_eq!(echo.order(1, "yield", "VI_1").unwrap(), "to root@other halb vip yield VI_1\n");
        assert_eq!(echo.stop(0).unwrap(), "to root@one stop\n");
    }

    #[test]
    fn what_goes_wrong_is_told_with_the_command() {
        let failing = control(&["sh", "-c", "echo refused >&2; exit 1", "{node}"]);
        let error = failing.start(0).unwrap_err();
        assert_eq!(error.to_string(), "sh -c echo refused >&2; exit 1 one start: refused");
        let absent = control(&["no-such-program"]);
        assert!(matches!(absent.start(0).unwrap_err(), ControlError::Run { .. }));
        let talking = control(&["echo"]);
        assert!(matches!(talking.status(0).unwrap_err(), ControlError::Answer { .. }));
    }
}
