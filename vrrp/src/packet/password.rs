//! The password of version 2. It travels in clear and keeps out mistakes, not attackers.

use std::fmt;
use std::hint::black_box;

/// A password as it travels: its first eight bytes, padded with zeros.
#[derive(Clone, Copy)]
pub struct Password([u8; Self::LEN]);

impl Password {
    /// How much of a password counts.
    pub const LEN: usize = 8;

    /// The first eight bytes of the text, as keepalived takes them.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut field = [0; Self::LEN];
        for (to, from) in field.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Self(field)
    }

    /// Whether the text is longer than what counts, which is worth a warning.
    #[must_use]
    pub fn cuts(text: &str) -> bool {
        text.len() > Self::LEN
    }

    pub(super) fn field(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Compares all eight bytes whatever the first ones are.
    pub(super) fn is(&self, field: &[u8]) -> bool {
        let differences =
            self.0.iter().zip(field).fold(0, |seen, (own, other)| seen | black_box(own ^ other));
        differences == 0 && field.len() == Self::LEN
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
