//! Lines of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Longest request, in bytes: a hundred times the longest that halb sends.
pub const REQUEST_LEN_MAX: usize = 64 * 1024;

/// Longest response, in bytes: the sessions of a full list at 300 bytes each, or the status of
/// some 40,000 servers.
pub const RESPONSE_LEN_MAX: usize = 32 * 1024 * 1024;

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The peer sent more than it may before the end of its line.
    #[error("a line of more than {0} bytes")]
    TooLong(usize),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads up to and without the next `\n`; none: the peer is done. A last line without `\n` counts.
///
/// # Errors
/// [`LineError`].
pub async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    len_max: usize,
) -> Result<Option<Vec<u8>>, LineError> {
    let mut line = Vec::new();
    loop {
        let chunk = reader.fill_buf().await?;
        if chunk.is_empty() {
            return Ok(if line.is_empty() { None } else { Some(line) });
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        if line.len().saturating_add(part.len()) > len_max {
            return Err(LineError::TooLong(len_max));
        }
        line.extend_from_slice(part);
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    async fn lines(input: &[u8], len_max: usize) -> (Vec<Vec<u8>>, Option<LineError>) {
        // A buffer of three bytes makes each line come in several pieces.
        let mut reader = BufReader::with_capacity(3, input);
        let mut lines = Vec::new();
        loop {
            match read_line(&mut reader, len_max).await {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => return (lines, None),
                Err(error) => return (lines, Some(error)),
            }
        }
    }

    #[tokio::test]
    async fn lines_come_whole_also_the_last_without_its_end() {
        let (lines, error) = lines(b"first\n\nthird line", 10).await;
        assert_eq!(lines, [&b"first"[..], b"", b"third line"]);
        assert!(error.is_none());
    }

    #[tokio::test]
    async fn a_line_beyond_the_bound_is_refused_and_one_at_the_bound_is_not() {
        let (at, error) = lines(b"1234\n", 4).await;
        assert_eq!((at, error.is_none()), (vec![b"1234".to_vec()], true));
        let (beyond, error) = lines(b"12345\n", 4).await;
        assert!(beyond.is_empty());
        assert!(matches!(error, Some(LineError::TooLong(4))));
    }
}
