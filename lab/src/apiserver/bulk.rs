//! Answers of any size, for load: `GET /bulk?bytes=N` and `POST /echo`.

use std::cmp;

use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    header::CONTENT_LENGTH,
};

use super::handler::{Asked, Body, refusal, respond};

/// Sends as many zero bytes as asked for.
pub(super) fn send(asked: &Asked<'_>) -> Response<Body> {
    let wanted = asked.parameter("bytes").and_then(|bytes| bytes.parse().ok());
    let Some(length) = wanted.filter(|length| *length <= MAX_BYTES) else {
        let message = format!("/bulk wants ?bytes=N with N from 0 to {MAX_BYTES}");
        return refusal(StatusCode::BAD_REQUEST, "BadRequest", &message);
    };
    let chunks = stream::unfold(length, async |left: u64| {
        if left == 0 {
            return None;
        }
        let chunk = usize::try_from(left).map_or(CHUNK.len(), |left| cmp::min(left, CHUNK.len()));
        let sent = u64::try_from(chunk).expect("a chunk's length fits 64 bits");
        Some((Ok(Frame::data(Bytes::from_static(&CHUNK[..chunk]))), left - sent))
    });
    let body = StreamBody::new(chunks).boxed_unsync();
    let mut response = respond(StatusCode::OK, OCTETS, body);
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// Sends back what arrives, while it arrives.
pub(super) fn echo(body: Incoming) -> Response<Body> {
    respond(StatusCode::OK, OCTETS, body.boxed_unsync())
}

const OCTETS: &str = "application/octet-stream";

/// Sent piece by piece; a few TLS records each.
static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];

/// The largest answer: enough for minutes of load, so that a slip of the keyboard ends.
const MAX_BYTES: u64 = 1 << 40;
