//! What answers at the address of a service, where no pod runs that could.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Longest time that a client may take for a line.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers every request with this status, for as long as this process lives.
pub(crate) fn serve(listener: TcpListener, status: &'static str) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away has its reasons.
            let _gone = answer(&stream, status);
        }
    });
}

fn answer(stream: &TcpStream, status: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
