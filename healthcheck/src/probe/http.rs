//! One HTTP/1.1 request and its answer. Redirects are answers like any other: never followed.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::closing::Closing;
use super::files::{FileError, Reading, read_bounded};
use super::shortage;
use crate::config::{BODY_LEN_MAX, HttpProbe};
use crate::outcome::{FailureKind, Layer, Outcome};

/// Most bytes of an answer's status line and headers together.
const HEAD_LEN_MAX: usize = 16 * 1024;

/// Why a request can't be made as configured.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not a method.
    #[error("'{0}' is no HTTP method; write GET, HEAD or OPTIONS")]
    Method(String),
    /// Not a path.
    #[error("'{0}' is no request path; write '/' and the rest, as in /readyz")]
    Path(String),
    /// Not a header.
    #[error("'{name}' is no HTTP header, or its value holds characters that can't be sent")]
    Header {
        /// The header's name.
        name: String,
    },
    /// A status was to be accepted that there is not, or none at all.
    #[error("the statuses to accept must be ranges within 100 to 599, at least one")]
    Status,
    /// The token file can't be read.
    #[error(transparent)]
    TokenFile(#[from] FileError),
    /// The token file holds something else.
    #[error("bearer_token_file {} holds no token: one line of visible characters", .0.display())]
    Token(PathBuf),
}

/// Lets one read of a target's token file go on at a time, so that reads that hang don't pile up.
#[derive(Default)]
pub(super) struct TokenGate(Arc<Mutex<()>>);

/// Reads the bearer token aside from the runtime, and builds the request.
pub(super) async fn prepare(
    probe: &HttpProbe,
    address: SocketAddr,
    gate: &TokenGate,
    reading: &Reading,
) -> Result<Request<Empty<Bytes>>, Outcome> {
    let token = match probe.bearer_token_file.clone() {
        None => None,
        Some(path) => {
            let guard = gate.0.clone().lock_owned().await;
            let read = move || {
                let token = bearer(&path);
                drop(guard);
                token
            };
            Some(reading.aside(read).await?)
        }
    };
    let token = token.transpose().map_err(|error| shortage::setup_outcome(&error))?;
    request(probe, address, token).map_err(|error| shortage::setup_outcome(&error))
}

/// Builds the request, `token` being the value of its `Authorization` header.
pub(crate) fn request(
    probe: &HttpProbe,
    address: SocketAddr,
    token: Option<HeaderValue>,
) -> Result<Request<Empty<Bytes>>, HttpError> {
    let within = |range: &RangeInclusive<u16>| {
        *range.start() >= 100 && *range.end() <= 599 && !range.is_empty()
    };
    if probe.expect_status.is_empty() || !probe.expect_status.iter().all(within) {
        return Err(HttpError::Status);
    }
    let method = Method::from_bytes(probe.method.as_bytes())
        .map_err(|_| HttpError::Method(probe.method.clone()))?;
    let path = Some(&probe.path).filter(|path| path.starts_with('/'));
    let uri = path
        .and_then(|path| path.parse::<Uri>().ok())
        .ok_or_else(|| HttpError::Path(probe.path.clone()))?;

    let mut request = Request::new(Empty::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let host = probe.host.clone().unwrap_or_else(|| address.to_string());
    let headers = request.headers_mut();
    headers.insert(HOST, value("host", &host)?);
    headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_OF_CHECKS));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, token);
    }
    for (name, text) in &probe.headers {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| HttpError::Header { name: name.clone() })?;
        let value = value(name, text)?;
        // Those above are replaced; the operator's own may come several times.
        if REPLACEABLE.contains(&header) {
            headers.insert(header, value);
        } else {
            headers.append(header, value);
        }
    }
    Ok(request)
}

const USER_AGENT_OF_CHECKS: &str = concat!("halb/", env!("CARGO_PKG_VERSION"), " (health check)");

const REPLACEABLE: [HeaderName; 5] = [HOST, USER_AGENT, ACCEPT, CONNECTION, AUTHORIZATION];

fn value(name: &str, text: &str) -> Result<HeaderValue, HttpError> {
    HeaderValue::from_str(text).map_err(|_| HttpError::Header { name: name.to_owned() })
}

/// The `Authorization` header out of a file. Blocks.
pub(crate) fn bearer(path: &Path) -> Result<HeaderValue, HttpError> {
    let content = read_bounded("bearer_token_file", path)?;
    let token = str::from_utf8(&content).map(str::trim).unwrap_or_default();
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .ok()
        .filter(|_| !token.is_empty())
        .ok_or_else(|| HttpError::Token(path.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Sends the request and judges the answer. Has no deadline of its own.
pub(super) async fn exchange<S>(
    stream: S,
    probe: &HttpProbe,
    request: Request<Empty<Bytes>>,
    closing: &Closing,
) -> Result<Outcome, Outcome>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let fail = |error: hyper::Error| shortage::outcome(FailureKind::Response, "HTTP", &error);
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(HEAD_LEN_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(fail)?;
    // Ends with this future: a check that is dropped leaves nothing behind.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(fail)?;
    let outcome = judge(probe, response).await;
    drop(sender);
    closing.later(async move {
        driver.join_next().await;
    });
    outcome
}

async fn judge(probe: &HttpProbe, response: Response<Incoming>) -> Result<Outcome, Outcome> {
    let status = response.status();
    if !probe.expect_status.iter().any(|range| range.contains(&status.as_u16())) {
        let expected = probe.expect_status.iter().map(range_text).collect::<Vec<_>>().join(", ");
        let detail = format!("HTTP status {}, expected {expected}", status_text(status));
        return Ok(Outcome::failed(FailureKind::Status, &detail));
    }
    if let Some(text) = &probe.expect_body
        && !body_holds(response.into_body(), text.as_bytes()).await?
    {
        let detail =
            format!("HTTP status {}, but the text '{text}' is not in the body", status.as_u16());
        return Ok(Outcome::failed(FailureKind::Response, &detail));
    }
    Ok(Outcome::passed(Layer::Http, &format!("HTTP status {}", status_text(status))))
}

/// Reads until the text is found, the body ends, or [`BODY_LEN_MAX`] bytes are read.
async fn body_holds(mut body: Incoming, text: &[u8]) -> Result<bool, Outcome> {
    let mut read = Vec::new();
    loop {
        // A match may begin in what was searched before.
        let from = read.len().saturating_sub(text.len());
        if let Some(frame) = body.frame().await {
            let frame = frame
                .map_err(|error| shortage::outcome(FailureKind::Response, "HTTP body", &error))?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            let room = BODY_LEN_MAX - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
        } else {
            return Ok(holds(&read[from..], text));
        }
        if holds(&read[from..], text) {
            return Ok(true);
        }
        if read.len() == BODY_LEN_MAX {
            return Ok(false);
        }
    }
}

fn holds(data: &[u8], text: &[u8]) -> bool {
    text.is_empty() || data.windows(text.len()).any(|window| window == text)
}

/// The number alone where there is no usual word for it.
fn status_text(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

fn range_text(range: &RangeInclusive<u16>) -> String {
    if range.start() == range.end() {
        range.start().to_string()
    } else {
        format!("{}-{}", range.start(), range.end())
    }
}
