//! Bytes that both ends know beforehand.

use std::io;

/// A sequence without an end, other for each seed and direction, and how far it was gone through.
#[derive(Clone, Debug)]
pub(super) struct Bytes {
    state: u64,
    word: [u8; 8],
    used: usize,
}

impl Bytes {
    /// What the client of this seed sends.
    pub(super) fn asked(seed: u64) -> Self {
        Self::new(seed.wrapping_mul(2))
    }

    /// What the server sends to it.
    pub(super) fn answered(seed: u64) -> Self {
        Self::new(seed.wrapping_mul(2).wrapping_add(1))
    }

    fn new(seed: u64) -> Self {
        // SplitMix64 takes any state; neighbours begin far from each other.
        Self { state: seed.wrapping_mul(0xd134_2543_de82_ef95), word: [0; 8], used: 8 }
    }

    /// The next bytes.
    pub(super) fn take(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next()).collect()
    }

    /// Goes on by as many bytes as came.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`]: they are others.
    pub(super) fn compare(&mut self, came: &[u8]) -> io::Result<()> {
        let is_same = came.iter().fold(true, |so_far, byte| (*byte == self.next()) & so_far);
        if is_same { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn next(&mut self) -> u8 {
        if self.used == self.word.len() {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (self.word, self.used) = ((mixed ^ (mixed >> 31)).to_le_bytes(), 0);
        }
        self.used += 1;
        self.word[self.used - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_in_pieces_is_the_same_and_other_bytes_are_found() {
        let whole = Bytes::asked(7).take(1000);
        let mut pieces = Bytes::asked(7);
        assert_eq!([pieces.take(3), pieces.take(997)].concat(), whole);
        assert!(Bytes::asked(7).compare(&whole).is_ok());
        assert!(Bytes::answered(7).compare(&whole).is_err());
        assert!(Bytes::asked(8).compare(&whole).is_err());
        for (at, bit) in [(0, 1), (500, 0x80), (999, 4)] {
            let mut spoiled = whole.clone();
            spoiled[at] ^= bit;
            assert!(Bytes::asked(7).compare(&spoiled).is_err(), "{at}");
        }
        let doubled = [&whole[..500], &whole[400..900]].concat();
        assert!(Bytes::asked(7).compare(&doubled).is_err());
    }
}
