//! CRC32C (Castagnoli) as RFC 4960 appendix B describes it: the checksum of version 2.

/// The polynomial 0x1EDC6F41 with its bits in reverse order.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// Remainder of each byte value.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut remainder = 0_u32;
    let mut byte = 0;
    while byte < 256 {
        let mut crc = remainder;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
        remainder += 1;
    }
    table
};

/// Checksum of all the bytes.
pub(super) fn checksum(bytes: impl Iterator<Item = u8>) -> u32 {
    let step = |crc: u32, byte: u8| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ TABLE[usize::from(low ^ byte)]
    };
    !bytes.fold(u32::MAX, step)
}
