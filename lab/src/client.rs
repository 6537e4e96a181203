//! An HTTPS client that trusts one authority: for tests, drills and the demo's traffic.

use std::{io, net::SocketAddr, sync::Arc};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
    header::{HOST, HeaderMap},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::TlsConnector;

/// One connection, over which requests go one after the other. Closed when it is dropped.
#[derive(Debug)]
pub struct Client {
    sender: Sender,
    authority: String,
    connection: JoinHandle<()>,
}

/// What is spoken after the TLS handshake, offered as the only choice by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A complete answer.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was given as the authority's certificate isn't one.
    #[error("the authority's certificate can't be read")]
    Authority(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection, or no TLS on it.
    #[error("{address}: no connection")]
    Connect {
        /// The server.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server speaks something else.
    #[error("{address} doesn't speak {protocol:?}")]
    Protocol {
        /// The server.
        address: SocketAddr,
        /// What was offered.
        protocol: Protocol,
    },
    /// The connection broke, or what came isn't HTTP.
    #[error("{what}: no answer")]
    Http {
        /// The request, or the handshake.
        what: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The request can't be sent as it is.
    #[error("{path:?} can't be asked for")]
    Request {
        /// The path and query.
        path: String,
        /// Why.
        #[source]
        source: hyper::http::Error,
    },
    /// The body is cut off, or longer than [`BODY_LIMIT`].
    #[error("the body of {path:?} is cut off or too long")]
    Body {
        /// The path and query.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    /// Connects to `address` and checks that its certificate is for the IP and by the authority
    /// whose certificate is `ca_pem`.
    ///
    /// There is no deadline: who needs one puts `tokio::time::timeout` around it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn connect(
        address: SocketAddr,
        ca_pem: &str,
        protocol: Protocol,
    ) -> Result<Self, Error> {
        let no_connection = |source| Error::Connect { address, source };
        let connector = TlsConnector::from(Arc::new(tls_config(ca_pem, protocol)?));
        let stream = TcpStream::connect(address).await.map_err(no_connection)?;
        stream.set_nodelay(true).map_err(no_connection)?;
        let name = ServerName::IpAddress(address.ip().into());
        let stream = connector.connect(name, stream).await.map_err(no_connection)?;
        if stream.get_ref().1.alpn_protocol() != Some(protocol.alpn()) {
            return Err(Error::Protocol { address, protocol });
        }
        let failed = |source| Error::Http { what: format!("{protocol:?} with {address}"), source };
        let stream = TokioIo::new(stream);
        // The task ends with the connection; the error it ends with reaches the request, too.
        let (sender, connection) = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.map_err(failed)?;
                (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
            }
            Protocol::Http2 => {
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), stream).await.map_err(failed)?;
                (Sender::Http2(sender), tokio::spawn(async { drop(connection.await) }))
            }
        };
        Ok(Self { sender, authority: address.to_string(), connection })
    }

    /// Gets a path (with its query) and the whole body.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get(&mut self, path: &str) -> Result<Reply, Error> {
        let response = self.open(path).await?;
        Reply::read(path, response).await
    }

    /// Posts a body and gets the whole answer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn post(&mut self, path: &str, body: Bytes) -> Result<Reply, Error> {
        let response = self.request(Method::POST, path, body).await?;
        Reply::read(path, response).await
    }

    /// Gets a path and leaves the body to be read as it comes: a watch.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn open(&mut self, path: &str) -> Result<Response<Incoming>, Error> {
        self.request(Method::GET, path, Bytes::new()).await
    }

    /// Whether the server, or what is between, has closed the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.connection.is_finished()
    }

    async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, Error> {
        let what = format!("{method} {path}");
        let failed = |source| Error::Http { what, source };
        let request = Request::builder().method(method);
        let invalid = |source| Error::Request { path: path.to_owned(), source };
        match &mut self.sender {
            Sender::Http1(sender) => {
                let request = request.uri(path).header(HOST, &self.authority);
                let request = request.body(Full::new(body)).map_err(invalid)?;
                if let Err(error) = sender.ready().await {
                    return Err(failed(error));
                }
                sender.send_request(request).await.map_err(failed)
            }
            Sender::Http2(sender) => {
                let request = request.uri(format!("https://{}{path}", self.authority));
                let request = request.body(Full::new(body)).map_err(invalid)?;
                sender.send_request(request).await.map_err(failed)
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Reply {
    async fn read(path: &str, response: Response<Incoming>) -> Result<Self, Error> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let body = body.map_err(|source| Error::Body { path: path.to_owned(), source })?;
        Ok(Self { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    /// The body as text, with replacement characters where it isn't.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The server that answered, by the header that the stand-in sends.
    #[must_use]
    pub fn served_by(&self) -> Option<&str> {
        self.headers.get("x-served-by")?.to_str().ok()
    }
}

impl Protocol {
    fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

fn tls_config(ca_pem: &str, protocol: Protocol) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(ca_pem.as_bytes())
        .map_err(|error| Error::Authority(error.into()))?;
    roots.add(authority).map_err(|error| Error::Authority(error.into()))?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Authority(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.alpn().to_vec()];
    Ok(config)
}

/// The longest body that [`Client::get`] and [`Client::post`] take into memory.
pub const BODY_LIMIT: usize = 64 * 1024 * 1024;
