//! The backend's side of one connection, as a machine: it reads orders and carries them out.

use std::time::{Duration, Instant};

use super::order::{BadOrder, LEN, Order};

/// What a connection was ordered to do.
#[derive(Debug)]
pub struct Answer {
    state: State,
}

#[derive(Debug)]
enum State {
    Ordering { bytes: [u8; LEN], have: usize },
    Taking { left: u64, down: u64 },
    Giving { left: u64 },
    Streaming { down: bool },
    Watching { event: u32, every: Duration, next: Instant, left: u64 },
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// What to do with bytes that come.
    pub read: Reading,
    /// Bytes to send.
    pub send: u64,
    /// When to ask again, though nothing happens.
    pub wake: Option<Instant>,
}

/// What to do with bytes that come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Leave them where they are.
    Later,
    /// Hand them to [`Answer::received`]; only an order is looked at.
    Look,
    /// Throw up to so many away and say so ([`Answer::discarded`]).
    Discard(u64),
}

impl Answer {
    /// A connection that has ordered nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { state: State::Ordering { bytes: [0; LEN], have: 0 } }
    }

    /// What to do next.
    pub fn wants(&mut self, now: Instant) -> Wants {
        let (read, send, wake) = match &mut self.state {
            State::Ordering { .. } => (Reading::Look, 0, None),
            // What is short comes together with its order, and is looked at with it.
            State::Taking { left, .. } => (Reading::Discard(*left), 0, None),
            State::Giving { left } => (Reading::Later, *left, None),
            State::Streaming { down } => {
                (Reading::Discard(u64::MAX), if *down { u64::MAX } else { 0 }, None)
            }
            State::Watching { event, every, next, left } => {
                if *left == 0 && *next <= now {
                    *left = u64::from(*event);
                    // A backend that stood still doesn't catch up with a burst of its own.
                    let following = *next + *every;
                    *next = if following > now { following } else { now + *every };
                }
                (Reading::Discard(u64::MAX), *left, Some(*next))
            }
        };
        Wants { read, send, wake }
    }

    /// Bytes came: orders, and what belongs to them.
    ///
    /// # Errors
    /// [`BadOrder`]: close the connection.
    pub fn received(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), BadOrder> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Ordering { bytes: order, have } => {
                    let count = bytes.len().min(LEN - *have);
                    order[*have..*have + count].copy_from_slice(&bytes[..count]);
                    *have += count;
                    bytes = &bytes[count..];
                    if *have == LEN {
                        self.state = begin(Order::decode(order)?, now);
                    }
                }
                State::Taking { left, .. } => {
                    let count = (*left).min(bytes.len() as u64);
                    self.discarded(count);
                    bytes =
                        bytes.get(usize::try_from(count).unwrap_or(usize::MAX)..).unwrap_or(&[]);
                }
                State::Streaming { .. } => return Ok(()),
                // A client says nothing while it waits for an answer.
                State::Giving { .. } | State::Watching { .. } => return Err(BadOrder::Foreign),
            }
        }
        Ok(())
    }

    /// So many bytes were thrown away.
    pub fn discarded(&mut self, count: u64) {
        if let State::Taking { left, down } = &mut self.state {
            *left = left.saturating_sub(count);
            if *left == 0 {
                self.state = giving(*down);
            }
        }
    }

    /// So many bytes were sent.
    pub fn sent(&mut self, count: u64) {
        match &mut self.state {
            State::Giving { left } => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    *self = Self::new();
                }
            }
            State::Watching { left, .. } => *left = left.saturating_sub(count),
            State::Ordering { .. } | State::Taking { .. } | State::Streaming { .. } => {}
        }
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self::new()
    }
}

fn begin(order: Order, now: Instant) -> State {
    match order {
        Order::Exchange { up: 0, down } => giving(down),
        Order::Exchange { up, down } => State::Taking { left: up, down },
        Order::Stream { up: _, down } => State::Streaming { down },
        Order::Watch { event, every } => {
            State::Watching { event, every, next: now + every, left: 0 }
        }
    }
}

