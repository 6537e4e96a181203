use std::fs;
use std::io::{BufRead as _, BufReader as BlockingReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener as BlockingListener, UnixStream as BlockingStream};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::super::client;
use super::super::client::AskError;
use super::*;
use crate::status::Admin;

const PATIENCE: Duration = Duration::from_secs(10);

/// A daemon's end on a socket of its own whose answers repeat the request.
struct Daemon {
    path: PathBuf,
    runtime: Option<Runtime>,
    _directory: TempDir,
}

impl Daemon {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("below/admin.sock");
        let runtime = Runtime::new().unwrap();
        let socket = {
            let _context = runtime.enter();
            ControlSocket::bind(&path).unwrap()
        };
        runtime
            .spawn(socket.serve(|request| async move {
                Response::Done { message: format!("{request:?}") }
            }));
        Self { path, runtime: Some(runtime), _directory: directory }
    }

    fn connect(&self) -> BlockingStream {
        let stream = BlockingStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut line = String::new();
        BlockingReader::new(stream).read_line(&mut line).unwrap();
        line
    }
}

#[test]
fn a_question_is_answered() {
    let daemon = Daemon::start();
    let request = Request::ServerAdmin { server: "a/b".to_owned(), admin: Admin::Maint };
    let answer = client::ask(&daemon.path, request.clone()).unwrap();
    assert_eq!(answer, Response::Done { message: format!("{request:?}") });
}

#[test]
fn one_connection_carries_several_questions() {
    let daemon = Daemon::start();
    let mut stream = daemon.connect();
    let mut reader = BlockingReader::new(stream.try_clone().unwrap());
    for _ in 0..3 {
        stream.write_all(b"{\"version\":1,\"body\":{\"command\":\"reload\"}}\n").unwrap();
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("Reload"), "{line}");
    }
}

#[test]
fn garbage_is_refused_with_a_sentence_and_the_daemon_goes_on() {
    let daemon = Daemon::start();
    let deep = format!("{}\n", "[".repeat(60_000));
    let cases: [&[u8]; 6] = [
        b"hello\n",
        b"\n",
        b"\xff\xfe\x00\n",
        b"{\"version\":1,\"body\":{\"command\":\"format-disk\"}}\n",
        b"{\"body\":{\"command\":\"status\"}}\n",
        deep.as_bytes(),
    ];
    for case in cases {
        let answer = daemon.say(case);
        assert!(answer.contains("refused") && answer.contains("not understood"), "{answer}");
    }
    assert!(client::ask(&daemon.path, Request::Reload).is_ok());
}

#[test]
fn another_version_is_told_which_one_this_is() {
    let daemon = Daemon::start();
    let answer = daemon.say(b"{\"version\":9,\"body\":{\"something\":\"new\"}}\n");
    assert!(answer.contains("speaks version 1"), "{answer}");
}

#[test]
fn a_line_beyond_the_bound_ends_the_connection() {
    let daemon = Daemon::start();
    let mut stream = daemon.connect();
    let line = vec![b' '; frame::REQUEST_LEN_MAX + 1];
    stream.write_all(&line).unwrap();
    let mut answer = String::new();
    // The daemon may reset the connection, since it leaves bytes unread.
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.contains("more than 65536 bytes"), "{answer}");
    assert!(client::ask(&daemon.path, Request::Reload).is_ok());
}

#[test]
fn connections_beyond_the_bound_wait_for_room() {
    let daemon = Daemon::start();
    let mut held: Vec<_> = (0..CONNECTIONS_MAX).map(|_| daemon.connect()).collect();
    let mut waiting = daemon.connect();
    waiting.write_all(b"{\"version\":1,\"body\":{\"command\":\"reload\"}}\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(waiting.read(&mut [0]).is_err(), "served beyond the bound");
    held.pop();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(waiting.read(&mut [0]).unwrap(), 1);
}

#[test]
fn the_socket_belongs_to_owner_and_group() {
    let daemon = Daemon::start();
    let mode = fs::metadata(&daemon.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[tokio::test]
async fn a_second_daemon_is_told_that_another_runs() {
    let daemon = tokio::task::spawn_blocking(Daemon::start).await.unwrap();
    let error = ControlSocket::bind(&daemon.path).unwrap_err();
    assert!(matches!(error, BindError::InUse(_)), "{error:?}");
    daemon.end().await;
}

#[tokio::test]
async fn the_file_of_a_dead_daemon_is_replaced() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("admin.sock");
    drop(BlockingListener::bind(&path).unwrap());
    assert!(path.exists());
    let socket = ControlSocket::bind(&path).unwrap();
    drop(socket);
    assert!(!path.exists(), "the file outlives its daemon");
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("precious");
    fs::write(&path, "data").unwrap();
    let error = ControlSocket::bind(&path).unwrap_err();
    assert!(matches!(error, BindError::NotASocket(_)), "{error:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "data");
}

#[test]
fn nobody_home_is_told_apart_from_a_broken_answer() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("admin.sock");
    let missing = client::ask(&path, Request::Status).unwrap_err();
    assert!(matches!(missing, AskError::NotRunning { .. }), "{missing:?}");
    let listener = BlockingListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"hello\n").unwrap();
    });
    let broken = client::ask(&path, Request::Status).unwrap_err();
    assert!(matches!(broken, AskError::Answer { .. } | AskError::Io { .. }), "{broken:?}");
    server.join().unwrap();
}

impl Daemon {
    /// A runtime may not be dropped within another.
    async fn end(mut self) {
        let runtime = self.runtime.take();
        tokio::task::spawn_blocking(move || drop(runtime)).await.unwrap();
    }
}
