//! An API from elsewhere, which a server answers with.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use hyper::{Request, Response, body::Incoming};

use super::handler::Body;

/// What makes a server one of a cluster's.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its certificate in PEM, made for it by the cluster's authority.
    pub certificate: String,
    /// The certificate's key in PEM.
    pub key: String,
    /// Certificate of the authority whose clients are known, in PEM.
    pub clients: String,
    /// Answers every path but those of health.
    pub api: Api,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The certificate that the client showed, in DER; it is by the right authority and in time.
    pub certificate: Option<Vec<u8>>,
}

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Answers requests.
#[derive(Clone)]
pub struct Api(Arc<dyn Fn(Request<Incoming>, Caller) -> Answer + Send + Sync>);

impl Api {
    /// An API that is this function.
    pub fn new<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>, Caller) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self(Arc::new(move |request, caller| Box::pin(answer(request, caller))))
    }

    pub(super) fn answer(&self, request: Request<Incoming>, caller: Caller) -> Answer {
        (self.0)(request, caller)
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}