fn giving(down: u64) -> State {
    if down == 0 { Answer::new().state } else { State::Giving { left: down } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ordered(order: Order) -> (Answer, Instant) {
        let (mut answer, now) = (Answer::new(), Instant::now());
        answer.received(&order.encode(), now).unwrap();
        (answer, now)
    }

    #[test]
    fn a_request_is_answered_once_it_is_whole() {
        let (mut answer, now) = ordered(Order::Exchange { up: 100, down: 200 });
        answer.received(&[0; 99], now).unwrap();
        let rest = Wants { read: Reading::Discard(1), send: 0, wake: None };
        assert_eq!(answer.wants(now), rest);
        answer.discarded(1);
        assert_eq!(answer.wants(now).send, 200);
        answer.sent(150);
        assert_eq!(answer.wants(now).send, 50);
        answer.sent(50);
        assert_eq!(answer.wants(now), Wants { read: Reading::Look, send: 0, wake: None });
    }

    #[test]
    fn an_exchange_without_bytes_is_over_at_once() {
        let (mut answer, now) = ordered(Order::Exchange { up: 0, down: 0 });
        assert_eq!(answer.wants(now).read, Reading::Look);
    }

    #[test]
    fn a_watch_sends_at_its_pace_and_holds_one_event_for_a_reader_that_sleeps() {
        let every = Duration::from_millis(100);
        let (mut answer, start) = ordered(Order::Watch { event: 10, every });
        assert_eq!(answer.wants(start).send, 0);
        assert_eq!(answer.wants(start).wake, Some(start + every));
        assert_eq!(answer.wants(start + every).send, 10);
        assert_eq!(answer.wants(start + 5 * every).send, 10);
        answer.sent(10);
        assert_eq!(answer.wants(start + 5 * every).send, 10);
        answer.sent(10);
        assert_eq!(answer.wants(start + 5 * every).send, 0);
    }

    #[test]
    fn a_stream_goes_on_without_end() {
        let (mut answer, now) = ordered(Order::Stream { up: true, down: true });
        answer.discarded(1 << 40);
        answer.sent(1 << 40);
        let endless = Wants { read: Reading::Discard(u64::MAX), send: u64::MAX, wake: None };
        assert_eq!(answer.wants(now), endless);
    }

    #[test]
    fn a_stranger_is_refused() {
        let now = Instant::now();
        let request = b"GET / HTTP/1.1\r\nHost: example.com\r\n";
        assert_eq!(Answer::new().received(request, now), Err(BadOrder::Foreign));
        let (mut answer, now) = ordered(Order::Exchange { up: 0, down: 5 });
        assert_eq!(answer.received(b"more", now), Err(BadOrder::Foreign));
    }

    proptest! {
        /// However a byte stream is cut, it means the same; and bytes of strangers do no harm.
        #[test]
        fn pieces_of_any_size_make_the_same_orders(
            ups in prop::collection::vec(0..300_usize, 1..5),
            cuts in prop::collection::vec(1..60_usize, 1..200),
        ) {
            let now = Instant::now();
            let mut answer = Answer::new();
            for up in ups {
                let order = Order::Exchange { up: up as u64, down: 3 };
                let mut bytes = order.encode().to_vec();
                bytes.resize(LEN + up, 0);
                let mut rest = &bytes[..];
                for cut in cuts.iter().cycle() {
                    let (piece, after) = rest.split_at((*cut).min(rest.len()));
                    answer.received(piece, now).unwrap();
                    rest = after;
                    prop_assert_eq!(answer.wants(now).send, if rest.is_empty() { 3 } else { 0 });
                    if rest.is_empty() {
                        break;
                    }
                }
                answer.sent(3);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 1..20),
        ) {
            let (mut answer, now) = (Answer::new(), Instant::now());
            for piece in pieces {
                if answer.received(&piece, now).is_err() {
                    return Ok(());
                }
                answer.wants(now);
            }
        }
    }
}
