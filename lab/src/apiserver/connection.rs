//! One connection: handshake, requests, and the way it ends.

use std::{pin::pin, sync::Arc};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::{
    api::Caller,
    gate::Gated,
    handler::{self, Server},
    server::Ending,
};

/// How far the life of a server has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It serves.
    Serving,
    /// It accepts nothing, finishes what it has begun, and ends its watches.
    Draining,
    /// All of its connections end now, in this way.
    Over(Ending),
}

impl Phase {
    /// Waits until the server no longer serves. One whose owner is gone doesn't.
    pub(super) async fn left_serving(phase: &mut watch::Receiver<Self>) {
        // An error is the owner's absence, after its last word.
        let _ = phase.wait_for(|phase| *phase != Self::Serving).await;
    }

    /// Waits until all connections are to end.
    async fn is_over(phase: &mut watch::Receiver<Self>) {
        // As above.
        let _ = phase.wait_for(|phase| matches!(phase, Self::Over(_))).await;
    }
}

/// Serves a connection until the client or the server ends it.
pub(super) async fn serve(
    server: Arc<Server>,
    tls: TlsAcceptor,
    stream: TcpStream,
    mut phase: watch::Receiver<Phase>,
) {
    let counted = Arc::clone(&server);
    let _open = counted.counters.connection();
    // Small answers go out at once, as Go's servers send them.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let stream = Gated::new(stream, Arc::clone(&server.gate), phase.clone());
    let mut over = phase.clone();
    let conversation = async {
        let accepted = tokio::select! {
            accepted = tls.accept(stream) => accepted,
            // Nothing has been begun yet.
            () = Phase::left_serving(&mut phase) => return,
        };
        // A client that doesn't like the certificate has said so itself.
        if let Ok(stream) = accepted {
            let shown = stream.get_ref().1.peer_certificates();
            let caller = Caller {
                certificate: shown.and_then(<[_]>::first).map(|leaf| leaf.as_ref().to_vec()),
            };
            converse(server, stream, caller, phase).await;
        }
    };
    tokio::select! {
        () = conversation => {}
        () = Phase::is_over(&mut over) => {}
    }
}

async fn converse<S>(
    server: Arc<Server>,
    stream: S,
    caller: Caller,
    mut phase: watch::Receiver<Phase>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let for_requests = phase.clone();
    let service = service_fn(move |request| {
        handler::answer(Arc::clone(&server), caller.clone(), for_requests.clone(), request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // As kube-apiserver's: several watches share a connection, a flood of streams doesn't.
    builder.http2().max_concurrent_streams(MAX_STREAMS);
    let mut connection =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // Errors from here on are the client's leaving; it knows.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = Phase::left_serving(&mut phase) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Requests at a time on one HTTP/2 connection, kube-apiserver's
/// `--http2-max-streams-per-connection` by default.
const MAX_STREAMS: u32 = 250;
