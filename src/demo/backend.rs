//! A backend as it was recorded: what `convex-local-backend` answers and logs, with real keys and
//! nothing behind them.
//!
//! It serves the demo, the tests and, as a container's process, the lab.
//! `tests/all/backend_transcripts.rs` holds it against what a real backend answered. It runs no
//! function and stores nothing; a push ends in an internal error once its key has passed.
#![allow(clippy::disallowed_methods, reason = "the recorded world tells the time and writes a log")]

mod answer;
mod authorization;
mod client_version;
pub(super) mod encoding;
pub mod log;
mod routes;
mod websocket;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde::Deserialize;
use tokio::net::TcpListener;

use self::answer::{Answer, Piece};
use self::authorization::{KeyVerdict, Refusal};
use self::log::{Level, Log};
use self::routes::{Asked, To};
use crate::admin_key::{self, InstanceSecret, KeyFault, KeyKind, KeyPath, SecretFault, Verdict};
use crate::secret::Secret;

/// The days on which upstream's images learnt to answer as they do.
pub mod since {
    use super::{Date, date};

    /// A bad key is answered 401; before, 500.
    pub const BAD_KEY_IS_401: Date = date(2025, 2, 11);
    /// `/api/check_admin_key` exists.
    pub const CHECK_ADMIN_KEY: Date = date(2025, 3, 18);
    /// `/api/v1/get_canonical_urls` exists.
    pub const CANONICAL_URLS: Date = date(2025, 10, 10);
    /// `/api/v1/deployment_info` exists.
    pub const DEPLOYMENT_INFO: Date = date(2026, 3, 30);
    /// `check_admin_key` lets read-only keys pass.
    pub const READ_ONLY_PASSES: Date = date(2026, 4, 6);
    /// `check_admin_key` names what a key may do.
    pub const ALLOWED_OPS: Date = date(2026, 4, 16);
    /// The image from which the answers were recorded.
    pub const RECORDED: Date = date(2026, 8, 22);
}

/// A backend. Clones are the same one: they share the log, the secret and the origins.
#[derive(Clone)]
pub struct Backend {
    /// The name before the `|` of its keys
    pub instance_name: String,
    /// What `CONVEX_RELEASE_VERSION_DEV` says; official images say nothing
    pub release: Option<String>,
    /// Whether `/metrics` answers
    pub metrics: bool,
    /// The day of the image: see [`since`]
    pub built: Date,
    /// Its time as the database has it, in nanoseconds since 1970
    pub timestamp_ns: u64,
    /// Its log
    pub log: Log,
    secret: Arc<InstanceSecret>,
    origins: Arc<Mutex<(String, String)>>,
}

