//! One request: an answer, or how far it got. Every part of it is bounded in time and size.
#![allow(clippy::disallowed_methods, reason = "opens the connections")]

use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::classify::{self, line};
use super::here;
use super::tls::Recorder;
use crate::evidence::endpoint::{Answer, Reach, TlsFault};

/// The most that is kept of a body.
const LARGEST_BODY: usize = 64 * 1024;

/// One way of connecting.
pub(super) struct ProbeRoute {
    client: Client,
    recorder: Arc<Recorder>,
    /// Whether TCP is known to connect: then a silence is the server's.
    connects: bool,
    timeout: Duration,
}

/// Headers that the proxies of platforms put into every answer.
const EDGE_HEADERS: [&str; 3] = ["fly-request-id", "x-railway-edge", "x-railway-request-id"];

/// What came back, with the facts of its head that [`Answer`] has no place for.
pub(super) struct Got {
    /// The answer.
    pub(super) answer: Answer,
    /// The scheme of `www-authenticate`, which no Convex backend sends.
    pub(super) login: Option<String>,
    /// Which headers of a platform's proxy are in it.
    pub(super) edge: Vec<&'static str>,
}

/// How a route is to be taken.
pub(super) struct ProbePlan<'a> {
    /// `None`: directly.
    pub(super) proxy: Option<&'a str>,
    /// The addresses of the host, where they are known already.
    pub(super) host: Option<(&'a str, &'a [SocketAddr])>,
    /// Whether TCP is known to connect.
    pub(super) connects: bool,
    /// For each probe.
    pub(super) timeout: Duration,
    /// Goes into the User-Agent.
    pub(super) agent: &'a str,
}

impl ProbeRoute {
    /// Builds a client that follows no redirect, keeps no connection, reads no environment and
    /// unpacks nothing.
    pub(super) fn new(recorder: &Arc<Recorder>, plan: &ProbePlan<'_>) -> Result<Self, Reach> {
        super::tls::ensure_crypto_provider();
        let other = |error: &str| Reach::Other { error: error.to_owned() };
        let config = recorder.config().ok_or_else(|| other("TLS cannot be set up"))?;
        let mut builder = Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(config)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .user_agent(plan.agent)
            // Earlier than the whole, so that the two can be told apart.
            .connect_timeout(plan.timeout * 7 / 8);
        if let Some(proxy) = plan.proxy {
            let proxy = Url::parse(proxy)
                .ok()
                .and_then(|url| reqwest::Proxy::all(url).ok())
                .ok_or_else(|| other("the proxy variable is not a URL"))?;
            builder = builder.proxy(proxy);
        }
        if let Some((host, addresses)) = plan.host {
            builder = builder.resolve_to_addrs(host, addresses);
        }
        let client = builder.build().map_err(|error| other(&words(&error)))?;
        Ok(Self {
            client,
            recorder: Arc::clone(recorder),
            connects: plan.connects,
            timeout: plan.timeout,
        })
    }

    /// GETs `url`. The body's meaning depends on the path that is `asked`.
    pub(super) async fn get(
        &self,
        url: Url,
        asked: &str,
        headers: HeaderMap,
    ) -> Result<Got, Reach> {
        let (there, host) = here::asked(url.clone());
        let request = hosted(self.client.get(there).headers(headers), host);
        self.send(request, url, asked, self.timeout).await
    }

    /// POSTs `body` to `url`, for at most `limit`.
    pub(super) async fn post(
        &self,
        url: Url,
        asked: &str,
        body: Vec<u8>,
        limit: Duration,
    ) -> Result<Got, Reach> {
        let (there, host) = here::asked(url.clone());
        self.send(hosted(self.client.post(there).body(body), host), url, asked, limit).await
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        url: Url,
        asked: &str,
        limit: Duration,
    ) -> Result<Got, Reach> {
        let start = Instant::now();
        let deadline = start + limit;
        let sending = request.send();
        match timeout_at(deadline, sending).await {
            Err(_) => Err(Reach::AnswerTimeout),
            Ok(Err(error)) => Err(self.reach(&error)),
            Ok(Ok(response)) => {
                let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                Ok(read(response, &url, asked, ms, deadline).await)
            }
        }
    }

