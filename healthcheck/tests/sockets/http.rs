use std::fs;

use halb_healthcheck::config::{BODY_LEN_MAX, Probe};
use tokio::io::AsyncWriteExt;

use crate::support::{
    answering, ask, ask_shortly, get, listener, ms, ok, read_head, silent, until,
};

fn status(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn the_request_is_what_was_configured() {
    let (address, mut requests) = answering(ok("")).await;
    assert_eq!(ask(address, Probe::Http(get("/readyz?verbose"))).await.0, "L7OK");
    let head = requests.recv().await.unwrap().head;
    assert!(head.starts_with("GET /readyz?verbose HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nHost: {address}\r\n")), "{head}");
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    assert!(head.contains("\r\nUser-Agent: halb/"), "{head}");

    let mut probe = get("/");
    probe.method = "OPTIONS".into();
    probe.host = Some("api.example.com".into());
    probe.headers = vec![("X-A".into(), "1".into()), ("X-A".into(), "2".into())];
    assert_eq!(ask(address, Probe::Http(probe)).await.0, "L7OK");
    let head = requests.recv().await.unwrap().head;
    assert!(head.starts_with("OPTIONS / HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nHost: api.example.com\r\n"), "{head}");
    assert!(head.contains("\r\nX-A: 1\r\nX-A: 2\r\n"), "{head}");
}

#[tokio::test]
async fn the_bearer_token_is_read_anew_for_each_check() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    let (address, mut requests) = answering(ok("")).await;
    let mut probe = get("/");
    probe.bearer_token_file = Some(token.clone());
    for content in ["first", "second\n"] {
        fs::write(&token, content).unwrap();
        assert_eq!(ask(address, Probe::Http(probe.clone())).await.0, "L7OK");
        let head = requests.recv().await.unwrap().head;
        let header = format!("\r\nAuthorization: Bearer {}\r\n", content.trim());
        assert!(head.contains(&header), "{head}");
    }
    fs::write(&token, "two\nlines").unwrap();
    let (code, detail) = ask(address, Probe::Http(probe)).await;
    assert_eq!(code, "SOCKERR");
    assert!(detail.contains("holds no token"), "{detail}");
}

#[tokio::test]
async fn the_status_decides() {
    let unauthorized = "401 Unauthorized";
    let unavailable = "HTTP status 503 Service Unavailable, expected 200-299";
    let table = [
        ("204 No Content", vec![200..=299], "L7OK", "HTTP status 204 No Content"),
        ("503 Service Unavailable", vec![200..=299], "L7STS", unavailable),
        (unauthorized, vec![200..=299, 401..=401], "L7OK", "HTTP status 401 Unauthorized"),
        (
            unauthorized,
            vec![200..=200, 300..=399],
            "L7STS",
            "HTTP status 401 Unauthorized, expected 200, 300-399",
        ),
        ("599 Odd", vec![200..=299], "L7STS", "HTTP status 599, expected 200-299"),
    ];
    for (line, accepted, code, detail) in table {
        let (address, _requests) = answering(status(line)).await;
        let mut probe = get("/");
        probe.expect_status = accepted;
        assert_eq!(ask(address, Probe::Http(probe)).await, (code, detail.to_owned()));
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (elsewhere, mut visits) = answering(ok("")).await;
    let head = format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\n");
    let (address, _requests) = answering(format!("{head}Content-Length: 0\r\n\r\n")).await;
    assert_eq!(ask(address, Probe::Http(get("/"))).await.0, "L7STS");
    let mut lenient = get("/");
    lenient.expect_status = vec![200..=399];
    assert_eq!(ask(address, Probe::Http(lenient)).await.0, "L7OK");
    assert!(visits.try_recv().is_err());
}

#[tokio::test]
async fn the_body_must_hold_the_text() {
    let mut probe = get("/");
    probe.expect_body = Some("ready".into());
    let (address, _requests) = answering(ok("I am ready.")).await;
    assert_eq!(ask(address, Probe::Http(probe.clone())).await.0, "L7OK");
    let (address, _requests) = answering(ok("I am read")).await;
    let (code, detail) = ask(address, Probe::Http(probe.clone())).await;
    assert_eq!(code, "L7RSP");
    assert_eq!(detail, "HTTP status 200, but the text 'ready' is not in the body");

    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let split = format!("{chunks}5\r\nI rea\r\n2\r\ndy\r\n0\r\n\r\n");
    let (address, _requests) = answering(split).await;
    assert_eq!(ask(address, Probe::Http(probe.clone())).await.0, "L7OK", "across two chunks");

    let inside = format!("{}ready", " ".repeat(BODY_LEN_MAX - 5));
    let (address, _requests) = answering(ok(&inside)).await;
    assert_eq!(ask(address, Probe::Http(probe.clone())).await.0, "L7OK");
    let beyond = format!("{}ready", " ".repeat(BODY_LEN_MAX - 4));
    let (address, _requests) = answering(ok(&beyond)).await;
    assert_eq!(ask(address, Probe::Http(probe)).await.0, "L7RSP", "beyond what is read");
}

#[tokio::test]
async fn an_endless_body_is_neither_awaited_nor_kept() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                read_head(&mut stream).await;
                let mut content = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
                while stream.write_all(&content).await.is_ok() {
                    content = vec![b'x'; 8192];
                }
            });
        }
    });
    assert_eq!(ask(address, Probe::Http(get("/"))).await.0, "L7OK");
    let mut probe = get("/");
    probe.expect_body = Some("ready".into());
    assert_eq!(ask(address, Probe::Http(probe)).await.0, "L7RSP");
}

#[tokio::test]
async fn endless_headers_are_cut_off() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut content = b"HTTP/1.1 200 OK\r\n".to_vec();
        while stream.write_all(&content).await.is_ok() {
            content = b"X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".to_vec();
        }
    });
    let (code, detail) = ask(address, Probe::Http(get("/"))).await;
    assert_eq!(code, "L7RSP", "{detail}");
}

#[tokio::test]
async fn an_answer_that_is_no_http_or_is_cut_off_is_a_failure() {
    for answer in ["", "HTTP/1.1 200", "SSH-2.0-OpenSSH_9.2\r\n\r\n"] {
        let (address, _requests) = answering(answer).await;
        let (code, detail) = ask(address, Probe::Http(get("/"))).await;
        assert_eq!(code, "L7RSP", "{answer:?}: {detail}");
    }
    let mut probe = get("/");
    probe.expect_body = Some("ready".into());
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort";
    let (address, _requests) = answering(cut).await;
    assert_eq!(ask(address, Probe::Http(probe)).await.0, "L7RSP");
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let address = silent().await;
    let (code, detail) = ask_shortly(address, Probe::Http(get("/"))).await;
    assert_eq!((code, &*detail), ("L7TOUT", "no complete HTTP answer after 300ms"));
}

#[tokio::test]
async fn a_dripping_answer_meets_the_one_deadline() {
    let (listener, address) = listener().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for byte in status("200 OK").bytes().cycle() {
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(ms(50)).await;
        }
    });
    assert_eq!(ask_shortly(address, Probe::Http(get("/"))).await.0, "L7TOUT");
    until("the server sees the end", async || server.is_finished().then_some(())).await;
}