impl Backend {
    /// A backend of today's image with upstream's default origins; refused as the backend refuses
    /// to start.
    pub fn new(instance_name: &str, secret: &Secret, log: Log) -> Result<Self, SecretFault> {
        let origins = ("http://127.0.0.1:3210".to_owned(), "http://127.0.0.1:3211".to_owned());
        Ok(Self {
            instance_name: instance_name.to_owned(),
            release: None,
            metrics: true,
            built: since::RECORDED,
            timestamp_ns: u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0),
            log,
            secret: Arc::new(InstanceSecret::parse(secret)?),
            origins: Arc::new(Mutex::new(origins)),
        })
    }

    /// The same with the values of `--convex-origin` and `--convex-site`, which are not checked.
    pub fn with_origins(self, api: &str, site: &str) -> Self {
        let origins = Arc::new(Mutex::new((api.to_owned(), site.to_owned())));
        Self { origins, ..self }
    }

    /// A key for this instance, as `generate_admin_key.sh` makes it.
    pub fn mint(&self, issued_s: u64, nonce: [u8; 12], read_only: bool) -> Secret {
        admin_key::mint(&self.secret, &self.instance_name, issued_s, nonce, read_only)
    }

    /// Serves both ports until the task is dropped. Needs a tokio runtime, of one thread or more.
    pub async fn serve(self, api: TcpListener, site: TcpListener) -> std::io::Result<Infallible> {
        self.log.started(&api.local_addr()?.to_string(), &site.local_addr()?.to_string());
        loop {
            let (stream, peer, port) = tokio::select! {
                accepted = api.accept() => { let (s, p) = accepted?; (s, p, Port::Api) }
                accepted = site.accept() => { let (s, p) = accepted?; (s, p, Port::Site) }
            };
            let backend = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| backend.respond(request, peer, port));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                // What a client does wrong below HTTP, hyper has answered itself.
                drop(connection.with_upgrades().await);
            });
        }
    }

    async fn respond(
        &self,
        mut request: Request<Incoming>,
        peer: SocketAddr,
        port: Port,
    ) -> Result<Response<Piece>, Infallible> {
        let start = Instant::now();
        if port == Port::Site {
            return Ok(self.site_port(&request).into_response());
        }
        let Some(route) = routes::find(self, request.uri().path()) else {
            return Ok(Answer::empty(StatusCode::NOT_FOUND).into_response());
        };
        let answer = self.route(&mut request, &route).await;
        if route.logged {
            self.log_access(&request, peer, &answer, start);
        }
        Ok(answer.into_response())
    }

    /// The site port forwards to HTTP actions, of which there are none; only two paths are its own.
    fn site_port(&self, request: &Request<Incoming>) -> Answer {
        match request.uri().path() {
            "/version" => Answer::text("unknown"),
            "/metrics" => routes::metrics(self),
            // The proxy reads the length of the empty answer to HEAD.
            _ if request.method() == Method::HEAD => {
                Answer::text("").status(StatusCode::NOT_FOUND).header("content-length", "0")
            }
            _ => routes::http_action(),
        }
    }

    async fn route(&self, request: &mut Request<Incoming>, route: &routes::Route) -> Answer {
        let method = request.method().clone();
        if route.layers > 0 && method == Method::OPTIONS {
            return Answer::preflight(request.headers(), route.allow);
        }
        if !route.allow.split(',').any(|allowed| allowed == method.as_str()) {
            return Answer::empty(StatusCode::METHOD_NOT_ALLOWED)
                .cors(route.layers, request.headers())
                .allow(route.allow);
        }
        let client = request.headers().get("convex-client").and_then(|value| value.to_str().ok());
        if let (Some(client), 1..) = (client, route.layers)
            && let Some(refused) = client_version::refuse_header(client)
        {
            return refused;
        }
        let answer = if route.to == To::Sync {
            match routes::segment(request.uri().path(), "/api/", "/sync") {
                Some(version) if let Some(refused) = client_version::refuse_path(version) => {
                    return refused;
                }
                _ => websocket::handshake(self, request),
            }
        } else {
            let body = read(request.body_mut()).await;
            let asked = Asked {
                method: &method,
                path: request.uri().path(),
                query: request.uri().query(),
                headers: request.headers(),
                body,
            };
            let answer = routes::answer(self, route.to, asked).await;
            answer.unwrap_or_else(|refusal: Refusal| refusal.answer(self))
        };
        // A switched-off /metrics and its like have no CORS layer, nor has a refused client.
        answer.cors(route.layers, request.headers())
    }

    fn log_access(
        &self,
        request: &Request<Incoming>,
        peer: SocketAddr,
        answer: &Answer,
        start: Instant,
    ) {
        let header =
            |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
        // A query with an admin key is left out; `admin_key=` is not one.
        let target = match request.uri().query() {
            Some(query) if !query.contains("adminKey=") => {
                format!("{}?{query}", request.uri().path())
            }
            _ => request.uri().path().to_owned(),
        };
        let line = format!(
            "[] {peer} \"{} {target} {:?}\" {} \"{}\" \"{}\" {} {} {:.3}ms",
            request.method(),
            request.version(),
            answer.status.as_u16(),
            header("referer"),
            header("user-agent"),
            answer.content_type(),
            header("content-length"),
            start.elapsed().as_secs_f64() * 1000.0,
        );
        self.log.write(Level::Info, "convex-cloud-http", &line);
    }

    /// What the key broker finds in a key that comes without a header around it.
    fn judge(&self, key: &str) -> KeyVerdict {
        let key = Secret::new(key);
        match admin_key::judge(&key, &self.secret, &self.instance_name, KeyPath::Body) {
            Verdict::Accepted(claims) if claims.kind == Some(KeyKind::System) => KeyVerdict::System,
            Verdict::Accepted(claims) => KeyVerdict::Admin {
                member_id: claims.member_id.unwrap_or(0),
                issued_s: claims.issued_s,
                read_only: claims.read_only,
            },
            Verdict::WrongInstance { key_name, .. } => KeyVerdict::WrongName(key_name),
            Verdict::Malformed(KeyFault::NoName) => KeyVerdict::NoName,
            Verdict::WrongSecret | Verdict::Malformed(_) => KeyVerdict::Undecodable,
        }
    }

    /// What `/version` says: `dev` and nothing both mean unknown.
    fn version(&self) -> &str {
        match self.release.as_deref() {
            None | Some("" | "dev") => "unknown",
            Some(version) => version,
        }
    }

    /// The database's time in the form of the sync protocol.
    fn timestamp(&self) -> String {
        encoding::base64(&self.timestamp_ns.to_le_bytes())
    }

    fn origins(&self) -> (String, String) {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_origin(&self, new: NewOrigin) {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        match new.request_destination {
            Destination::ConvexCloud => origins.0 = new.url,
            Destination::ConvexSite => origins.1 = new.url,
        }
    }
}

/// The body of `update_canonical_url`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewOrigin {
    request_destination: Destination,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Destination {
    ConvexCloud,
    ConvexSite,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Api,
    Site,
}

/// The whole body; what came before it broke off, if it does.
async fn read(body: &mut Incoming) -> Bytes {
    let mut whole = Vec::new();
    let mut body = std::pin::Pin::new(body);
    while let Some(Ok(frame)) =
        std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await
    {
        if let Ok(data) = frame.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    whole.into()
}
