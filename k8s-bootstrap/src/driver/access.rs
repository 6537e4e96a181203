//! Passwords and passphrases: each is asked for once in a run, whoever needs it first.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task;

use crate::secret::Secret;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Asked {
    /// The passphrase of a private key.
    Passphrase(PathBuf),
    /// The password that sudo wants of a user, the same on all hosts.
    SudoPassword(String),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase(key) => write!(f, "passphrase of {}", key.display()),
            Self::SudoPassword(user) => write!(f, "sudo password of {user}"),
        }
    }
}

/// Whoever can answer: a person at a terminal, a file. It may block; none means that nobody can.
pub type Ask = Arc<dyn Fn(&Asked) -> Option<Secret> + Send + Sync>;

/// Answers of this run.
pub struct Access {
    ask: Ask,
    /// Two hosts that need the same at once lead to one question.
    answers: Mutex<HashMap<Asked, Option<Secret>>>,
}

impl Access {
    /// Nothing asked yet.
    #[must_use]
    pub fn new(ask: Ask) -> Self {
        Self { ask, answers: Mutex::default() }
    }

    /// The answer, if anybody has one.
    pub async fn get(&self, asked: Asked) -> Option<Secret> {
        let mut answers = self.answers.lock().await;
        if let Some(answer) = answers.get(&asked) {
            return answer.clone();
        }
        let (ask, question) = (Arc::clone(&self.ask), asked.clone());
        // Who asks panicked: nobody can answer.
        let answer = task::spawn_blocking(move || ask(&question)).await.unwrap_or(None);
        answers.insert(asked, answer.clone());
        answer
    }

    /// Everything that was answered, for whoever must keep it out of a log.
    pub async fn secrets(&self) -> Vec<Secret> {
        self.answers.lock().await.values().flatten().cloned().collect()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}
