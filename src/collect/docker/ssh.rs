//! `ssh://`: the user's own ssh program runs `docker system dial-stdio` on the other machine, as
//! the docker command does, and its pipes carry HTTP. What ssh or that docker complains of is read
//! and told apart.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::evidence::docker::EngineFailure;
use crate::secret::{sanitize, scrub};

/// What of its complaints is kept.
const LONGEST: usize = 4096;

/// Where to, by ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshTarget {
    /// The host, or its name in the user's ssh configuration.
    pub host: String,
    /// The user there.
    pub user: Option<String>,
    /// The port there.
    pub port: Option<u16>,
    /// The socket there; docker's own by default.
    pub socket: Option<String>,
    /// Where the ssh program is looked for: PATH.
    pub path: Option<String>,
}

impl SshTarget {
    /// Reads what follows `ssh://`; an `Err` says what docker, too, would not take.
    pub fn parse(rest: &str) -> Result<Self, String> {
        let (authority, socket) = match rest.find('/') {
            Some(at) => (&rest[..at], Some(&rest[at..]).filter(|path| path.len() > 1)),
            None => (rest, None),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err("a password in an ssh address is not supported".to_owned());
        }
        let (host, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match host.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (host, None),
            },
        };
        let port = port.map(|port| port.parse().map_err(|_| format!("{port} is not a port")));
        let odd = |text: &str| text.is_empty() || text.starts_with('-');
        if odd(host) || user.is_some_and(odd) {
            return Err("it does not name a host".to_owned());
        }
        Ok(Self {
            host: host.to_owned(),
            user: user.map(str::to_owned),
            port: port.transpose()?,
            socket: socket.map(str::to_owned),
            path: None,
        })
    }

    /// The arguments of ssh. It never asks, and accepts no host key that was not known.
    fn arguments(&self, timeout: Duration) -> Vec<String> {
        let seconds = timeout.as_secs().max(1);
        let mut arguments: Vec<String> =
            ["-o", "BatchMode=yes", "-o", "UpdateHostKeys=no", "-o"].map(str::to_owned).into();
        arguments.extend([format!("ConnectTimeout={seconds}"), "-T".to_owned()]);
        if let Some(user) = &self.user {
            arguments.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        arguments.extend(["--".to_owned(), self.host.clone(), "docker".to_owned()]);
        if let Some(socket) = &self.socket {
            // The far side's shell reads it.
            let quoted = format!("'unix://{}'", socket.replace('\'', r"'\''"));
            arguments.extend(["--host".to_owned(), quoted]);
        }
        arguments.extend(["system".to_owned(), "dial-stdio".to_owned()]);
        arguments
    }
}

/// Makes connections by ssh, and keeps what the last ones complained of.
pub(super) struct Ssh {
    target: SshTarget,
    timeout: Duration,
    complaints: Arc<Mutex<String>>,
}

impl Ssh {
    pub(super) fn new(target: SshTarget, timeout: Duration) -> Self {
        Self { target, timeout, complaints: Arc::default() }
    }

    /// Starts one ssh. Whether it gets through is seen at the first request only.
    pub(super) fn dial(&self) -> std::io::Result<Pipes> {
        let mut command = Command::new("ssh");
        if let Some(path) = &self.target.path {
            command.env("PATH", path);
        }
        let mut child = command
            .args(self.target.arguments(self.timeout))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let words = match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        "the program `ssh` is not installed here".to_owned()
                    }
                    _ => format!("ssh cannot be started: {error}"),
                };
                std::io::Error::other(Complaint { failure: EngineFailure::NotAsked, words })
            })?;
        let (Some(stdin), Some(stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(std::io::Error::other("ssh has no pipes"));
        };
        let complaints = Arc::clone(&self.complaints);
        tokio::spawn(async move {
            let mut part = [0; 512];
            while let Ok(count @ 1..) = stderr.read(&mut part).await {
                let mut all = complaints.lock().unwrap_or_else(PoisonError::into_inner);
                if all.len() < LONGEST {
                    all.push_str(&String::from_utf8_lossy(&part[..count]));
                }
            }
        });
        Ok(Pipes { stdin, stdout, _child: child })
    }

    /// What ssh, or docker on the other side, complained of; `None` where they said nothing.
    pub(super) async fn complaint(&self) -> Option<Complaint> {
        // The end of its output comes before its last words.
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(25)).await;
            let text = self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if !text.trim().is_empty() {
                tokio::time::sleep(Duration::from_millis(25)).await;
                let text = self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone();
                return Some(Complaint::read(&text, &self.target.host));
            }
        }
        None
    }
}

