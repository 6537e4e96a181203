use std::path::PathBuf;

use tokio::io::AsyncReadExt as _;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon without servers, which does as it is told.
struct Alone;

impl Host for Alone {
    fn picture(&self) -> Coming<'_, Picture> {
        Box::pin(async { Picture::default() })
    }

    fn carry_out(&self, order: Order) -> Coming<'_, String> {
        Box::pin(async move { format!("{order:?}\n") })
    }
}

/// A socket in a directory that goes with it.
fn start() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("haproxy.sock");
    let socket = BoundSocket::bind(&path, 0o660).unwrap();
    tokio::spawn(serve(socket, HaproxyLevel::Admin, Arc::new(Alone)));
    (directory, path)
}

/// Sends without saying that this was all, and reads until the daemon hangs up.
async fn ask(path: &PathBuf, said: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // Who is sent away with bytes unread hears a reset.
    let _ = time::timeout(PATIENCE, reading).await.expect("the daemon hangs up");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_line_is_answered_and_the_client_let_go() {
    let (_directory, path) = start();
    let version = "2.6.12-halb\n\n";
    assert_eq!(ask(&path, b"show version\n").await, version);
    assert_eq!(ask(&path, b"show version\r\n").await, version);
    assert_eq!(ask(&path, b"show version; show version\n").await, version.repeat(2));
    assert_eq!(ask(&path, b"show version\nshow version\n").await, version.repeat(2));
    assert_eq!(ask(&path, b"clear counters\n").await, "ClearMaxima\n\n");
}

#[tokio::test]
async fn a_prompt_is_kept_until_the_client_leaves() {
    let (_directory, path) = start();
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let mut seen = String::new();
    for line in ["prompt\n", "show version\n"] {
        stream.write_all(line.as_bytes()).await.unwrap();
        let so_far = seen.matches("> ").count();
        while seen.matches("> ").count() == so_far {
            let mut bytes = [0; 256];
            let count = time::timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
            seen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            assert!(count > 0, "hung up after {seen}");
        }
    }
    assert_eq!(seen, "\n> 2.6.12-halb\n\n> ");
    stream.write_all(b"quit\n").await.unwrap();
    let mut rest = String::new();
    time::timeout(PATIENCE, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, "");
}

#[tokio::test]
async fn a_line_that_never_ends_is_not_gathered() {
    let (_directory, path) = start();
    assert_eq!(ask(&path, &b"x".repeat(LINE_LEN_MAX + 1)).await, "");
    assert_eq!(ask(&path, b"show version\n").await, "2.6.12-halb\n\n");
}
