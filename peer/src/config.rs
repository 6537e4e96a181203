//! What a link is told, as values that can't be wrong in themselves.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU8;

/// What a link is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the peer listens, which is also where its datagrams come from.
    pub peer: SocketAddr,
    /// What datagrams are signed with.
    pub keys: Keys,
    /// On which somebody listens at this end.
    pub channels: Channels,
}

/// Keys in force. A new key is rolled out in three steps, each done on one node and then on the
/// other, with the link up throughout: `also` becomes the new key, then the two change places, then
/// `also` goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Signs what is sent, and is accepted.
    pub sign: Key,
    /// Is accepted too.
    pub also: Option<Key>,
}

/// A secret that both nodes have, of [`Key::LEN`] bytes. It shows itself to nobody: its `Debug` is
/// the same for all.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; Self::LEN]);

impl Key {
    /// Bytes of a key: as many as the hash has, beyond which HMAC gains nothing (RFC 2104,
    /// section 3).
    pub const LEN: usize = 32;

    /// A key out of its text: 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`KeyError`]. It never repeats what was given.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let digits = text.as_bytes();
        if digits.len() != 2 * Self::LEN {
            return Err(KeyError::Length { got: text.chars().count() });
        }
        let mut bytes = [0; Self::LEN];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let value = |at: usize| {
                let digit = digits.get(at).and_then(|digit| char::from(*digit).to_digit(16));
                digit.and_then(|digit| u8::try_from(digit).ok())
            };
            let high = value(2 * index).ok_or(KeyError::NotHex { position: 2 * index + 1 })?;
            let low = value(2 * index + 1).ok_or(KeyError::NotHex { position: 2 * index + 2 })?;
            *byte = high << 4 | low;
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(KeyError::Uniform);
        }
        Ok(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too short or too long.
    #[error("a key has 64 hexadecimal digits, this has {got} characters")]
    Length {
        /// Characters that were given.
        got: usize,
    },
    /// Another character.
    #[error("character {position} is no hexadecimal digit")]
    NotHex {
        /// Which, counted from 1.
        position: usize,
    },
    /// A placeholder that somebody forgot.
    #[error("all bytes of the key are equal, which is a placeholder and no secret")]
    Uniform,
}

/// What a message is about, as both ends have agreed. 0 is the link's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(NonZeroU8);

impl Channel {
    /// Largest number. A few are used; the bound keeps [`Channels`] one word.
    pub const MAX: u8 = 31;

    /// A channel, from 1 to [`Channel::MAX`].
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        match NonZeroU8::new(number) {
            Some(number) if number.get() <= Self::MAX => Some(Self(number)),
            Some(_) | None => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0.get()
    }
}

/// A set of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Channels(u32);

impl Channels {
    /// Those of the list.
    #[must_use]
    pub fn of(channels: &[Channel]) -> Self {
        Self(channels.iter().fold(0, |set, channel| set | 1 << channel.number()))
    }

    /// True if it is one of them.
    #[must_use]
    pub fn contains(self, channel: Channel) -> bool {
        self.0 & 1 << channel.number() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100";

    #[test]
    fn a_key_is_read_from_hexadecimal_digits_of_either_case() {
        let key = Key::from_hex(HEX).unwrap();
        assert_eq!(key.bytes()[..4], [0x00, 0x11, 0x22, 0x33]);
        assert_eq!(key.bytes()[16], 0xff);
        assert_eq!(key.bytes()[31], 0x00);
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_reason() {
        let table = [
            (String::new(), KeyError::Length { got: 0 }),
            (HEX[1..].to_owned(), KeyError::Length { got: 63 }),
            (format!("{HEX}0"), KeyError::Length { got: 65 }),
            (HEX.replacen('0', "g", 1), KeyError::NotHex { position: 1 }),
            (HEX.replacen("11", "1-", 1), KeyError::NotHex { position: 4 }),
            (HEX.replacen("00", "\u{e9}", 1), KeyError::NotHex { position: 1 }),
            ("ab".repeat(32), KeyError::Uniform),
        ];
        for (text, error) in table {
            assert_eq!(Key::from_hex(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_key_shows_itself_to_nobody() {
        let key = Key::from_hex(HEX).unwrap();
        let keys = Keys { sign: key.clone(), also: Some(key) };
        assert_eq!(format!("{keys:?}"), "Keys { sign: Key(…), also: Some(Key(…)) }");
    }

    #[test]
    fn channels_are_1_to_31() {
        assert_eq!(Channel::new(0), None);
        assert_eq!(Channel::new(32), None);
        let all: Vec<Channel> = (1..=31).map(|number| Channel::new(number).unwrap()).collect();
        for channel in &all {
            assert!(Channels::of(&all).contains(*channel));
            assert!(!Channels::default().contains(*channel));
            let alone = Channels::of(&[*channel]);
            assert_eq!(all.iter().filter(|other| alone.contains(**other)).count(), 1);
        }
    }
}
