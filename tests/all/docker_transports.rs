//! The ways to an engine that are no plain socket: TLS with certificates of a throw-away authority,
//! and ssh by a script in its place.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "a test serves sockets and files")]
#![allow(
    clippy::unwrap_used,
    reason = "a test may fail; clippy knows only the test functions themselves"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use convex_doctor::collect::docker::{self, DockerOptions, Unasked, WantedObjects};
use convex_doctor::evidence::docker::EngineFailure::{
    self, NotAsked, PermissionDenied, Unreachable, Unresponsive,
};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// An engine with twenty backends and nothing else.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let path = request.uri().path();
        let (status, body) = match path {
            "/containers/json" => (200, list()),
            "/volumes" => (200, r#"{"Volumes": []}"#.to_owned()),
            _ => (404, r#"{"message": "no such thing"}"#.to_owned()),
        };
        let response = Response::builder().status(status).body(Full::new(Bytes::from(body)));
        Ok::<_, Infallible>(response.unwrap())
    });
    let http = hyper::server::conn::http1::Builder::new();
    let _closed = http.serve_connection(TokioIo::new(stream), service).await;
}

fn list() -> String {
    let all: Vec<_> = (0..20)
        .map(|at| {
            serde_json::json!({"Id": format!("c{at}"), "Names": [format!("/c{at}")], "Image": "convex-backend",
                "Command": "./run_backend.sh", "State": "running", "Labels": {}, "Ports": [], "Mounts": []})
        })
        .collect();
    serde_json::Value::Array(all).to_string()
}

async fn ask(host: &str, env: &[(&str, &str)]) -> Result<docker::Listing, Unasked> {
    ask_within(Duration::from_secs(20), host, env).await
}

async fn ask_within(
    timeout: Duration,
    host: &str,
    env: &[(&str, &str)],
) -> Result<docker::Listing, Unasked> {
    let options =
        DockerOptions { host: Some(host.to_owned()), timeout, ..DockerOptions::default() };
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    docker::list(&options, &env).await
}

#[track_caller]
fn fails(asked: Result<docker::Listing, Unasked>, failure: &EngineFailure, words: &str) {
    let failed = asked.err().unwrap();
    assert_eq!(&failed.failure, failure, "{}", failed.reason);
    assert!(failed.reason.contains(words), "{words}: {}", failed.reason);
}

mod tls {
    use super::*;

    struct Authority(CertifiedIssuer<'static, KeyPair>);

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
        }

        /// `cert.pem` and `key.pem` of a client, and `ca.pem`, in one directory.
        fn client(&self) -> tempfile::TempDir {
            let directory = tempfile::tempdir().unwrap();
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &self.0).unwrap();
            for (name, text) in [
                ("ca.pem", self.0.pem()),
                ("cert.pem", certificate.pem()),
                ("key.pem", key.serialize_pem()),
            ] {
                std::fs::write(directory.path().join(name), text).unwrap();
            }
            directory
        }

        /// A server with a certificate of this authority, that wants one of its clients; the port.
        async fn engine(&self, params: CertificateParams) -> u16 {
            drop(rustls::crypto::ring::default_provider().install_default());
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &self.0).unwrap().der().clone();
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from(self.0.der().to_vec())).unwrap();
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
            let config = rustls::ServerConfig::builder()
                .with_client_cert_verifier(verifier)
                .with_single_cert(
                    vec![certificate],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream).await;
                        }
                    });
                }
            });
            port
        }
    }

    fn params(name: &str) -> CertificateParams {
        CertificateParams::new(vec![name.to_owned()]).unwrap()
    }

    async fn ask_port(port: u16, certificates: &Path) -> Result<docker::Listing, Unasked> {
        let certificates = certificates.to_str().unwrap();
        let env = [("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", certificates)];
        ask(&format!("tcp://localhost:{port}"), &env).await
    }

    #[tokio::test]
    async fn certificates_of_the_environment_and_of_a_context_open_the_engine() {
        let authority = Authority::new();
        let port = authority.engine(params("localhost")).await;
        let client = authority.client();
        let listing = ask_port(port, client.path()).await.map_err(|it| it.reason).unwrap();
        assert_eq!(listing.containers(), 20);
        // More questions than connections: each is used again.
        let found = docker::inspect(&listing, &WantedObjects::default()).await;
        assert_eq!(found.facts.backends.len(), 20);

        let home = tempfile::tempdir().unwrap();
        let digest = sha256("far");
        let meta = home.path().join(".docker/contexts/meta").join(&digest);
        let material = home.path().join(".docker/contexts/tls").join(&digest).join("docker");
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::create_dir_all(&material).unwrap();
        let host = format!("tcp://localhost:{port}");
        let text = serde_json::json!({"Name": "far", "Endpoints": {"docker": {"Host": host}}});
        std::fs::write(meta.join("meta.json"), text.to_string()).unwrap();
        for name in ["ca.pem", "cert.pem", "key.pem"] {
            std::fs::copy(client.path().join(name), material.join(name)).unwrap();
        }
        let options = DockerOptions { context: Some("far".to_owned()), ..DockerOptions::default() };
        let env = BTreeMap::from([("HOME".to_owned(), home.path().display().to_string())]);
        let listing = docker::list(&options, &env).await.map_err(|it| it.reason).unwrap();
        assert_eq!(listing.containers(), 20);
    }

    fn sha256(text: &str) -> String {
        use sha2::{Digest as _, Sha256};
        hex::encode(Sha256::digest(text.as_bytes()))
    }

    #[tokio::test]
    async fn each_fault_of_a_certificate_is_told() {
        let authority = Authority::new();
        let client = authority.client();
        let mut expired = params("localhost");
        (expired.not_before, expired.not_after) =
            (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        let mut early = params("localhost");
        early.not_before = date_time_ymd(2090, 1, 1);
        for (params, words) in [
            (expired, "expired on 2020-01-01"),
            (early, "is not valid before 2090-01-01"),
            (params("other.example"), "is for other.example, not for localhost"),
        ] {
            let port = authority.engine(params).await;
            fails(ask_port(port, client.path()).await, &Unreachable, words);
        }

        let stranger = Authority::new().client();
        let port = authority.engine(params("localhost")).await;
        fails(
            ask_port(port, stranger.path()).await,
            &Unreachable,
            "not issued by the authority in",
        );
        // Trusts the engine, and is a stranger to it.
        std::fs::copy(client.path().join("ca.pem"), stranger.path().join("ca.pem")).unwrap();
        fails(
            ask_port(port, stranger.path()).await,
            &Unreachable,
            "rejects the client certificate",
        );
        for name in ["cert.pem", "key.pem"] {
            std::fs::remove_file(stranger.path().join(name)).unwrap();
        }
        fails(ask_port(port, stranger.path()).await, &Unreachable, "needs a client certificate");
        std::fs::write(stranger.path().join("key.pem"), "no key").unwrap();
        fails(ask_port(port, stranger.path()).await, &NotAsked, "cert.pem cannot be read");
        std::fs::write(stranger.path().join("ca.pem"), "no certificate").unwrap();
        fails(ask_port(port, stranger.path()).await, &NotAsked, "does not contain a certificate");
    }

    #[tokio::test]
    async fn plain_http_behind_the_port_is_told() {
        let authority = Authority::new();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        fails(ask_port(port, authority.client().path()).await, &Unreachable, "does not use TLS");
    }
}

