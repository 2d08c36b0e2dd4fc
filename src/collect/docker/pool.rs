//! HTTP over connections that we make ourselves: a few, each used for one request after the other. An
//! ssh costs a second, and a server refuses a client that opens many at once. What an answer brings
//! is counted as it arrives, before anything gathers it.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

#[cfg(unix)]
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bollard::errors::Error;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Semaphore;

use super::ssh::Ssh;
use super::tls::Tls;
use crate::budget::{ENGINE_BYTES, ENGINE_CONNECTIONS, FAR_ENGINE_CONNECTIONS};

/// What carries a request.
pub(super) trait PooledStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> PooledStream for T {}

/// How connections are made.
pub(super) enum Dialer {
    /// To a socket of this machine.
    #[cfg(unix)]
    Unix(PathBuf),
    /// To a named pipe of this machine.
    #[cfg(windows)]
    Pipe(String),
    /// To a port that speaks plain HTTP.
    Tcp(String),
    /// To a port that speaks TLS.
    Tls(Tls),
    /// To the other end of an ssh.
    Ssh(Ssh),
}

impl Dialer {
    async fn dial(&self) -> std::io::Result<Box<dyn PooledStream>> {
        match self {
            #[cfg(unix)]
            Self::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
            #[cfg(windows)]
            Self::Pipe(name) => {
                let pipe = tokio::net::windows::named_pipe::ClientOptions::new().open(name)?;
                Ok(Box::new(pipe))
            }
            Self::Tcp(authority) => {
                let stream = tokio::net::TcpStream::connect(authority).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Tls(tls) => Ok(Box::new(tls.dial().await?)),
            Self::Ssh(ssh) => Ok(Box::new(ssh.dial()?)),
        }
    }

    /// How many connections at once.
    fn most(&self) -> usize {
        match self {
            #[cfg(unix)]
            Self::Unix(_) => ENGINE_CONNECTIONS,
            #[cfg(windows)]
            Self::Pipe(_) => ENGINE_CONNECTIONS,
            Self::Tcp(_) => ENGINE_CONNECTIONS,
            Self::Tls(_) | Self::Ssh(_) => FAR_ENGINE_CONNECTIONS,
        }
    }

    /// Why a connection that was made gave no answer, where the other side said so.
    async fn explain(&self, error: hyper::Error) -> Error {
        if let Self::Ssh(ssh) = self
            && let Some(complaint) = ssh.complaint().await
        {
            return Error::IOError { err: std::io::Error::other(complaint) };
        }
        Error::HyperResponseError { err: error }
    }
}

/// A stream that fails when an answer is larger than it may be.
struct Counted {
    stream: Box<dyn PooledStream>,
    /// How much of the present answer may still come.
    room: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = (buffer.filled().len() - before) as u64;
        let room = self.room.load(Ordering::Relaxed);
        if read > room {
            return Poll::Ready(Err(too_large()));
        }
        self.room.store(room - read, Ordering::Relaxed);
        result
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// One connection.
struct Connection<B> {
    sender: SendRequest<B>,
    /// As its stream has it.
    room: Arc<AtomicU64>,
    /// Whether it served a request before.
    is_used: bool,
}

/// The connections of one engine.
pub(super) struct Pool<B> {
    dialer: Dialer,
    idle: Mutex<Vec<Connection<B>>>,
    permits: Arc<Semaphore>,
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(dialer: Dialer) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(dialer.most()));
        Arc::new(Self { dialer, idle: Mutex::default(), permits })
    }

    /// Sends one request; its connection serves the next when the answer has been read.
    pub(super) async fn request(
        self: Arc<Self>,
        mut request: Request<B>,
    ) -> Result<Response<Incoming>, Error> {
        // Of the address only the path goes out; the engine does not care for the host, and
        // HTTP/1.1 wants one.
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let path = path.parse::<Uri>().map_err(|_| unusable("an address that is not one"))?;
        *request.uri_mut() = path;
        request.headers_mut().insert(HOST, hyper::header::HeaderValue::from_static("docker"));
        // An archive is a stream of any size; who reads it knows how far.
        let is_archive = request.uri().path().ends_with("/archive");
        let room = if is_archive { u64::MAX } else { ENGINE_BYTES };

        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| unusable("no connection any more"))?;
        let (mut connection, response) = loop {
            let mut connection = self.connection().await?;
            connection.room.store(room, Ordering::Relaxed);
            match connection.sender.try_send_request(request).await {
                Ok(response) => break (connection, response),
                Err(mut error) => match error.take_message() {
                    // The engine closed it while nothing was asked; nothing was sent.
                    Some(unsent) if connection.is_used => request = unsent,
                    _ => return Err(self.dialer.explain(error.into_error()).await),
                },
            }
        };
        let pool = Arc::clone(&self);
        tokio::spawn(async move {
            if connection.sender.ready().await.is_ok() {
                connection.is_used = true;
                pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
            drop(permit);
        });
        Ok(response)
    }

    async fn connection(&self) -> Result<Connection<B>, Error> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut idle) = idle else { break };
            if idle.sender.ready().await.is_ok() {
                return Ok(idle);
            }
        }
        let room = Arc::new(AtomicU64::new(ENGINE_BYTES));
        let stream = Counted { stream: self.dialer.dial().await?, room: Arc::clone(&room) };
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            let _told_by_the_request = connection.await;
        });
        Ok(Connection { sender, room, is_used: false })
    }
}

/// Why an answer is not read to its end.
pub(super) fn too_large() -> std::io::Error {
    std::io::Error::other(format!("the answer is larger than {} MiB", ENGINE_BYTES >> 20))
}

fn unusable(what: &str) -> Error {
    Error::IOError { err: std::io::Error::other(what.to_owned()) }
}
