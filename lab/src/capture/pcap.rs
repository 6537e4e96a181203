//! The file format of libpcap, with nanoseconds.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::SystemTime,
};

use super::{Frame, SNAP_LENGTH};

pub(super) fn write<'a>(path: &Path, frames: impl Iterator<Item = &'a Frame>) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let word = |value: u32| value.to_ne_bytes();
    file.write_all(&word(MAGIC_NANOSECONDS))?;
    // Version 2.4.
    file.write_all(&[2u16.to_ne_bytes(), 4u16.to_ne_bytes()].concat())?;
    // Time zone, accuracy.
    file.write_all(&[word(0), word(0)].concat())?;
    file.write_all(&[word(length(SNAP_LENGTH)?), word(ETHERNET)].concat())?;
    for frame in frames {
        let at = frame.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = u32::try_from(at.as_secs()).map_err(io::Error::other)?;
        let header =
            [seconds, at.subsec_nanos(), length(frame.bytes.len())?, length(frame.length)?];
        file.write_all(&header.map(word).concat())?;
        file.write_all(&frame.bytes)?;
    }
    file.flush()
}

fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(io::Error::other)
}

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;

const ETHERNET: u32 = 1;
