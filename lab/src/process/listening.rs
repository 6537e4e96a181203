//! Whether a process listens on an address, without connecting to it.
//!
//! A connection would count in the subject's figures and use up its first turn of round robin; the
//! kernel's own tables (proc(5), `/proc/PID/net/tcp`) tell the same and disturb nobody.

use std::{
    collections::HashSet,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use super::{Error, Process};

impl Process {
    /// The TCP addresses that the process itself listens on, in its own network namespace.
    ///
    /// # Errors
    /// When `/proc` can't be read: the process has ended, or belongs to someone else.
    pub fn listeners(&self) -> io::Result<Vec<SocketAddr>> {
        let proc = format!("/proc/{}", self.pid());
        let own = socket_inodes(&proc)?;
        let mut found = Vec::new();
        for table in ["tcp", "tcp6"] {
            let text = fs::read_to_string(format!("{proc}/net/{table}"))?;
            let sockets = text.lines().skip(1).filter_map(listening_socket);
            found.extend(sockets.filter(|(_, inode)| own.contains(inode)).map(|(addr, _)| addr));
        }
        Ok(found)
    }

    /// Waits until the process listens on `address`, or on its port at every address.
    ///
    /// # Errors
    /// [`Error::Ended`] when it ends before, [`Error::Late`] when the time is up.
    pub fn wait_until_listening(&self, address: SocketAddr, limit: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + limit;
        loop {
            let listeners = self.listeners().unwrap_or_default();
            if listeners.iter().any(|bound| {
                bound.port() == address.port()
                    && (bound.ip() == address.ip() || bound.ip().is_unspecified())
            }) {
                return Ok(());
            }
            // Sleeps between two looks, and less when the process ends.
            if self.shared.wait(BETWEEN_LOOKS).is_some() || Instant::now() >= deadline {
                return Err(self.shared.disappointed(format!("listening on {address}"), limit));
            }
        }
    }
}

/// Inodes of the sockets that a process has open.
fn socket_inodes(proc: &str) -> io::Result<HashSet<u64>> {
    let mut inodes = HashSet::new();
    for entry in fs::read_dir(format!("{proc}/fd"))? {
        // A descriptor that is closed between listing and reading is no socket of interest.
        let Ok(target) = fs::read_link(entry?.path()) else { continue };
        let inode: Option<u64> = target
            .to_str()
            .and_then(|name| name.strip_prefix("socket:["))
            .and_then(|name| name.strip_suffix(']'))
            .and_then(|inode| inode.parse().ok());
        inodes.extend(inode);
    }
    Ok(inodes)
}

/// Address and inode of a line of the table, if it is of a listening socket.
fn listening_socket(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    (state == LISTEN).then_some(())?;
    let (ip, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((SocketAddr::new(table_address(ip)?, port), inode))
}

/// An address as the table has it: 32-bit words of the byte order of this machine, in hexadecimal.
fn table_address(hex: &str) -> Option<IpAddr> {
    let word = |index: usize| {
        let digits = hex.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let mut octets = [0; 16];
    for (index, chunk) in octets.chunks_exact_mut(4).enumerate() {
        chunk.copy_from_slice(&word(index)?);
    }
    Some(Ipv6Addr::from(octets).into())
}

/// `TCP_LISTEN` as the table has it.
const LISTEN: &str = "0A";

/// Time between two looks at the tables.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::fd::AsRawFd};

    use super::*;

    fn seen_by_kernel(listener: &TcpListener) -> Option<SocketAddr> {
        let link = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let address = listener.local_addr().unwrap();
        let table = if address.is_ipv4() { "tcp" } else { "tcp6" };
        let text = fs::read_to_string(format!("/proc/self/net/{table}")).unwrap();
        let found = text.lines().skip(1).filter_map(listening_socket);
        found
            .filter(|(_, inode)| link.to_str() == Some(&format!("socket:[{inode}]")))
            .map(|(address, _)| address)
            .next()
    }

    #[test]
    fn a_listener_is_found_in_the_kernels_table_in_both_families() {
        for address in ["127.3.2.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            assert_eq!(seen_by_kernel(&listener), listener.local_addr().ok());
        }
    }

    #[test]
    fn lines_that_are_no_listener_are_passed_over() {
        assert_eq!(listening_socket(""), None);
        assert_eq!(listening_socket("0: 0100007F:1F90 00000000:0000 01 0:0 0:0 0 0 0 77"), None);
        assert_eq!(listening_socket("0: 01zz007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 77"), None);
    }
}
