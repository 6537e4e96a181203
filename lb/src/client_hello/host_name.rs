//! A host name out of a ClientHello.

use std::fmt;
use std::ops::Deref;

use super::fragments::{Fragments, Stop};

/// What DNS can carry (RFC 1035 section 2.3.4), less the root's dot.
const HOST_NAME_LEN_MAX: usize = 253;
/// Longest part between two dots.
const LABEL_LEN_MAX: usize = 63;

/// A host name in lower case and without a final dot: 1 to 253 letters, digits, `-`, `_` and `.`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HostName {
    bytes: [u8; HOST_NAME_LEN_MAX],
    len: u8,
}

impl HostName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("its characters are ASCII")
    }

    /// Takes `len` bytes of a hello; none if they are no host name.
    pub(super) fn read(hello: &mut Fragments<'_>, len: usize) -> Result<Option<Self>, Stop> {
        // One more than the longest name, for a final dot.
        let mut raw = [0; HOST_NAME_LEN_MAX + 1];
        let mut filled = 0;
        hello.read(len, |piece| {
            // A longer name is no name, but the hello goes on behind it.
            let room = &mut raw[filled..];
            let piece = &piece[..piece.len().min(room.len())];
            room[..piece.len()].copy_from_slice(piece);
            filled += piece.len();
        })?;
        Ok(raw.get(..len).and_then(Self::new))
    }

    fn new(raw: &[u8]) -> Option<Self> {
        // RFC 6066 wants no final dot, some clients send what was typed.
        let name = raw.strip_suffix(b".").unwrap_or(raw);
        let fits = |label: &[u8]| (1..=LABEL_LEN_MAX).contains(&label.len());
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let good = name.split(|&byte| byte == b'.').all(|l| fits(l) && l.iter().all(plain));
        if !good || name.len() > HOST_NAME_LEN_MAX {
            return None;
        }
        let mut bytes = [0; HOST_NAME_LEN_MAX];
        bytes[..name.len()].copy_from_slice(name);
        bytes.make_ascii_lowercase();
        Some(Self { bytes, len: u8::try_from(name.len()).ok()? })
    }
}

impl Deref for HostName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<HostName> for Box<str> {
    fn from(name: HostName) -> Self {
        name.as_str().into()
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