    /// Tells a failure by the errors behind it: the outermost one says `error sending request` for
    /// all of them.
    fn reach(&self, error: &reqwest::Error) -> Reach {
        if let Some(error) = find::<rustls::Error>(error) {
            return Reach::Tls { fault: self.recorder.fault(error) };
        }
        if error.is_timeout() {
            let silent = self.connects || !error.is_connect();
            return if silent { Reach::AnswerTimeout } else { Reach::ConnectTimeout };
        }
        let chain = chain(error);
        if let Some(at) = chain.iter().position(|text| text.starts_with("dns error")) {
            let words = chain.get(at + 1).or(chain.get(at)).map_or("", String::as_str);
            return Reach::NoSuchHost { error: line(words) };
        }
        if let Some(error) = find::<hyper::Error>(error) {
            if error.is_parse_too_large() {
                return Reach::Other { error: "its header is too large".to_owned() };
            }
            // Who speaks before being asked (SSH, SMTP, MySQL) is no HTTP server; hyper has no
            // predicate for that kind.
            if error.is_parse() || error.to_string().starts_with("received unexpected message") {
                return Reach::NotHttp;
            }
            if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
                return Reach::Closed;
            }
        }
        match find::<std::io::Error>(error).map(std::io::Error::kind) {
            Some(ErrorKind::ConnectionRefused) => Reach::Refused,
            Some(ErrorKind::TimedOut) if error.is_connect() => Reach::ConnectTimeout,
            Some(
                ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof,
            ) => Reach::Closed,
            _ => Reach::Other { error: words(error) },
        }
    }
}

/// Reads what is kept of an answer. What has come by the deadline is judged, so that a body without
/// an end does no harm.
async fn read(mut response: Response, url: &Url, asked: &str, ms: u64, deadline: Instant) -> Got {
    let header = |name: &str| {
        let value = response.headers().get(HeaderName::try_from(name).ok()?)?;
        Some(line(&String::from_utf8_lossy(value.as_bytes()))).filter(|text| !text.is_empty())
    };
    let status = response.status().as_u16();
    let content_type = header("content-type")
        .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let server = header("server").or_else(|| header("via"));
    let login = header("www-authenticate")
        .and_then(|value| value.split_whitespace().next().map(str::to_owned));
    let location = (300..400)
        .contains(&status)
        .then(|| response.headers().get("location").and_then(|value| value.to_str().ok()))
        .flatten()
        .and_then(|target| url.join(target).ok())
        .map(|target| line(&format!("{}{}", target.origin().ascii_serialization(), target.path())));
    let edge =
        EDGE_HEADERS.into_iter().filter(|name| response.headers().contains_key(*name)).collect();
    let mut body = Vec::new();
    if status != 101 {
        while let Ok(Ok(Some(chunk))) = timeout_at(deadline, response.chunk()).await {
            let room = LARGEST_BODY - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() >= LARGEST_BODY {
                break;
            }
        }
    }
    let body = classify::body(asked, status, content_type.as_deref(), &body);
    Got { answer: Answer { status, content_type, server, location, body, ms }, login, edge }
}

/// Whether the bytes that answered a TLS greeting were none of TLS, or none came: perhaps a plain
/// server.
pub(super) fn may_be_plain(reach: &Reach) -> bool {
    matches!(reach, Reach::Closed | Reach::NotHttp | Reach::Tls { fault: TlsFault::NotTls })
}

/// Whether a failed TLS trial shows that TLS is spoken: a certificate came, or an alert.
pub(super) fn speaks_tls(recorder: &Recorder, outcome: &Result<Got, Reach>) -> bool {
    recorder.met() || matches!(outcome, Err(Reach::Tls { fault: TlsFault::Alert(_) }))
}

/// The error of type `T` in the chain, also inside an I/O error, whose `source` skips it.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    if let Some(found) = error.downcast_ref::<T>() {
        return Some(found);
    }
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    if let Some(found) = inner.and_then(|inner| find::<T>(inner)) {
        return Some(found);
    }
    error.source().and_then(find::<T>)
}

fn chain(error: &reqwest::Error) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts
}

/// The innermost words, which are the reason; the outer ones print the URL.
fn words(error: &reqwest::Error) -> String {
    line(&chain(error).pop().unwrap_or_else(|| "the request failed".to_owned()))
}
/// The request with the host that its server is asked for, where that is not the URL's.
fn hosted(request: reqwest::RequestBuilder, host: Option<HeaderValue>) -> reqwest::RequestBuilder {
    match host {
        Some(host) => request.header(HOST, host),
        None => request,
    }
}
