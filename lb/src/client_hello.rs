//! The server name in a TLS ClientHello, read without decrypting anything: enough to choose a
//! backend for a connection that is then passed on untouched.
//!
//! Sources: RFC 8446 sections 4.1.2 (ClientHello) and 5.1 (records), RFC 6066 section 3
//! (server_name). What follows `ech` (Encrypted ClientHello) is the outer name.
//!
//! ```text
//! ┌────┬───────┬────────┐┌──────┬────────┐┌───────┬────────┬───────────┬───…───┬──────────────┐
//! │0x16│version│ length ││ 0x01 │ length ││version│ random │session id │ …     │ extensions   │
//! └────┴───────┴────────┘└──────┴────────┘└───────┴────────┴───────────┴───…───┴──────────────┘
//!  record                 handshake        ClientHello, perhaps over several records
//! ```
//!
//! [`parse`] looks at what has arrived so far. It reads through record borders where they fall, so
//! a hello in several records costs no buffer.

mod fragments;
mod host_name;
mod routes;

#[cfg(test)]
mod tests;

use fragments::{Fragments, Stop};

pub use host_name::HostName;
pub use routes::route;

/// Longest ClientHello that is read, in bytes, its handshake header included: one record filled to
/// the brim. Real ones have 200 to 2,000; post-quantum key shares make the longer ones.
pub const HELLO_LEN_MAX: usize = 16 * 1024;

/// Most bytes of a connection that are looked at: the longest hello and the headers of some 200
/// records. A buffer of this size holds every hello that [`parse`] reads.
pub const INPUT_LEN_MAX: usize = HELLO_LEN_MAX + 1024;

/// What is read of a ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientHello {
    /// The server that the client asks for. None: it doesn't say, or what it says can't be a host
    /// name.
    pub sni: Option<HostName>,
}

/// What the bytes that have arrived amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "read at once; a box would allocate per connection")]
pub enum Parsed {
    /// Good so far, but not all of it.
    Incomplete,
    /// The whole ClientHello.
    Complete(ClientHello),
}

/// Why the beginning of a connection is no ClientHello that halb reads. It may still be good for
/// a server: such a connection goes where one without a server name goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTls {
    /// It doesn't begin with a handshake record of SSL 3.0 or later (but with another protocol,
    /// an SSL 2.0 hello or an alert), or such a record is followed by something else.
    #[error("not a TLS handshake record")]
    Record,
    /// A record is empty or longer than TLS allows.
    #[error("TLS record of a wrong length")]
    RecordLength,
    /// The handshake begins with another message.
    #[error("TLS handshake without a ClientHello")]
    Handshake,
    /// Longer than [`HELLO_LEN_MAX`], or in so many records that it reaches beyond
    /// [`INPUT_LEN_MAX`].
    #[error("ClientHello longer than {HELLO_LEN_MAX} bytes")]
    TooLong,
    /// Its inner lengths contradict each other, or a part that may be there once is there twice.
    #[error("malformed ClientHello")]
    Malformed,
}

/// Reads the ClientHello at the beginning of `input`, what has arrived of a connection so far.
///
/// The answer depends on the bytes alone, not on how they arrive: once it is a hello or an error,
/// more bytes don't change it.
///
/// # Errors
/// At the first byte or length that is wrong, so that a client that speaks something else doesn't
/// wait for the time limit.
pub fn parse(input: &[u8]) -> Result<Parsed, NotTls> {
    let seen = &input[..input.len().min(INPUT_LEN_MAX)];
    match read_hello(&mut Fragments::new(seen)) {
        Ok(hello) => Ok(Parsed::Complete(hello)),
        Err(Stop::NotTls(reason)) => Err(reason),
        Err(Stop::Incomplete) if seen.len() == INPUT_LEN_MAX => Err(NotTls::TooLong),
        Err(Stop::Incomplete) => Ok(Parsed::Incomplete),
    }
}

const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// SSL 3.0 to TLS 1.3 all say 3 here; the minor version tells them apart.
const VERSION_MAJOR: u8 = 3;
const RANDOM_LEN: usize = 32;
/// RFC 8446: `opaque legacy_session_id<0..32>`.
const SESSION_ID_LEN_MAX: usize = 32;
const HANDSHAKE_HEADER_LEN: usize = 4;

fn read_hello(hello: &mut Fragments<'_>) -> Result<ClientHello, Stop> {
    if hello.u8()? != CLIENT_HELLO {
        return Err(NotTls::Handshake.into());
    }
    let len = hello.u24_at_most(HELLO_LEN_MAX - HANDSHAKE_HEADER_LEN)?;
    let end = hello.end_after(len);

    require(hello.u8()? == VERSION_MAJOR)?;
    hello.skip(1 + RANDOM_LEN)?;

    let session_id_len = usize::from(hello.u8()?);
    require(session_id_len <= SESSION_ID_LEN_MAX)?;
    hello.skip(session_id_len)?;
    let cipher_suites_len = usize::from(hello.u16()?);
    require(cipher_suites_len >= 2 && cipher_suites_len.is_multiple_of(2))?;
    hello.skip(cipher_suites_len)?;
    let compression_methods_len = usize::from(hello.u8()?);
    require(compression_methods_len >= 1)?;
    hello.skip(compression_methods_len)?;

    // Before TLS 1.3 a hello could end here.
    if hello.position() == end {
        return Ok(ClientHello { sni: None });
    }
    let extensions_len = usize::from(hello.u16()?);
    require(hello.position() + extensions_len == end)?;
    let sni = read_extensions(hello, end)?;
    Ok(ClientHello { sni })
}

fn read_extensions(hello: &mut Fragments<'_>, end: usize) -> Result<Option<HostName>, Stop> {
    let mut sni = None;
    while hello.position() < end {
        let kind = hello.u16()?;
        let len = usize::from(hello.u16()?);
        let extension_end = hello.position() + len;
        if kind == SERVER_NAME {
            // Servers refuse a second one; none must be routed by either.
            require(sni.is_none())?;
            sni = Some(read_server_name(hello, extension_end)?);
        } else {
            hello.skip(len)?;
        }
    }
    Ok(sni.flatten())
}

/// A list that holds one name of each type; the only type is the host name.
fn read_server_name(hello: &mut Fragments<'_>, end: usize) -> Result<Option<HostName>, Stop> {
    let list_len = usize::from(hello.u16()?);
    require(hello.position() + list_len == end)?;
    let mut name = None;
    while hello.position() < end {
        let kind = hello.u8()?;
        let len = usize::from(hello.u16()?);
        require(hello.position() + len <= end)?;
        if kind == HOST_NAME {
            require(name.is_none())?;
            name = Some(HostName::read(hello, len)?);
        } else {
            hello.skip(len)?;
        }
    }
    Ok(name.flatten())
}

fn require(holds: bool) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(NotTls::Malformed.into()) }
}