mod ssh {
    use super::*;

    /// A directory whose `ssh` is this script; `$SOCKET` in it is an engine.
    struct Fake {
        directory: tempfile::TempDir,
        connections: Arc<AtomicUsize>,
    }

    impl Fake {
        fn new(script: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let socket = directory.path().join("engine.sock");
            let connections = Arc::new(AtomicUsize::new(0));
            let listener = UnixListener::bind(&socket).unwrap();
            let count = Arc::clone(&connections);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    count.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(serve(stream));
                }
            });
            let script = script.replace("$SOCKET", socket.to_str().unwrap());
            let arguments = directory.path().join("arguments");
            let text = format!("#!/bin/sh\necho \"$@\" >>{}\n{script}\n", arguments.display());
            std::fs::write(directory.path().join("ssh"), text).unwrap();
            let executable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(directory.path().join("ssh"), executable).unwrap();
            Self { directory, connections }
        }

        async fn ask(&self, host: &str) -> Result<docker::Listing, Unasked> {
            self.ask_within(Duration::from_secs(20), host).await
        }

        async fn ask_within(
            &self,
            timeout: Duration,
            host: &str,
        ) -> Result<docker::Listing, Unasked> {
            let path = std::env::var("PATH").unwrap();
            let path = format!("{}:{path}", self.directory.path().display());
            ask_within(timeout, host, &[("PATH", &path)]).await
        }
    }

    /// What `docker system dial-stdio` does.
    const DIAL: &str = "exec python3 -c '
import os, socket, sys, threading
s = socket.socket(socket.AF_UNIX); s.connect(\"$SOCKET\")
def up():
    while True:
        data = os.read(0, 65536)
        if not data:
            s.shutdown(socket.SHUT_WR); return
        s.sendall(data)
threading.Thread(target=up, daemon=True).start()
while True:
    data = s.recv(65536)
    if not data: break
    os.write(1, data)
'";

    #[tokio::test]
    async fn its_pipes_carry_the_engine_and_few_of_them_do() {
        let fake = Fake::new(DIAL);
        let listing = fake.ask("ssh://me@far:2222").await.map_err(|it| it.reason).unwrap();
        assert_eq!(listing.containers(), 20);
        assert!(!listing.target().local);
        let found = docker::inspect(&listing, &WantedObjects::default()).await;
        assert_eq!(found.facts.backends.len(), 20);
        assert!(fake.connections.load(Ordering::Relaxed) <= 4, "each is used again");
        let arguments = std::fs::read_to_string(fake.directory.path().join("arguments")).unwrap();
        let first = arguments.lines().next().unwrap();
        assert!(first.ends_with("-T -l me -p 2222 -- far docker system dial-stdio"), "{first}");
        assert!(
            first.contains("-o BatchMode=yes") && first.contains("-o ConnectTimeout="),
            "{first}"
        );
    }

    #[tokio::test]
    async fn what_it_complains_of_is_told() {
        for (script, failure, words) in [
            (
                "echo 'Host key verification failed.' >&2; exit 255",
                Unreachable,
                "ssh does not know its host key",
            ),
            (
                "echo 'me@far: Permission denied (publickey).' >&2; exit 255",
                Unreachable,
                "the ssh login fails",
            ),
            (
                "echo 'bash: line 1: docker: command not found' >&2; exit 127",
                Unreachable,
                "the command `docker` is not installed",
            ),
            (
                "cat >/dev/null & echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1",
                PermissionDenied,
                "may not use the docker socket",
            ),
            ("exit 255", Unreachable, "ssh://me@far"),
        ] {
            let fake = Fake::new(script);
            fails(fake.ask("ssh://me@far").await, &failure, words);
        }
        let silent = Fake::new("exec sleep 60");
        let asked = silent.ask_within(Duration::from_millis(1500), "ssh://me@far").await;
        fails(asked, &Unresponsive, "no answer over ssh");
        fails(ask("ssh://far", &[("PATH", "/nowhere")]).await, &NotAsked, "`ssh` is not installed");
    }
}
