//! What a failed call means: which of the `docker-*` findings it is, and in which words.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

use bollard::errors::Error;

use super::ssh::Complaint;
use super::{EngineTarget, Transport, Unasked, tls};
pub(super) use crate::docker::words;
use crate::evidence::docker::EngineFailure;

/// Why the engine could not be asked, from the error of its first call.
pub(super) fn unasked(error: &Error, target: &EngineTarget, timeout: Duration) -> Unasked {
    let address = &target.address;
    let (failure, what) = match (error, io_kind(error)) {
        (Error::RequestTimeoutError, _) if matches!(target.transport, Transport::Ssh(_)) => (
            EngineFailure::Unresponsive,
            format!("{address}: no answer over ssh ({} s, --timeout)", timeout.as_secs_f32()),
        ),
        (Error::DockerResponseServerError { status_code: 400, message }, _)
            if message.contains("HTTP request to an HTTPS server") =>
        {
            (
                EngineFailure::Unreachable,
                format!(
                    "{address} speaks TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to its certificates"
                ),
            )
        }
        (Error::RequestTimeoutError, _) | (_, Some(ErrorKind::TimedOut)) => (
            EngineFailure::Unresponsive,
            format!(
                "{address} accepts connections but does not answer ({} s)",
                timeout.as_secs_f32()
            ),
        ),
        (_, Some(ErrorKind::PermissionDenied)) => (
            EngineFailure::PermissionDenied,
            format!("permission denied on {address} (EACCES{})", owner(target)),
        ),
        (Error::DockerResponseServerError { status_code: 401 | 403, .. }, _) => (
            EngineFailure::PermissionDenied,
            format!("{address} refuses to list its containers: {}", words(error)),
        ),
        (Error::SocketNotFoundError(_), _) | (_, Some(ErrorKind::NotFound)) => {
            (EngineFailure::Unreachable, format!("{address} does not exist (ENOENT)"))
        }
        (_, Some(ErrorKind::ConnectionRefused)) => {
            let what = match target.transport {
                Transport::Unix(_) => {
                    "exists, but nothing is listening there: is the daemon running?"
                }
                _ => "refuses the connection: is the daemon running there?",
            };
            (EngineFailure::Unreachable, format!("{address} {what} (ECONNREFUSED)"))
        }
        (Error::JsonDataError { .. } | Error::JsonSerdeError { .. }, _) => {
            (EngineFailure::Unreachable, format!("{address} answers, but not as a Docker engine"))
        }
        _ => match (of_connection(error), &target.transport) {
            (Some(FailedConnection::Ssh(complaint)), _) => {
                (complaint.failure.clone(), format!("{address}: {}", complaint.words))
            }
            (Some(FailedConnection::Tls(fault)), Transport::Tls(_, certificates)) => (
                EngineFailure::Unreachable,
                format!("{address}: {}", tls::fault(fault, certificates)),
            ),
            _ => (EngineFailure::Unreachable, format!("{address}: {}", words(error))),
        },
    };
    let reason = match &target.context {
        Some(context) => format!("{what}; context \"{context}\""),
        None => what,
    };
    Unasked { failure, reason, address: address.clone(), context: target.context.clone() }
}

/// What a connection of our own failed at.
enum FailedConnection<'a> {
    Ssh(&'a Complaint),
    Tls(&'a rustls::Error),
}

/// Looks for it through every layer; an I/O error keeps what it is made of to itself.
fn of_connection(error: &Error) -> Option<FailedConnection<'_>> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = match error {
        Error::IOError { err } => Some(err),
        Error::HyperResponseError { err } => Some(err),
        error => Some(error),
    };
    while let Some(error) = cause {
        if let Some(complaint) = error.downcast_ref::<Complaint>() {
            return Some(FailedConnection::Ssh(complaint));
        }
        if let Some(fault) = error.downcast_ref::<rustls::Error>() {
            return Some(FailedConnection::Tls(fault));
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// The kind of the I/O error at the bottom of it.
fn io_kind(error: &Error) -> Option<ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut kind = None;
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            kind = Some(io.kind());
        }
        cause = error.source();
    }
    // bollard's transparent variant hides its own I/O error from `source`.
    match error {
        Error::IOError { err } => Some(err.kind()),
        Error::HyperResponseError { err } => err
            .source()
            .and_then(|cause| cause.downcast_ref::<std::io::Error>())
            .map_or(kind, |io| Some(io.kind())),
        _ => kind,
    }
}

/// Who may use the socket, and who asks: what a reader needs to fix it.
#[cfg(unix)]
fn owner(target: &EngineTarget) -> String {
    use std::fmt::Write as _;
    use std::os::unix::fs::MetadataExt;
    let Transport::Unix(path) = &target.transport else { return String::new() };
    let mut text = String::new();
    let _ = write!(text, "; this runs as uid {}", rustix::process::geteuid().as_raw());
    if let Ok(socket) = std::fs::metadata(path) {
        let (uid, gid, mode) = (socket.uid(), socket.gid(), socket.mode() & 0o777);
        let _ = write!(text, "; the socket belongs to uid {uid}, gid {gid}, mode {mode:o}");
    }
    text
}

#[cfg(not(unix))]
fn owner(_: &EngineTarget) -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use EngineFailure::{PermissionDenied, Unreachable, Unresponsive};

    #[test]
    fn each_failure_is_told_apart() {
        let target = EngineTarget {
            address: "unix:///x.sock".to_owned(),
            context: Some("colima".to_owned()),
            local: true,
            transport: Transport::Unix("/x.sock".into()),
            notes: Vec::new(),
        };
        let io = |kind: ErrorKind| Error::IOError { err: kind.into() };
        let server = |status_code| Error::DockerResponseServerError {
            status_code,
            message: "no\u{1b}[2J".to_owned(),
        };
        for (error, failure, words) in [
            (io(ErrorKind::PermissionDenied), PermissionDenied, "EACCES"),
            (io(ErrorKind::NotFound), Unreachable, "does not exist"),
            (io(ErrorKind::ConnectionRefused), Unreachable, "nothing is listening"),
            (Error::SocketNotFoundError("/x".to_owned()), Unreachable, "does not exist"),
            (Error::RequestTimeoutError, Unresponsive, "does not answer (5 s)"),
            (server(403), PermissionDenied, "refuses to list"),
            (server(500), Unreachable, "answers 500"),
        ] {
            let found = unasked(&error, &target, Duration::from_secs(5));
            assert_eq!(found.failure, failure, "{}", found.reason);
            assert!(found.reason.contains(words), "{}", found.reason);
            assert!(found.reason.contains("context \"colima\""));
            assert!(!found.reason.contains('\u{1b}'));
        }
    }
}
