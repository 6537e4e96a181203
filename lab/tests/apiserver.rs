//! The stand-in API server, asked as clients ask it: over TLS, by HTTP/1.1 and HTTP/2.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{io, time::Duration};

use halb_lab::{
    ApiServer, Loopback,
    apiserver::{Ca, Ending, Options},
    client::{self, Client, Protocol},
    eventually_async,
};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use serde_json::Value;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

const SOON: Duration = Duration::from_secs(10);

/// Long enough to see that nothing comes; a wrong answer would come at once.
const A_WHILE: Duration = Duration::from_millis(200);

struct Stage {
    server: ApiServer,
    ca: Ca,
    _home: Loopback,
}

impl Stage {
    async fn new() -> Self {
        let (home, ca) = (Loopback::claim().unwrap(), Ca::new().unwrap());
        let mut options = Options::new("kmaster1", home.port(0), &ca);
        options.watch_interval = Duration::from_millis(20);
        let server = ApiServer::start(options).await.unwrap();
        Self { server, ca, _home: home }
    }

    async fn client(&self, protocol: Protocol) -> Client {
        self.try_client(protocol).await.unwrap()
    }

    async fn try_client(&self, protocol: Protocol) -> Result<Client, client::Error> {
        let connect = Client::connect(self.server.address(), self.ca.pem(), protocol);
        timeout(SOON, connect).await.expect("a connection or an error")
    }

    async fn status(&self, path: &str) -> u16 {
        self.client(Protocol::Http1).await.get(path).await.unwrap().status.as_u16()
    }
}

/// Events of a watch, one after the other.
struct Events {
    body: Incoming,
    arrived: Vec<u8>,
}

impl Events {
    async fn of(client: &mut Client, path: &str) -> Self {
        let response = client.open(path).await.unwrap();
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), arrived: Vec::new() }
    }

    /// The next event; none at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.arrived.iter().position(|byte| *byte == b'\n') {
                let line: Vec<_> = self.arrived.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = timeout(SOON, self.body.frame()).await.expect("an event or the end")?;
            self.arrived.extend(frame.unwrap().into_data().unwrap());
        }
    }
}

