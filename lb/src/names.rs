//! Names of frontends, backends and servers: what a person writes and what labels a metric.

use std::fmt;
use std::sync::Arc;

/// The name is empty, too long, or holds a character that would need quoting somewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {NAME_LEN_MAX} characters out of letters, digits, '-', '_', '.' and ':'")]
pub struct BadName;

/// Longest name, in bytes. Bounds label values and status columns.
pub const NAME_LEN_MAX: usize = 64;

fn checked(name: &str) -> Result<Arc<str>, BadName> {
    let fits = !name.is_empty() && name.len() <= NAME_LEN_MAX;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if fits && name.chars().all(plain) { Ok(name.into()) } else { Err(BadName) }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks length and characters.
            ///
            /// # Errors
            /// [`BadName`] says what a name may hold.
            pub fn new(name: &str) -> Result<Self, BadName> {
                checked(name).map(Self)
            }

            /// The name as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// Name of a frontend.
    FrontendName
);
name!(
    /// Name of a backend.
    BackendName
);
name!(
    /// Name of a server, unique within its backend.
    ServerName
);

/// A server, found by its backend's name and its own: `masters/kmaster1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerRef {
    /// The backend that lists the server.
    pub backend: BackendName,
    /// The server within it.
    pub server: ServerName,
}

impl fmt::Display for ServerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend, self.server)
    }
}
