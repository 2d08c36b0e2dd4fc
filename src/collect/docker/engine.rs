//! One engine that answers: the client, the deadline of each call, the archive of a path.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::DownloadFromContainerOptions;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_util::{Stream, StreamExt};
use hyper::body::Bytes;
use serde::de::DeserializeOwned;

use super::pool::{Dialer, Pool};
use super::ssh::Ssh;
use super::tls::Tls;
use super::{EngineTarget, Transport, Unasked, answer, failure};
use crate::budget::{ARCHIVE_BYTES, Deadline, OVER};
use crate::evidence::docker::EngineFailure;

/// What a request of the client carries: the library does not name it.
type RequestBody = <BollardRequest as Carries>::Body;

trait Carries {
    type Body;
}

impl<B> Carries for hyper::Request<B> {
    type Body = B;
}

/// A client, and its connections.
type Connected = (Docker, Arc<Pool<RequestBody>>);

/// An engine that answers.
#[derive(Clone)]
pub(super) struct ReadEngine {
    /// For what is no plain question: streams, and a helper container.
    pub(super) client: Docker,
    /// The connections, which the client uses as well.
    pool: Arc<Pool<RequestBody>>,
    pub(super) target: EngineTarget,
    pub(super) timeout: Duration,
    /// When all calls have to be over.
    pub(super) deadline: Deadline,
}

impl ReadEngine {
    /// Makes a client; apart from looking whether the socket is there, nothing is sent.
    pub(super) fn connect(
        target: EngineTarget,
        timeout: Duration,
        deadline: Deadline,
    ) -> Result<Self, Unasked> {
        let seconds = timeout.as_secs().saturating_add(1);
        let made = match &target.transport {
            #[cfg(unix)]
            Transport::Unix(path) => match std::fs::symlink_metadata(path) {
                Err(error) => Err(Error::IOError { err: error }),
                Ok(_) => Self::over(Dialer::Unix(path.clone()), "http", "docker", seconds),
            },
            #[cfg(not(unix))]
            Transport::Unix(path) => Err(Error::SocketNotFoundError(path.display().to_string())),
            #[cfg(windows)]
            Transport::Pipe(name) => {
                Self::over(Dialer::Pipe(name.clone()), "http", "docker", seconds)
            }
            #[cfg(not(windows))]
            Transport::Pipe(name) => Err(Error::SocketNotFoundError(name.clone())),
            Transport::Http(authority) => {
                Self::over(Dialer::Tcp(authority.clone()), "http", authority, seconds)
            }
            Transport::Tls(authority, certs) => match Tls::new(authority, certs) {
                Ok(tls) => Self::over(Dialer::Tls(tls), "https", authority, seconds),
                Err(reason) => {
                    return Err(Unasked {
                        failure: EngineFailure::NotAsked,
                        reason: format!("{}: {reason}", target.address),
                        address: target.address,
                        context: target.context,
                    });
                }
            },
            Transport::Ssh(ssh) => {
                let dialer = Dialer::Ssh(Ssh::new(ssh.clone(), timeout));
                Self::over(dialer, "http", "docker", seconds)
            }
        };
        match made {
            Ok((client, pool)) => Ok(Self { client, pool, target, timeout, deadline }),
            Err(error) => Err(failure::unasked(&error, &target, timeout)),
        }
    }

    /// A client over connections of our own.
    fn over(dialer: Dialer, scheme: &str, host: &str, seconds: u64) -> Result<Connected, Error> {
        let pool = Pool::new(dialer);
        let through = Arc::clone(&pool);
        let client = Docker::connect_with_custom_transport(
            move |request: BollardRequest| Arc::clone(&through).request(request),
            Some(format!("{scheme}://{host}")),
            seconds,
            API_DEFAULT_VERSION,
        )?;
        Ok((client, pool))
    }

    /// One call, answer and all, within the deadline: bollard's own covers the head of an answer
    /// only.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let left = self.deadline.left();
        if left.is_zero() {
            return Err(over());
        }
        match tokio::time::timeout(self.timeout.min(left), call).await {
            Ok(answer) => answer,
            Err(_) if left < self.timeout => Err(over()),
            Err(_) => Err(Error::RequestTimeoutError),
        }
    }

    /// Asks for a path, and reads the answer within bounds.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.call(async {
            let request = hyper::Request::get(path).body(bollard::body_full(Bytes::new()));
            let request = request.map_err(|error| Error::IOError {
                err: std::io::Error::new(std::io::ErrorKind::InvalidInput, error),
            })?;
            answer::read(Arc::clone(&self.pool).request(request).await?).await
        })
        .await
    }

    /// All its containers, running or not.
    pub(super) async fn containers(&self) -> Result<Vec<ContainerSummary>, Error> {
        self.get("/containers/json?all=true").await
    }

    /// The same engine, whose calls have to be over then.
    pub(super) fn until(&self, deadline: Deadline) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The tar archive of a path in a container, cut at a limit; `None` where there is no such
    /// path.
    pub(super) async fn archive(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        let options = DownloadFromContainerOptions { path: path.to_owned() };
        let stream = self.client.download_from_container(id, Some(options));
        match self.call(bounded(stream, ARCHIVE_BYTES)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::DockerResponseServerError { status_code: 404, message })
                if !message.to_ascii_lowercase().contains("no such container") =>
            {
                Ok(None)
            }
            Err(error) => Err(format!("{path}: {}", failure::words(&error))),
        }
    }
}

fn over() -> Error {
    Error::IOError { err: std::io::Error::other(OVER) }
}

/// The bytes of a stream, up to a limit.
async fn bounded<B: AsRef<[u8]>>(
    stream: impl Stream<Item = Result<B, Error>>,
    limit: usize,
) -> Result<Vec<u8>, Error> {
    let mut stream = std::pin::pin!(stream);
    let mut bytes = Vec::new();
    while let Some(part) = stream.next().await {
        bytes.extend_from_slice(part?.as_ref());
        if bytes.len() > limit {
            bytes.truncate(limit);
            break;
        }
    }
    Ok(bytes)
}