#[tokio::test]
async fn both_protocols_are_chosen_by_alpn_and_answers_name_their_server() {
    let stage = Stage::new().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut client = stage.client(protocol).await;
        for path in ["/livez", "/readyz", "/healthz"] {
            let reply = client.get(path).await.unwrap();
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "ok"), "{path}");
            assert_eq!(reply.served_by(), Some("kmaster1"));
        }
    }
    let counts = stage.server.counts();
    assert_eq!((counts.connections_total, counts.requests_total), (2, 6));
    assert_eq!(counts.requests_by_path["/readyz"], 2);
    eventually_async("both closed", SOON, async || {
        let open = stage.server.counts().connections_open;
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await;
}

#[tokio::test]
async fn servers_share_an_authority_and_a_stranger_is_not_trusted() {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    let mut options = Options::new("kmaster2", other.server.address(), &stage.ca);
    options.listen.set_port(0);
    let second = ApiServer::start(options).await.unwrap();
    Client::connect(second.address(), stage.ca.pem(), Protocol::Http2).await.unwrap();
    let error = Client::connect(second.address(), other.ca.pem(), Protocol::Http2).await;
    assert!(matches!(error, Err(client::Error::Connect { .. })), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_ready_says_which_check_fails_and_is_alive() {
    let stage = Stage::new().await;
    stage.server.set_ready(false);
    let mut client = stage.client(Protocol::Http2).await;
    let reply = client.get("/readyz").await.unwrap();
    assert_eq!(reply.status, 500);
    assert!(reply.text().contains("[-]shutdown failed: reason withheld"), "{}", reply.text());
    assert!(reply.text().ends_with("readyz check failed\n"));
    assert_eq!(client.get("/livez").await.unwrap().status, 200);
    stage.server.set_ready(true);
    let reply = client.get("/readyz?verbose").await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.text(),
        "[+]ping ok\n[+]log ok\n[+]etcd ok\n[+]shutdown ok\nreadyz check passed\n"
    );
}

#[tokio::test]
async fn a_watch_tells_what_is_there_and_then_what_changes() {
    let stage = Stage::new().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut client = stage.client(protocol).await;
        let path = "/api/v1/namespaces/default/configmaps?watch=true";
        let mut events = Events::of(&mut client, path).await;
        let added = events.next().await.unwrap();
        assert_eq!(
            (&added["type"], &added["object"]["kind"]),
            (&"ADDED".into(), &"ConfigMap".into())
        );
        let mut last = 0;
        for _ in 0..5 {
            let event = events.next().await.unwrap();
            assert_eq!(event["type"], "MODIFIED");
            assert_eq!(event["object"]["metadata"]["name"], "heartbeat");
            let version = event["object"]["metadata"]["resourceVersion"].as_str().unwrap();
            let version: u64 = version.parse().unwrap();
            assert!(version > last, "{version} after {last}");
            last = version;
        }
    }
}

#[tokio::test]
async fn a_watch_sends_bookmarks_where_they_are_allowed_and_ends_in_its_time() {
    let stage = Stage::new().await;
    let mut client = stage.client(Protocol::Http2).await;
    let path = "/api/v1/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds=1";
    let mut events = Events::of(&mut client, path).await;
    let mut bookmarks = 0;
    while let Some(event) = events.next().await {
        assert_eq!(event["type"], "BOOKMARK");
        assert_eq!(event["object"]["kind"], "Pod");
        bookmarks += 1;
    }
    assert!(bookmarks >= 2, "{bookmarks} bookmarks in a second");
}

#[tokio::test]
async fn lists_discovery_and_refusals_have_kubernetes_form() {
    let stage = Stage::new().await;
    let mut client = stage.client(Protocol::Http2).await;
    let get = async |client: &mut Client, path: &str| {
        let reply = client.get(path).await.unwrap();
        (reply.status.as_u16(), serde_json::from_slice::<Value>(&reply.body).unwrap())
    };
    let (_, version) = get(&mut client, "/version").await;
    assert!(version["gitVersion"].as_str().unwrap().starts_with('v'));
    let (_, core) = get(&mut client, "/api/v1").await;
    assert_eq!(core["resources"].as_array().unwrap().len(), 4);
    let (_, nodes) = get(&mut client, "/api/v1/nodes").await;
    assert_eq!(nodes["kind"], "NodeList");
    assert_eq!(nodes["items"][0]["metadata"]["name"], "kmaster1");
    let (status, refusal) = get(&mut client, "/apis/apps/v1/deployments").await;
    assert_eq!((status, &refusal["kind"], &refusal["code"]), (404, &"Status".into(), &404.into()));
    let reply = client.post("/api/v1/nodes", Bytes::new()).await.unwrap();
    assert_eq!(reply.status, 405);
}

#[tokio::test]
async fn bulk_is_as_long_as_asked_and_echo_gives_back() {
    let stage = Stage::new().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut client = stage.client(protocol).await;
        for length in [0, 1, 65_536, 3_000_001] {
            let reply = client.get(&format!("/bulk?bytes={length}")).await.unwrap();
            assert_eq!(reply.body.len(), length);
            assert_eq!(reply.headers["content-length"], length.to_string());
        }
        for path in ["/bulk", "/bulk?bytes=-1", "/bulk?bytes=9999999999999999"] {
            assert_eq!(client.get(path).await.unwrap().status, 400, "{path}");
        }
        let sent: Bytes = (0..=255).cycle().take(1_000_000).collect();
        assert_eq!(client.post("/echo", sent.clone()).await.unwrap().body, sent);
    }
}

#[tokio::test]
async fn a_hung_server_takes_connections_answers_nothing_and_goes_on_afterwards() {
    let stage = Stage::new().await;
    let mut known = stage.client(Protocol::Http1).await;
    known.get("/livez").await.unwrap();
    stage.server.hang();
    let mut newcomer = TcpStream::connect(stage.server.address()).await.expect("taken");
    let unanswered = known.get("/livez");
    tokio::pin!(unanswered);
    assert!(timeout(A_WHILE, unanswered.as_mut()).await.is_err(), "an answer from a hung server");
    let handshake = stage.try_client(Protocol::Http2);
    assert!(timeout(A_WHILE, handshake).await.is_err(), "a handshake with a hung server");
    let mut byte = [0];
    assert!(timeout(A_WHILE, newcomer.read(&mut byte)).await.is_err(), "data or a close");
    stage.server.unhang();
    let late = timeout(SOON, unanswered).await.expect("an answer after all").unwrap();
    assert_eq!(late.status, 200);
    assert_eq!(stage.status("/readyz").await, 200);
}

