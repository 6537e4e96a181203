//! What comes in.

use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use super::{AGE_MAX, EVENTS_MAX, Event, Link, Remote, State, count};
use crate::config::Channel;
use crate::frame::{self, Echo, Header, Verified};
use crate::refusal::Refusal;

/// What a frame turned out to be.
enum Judged<'a> {
    /// Of the peer, for us; nothing is said of when it was written or whether it came before.
    Addressed(Verified<'a>, Echo),
    /// Signed, but it doesn't name us or echoes nothing.
    Introduction(Header),
}

impl Link {
    /// A datagram came. Each is taken or counted.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let taken = match self.judge(now, from, datagram) {
            Ok(Judged::Addressed(frame, echo)) => self.take(now, from, &frame, &echo),
            Ok(Judged::Introduction(header)) => {
                self.introduced(now, &header);
                Ok(())
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = taken {
            self.refuse(now, from, refusal);
        }
    }

    /// The cheap looks first.
    fn judge<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Result<Judged<'a>, Refusal> {
        if !same_place(from, self.config.peer) {
            return Err(Refusal::NotPeer { peer: self.config.peer });
        }
        let unverified = frame::parse(datagram)?;
        if self.events.len() >= EVENTS_MAX || !self.may_look(now, unverified.claims()) {
            return Err(Refusal::Flood);
        }
        let frame = unverified.verify(&self.keyring)?;
        if frame.header.from == self.session {
            return Err(Refusal::Reflected);
        }
        let echo = frame.header.echo.filter(|_| frame.header.to == Some(self.session));
        Ok(match echo {
            Some(echo) => Judged::Addressed(frame, echo),
            None => Judged::Introduction(frame.header),
        })
    }

    fn may_look(&mut self, now: Instant, claims: &Header) -> bool {
        let of_the_pair = claims.to == Some(self.session) && self.is_known(claims);
        if of_the_pair { self.pair.take(now) } else { self.strangers.take(now) }
    }

    fn is_known(&self, header: &Header) -> bool {
        self.remote.is_some_and(|remote| remote.session == header.from)
    }

    fn sent_lately(&self, now: Instant, echo: &Echo) -> bool {
        let echoed = echo.sequence.get();
        let sent = self.stamps.not_before(echoed).filter(|_| echoed <= self.sequence);
        sent.is_some_and(|sent| now.saturating_duration_since(sent) <= AGE_MAX)
    }

    fn take(
        &mut self,
        now: Instant,
        from: SocketAddr,
        frame: &Verified<'_>,
        echo: &Echo,
    ) -> Result<(), Refusal> {
        let anew = !self.is_known(&frame.header);
        let lately = self.sent_lately(now, echo);
        let remote = match self.remote.as_mut().filter(|_| !anew) {
            Some(remote) => {
                // From now on its number is echoed, also if it is stale itself: after a silence of
                // both ends all that either knows is, and neither could prove anything.
                if !remote.take(now, frame) {
                    return Err(Refusal::Replayed);
                }
                if !lately {
                    return self.stale(frame);
                }
                remote.heard = now;
                remote.excused = false;
                remote
            }
            // Written when the session that we know wasn't there yet, or by another that had long
            // no word of us and can use one.
            None if !lately || echo.sequence.get() <= self.echoed => {
                self.answer(now, &frame.header);
                return Err(Refusal::Stale);
            }
            None => self.remote.insert(Remote::new(now, frame)),
        };
        if let Some(sent) = self.stamps.exactly(echo.sequence.get()) {
            remote.measure(now.saturating_duration_since(sent), echo.held);
        }
        self.echoed = self.echoed.max(echo.sequence.get());
        count(&mut self.counts.frames_received);
        self.refusals.rearm();
        self.heard(now, anew);
        self.deliver(from, frame)
    }

    /// The first hello after a silence of both ends can't be fresh, and is no fault.
    fn stale(&mut self, frame: &Verified<'_>) -> Result<(), Refusal> {
        let first = |remote: &mut Remote| !mem::replace(&mut remote.excused, true);
        if frame.header.channel == 0 && self.remote.as_mut().is_some_and(first) {
            count(&mut self.counts.introductions);
            return Ok(());
        }
        Err(Refusal::Stale)
    }

    fn heard(&mut self, now: Instant, anew: bool) {
        if anew {
            count(&mut self.counts.sessions);
            // It can't know that we know it; until then it takes nothing from us.
            self.hello(now);
        }
        if anew || self.state != State::Up {
            self.events.push_back(Event::Up { anew });
        }
        self.turn(State::Up, now);
    }

    fn deliver(&mut self, from: SocketAddr, frame: &Verified<'_>) -> Result<(), Refusal> {
        let number = frame.header.channel;
        if number == 0 {
            return Ok(());
        }
        let known = Channel::new(number).filter(|known| self.config.channels.contains(*known));
        let Some(channel) = known else { return Err(Refusal::UnknownChannel(number)) };
        count(&mut self.counts.messages_received);
        let (sequence, payload) = (frame.header.sequence.get(), frame.payload.to_vec());
        self.events.push_back(Event::Received { from, channel, sequence, payload });
        Ok(())
    }

    /// Answers, so that a peer that is alive can echo it. A chain of answers is three frames long at
    /// most: the second names us, and the third echoes.
    fn introduced(&mut self, now: Instant, header: &Header) {
        count(&mut self.counts.introductions);
        // The peer that we know has our hellos. If it answers a recording, it needs nothing more.
        let astray = self.is_known(header) && header.to.is_some_and(|to| to != self.session);
        if !astray {
            self.answer(now, header);
        }
    }
}

/// The same address and port. An interface counts only where it is configured, for a link-local
/// address that needs one; flow labels never do.
fn same_place(from: SocketAddr, peer: SocketAddr) -> bool {
    let interface = match (from, peer) {
        (SocketAddr::V6(from), SocketAddr::V6(peer)) => {
            peer.scope_id() == 0 || peer.scope_id() == from.scope_id()
        }
        (SocketAddr::V4(_), _) | (_, SocketAddr::V4(_)) => true,
    };
    interface && from.ip() == peer.ip() && from.port() == peer.port()
}
