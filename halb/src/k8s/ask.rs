//! Passphrases and passwords: from where the operator says, or from his terminal.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::{env, fs};

use halb_k8s_bootstrap::driver::access::{Ask, Asked};
use halb_k8s_bootstrap::secret::Secret;

use crate::cli::complain;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The first line of a file.
    File(PathBuf),
    /// The first line of what can be read from an open descriptor.
    Descriptor(u32),
    /// A variable of the environment.
    Environment(String),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "say file:PATH, fd:NUMBER or env:NAME".to_owned();
        match text.split_once(':').ok_or_else(form)? {
            ("file", path) if !path.is_empty() => Ok(Self::File(path.into())),
            ("fd", number) => number.parse().map(Self::Descriptor).map_err(|_| form()),
            ("env", name) if !name.is_empty() => Ok(Self::Environment(name.to_owned())),
            _ => Err(form()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
            Self::Environment(name) => write!(f, "env:{name}"),
        }
    }
}

impl Source {
    fn read(&self) -> Result<Secret, String> {
        let text = match self {
            Self::File(path) => fs::read_to_string(path).map_err(|error| error.to_string()),
            Self::Descriptor(number) => {
                fs::read_to_string(format!("/dev/fd/{number}")).map_err(|error| error.to_string())
            }
            Self::Environment(name) => env::var(name).map_err(|error| error.to_string()),
        };
        text.map(|text| Secret::new(text.lines().next().unwrap_or_default()))
    }
}

/// Where the operator said that secrets are.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// sudo's password.
    pub sudo_password: Option<Source>,
    /// The passphrase of the private key.
    pub passphrase: Option<Source>,
}

/// Answers from these sources, and from the terminal where they say nothing.
#[must_use]
pub fn answers(sources: Sources) -> Ask {
    Arc::new(move |asked| {
        let source = match asked {
            Asked::Passphrase(_) => &sources.passphrase,
            Asked::SudoPassword(_) => &sources.sudo_password,
        };
        match source {
            Some(source) => source
                .read()
                .map_err(|error| complain(&format!("halb: {asked}: {source}: {error}")))
                .ok(),
            // Without a terminal there is nobody to ask.
            None => rpassword::prompt_password(format!("{asked}: ")).ok().map(Secret::new),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_file_a_descriptor_or_a_variable() {
        for text in ["file:/run/secret", "fd:3", "env:SUDO"] {
            assert_eq!(text.parse::<Source>().expect(text).to_string(), text);
        }
        for text in ["", "secret", "file:", "fd:x", "fd:-1", "env:", "pass:word"] {
            let error = text.parse::<Source>().expect_err(text);
            assert!(!error.contains("word"), "it repeats what may be a password: {error}");
        }
    }

    #[test]
    fn the_first_line_of_a_file_is_the_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        fs::write(&path, "tr0ub4dor \nsecond\n").expect("written");
        let sources = Sources { sudo_password: Some(Source::File(path)), passphrase: None };
        let answer =
            answers(sources)(&Asked::SudoPassword("root".to_owned())).expect("it is there");
        assert_eq!(answer.expose(), "tr0ub4dor ");
    }
}