#[tokio::test]
async fn a_stopped_server_refuses_and_a_restarted_one_serves_on_the_same_address() {
    let stage = Stage::new().await;
    let mut client = stage.client(Protocol::Http2).await;
    client.get("/livez").await.unwrap();
    stage.server.stop(Ending::Fin).await;
    assert_eq!(stage.server.counts().connections_open, 0);
    assert!(client.get("/livez").await.is_err());
    let refused = TcpStream::connect(stage.server.address()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    stage.server.set_ready(false);
    stage.server.restart().await.unwrap();
    assert_eq!(stage.status("/readyz").await, 200);
    assert_eq!(stage.server.counts().connections_total, 2, "counted on");
}

#[tokio::test]
async fn connections_end_with_fin_or_rst_as_told() {
    for (ending, expected) in
        [(Ending::Fin, Ok(0)), (Ending::Rst, Err(io::ErrorKind::ConnectionReset))]
    {
        let stage = Stage::new().await;
        let mut client = TcpStream::connect(stage.server.address()).await.unwrap();
        eventually_async("accepted", SOON, async || stage.server.counts().connections_open == 1)
            .await;
        stage.server.stop(ending).await;
        let mut byte = [0];
        let end = timeout(SOON, client.read(&mut byte)).await.expect("an end");
        assert_eq!(end.map_err(|error| error.kind()), expected, "{ending:?}");
    }
}

#[tokio::test]
async fn a_server_that_shuts_down_is_unready_first_then_ends_watches_and_finishes_requests() {
    let stage = Stage::new().await;
    let mut watcher = stage.client(Protocol::Http2).await;
    let mut events = Events::of(&mut watcher, "/api/v1/configmaps?watch=true").await;
    events.next().await.unwrap();
    let mut idle = stage.client(Protocol::Http1).await;
    idle.get("/livez").await.unwrap();
    let mut busy = stage.client(Protocol::Http1).await;
    let mut body = busy.open("/bulk?bytes=50000000").await.unwrap().into_body();

    let delay = Duration::from_millis(300);
    let ((), ()) = tokio::join!(stage.server.shutdown(delay), async {
        eventually_async("unready", SOON, async || stage.status("/readyz").await == 500).await;
        assert_eq!(stage.status("/livez").await, 200, "alive and taking connections");
        while events.next().await.is_some() {}
        eventually_async("idle connections closed", SOON, async || idle.is_closed()).await;
        eventually_async("no new connections", SOON, async || {
            TcpStream::connect(stage.server.address()).await.is_err()
        })
        .await;
        let mut length = 0;
        while let Some(frame) = timeout(SOON, body.frame()).await.expect("data or the end") {
            length += frame.expect("the whole body").data_ref().map_or(0, Bytes::len);
        }
        assert_eq!(length, 50_000_000);
    });
    assert_eq!(stage.server.counts().connections_open, 0);
}

#[tokio::test]
async fn a_server_that_is_dropped_is_gone() {
    let Stage { server, .. } = Stage::new().await;
    let address = server.address();
    drop(server);
    eventually_async("gone", SOON, async || TcpStream::connect(address).await.is_err()).await;
}

#[tokio::test]
async fn a_hung_server_can_be_stopped() {
    let stage = Stage::new().await;
    let mut client = stage.client(Protocol::Http2).await;
    client.get("/livez").await.unwrap();
    stage.server.hang();
    timeout(SOON, stage.server.stop(Ending::Rst)).await.expect("stopped");
    eventually_async("closed", SOON, async || client.is_closed()).await;
    stage.server.restart().await.unwrap();
    assert_eq!(stage.status("/livez").await, 200);
}

#[tokio::test]
async fn what_is_not_tls_ends_the_connection_and_nothing_else() {
    let stage = Stage::new().await;
    let mut stranger = TcpStream::connect(stage.server.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stranger, b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, stranger.read_to_end(&mut answer)).await.expect("an end").ok();
    assert_eq!(stage.status("/livez").await, 200);
}
