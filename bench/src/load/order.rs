//! The format of an order: 24 bytes, by which a client tells the backend what to do next.
//!
//! ```text
//!   0  "hlb"   3  kind   4  zero (4 bytes)   8  a (8 bytes)   16  b (8 bytes)   big-endian
//! ```

use std::time::Duration;

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It sends `up` bytes, then the backend answers with `down`; then it may order again.
    Exchange {
        /// Bytes after the order.
        up: u64,
        /// Bytes of the answer.
        down: u64,
    },
    /// Bytes without end in one direction or both.
    Stream {
        /// The client sends.
        up: bool,
        /// The backend sends.
        down: bool,
    },
    /// An event of so many bytes at a fixed pace, without end.
    Watch {
        /// Bytes of an event.
        event: u32,
        /// From one event to the next.
        every: Duration,
    },
}

/// Why an order isn't carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadOrder {
    /// It doesn't begin as orders do.
    #[error("not an order of halb bench")]
    Foreign,
    /// Its kind is none of ours.
    #[error("an order of unknown kind {0}")]
    Kind(u8),
    /// It asks for more than [`EXCHANGE_MAX`] or [`EVENT_MAX`], or faster than [`EVERY_MIN`].
    #[error("an order beyond the limits")]
    Size,
}

impl Order {
    /// As it is sent.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let (kind, a, b) = match *self {
            Self::Exchange { up, down } => (1, up, down),
            Self::Stream { up, down } => (2, u64::from(up), u64::from(down)),
            Self::Watch { event, every } => {
                (3, event.into(), u64::try_from(every.as_micros()).unwrap_or(u64::MAX))
            }
        };
        let mut bytes = [0; LEN];
        bytes[..3].copy_from_slice(MAGIC);
        bytes[3] = kind;
        bytes[8..16].copy_from_slice(&a.to_be_bytes());
        bytes[16..].copy_from_slice(&b.to_be_bytes());
        bytes
    }

    /// What was sent.
    ///
    /// # Errors
    /// [`BadOrder`].
    pub fn decode(bytes: &[u8; LEN]) -> Result<Self, BadOrder> {
        if &bytes[..3] != MAGIC || bytes[4..8] != [0; 4] {
            return Err(BadOrder::Foreign);
        }
        let number = |at: usize| {
            bytes[at..at + 8].iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
        };
        let (a, b) = (number(8), number(16));
        match bytes[3] {
            1 if a <= EXCHANGE_MAX && b <= EXCHANGE_MAX => Ok(Self::Exchange { up: a, down: b }),
            2 if a <= 1 && b <= 1 => Ok(Self::Stream { up: a == 1, down: b == 1 }),
            3 => {
                let every = Duration::from_micros(b);
                match u32::try_from(a) {
                    Ok(event) if (1..=EVENT_MAX).contains(&event) && every >= EVERY_MIN => {
                        Ok(Self::Watch { event, every })
                    }
                    Ok(_) | Err(_) => Err(BadOrder::Size),
                }
            }
            1 | 2 => Err(BadOrder::Size),
            kind => Err(BadOrder::Kind(kind)),
        }
    }
}

/// Length of an order.
pub const LEN: usize = 24;

/// Most bytes of one exchange, each way: beyond it a stream is what is meant.
pub const EXCHANGE_MAX: u64 = 1 << 30;

/// Most bytes of an event: what a backend keeps waiting for a client that doesn't read is no more.
pub const EVENT_MAX: u32 = 1 << 20;

/// Fastest events; beyond it a stream is what is meant.
pub const EVERY_MIN: Duration = Duration::from_millis(1);

const MAGIC: &[u8; 3] = b"hlb";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_order() -> impl Strategy<Value = Order> {
        prop_oneof![
            (0..=EXCHANGE_MAX, 0..=EXCHANGE_MAX)
                .prop_map(|(up, down)| Order::Exchange { up, down }),
            (any::<bool>(), any::<bool>()).prop_map(|(up, down)| Order::Stream { up, down }),
            (1..=EVENT_MAX, 1_000..u64::from(u32::MAX)).prop_map(|(event, micros)| Order::Watch {
                event,
                every: Duration::from_micros(micros)
            }),
        ]
    }

    proptest! {
        #[test]
        fn an_order_arrives_as_it_was_sent(order in any_order()) {
            prop_assert_eq!(Order::decode(&order.encode()), Ok(order));
        }

        #[test]
        fn whatever_is_taken_for_an_order_is_within_the_limits(bytes in any::<[u8; LEN]>(), kind in 0..5_u8) {
            let mut bytes = bytes;
            bytes[..3].copy_from_slice(MAGIC);
            bytes[3] = kind;
            bytes[4..14].fill(0);
            if let Ok(order) = Order::decode(&bytes) {
                prop_assert_eq!(order.encode(), bytes);
            }
        }
    }

    #[test]
    fn what_strangers_send_is_no_order() {
        assert_eq!(Order::decode(b"GET / HTTP/1.1\r\nHost: a\r"), Err(BadOrder::Foreign));
        assert_eq!(Order::decode(&[0; LEN]), Err(BadOrder::Foreign));
    }

    #[test]
    fn an_order_beyond_the_limits_is_refused() {
        let beyond = [
            Order::Exchange { up: EXCHANGE_MAX + 1, down: 0 },
            Order::Exchange { up: 0, down: EXCHANGE_MAX + 1 },
            Order::Watch { event: 0, every: EVERY_MIN },
            Order::Watch { event: EVENT_MAX + 1, every: EVERY_MIN },
            Order::Watch { event: 1, every: Duration::ZERO },
        ];
        for order in beyond {
            assert_eq!(Order::decode(&order.encode()), Err(BadOrder::Size), "{order:?}");
        }
    }
}
