//! What goes out.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use super::{Link, TRANSMITS_MAX, Transmit, count};
use crate::config::Channel;
use crate::frame::{Echo, Header, PAYLOAD_LEN_MAX, PayloadTooLong, Session};

/// Why a message wasn't sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It doesn't fit.
    #[error(transparent)]
    TooLong(#[from] PayloadTooLong),
    /// No session of the peer is known, so that no frame could be addressed to it.
    #[error("the peer has not been heard yet")]
    NobodyThere,
    /// More wait than [`TRANSMITS_MAX`].
    #[error("{TRANSMITS_MAX} datagrams wait to be sent already")]
    Full,
}

/// For whom a frame is.
struct Address {
    session: Session,
    echo: Option<Echo>,
}

impl Link {
    /// Sends a message, once. That it is sent doesn't mean that it arrives.
    ///
    /// It is also sent to a peer that is silent: it may hear us though we don't hear it.
    ///
    /// # Errors
    /// [`SendError`]; the message is gone then.
    pub fn send(
        &mut self,
        now: Instant,
        channel: Channel,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let sent = self.try_send(now, channel, payload);
        let counts = &mut self.counts;
        count(if sent.is_ok() { &mut counts.messages_sent } else { &mut counts.messages_unsent });
        sent
    }

    fn try_send(
        &mut self,
        now: Instant,
        channel: Channel,
        payload: &[u8],
    ) -> Result<(), SendError> {
        if payload.len() > PAYLOAD_LEN_MAX {
            return Err(PayloadTooLong(payload.len()).into());
        }
        let address = self.peer_address(now).ok_or(SendError::NobodyThere)?;
        if self.transmits.len() >= TRANSMITS_MAX {
            return Err(SendError::Full);
        }
        self.transmit(now, Some(address), channel.number(), payload);
        Ok(())
    }

    /// Hello to the peer as we know it, or to whoever listens.
    pub(super) fn hello(&mut self, now: Instant) {
        self.say_hello(now, self.peer_address(now));
    }

    fn peer_address(&self, now: Instant) -> Option<Address> {
        let remote = self.remote.as_ref()?;
        Some(Address { session: remote.session, echo: Some(remote.echo(now)) })
    }

    /// Hello to a session that may be the peer's. The frame that it answers is echoed only if it
    /// named us: then its sender wrote it after our start.
    pub(super) fn answer(&mut self, now: Instant, header: &Header) {
        let echo = Echo { sequence: header.sequence, held: Duration::ZERO };
        let echo = (header.to == Some(self.session)).then_some(echo);
        self.say_hello(now, Some(Address { session: header.from, echo }));
    }

    /// Without room it is left out: the next follows within
    /// [`HELLO_INTERVAL`](super::HELLO_INTERVAL).
    fn say_hello(&mut self, now: Instant, to: Option<Address>) {
        if self.transmits.len() < TRANSMITS_MAX {
            self.transmit(now, to, 0, &[]);
        }
    }

    fn transmit(&mut self, now: Instant, to: Option<Address>, channel: u8, payload: &[u8]) {
        // At a million frames a second it would take half a million years to run out.
        let Some(sequence) = self.sequence.checked_add(1).and_then(NonZeroU64::new) else { return };
        let (to, echo) = to.map_or((None, None), |to| (Some(to.session), to.echo));
        let header = Header { channel, from: self.session, to, sequence, echo };
        // Who calls has looked at the length.
        let Ok(bytes) = self.keyring.seal(&header, payload) else { return };
        self.sequence = sequence.get();
        self.stamps.note(now, sequence.get());
        self.transmits.push_back(Transmit { to: self.config.peer, bytes });
        count(&mut self.counts.frames_sent);
    }
}
