use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::status::samples;
use crate::status::samples::Sample;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server over loopback that shows `sample`, and how often it looked.
async fn start(sample: Sample) -> (std::net::SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let looks = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&looks);
    let look = move || -> Looking<Status> {
        counted.fetch_add(1, Ordering::Relaxed);
        let status = sample.status();
        Box::pin(async move { status })
    };
    let more = || -> Looking<Option<String>> {
        Box::pin(async { Some("haproxy_process_nbproc 1\n".to_owned()) })
    };
    let shown = Looks { status: Arc::new(look), more_metrics: Arc::new(more) };
    tokio::spawn(serve(listener, shown));
    (address, looks)
}

async fn exchange(address: std::net::SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses early may reset the connection behind its answer.
    let reading = stream.read_to_end(&mut answer);
    let _ = time::timeout(PATIENCE, reading).await.expect("the server ends the connection");
    String::from_utf8(answer).unwrap()
}

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    exchange(address, format!("GET {path} HTTP/1.1\r\nHost: halb\r\n\r\n").as_bytes()).await
}

#[tokio::test]
async fn each_path_has_its_answer() {
    let (address, _) = start(samples::one_down()).await;
    let cases = [
        ("/", "200 OK", "text/html", "kmaster2 of masters is DOWN"),
        ("/style.css", "200 OK", "text/css", "color-scheme"),
        ("/page.js", "200 OK", "text/javascript", "new EventSource"),
        ("/status.json", "200 OK", "application/json", "\"version\": 1"),
        ("/metrics", "200 OK", "version=0.0.4", "halb_ready 1"),
        ("/metrics", "200 OK", "version=0.0.4", "\nhaproxy_process_nbproc 1"),
        ("/livez", "200 OK", "text/plain", "alive"),
        ("/readyz", "200 OK", "text/plain", "ready"),
        ("/readyz?verbose", "200 OK", "text/plain", "ready"),
        ("/reload", "404 Not Found", "text/plain", "/status.json"),
    ];
    for (path, status, content_type, content) in cases {
        let answer = get(address, path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{path}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(content_type), "{path}: {head}");
        assert!(head.contains("content-security-policy: default-src 'none';"), "{path}: {head}");
        assert!(body.contains(content), "{path}: {body}");
    }
}

#[tokio::test]
async fn the_page_comes_again_and_again_as_events_until_the_browser_is_to_ask_anew() {
    let (address, looks) = start(samples::one_down()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: halb\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while answer.windows(12).filter(|bytes| bytes == b"data: <h1 cl").count() < 2 {
        let read = time::timeout(PATIENCE, stream.read_buf(&mut answer)).await;
        assert!(read.expect("another event").unwrap() > 0, "the stream ended");
    }
    let text = String::from_utf8(answer).unwrap();
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    assert!(text.contains("retry: 500\n"), "{text}");
    assert!(text.contains("data: ") && text.contains("kmaster2 of masters is DOWN"), "{text}");
    assert!(looks.load(Ordering::Relaxed) >= 2);
    // Meanwhile others are answered.
    assert!(get(address, "/livez").await.contains("alive"));
}

#[tokio::test]
async fn not_ready_says_why() {
    let (address, _) = start(samples::all_down()).await;
    let answer = get(address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("no server of backend masters is up"), "{answer}");
    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200 "), "alive nevertheless");
}

#[tokio::test]
async fn a_stuck_worker_is_not_alive() {
    let mut sample = samples::all_fine();
    sample.snapshot.process.workers[0].heartbeat_age = Duration::from_secs(60);
    let (address, _) = start(sample).await;
    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn anything_but_reading_is_refused_without_a_look_at_the_daemon() {
    let (address, looks) = start(samples::all_fine()).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let request = format!("{method} /status.json HTTP/1.1\r\nHost: halb\r\n\r\n");
        let answer = exchange(address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert!(answer.contains("allow: GET, HEAD"), "{answer}");
    }
    assert_eq!(looks.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn head_gives_the_head_alone() {
    let (address, _) = start(samples::all_fine()).await;
    let answer = exchange(address, b"HEAD /metrics HTTP/1.1\r\nHost: halb\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_head_beyond_the_bound_is_refused() {
    let (address, looks) = start(samples::all_fine()).await;
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(2 * HEAD_LEN_MAX));
    assert!(exchange(address, long.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(HEADERS_MAX + 1));
    assert!(exchange(address, many.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    let garbage = exchange(address, b"\x16\x03\x01\x00\xff\x01\r\n\r\n").await;
    assert!(garbage.starts_with("HTTP/1.1 400 "), "{garbage}");
    assert_eq!(looks.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_sent_away() {
    let (address, _) = start(samples::all_fine()).await;
    let begun = Instant::now();
    let answer = exchange(address, b"GET / HTTP/1.1\r\nHost:").await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(begun.elapsed() >= HEAD_TIME, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn stalled_clients_delay_nobody() {
    let (address, _) = start(samples::all_fine()).await;
    let mut stalled = Vec::new();
    for _ in 0..3 * CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HT").await.unwrap();
        stalled.push(stream);
    }
    let begun = Instant::now();
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200 OK"));
    assert!(begun.elapsed() < HEAD_TIME, "{:?}", begun.elapsed());
}
