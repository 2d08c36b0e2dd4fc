//! HTTP over connections that we make ourselves (TLS, ssh): a few, each used for one request after
//! the other. An ssh costs a second, and a server refuses a client that opens many at once.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::sync::{Arc, Mutex, PoisonError};

use bollard::errors::Error;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use super::ssh::Ssh;
use super::tls::Tls;

/// Connections at once.
const MOST: usize = 4;

/// What carries a request.
pub(super) trait PooledStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> PooledStream for T {}

/// How connections are made.
pub(super) enum Dialer {
    /// To a port that speaks TLS.
    Tls(Tls),
    /// To the other end of an ssh.
    Ssh(Ssh),
}

impl Dialer {
    async fn dial(&self) -> std::io::Result<Box<dyn PooledStream>> {
        match self {
            Self::Tls(tls) => Ok(Box::new(tls.dial().await?)),
            Self::Ssh(ssh) => Ok(Box::new(ssh.dial()?)),
        }
    }

    /// Why a connection that was made gave no answer, where the other side said so.
    async fn explain(&self, error: hyper::Error) -> Error {
        match self {
            Self::Tls(_) => Error::HyperResponseError { err: error },
            Self::Ssh(ssh) => match ssh.complaint().await {
                Some(complaint) => Error::IOError { err: std::io::Error::other(complaint) },
                None => Error::HyperResponseError { err: error },
            },
        }
    }
}

/// The connections of one engine.
pub(super) struct Pool<B> {
    dialer: Dialer,
    idle: Mutex<Vec<SendRequest<B>>>,
    permits: Arc<Semaphore>,
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(dialer: Dialer) -> Arc<Self> {
        Arc::new(Self { dialer, idle: Mutex::default(), permits: Arc::new(Semaphore::new(MOST)) })
    }

    /// Sends one request; its connection serves the next when the answer has been read.
    pub(super) async fn request(
        self: Arc<Self>,
        mut request: Request<B>,
    ) -> Result<Response<Incoming>, Error> {
        // Of the address only the path goes out; the engine does not care for the host, and
        // HTTP/1.1 wants one.
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let path = path.parse::<Uri>().map_err(|_| unusable("an address that is none"))?;
        *request.uri_mut() = path;
        request.headers_mut().insert(HOST, hyper::header::HeaderValue::from_static("docker"));

        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| unusable("no connection any more"))?;
        let mut sender = self.connection().await?;
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return Err(self.dialer.explain(error).await),
        };
        let pool = Arc::clone(&self);
        tokio::spawn(async move {
            if sender.ready().await.is_ok() {
                pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
            }
            drop(permit);
        });
        Ok(response)
    }

    async fn connection(&self) -> Result<SendRequest<B>, Error> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut sender) = idle else { break };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = self.dialer.dial().await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            let _told_by_the_request = connection.await;
        });
        Ok(sender)
    }
}

fn unusable(what: &str) -> Error {
    Error::IOError { err: std::io::Error::other(what.to_owned()) }
}