/// Why an ssh did not get through.
#[derive(Debug)]
pub(super) struct Complaint {
    pub(super) failure: EngineFailure,
    /// In words that follow the engine's address.
    pub(super) words: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Complaint {}

impl Complaint {
    /// The words are OpenSSH's, a shell's and docker's own.
    fn read(text: &str, host: &str) -> Self {
        use EngineFailure::{PermissionDenied, Unreachable};
        let known: [(&[&str], EngineFailure, String); 9] = [
            (
                &["REMOTE HOST IDENTIFICATION HAS CHANGED"],
                Unreachable,
                "its host key is not the one that ssh knows: the host was reinstalled, or something intercepts the connection".to_owned(),
            ),
            (
                &["Host key verification failed", "host key is known for"],
                Unreachable,
                format!("ssh does not know its host key yet; run `ssh {host}` once, which shows it and asks"),
            ),
            (
                &["permission denied while trying to connect to the Docker", "dial unix"],
                PermissionDenied,
                "the user there may not use the docker socket".to_owned(),
            ),
            (
                &["Permission denied (", "Too many authentication failures"],
                Unreachable,
                "the ssh login fails: no key of this user is accepted there (the ssh agent may be missing)".to_owned(),
            ),
            (
                &["Could not resolve hostname"],
                Unreachable,
                "the host name does not resolve".to_owned(),
            ),
            (
                &["Cannot connect to the Docker daemon"],
                Unreachable,
                "docker is installed there, but its daemon is not running".to_owned(),
            ),
            (
                &["docker: not found", "docker: command not found", "command not found: docker", "'docker' is not recognized"],
                Unreachable,
                "the command `docker` is not installed there (or not in the PATH of an ssh command)".to_owned(),
            ),
            (
                &["is not a docker command", "unknown command \"dial-stdio\"", "unknown command: docker system dial-stdio"],
                Unreachable,
                "the docker there is older than 18.09 and does not have dial-stdio".to_owned(),
            ),
            (
                &["Connection refused", "Connection timed out", "No route to host", "Network is unreachable"],
                Unreachable,
                "nothing answers at its ssh port".to_owned(),
            ),
        ];
        let found =
            known.into_iter().find(|(signs, _, _)| signs.iter().any(|it| text.contains(it)));
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let last: String = sanitize(&scrub(last)).chars().take(200).collect();
        match found {
            Some((_, failure, words)) => Self { failure, words: format!("{words} ({last})") },
            None => Self { failure: Unreachable, words: format!("ssh says: {last}") },
        }
    }
}

/// A running ssh as one stream; it ends when this is dropped.
pub(super) struct Pipes {
    stdin: ChildStdin,
    stdout: ChildStdout,
    _child: Child,
}

impl AsyncRead for Pipes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_docker_reads_them() {
        let parse = |text: &str| {
            SshTarget::parse(text).map(|it| it.arguments(Duration::from_secs(5))[7..].join(" "))
        };
        for (text, expected) in [
            ("far", "-- far docker system dial-stdio"),
            ("me@far:2222", "-l me -p 2222 -- far docker system dial-stdio"),
            ("[fe80::1]:22", "-p 22 -- fe80::1 docker system dial-stdio"),
            ("far/run/x.sock", "-- far docker --host 'unix:///run/x.sock' system dial-stdio"),
            ("far/", "-- far docker system dial-stdio"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "me:pw@far", "-oProxyCommand=x", "-x@far", "far:none"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn complaints_are_told_apart() {
        use EngineFailure::{PermissionDenied, Unreachable};
        for (text, failure, words) in [
            (
                "No ED25519 host key is known for far and you have requested strict checking.\nHost key verification failed.",
                Unreachable,
                "does not know its host key",
            ),
            (
                "@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@\nHost key verification failed.",
                Unreachable,
                "is not the one that ssh knows",
            ),
            ("me@far: Permission denied (publickey).", Unreachable, "the ssh login fails"),
            (
                "bash: line 1: docker: command not found",
                Unreachable,
                "the command `docker` is not installed",
            ),
            (
                "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
                PermissionDenied,
                "may not use",
            ),
            (
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
                Unreachable,
                "not running",
            ),
            (
                "ssh: Could not resolve hostname far: Name or service not known",
                Unreachable,
                "does not resolve",
            ),
            (
                "ssh: connect to host far port 22: Connection refused",
                Unreachable,
                "nothing answers",
            ),
            ("something \u{1b}[2J else", Unreachable, "ssh says"),
        ] {
            let complaint = Complaint::read(text, "far");
            assert_eq!(complaint.failure, failure, "{text}");
            assert!(complaint.words.contains(words), "{}", complaint.words);
            assert!(!complaint.words.contains('\u{1b}'));
        }
    }
}
