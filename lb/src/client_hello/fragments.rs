//! Handshake bytes as they lie in TLS records, read one after the other.

use super::NotTls;

/// Why reading ends before the message does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// More bytes must arrive.
    Incomplete,
    /// What has arrived is wrong.
    NotTls(NotTls),
}

impl From<NotTls> for Stop {
    fn from(reason: NotTls) -> Self {
        Self::NotTls(reason)
    }
}

/// Content type of handshake records.
const HANDSHAKE: u8 = 0x16;
/// SSL 3.0 to TLS 1.3 all say 3 here. RFC 8446 tells receivers to ignore the minor version.
const VERSION_MAJOR: u8 = 3;
/// Most bytes in a plaintext record, RFC 8446 section 5.1.
const RECORD_LEN_MAX: usize = 1 << 14;

/// A reader that steps over the headers of records.
#[derive(Debug)]
pub(super) struct Fragments<'a> {
    /// What is left of the current record, as far as it has arrived.
    fragment: &'a [u8],
    /// What follows the current record; nothing while that has not arrived in full.
    records: &'a [u8],
    /// Handshake bytes read so far.
    position: usize,
    /// Where the message ends, once known.
    end: usize,
}

impl<'a> Fragments<'a> {
    /// Reads from the beginning of a connection.
    pub(super) fn new(records: &'a [u8]) -> Self {
        Self { fragment: &[], records, position: 0, end: usize::MAX }
    }

    /// Handshake bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The message has `len` more bytes; reading beyond them is an error from now on. Returns the
    /// position behind them.
    pub(super) fn end_after(&mut self, len: usize) -> usize {
        self.end = self.position + len;
        self.end
    }

    pub(super) fn u8(&mut self) -> Result<u8, Stop> {
        let mut byte = 0;
        self.read(1, |bytes| byte = bytes[0])?;
        Ok(byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Stop> {
        Ok(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    /// A 24-bit length. Refuses one above `most` as soon as its first bytes tell.
    pub(super) fn u24_at_most(&mut self, most: usize) -> Result<usize, Stop> {
        let mut value = 0;
        for shift in [16, 8, 0] {
            value |= usize::from(self.u8()?) << shift;
            if value > most {
                return Err(NotTls::TooLong.into());
            }
        }
        Ok(value)
    }

    pub(super) fn skip(&mut self, len: usize) -> Result<(), Stop> {
        self.read(len, |_| {})
    }

    /// Hands the next `len` bytes to `take`, in one piece or several, none of them empty.
    pub(super) fn read(&mut self, len: usize, mut take: impl FnMut(&[u8])) -> Result<(), Stop> {
        if len > self.end - self.position {
            return Err(NotTls::Malformed.into());
        }
        let mut left = len;
        while left > 0 {
            if self.fragment.is_empty() {
                self.next_record()?;
            }
            let (piece, rest) = self.fragment.split_at(left.min(self.fragment.len()));
            take(piece);
            self.fragment = rest;
            self.position += piece.len();
            left -= piece.len();
        }
        Ok(())
    }

    /// On success the fragment isn't empty.
    fn next_record(&mut self) -> Result<(), Stop> {
        let byte = |index: usize| self.records.get(index).copied().ok_or(Stop::Incomplete);
        if byte(0)? != HANDSHAKE || byte(1)? != VERSION_MAJOR {
            return Err(NotTls::Record.into());
        }
        byte(2)?;
        let high = byte(3)?;
        if usize::from(u16::from_be_bytes([high, 0])) > RECORD_LEN_MAX {
            return Err(NotTls::RecordLength.into());
        }
        let len = usize::from(u16::from_be_bytes([high, byte(4)?]));
        // RFC 8446 forbids empty handshake records; they would keep a reader busy for nothing.
        if len == 0 || len > RECORD_LEN_MAX {
            return Err(NotTls::RecordLength.into());
        }
        let rest = &self.records[5..];
        let (fragment, records) = rest.split_at(len.min(rest.len()));
        if fragment.is_empty() {
            return Err(Stop::Incomplete);
        }
        self.fragment = fragment;
        self.records = records;
        Ok(())
    }
}
