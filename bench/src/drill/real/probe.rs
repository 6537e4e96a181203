//! A request that shows whether clients are served, without knowing anything of the service.

use std::{io, net::SocketAddr, thread, thread::JoinHandle, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime,
    sync::oneshot,
};

use crate::drill::requests::Requests;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The greeting of a TLS client. Whatever comes back shows that a server is there, behind
    /// whatever balances.
    Tls,
    /// A connection, which whoever balances accepts.
    Connect,
}

/// Requests in progress; they end when it is dropped.
#[derive(Debug)]
pub(super) struct Probing {
    pub(super) requests: Requests,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Probing {
    /// Begins.
    pub(super) fn start(target: SocketAddr, probe: Probe, pace: Duration) -> io::Result<Self> {
        let requests = Requests::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let sent = requests.clone();
        let thread = thread::Builder::new().name("requests".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::spawn(sent.send(pace, move || probe.ask(target)));
                // An error is the sender's drop, which is the sign to stop.
                let _ = stopped.await;
            });
        })?;
        Ok(Self { requests, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the thread of requests panicked");
        }
    }
}

impl Probe {
    /// Asks once, and says whether there was an answer.
    async fn ask(self, target: SocketAddr) -> bool {
        let Ok(mut stream) = TcpStream::connect(target).await else { return false };
        match self {
            Self::Connect => true,
            Self::Tls => {
                let greeted = stream.write_all(&greeting()).await;
                greeted.is_ok() && matches!(stream.read(&mut [0]).await, Ok(1..))
            }
        }
    }
}

/// A ClientHello of TLS 1.2 (RFC 5246, 7.4.1.2) with the suites and groups that everybody has. A
/// server that doesn't like it answers with an alert, which is an answer.
fn greeting() -> Vec<u8> {
    let extensions: [&[u8]; 3] = [
        // Groups: x25519, P-256.
        &[0x00, 0x0a, 0x00, 0x06, 0x00, 0x04, 0x00, 0x1d, 0x00, 0x17],
        // Points: uncompressed.
        &[0x00, 0x0b, 0x00, 0x02, 0x01, 0x00],
        // Signatures: ECDSA and RSA (PSS, PKCS#1) with SHA-256, RSA with SHA-384.
        &[0x00, 0x0d, 0x00, 0x0a, 0x00, 0x08, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x01],
    ];
    let extensions = extensions.concat();
    // No secret depends on the random bytes: the handshake is never finished.
    let mut hello = vec![0x03, 0x03];
    hello.extend([0x68; 32]);
    hello.push(0);
    let suites = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8];
    hello.extend(length(suites.len()));
    hello.extend(suites);
    hello.extend([1, 0]);
    hello.extend(length(extensions.len()));
    hello.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend(length(hello.len()));
    handshake.extend(hello);
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend(length(handshake.len()));
    record.extend(handshake);
    record
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).expect("a greeting is short").to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use halb_lab::{
        ApiServer, Loopback,
        apiserver::{Ca, Options},
        eventually,
    };

    use super::*;

    #[test]
    fn a_tls_server_answers_the_greeting_with_its_own_and_its_absence_is_noticed() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = Loopback::claim().unwrap();
        let options = Options::new("kmaster1", address.port(0), &Ca::new().unwrap());
        let (reply, absent) = runtime.block_on(async {
            let server = ApiServer::start(options).await.unwrap();
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            stream.write_all(&greeting()).await.unwrap();
            let mut reply = [0; 6];
            stream.read_exact(&mut reply).await.unwrap();
            assert!(Probe::Tls.ask(server.address()).await);
            assert!(Probe::Connect.ask(server.address()).await);
            let at = server.address();
            server.stop(halb_lab::apiserver::Ending::Fin).await;
            (reply, Probe::Tls.ask(at).await)
        });
        assert_eq!((reply[0], reply[5]), (0x16, 2), "a handshake record with a ServerHello");
        assert!(!absent);
    }

    #[test]
    fn requests_to_nobody_fail_until_they_are_stopped() {
        let address = Loopback::claim().unwrap().free_port().unwrap();
        let begun = Instant::now();
        let probing = Probing::start(address, Probe::Connect, Duration::from_millis(5)).unwrap();
        eventually("one is lost", Duration::from_secs(10), || {
            probing.requests.is_lost_since(begun)
        });
        assert!(!probing.requests.is_answered_since(begun));
    }
}
