//! One engine that answers: the client, the deadline of each call, the archive of a path.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::DownloadFromContainerOptions;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_util::{Stream, StreamExt};

use super::pool::{Dialer, Pool};
use super::ssh::Ssh;
use super::tls::Tls;
use super::{EngineTarget, Transport, Unasked, failure};
use crate::evidence::docker::EngineFailure;

/// A credentials file is 65 bytes; its tar archive is 2 KiB.
const LARGEST_ARCHIVE: usize = 64 * 1024;

/// An engine that answers.
pub(super) struct ReadEngine {
    pub(super) client: Docker,
    pub(super) target: EngineTarget,
    pub(super) timeout: Duration,
}

impl ReadEngine {
    /// Makes a client; apart from looking whether the socket is there, nothing is sent.
    pub(super) fn connect(target: EngineTarget, timeout: Duration) -> Result<Self, Unasked> {
        let seconds = timeout.as_secs().saturating_add(1);
        let client = match &target.transport {
            Transport::Unix(path) => match std::fs::symlink_metadata(path) {
                Err(error) => Err(Error::IOError { err: error }),
                Ok(_) => {
                    Docker::connect_with_unix(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION)
                }
            },
            Transport::Http(authority) => Docker::connect_with_http(
                &format!("tcp://{authority}"),
                seconds,
                API_DEFAULT_VERSION,
            ),
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
        match client {
            Ok(client) => Ok(Self { client, target, timeout }),
            Err(error) => Err(failure::unasked(&error, &target, timeout)),
        }
    }

    /// A client over connections of our own.
    fn over(dialer: Dialer, scheme: &str, host: &str, seconds: u64) -> Result<Docker, Error> {
        let pool = Pool::new(dialer);
        Docker::connect_with_custom_transport(
            move |request: BollardRequest| Arc::clone(&pool).request(request),
            Some(format!("{scheme}://{host}")),
            seconds,
            API_DEFAULT_VERSION,
        )
    }

    /// One call, answer and all, within the deadline: bollard's own covers the head of an answer
    /// only.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::time::timeout(self.timeout, call).await.unwrap_or(Err(Error::RequestTimeoutError))
    }

    /// The tar archive of a path in a container, cut at a limit; `None` where there is no such
    /// path.
    pub(super) async fn archive(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        let options = DownloadFromContainerOptions { path: path.to_owned() };
        let stream = self.client.download_from_container(id, Some(options));
        match self.call(bounded(stream, LARGEST_ARCHIVE)).await {
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
