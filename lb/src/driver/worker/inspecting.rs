//! A session's first bytes: the PROXY header is taken off, the ClientHello is only looked at. Both
//! are peeked, so that nothing is buffered here: what isn't consumed stays in the kernel.

use std::io;
use std::io::Read;
use std::sync::Arc;
use std::time::Instant;

use super::super::mail::Subject;
use super::Worker;
use super::ending::End;
use super::session::{State, index};
use crate::client_hello;
use crate::proxy_protocol::{self, Endpoints};
use crate::session::Side;

/// What the first bytes say.
enum Verdict {
    /// More must come.
    Wait,
    /// A PROXY header of so many bytes stands before the rest.
    Header { len: usize, endpoints: Option<Endpoints> },
    /// The server name that the client asks for, if it asks for one.
    Name(Option<Box<str>>),
    /// It ends here.
    End(End),
}

impl Worker {
    /// A turn of a session whose first bytes are awaited.
    pub(super) fn inspect(&mut self, key: usize, now: Instant) {
        loop {
            let session = &self.sessions[key];
            let State::Inspecting { proxy_done, until } = session.state else { return };
            if session.broken[index(Side::Client)] {
                self.end(key, End::ClientLeft, now);
                return;
            }
            let frontend = Arc::clone(&session.frontend);
            if proxy_done && frontend.options.routes.is_empty() {
                self.ask(key, Subject::Route { frontend, sni: None });
                return;
            }
            match self.look(key, proxy_done, now >= until) {
                Verdict::Wait => return,
                Verdict::End(end) => {
                    self.end(key, end, now);
                    return;
                }
                Verdict::Header { len, endpoints } => {
                    if !self.consume(key, len) {
                        self.end(key, End::ClientLeft, now);
                        return;
                    }
                    let session = &mut self.sessions[key];
                    if let Some(Endpoints { source, destination }) = endpoints {
                        session.client_address = source;
                        session.destination = Some(destination);
                    }
                    session.state = State::Inspecting { proxy_done: true, until };
                }
                Verdict::Name(sni) => {
                    self.ask(key, Subject::Route { frontend, sni });
                    return;
                }
            }
        }
    }

    fn look(&mut self, key: usize, proxy_done: bool, late: bool) -> Verdict {
        let session = &self.sessions[key];
        // The client's FIN is there: all that it will ever say lies before us.
        let complete = session.closing[index(Side::Client)];
        let seen = match session.client.peek(&mut self.buffer) {
            Ok(0) => return Verdict::End(End::ClientLeft),
            Ok(count) => &self.buffer[..count],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => &[],
            Err(_) => return Verdict::End(End::ClientLeft),
        };
        match (proxy_done, complete) {
            (true, _) => look_for_name(seen, late || complete),
            (false, true) => look_for_header(seen, Some(End::ClientLeft)),
            (false, false) => look_for_header(seen, late.then_some(End::HeaderTimeout)),
        }
    }

    fn consume(&mut self, key: usize, len: usize) -> bool {
        let session = &mut self.sessions[key];
        session.client.read_exact(&mut self.buffer[..len]).is_ok()
    }
}

/// `over`: how it ends if there is no whole header by now.
fn look_for_header(seen: &[u8], over: Option<End>) -> Verdict {
    match proxy_protocol::parse(seen) {
        Ok(proxy_protocol::Parsed::Header(header)) => {
            Verdict::Header { len: header.len, endpoints: header.endpoints }
        }
        Ok(proxy_protocol::Parsed::Incomplete { .. }) => over.map_or(Verdict::Wait, Verdict::End),
        Err(_) => Verdict::End(End::BadHeader),
    }
}

/// Without a readable name in time, the default backend is the answer. `last`: no more will be
/// looked at.
fn look_for_name(seen: &[u8], last: bool) -> Verdict {
    match client_hello::parse(seen) {
        Ok(client_hello::Parsed::Complete(hello)) => Verdict::Name(hello.sni.map(Into::into)),
        Ok(client_hello::Parsed::Incomplete) if !last => Verdict::Wait,
        Ok(client_hello::Parsed::Incomplete) | Err(_) => Verdict::Name(None),
    }
}
