//! The end of a stream that may be longer than anybody wants to keep.

use std::collections::VecDeque;

/// The last bytes of a stream.
#[derive(Debug)]
pub(super) struct OutputEnd {
    kept: VecDeque<u8>,
    max: usize,
}

impl OutputEnd {
    pub(super) fn new(max: usize) -> Self {
        Self { kept: VecDeque::new(), max }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(self.max)..];
        let excess = (self.kept.len() + bytes.len()).saturating_sub(self.max);
        self.kept.drain(..excess);
        self.kept.extend(bytes);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.kept.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_stream_is_kept() {
        let mut end = OutputEnd::new(4);
        end.push(b"ab");
        end.push(b"cde");
        end.push(b"");
        assert_eq!(end.into_bytes(), b"bcde");
        let mut end = OutputEnd::new(4);
        end.push(b"abcdefgh");
        assert_eq!(end.into_bytes(), b"efgh");
    }
}
