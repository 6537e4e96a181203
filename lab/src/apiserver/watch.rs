//! Watches: a stream of JSON events that doesn't end until client, server or timeout end it.

use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Response, StatusCode,
    body::{Bytes, Frame},
};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{self, Interval, MissedTickBehavior},
};

use super::{
    connection::Phase,
    handler::{Asked, Body, Server, respond},
    resources::Resource,
};

/// Answers with `ADDED` for each object there is, and then with an event at each interval:
/// `BOOKMARK` for a client that allows bookmarks, else a new state of the heartbeat where that is
/// among what is watched.
///
/// `timeoutSeconds` ends it in time, as does the server that drains.
pub(super) fn answer(
    server: &Arc<Server>,
    resource: Resource,
    namespace: Option<&str>,
    asked: &Asked<'_>,
) -> Response<Body> {
    let objects = server.cluster.objects(resource, namespace);
    let has_heartbeat = resource == Resource::ConfigMaps && !objects.is_empty();
    let pulse = if asked.flag("allowWatchBookmarks") {
        Pulse::Bookmark(resource)
    } else if has_heartbeat {
        Pulse::Heartbeat
    } else {
        Pulse::Silence
    };
    let mut ticks = time::interval(server.watch_interval);
    // A client that reads slowly gets fewer events, not a burst of stale ones.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let events = events(Watch {
        server: Arc::clone(server),
        begin: objects.into_iter().map(|object| event("ADDED", &object)).collect(),
        pulse,
        ticks,
    });
    let timeout = asked.parameter("timeoutSeconds").and_then(|seconds| seconds.parse().ok());
    let events = events.take_until(end(asked.phase.clone(), timeout.map(Duration::from_secs)));
    let body = StreamBody::new(events.map(|event| Ok(Frame::data(event)))).boxed_unsync();
    respond(StatusCode::OK, "application/json", body)
}

struct Watch {
    server: Arc<Server>,
    begin: VecDeque<Bytes>,
    pulse: Pulse,
    ticks: Interval,
}

/// What is said at each interval.
#[derive(Clone, Copy)]
enum Pulse {
    Bookmark(Resource),
    Heartbeat,
    Silence,
}

fn events(watch: Watch) -> Pin<Box<dyn Stream<Item = Bytes> + Send>> {
    let stream = stream::unfold(watch, async |mut watch| {
        if let Some(added) = watch.begin.pop_front() {
            return Some((added, watch));
        }
        loop {
            watch.ticks.tick().await;
            let cluster = &watch.server.cluster;
            let event = match watch.pulse {
                Pulse::Bookmark(resource) => event("BOOKMARK", &bookmark(resource, cluster.beat())),
                Pulse::Heartbeat => event("MODIFIED", &cluster.heartbeat(cluster.beat())),
                Pulse::Silence => continue,
            };
            return Some((event, watch));
        }
    });
    Box::pin(stream)
}

/// Done when the watch is to end from the server's side.
async fn end(mut phase: watch::Receiver<Phase>, timeout: Option<Duration>) {
    let drained = Phase::left_serving(&mut phase);
    match timeout {
        // Whichever comes first ends it.
        Some(timeout) => drop(time::timeout(timeout, drained).await),
        None => drained.await,
    }
}

fn event(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({ "type": kind, "object": object })))
}

fn bookmark(resource: Resource, revision: u64) -> Value {
    json!({
        "kind": resource.kind(),
        "apiVersion": "v1",
        "metadata": { "resourceVersion": revision.to_string(), "creationTimestamp": null },
    })
}
