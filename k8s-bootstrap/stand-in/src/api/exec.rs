//! `kubectl exec` into etcd's pod, for etcdctl: over a WebSocket (RFC 6455) with Kubernetes'
//! `v5.channel.k8s.io`. It happens on the pod's own host, whichever server was asked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use halb_lab::apiserver::Body;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::{Request, Response, StatusCode, body::Incoming, upgrade};
use hyper_util::rt::TokioIo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::path::parameters;
use super::{Answer, Cluster, Refusal, json_response, respond};
use crate::etcd;
use crate::manifests::{self, ADMIN_CONF, KUBELET_FLAGS};

const PROTOCOL: &str = "v5.channel.k8s.io";

/// What RFC 6455 has every server add to a client's key.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Channels of the protocol.
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;

/// Answers a request to run something in a pod.
pub(super) fn answer(
    cluster: &Cluster,
    request: &mut Request<Incoming>,
    path: &str,
    query: &str,
) -> Response<Body> {
    let key = request.headers().get("sec-websocket-key").cloned();
    let offered = request.headers().get("sec-websocket-protocol").cloned();
    let offers =
        offered.is_some_and(|text| text.to_str().is_ok_and(|text| text.contains(PROTOCOL)));
    let (Some(key), true) = (key, offers) else {
        let refusal = Refusal::bad(format!("only WebSockets with {PROTOCOL} are spoken here"));
        return json_response(refusal.status, &refusal.document());
    };
    let command = parameters(query, "command");
    cluster.machine.event("exec", json!({ "path": path, "command": command }));
    let (code, out, errors) = match on_its_host(cluster, path, &command) {
        Ok(done) => done,
        Err(refusal) => return json_response(refusal.status, &refusal.document()),
    };
    let upgrading = upgrade::on(request);
    tokio::spawn(async move {
        let Ok(stream) = upgrading.await else { return };
        let mut stream = TokioIo::new(stream);
        let mut said = Vec::new();
        for (channel, text) in [(STDOUT, out), (STDERR, errors), (ERROR, status(code).to_string())]
        {
            if !text.is_empty() {
                said.extend(frame(channel, text.as_bytes()));
            }
        }
        said.extend([0x88, 2, 0x03, 0xe8]); // closed, as it should be: 1000
        // Who is gone doesn't hear it.
        let _ = stream.write_all(&said).await;
        let _ = stream.shutdown().await;
    });
    let mut response = respond(StatusCode::SWITCHING_PROTOCOLS, String::new());
    let headers = response.headers_mut();
    headers.clear();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-protocol", HeaderValue::from_static(PROTOCOL));
    let proof = [key.as_bytes(), MAGIC.as_bytes()].concat();
    let proof = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &proof));
    if let Ok(proof) = HeaderValue::from_str(&proof) {
        headers.insert("sec-websocket-accept", proof);
    }
    response
}

/// A whole binary message on a channel.
fn frame(channel: u8, text: &[u8]) -> Vec<u8> {
    let length = text.len() + 1;
    let mut frame = vec![0x82];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => frame.push(short),
        (_, Ok(length)) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend(u64::try_from(length).unwrap_or_default().to_be_bytes());
        }
    }
    frame.push(channel);
    frame.extend(text);
    frame
}

fn status(code: u8) -> Value {
    if code == 0 {
        return json!({ "metadata": {}, "status": "Success" });
    }
    json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("command terminated with non-zero exit code: {code}"),
        "reason": "NonZeroExitCode",
        "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
    })
}

/// Exit code, what is printed, what is complained of.
type Done = (u8, String, String);

/// Runs something on the host of the pod at this path, by that host's own server.
fn on_its_host(cluster: &Cluster, path: &str, command: &[String]) -> Result<Done, Refusal> {
    let path = path.trim_end_matches("/exec");
    let pod = cluster.state(|state| Ok(state.objects.get(path).cloned()))?;
    let pod = pod.ok_or_else(|| Refusal::not_found(&format!("pods {path:?} not found")))?;
    let flags = cluster.machine.read(KUBELET_FLAGS).unwrap_or_default();
    if pod["spec"]["nodeName"].as_str() == manifests::argument(&flags, "hostname-override") {
        return Ok(run(cluster, command));
    }
    let dial = || {
        let mut client = manifests::client_of(&cluster.machine, ADMIN_CONF)?;
        client.server = format!("{}:6443", pod["status"]["hostIP"].as_str().unwrap_or_default());
        let answer = client.must("POST", RELAY, Some(&json!({ "command": command })))?;
        serde_json::from_value(answer).map_err(|error| error.to_string())
    };
    tokio::task::block_in_place(dial).map_err(|why| {
        let message = format!("error dialing backend: {why}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    })
}

/// Where servers ask each other to run something on their hosts.
pub(super) const RELAY: &str = "/stand-in/run";

/// What another server wants to be run here.
pub(super) fn relayed(cluster: &Cluster, body: &[u8]) -> Answer {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = asked["command"].as_array().into_iter().flatten();
    let command: Vec<_> = words.filter_map(Value::as_str).map(str::to_owned).collect();
    Ok((StatusCode::OK, json!(run(cluster, &command))))
}

/// etcdctl and etcdutl: exit code, what it prints, what it complains of.
fn run(cluster: &Cluster, command: &[String]) -> Done {
    let words: Vec<_> =
        command.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    if let ["etcdctl", "snapshot", "save", path] = words.as_slice() {
        return etcd::answer(etcd::save(&cluster.machine, path));
    }
    if let ["etcdutl", "snapshot", "status", path] = words.as_slice() {
        return etcd::answer(etcd::status(&cluster.machine, path));
    }
    let done = cluster.store.with(|state| match words.as_slice() {
        ["etcdctl", "member", "list"] => Ok(state.member_list()),
        ["etcdctl", "member", "remove", id] => {
            let removed = state.remove_member(id);
            removed.map(|()| format!("Member {id} removed from cluster\n"))
        }
        ["etcdctl", "endpoint", "health"] => Ok("127.0.0.1:2379 is healthy\n".to_owned()),
        other => Err(format!("the stand-in knows no {other:?}")),
    });
    match done {
        Ok(Ok(text)) => (0, text, String::new()),
        Ok(Err(error)) => (1, String::new(), format!("Error: {error}\n")),
        Err(error) => (1, String::new(), format!("Error: {error}\n")),
    }
}
