//! Looks at the selected URL: what it resolves to, whether anything answers there, and what.
//!
//! The key goes to the origin of the URL and nowhere else: in a header, never in a URL, never along
//! a redirect, never over a connection whose certificate was refused (each connection is verified
//! by itself, before anything is sent over it).

pub mod classify;
mod curves;
mod further;
pub(super) mod here;
mod probe;
pub mod proxy;
pub mod straight;
mod tls;
mod trust;
pub mod url;
mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use zeroize::Zeroizing;

use self::probe::{Got, ProbePlan, ProbeRoute};
use self::tls::Recorder;
use self::url::Typed;
use self::way::{DirectWay, texts};
use crate::evidence::Observation;
use crate::evidence::endpoint::{Answer, Body, EndpointFacts, EndpointTarget, Reach, TlsFault};
use crate::foreign::mask;
use crate::secret::Secret;

pub use self::further::{elsewhere, instance_elsewhere, named, page, push, retry_key, try_more};
pub use self::tls::ensure_crypto_provider;

/// What the CLI asks first, appended to the URL as typed.
const FIRST_CALL: &str = "/api/v1/get_canonical_urls";
/// What the CLI says it is, on that call.
const CLIENT: HeaderName = HeaderName::from_static("convex-client");
/// The release whose first call is made.
const CLI: &str = "npm-cli-1.48.0";
/// The endpoint that judges a key and changes nothing.
const CHECK: &str = "/api/check_admin_key";
/// Where the CLI opens its WebSocket.
const SYNC: &str = "/api/1.48.0/sync";
/// How long a neighbouring port may take.
const NEIGHBOUR: Duration = Duration::from_secs(1);

/// What is to be asked.
pub struct ProbeRequest<'a> {
    /// As typed: what the CLI would use.
    pub url: &'a str,
    /// The key that belongs to this URL; `None`: none is ever sent.
    pub key: Option<&'a Secret>,
    /// The process environment: proxy variables, the certificates that Node trusts.
    pub env: &'a BTreeMap<String, String>,
    /// For each probe; they run at the same time.
    pub timeout: Duration,
    /// Goes into the User-Agent, which a backend's access log prints next to `check_admin_key`.
    pub nonce: &'a str,
}

impl ProbeRequest<'_> {
    fn agent(&self) -> String {
        agent(self.nonce)
    }
}

/// The User-Agent.
fn agent(nonce: &str) -> String {
    format!("convex-doctor/{} ({nonce})", env!("CARGO_PKG_VERSION"))
}

/// Asks everything that does not depend on another answer, at the same time, and then what only a
/// failure makes worth asking.
pub async fn look(request: &ProbeRequest<'_>) -> EndpointFacts {
    let mut facts = EndpointFacts {
        target: EndpointTarget {
            url: crate::foreign::url(request.url),
            ..EndpointTarget::default()
        },
        ..EndpointFacts::default()
    };
    let typed = match url::read(request.url) {
        Ok(typed) => typed,
        Err(fault) => {
            facts.target.invalid = Some(fault);
            return facts;
        }
    };
    facts.target.scheme.clone_from(&typed.scheme);
    facts.target.host.clone_from(&typed.host);
    facts.target.port = typed.port;
    facts.target.path.clone_from(&typed.path);
    let proxy = proxy::for_url(&typed, request.env);
    facts.route.proxy_variable = proxy.map(|(variable, _)| variable.to_owned());
    let proxy = proxy.map(|(_, value)| value);
    facts.route.proxy = proxy.map(crate::foreign::url);
    facts.route.proxy_invalid = proxy::invalid(request.env);
    facts.route.trust = trust::facts(request.env);
    let is_invalid = facts.route.proxy_invalid.as_ref().is_some_and(|proxy| proxy.certain);
    let exceptions = || proxy::exceptions_variable(request.env).to_owned();
    facts.route.exceptions = proxy.is_some().then(exceptions);

    let recorder = recorder(&typed, proxy, request.env);
    let agent = request.agent();
    let proxied =
        ProbePlan { proxy, host: None, connects: false, timeout: request.timeout, agent: &agent };
    let way = if is_invalid {
        // The CLI does not come to ask anything.
        let error = "a proxy variable is not a URL".to_owned();
        failed(&mut facts, &Reach::Other { error });
        let way = DirectWay::find(&typed, request.timeout).await;
        facts.route.direct = Some(match direct(&typed, request, &way, &agent).await {
            Ok(answer) => {
                facts.route.direct_answer = Some(answer);
                Reach::Answered
            }
            Err(reach) => reach,
        });
        way
    } else if proxy.is_some() {
        let (way, ()) = tokio::join!(DirectWay::find(&typed, request.timeout), async {
            match ProbeRoute::new(&recorder, &proxied) {
                Ok(route) => ask(&route, &typed, request, &mut facts).await,
                Err(reach) => failed(&mut facts, &reach),
            }
        });
        match direct(&typed, request, &way, &agent).await {
            Ok(answer) => {
                facts.route.direct = Some(Reach::Answered);
                facts.route.direct_answer = Some(answer);
            }
            Err(reach) => facts.route.direct = Some(reach),
        }
        way
    } else {
        let way = DirectWay::find(&typed, request.timeout).await;
        let route = match &way.connected {
            Ok(_) => ProbeRoute::new(&recorder, &way.plan(&typed, request.timeout, &agent)),
            Err(reach) => Err(reach.clone()),
        };
        match route {
            Ok(route) => ask(&route, &typed, request, &mut facts).await,
            Err(reach) => failed(&mut facts, &reach),
        }
        way
    };
    facts.route.addresses = match &way.addresses {
        Ok(addresses) => Observation::Seen(texts(addresses)),
        Err(reason) => Observation::unavailable(reason),
    };
    facts.route.connections.clone_from(&way.connections);
    facts.route.resolve_ms = way.addresses.is_ok().then_some(way.resolve_ms);
    facts.route.connect_ms = way.connected.as_ref().ok().copied();
    facts.route.certificate = recorder.certificate();
    facts.route.unverified = trust::is_off(request.env);
    let straight = way.plan(&typed, request.timeout, &agent);
    if proxy.is_none() && !is_invalid {
        other_scheme(&mut facts, &typed, &straight).await;
    }
    neighbours(&mut facts, &typed, &straight).await;
    facts
}

/// The verifier: reading the machine's roots is left out where no TLS is to be spoken.
fn recorder(typed: &Typed, proxy: Option<&str>, env: &BTreeMap<String, String>) -> Arc<Recorder> {
    let tls = typed.scheme == "https"
        || proxy.is_some_and(|proxy| proxy.to_ascii_lowercase().starts_with("https:"));
    if tls { Recorder::trusting(env) } else { Recorder::refusing() }
}

/// Asks every path, at the same time, and enters what came of it.
async fn ask(
    route: &ProbeRoute,
    typed: &Typed,
    request: &ProbeRequest<'_>,
    facts: &mut EndpointFacts,
) {
    let plain = |path: &'static str| route.get(typed.at(path), path, HeaderMap::new());
    let key = request.key.map(authorization);
    let with_key = async {
        match &key {
            None => Err("there is no key to send".to_owned()),
            Some(Err(reason)) => Err((*reason).to_owned()),
            Some(Ok(headers)) => Ok(route.get(typed.at(CHECK), CHECK, headers.clone()).await),
        }
    };
    let first = async {
        let mut headers = match &key {
            None => HeaderMap::new(),
            Some(Err(reason)) => return Err((*reason).to_owned()),
            Some(Ok(headers)) => headers.clone(),
        };
        headers.insert(CLIENT, HeaderValue::from_static(CLI));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // The CLI would send it as a part of the address, where every proxy writes it into its log.
        if mask(&typed.text) != typed.text {
            return Err("the URL holds what looks like a key or a password".to_owned());
        }
        // Appending to a text with a fragment or a user in it must not lead anywhere else.
        match typed.concatenated(FIRST_CALL) {
            Some(url) if url.origin() == typed.origin.origin() => {
                Ok(route.get(url, FIRST_CALL, headers).await)
            }
            _ => Err("the address that the CLI derives from the URL has another origin".to_owned()),
        }
    };
    let upgrade = route.get(typed.at(SYNC), SYNC, websocket_headers());
    let (root, version, instance_name, without_key, with_key, first, websocket) = tokio::join!(
        plain("/"),
        plain("/version"),
        plain("/instance_name"),
        plain(CHECK),
        with_key,
        first,
        upgrade,
    );

    let mut reaches = Vec::new();
    let mut logins = Vec::new();
    let mut edges = BTreeSet::new();
    let mut enter = |got: Result<Got, Reach>| {
        reaches.push(got.as_ref().map_or_else(Clone::clone, |_| Reach::Answered));
        edges.extend(got.iter().flat_map(|got| got.edge.clone()));
        let (observation, login) = observed(got);
        logins.extend(login);
        observation
    };
    facts.server.root = enter(root);
    facts.server.instance_name = enter(instance_name);
    facts.server.version = enter(version);
    facts.key.without_key = enter(without_key);
    facts.key.check_admin_key = with_key.map_or_else(Observation::unavailable, &mut enter);
    facts.key.first_call = first.map_or_else(Observation::unavailable, &mut enter);
    facts.server.websocket = enter(websocket);
    facts.server.login = logins.into_iter().next();
    facts.server.edge_headers = edges.into_iter().map(str::to_owned).collect();
    let answered = reaches.contains(&Reach::Answered);
    let reach = reaches.into_iter().next().unwrap_or_default();
    facts.route.reach = if answered { Reach::Answered } else { reach };
    let status = |answer: &Observation<Answer>| answer.seen().map_or(0, |answer| answer.status);
    facts.key.refusals = u32::from(status(&facts.key.check_admin_key) == 401);
    doubt_name(facts);
}

/// A server that says the same short line whatever it is asked does not tell its instance's name.
fn doubt_name(facts: &mut EndpointFacts) {
    let said = match &facts.server.root {
        Observation::Seen(Answer { body: Body::Text { line }, .. }) => line.clone(),
        _ => return,
    };
    if let Observation::Seen(answer) = &mut facts.server.instance_name
        && matches!(&answer.body, Body::InstanceName { name } if name.trim() == said)
    {
        answer.body = Body::Text { line: said };
    }
}

/// The header of the key, as fetch would make it: spaces around the whole value are cut, those
/// before the key are inside it.
fn authorization(key: &Secret) -> Result<HeaderMap, &'static str> {
    let value = Zeroizing::new(format!("Convex {}", key.expose()));
    let value = value.trim_matches([' ', '\t', '\r', '\n']);
    if value == "Convex" {
        return Err("the key is empty");
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return Err("the key contains a character that a header cannot carry; it was not sent");
    }
    let mut header = HeaderValue::from_str(value)
        .map_err(|_| "the key contains a character that a header cannot carry; it was not sent")?;
    header.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, header)]))
}

fn websocket_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (HeaderName::from_static("connection"), HeaderValue::from_static("Upgrade")),
        (HeaderName::from_static("upgrade"), HeaderValue::from_static("websocket")),
        (HeaderName::from_static("sec-websocket-version"), HeaderValue::from_static("13")),
        // Any 16 bytes will do: nothing is said over the connection.
        (
            HeaderName::from_static("sec-websocket-key"),
            HeaderValue::from_static("Y29udmV4LWRvY3Rvci0uLg=="),
        ),
    ])
}

/// Going around the proxy; without the key, which the CLI would not send that way.
async fn direct(
    typed: &Typed,
    request: &ProbeRequest<'_>,
    way: &DirectWay,
    agent: &str,
) -> Result<Answer, Reach> {
    if let Err(reach) = &way.connected {
        return Err(reach.clone());
    }
    let recorder = recorder(typed, None, request.env);
    let route = ProbeRoute::new(&recorder, &way.plan(typed, request.timeout, agent))?;
    let path = "/instance_name";
    Ok(route.get(typed.at(path), path, HeaderMap::new()).await?.answer)
}

/// Whether the other scheme is spoken where this one failed: a TLS greeting that ends at the
/// certificate, or a plain GET without the key.
async fn other_scheme(facts: &mut EndpointFacts, typed: &Typed, straight: &ProbePlan<'_>) {
    if typed.scheme == "http" {
        // nginx and Go answer plain words on a TLS port with a plain 400; a Convex backend says 200
        // at `/`.
        let complains = facts.server.root.seen().is_ok_and(|answer| answer.status == 400);
        if !complains && !matches!(facts.route.reach, Reach::NotHttp | Reach::Closed) {
            return;
        }
        let recorder = Recorder::refusing();
        let Some(url) = typed.elsewhere("https", typed.port) else { return };
        let Ok(route) = ProbeRoute::new(&recorder, straight) else { return };
        let outcome = route.get(url, "/", HeaderMap::new()).await;
        if probe::speaks_tls(&recorder, &outcome) {
            facts.route.reach = Reach::PlainToTls;
            facts.route.certificate = recorder.certificate();
        }
    } else if probe::may_be_plain(&facts.route.reach) {
        let Some(mut url) = typed.elsewhere("http", typed.port) else { return };
        let Ok(route) = ProbeRoute::new(&Recorder::refusing(), straight) else { return };
        let path = "/instance_name";
        url.set_path(path);
        match route.get(url.clone(), path, HeaderMap::new()).await {
            Ok(got) => {
                facts.route.reach = Reach::TlsToPlain;
                if got.answer.instance_name().is_some() {
                    facts.server.api_elsewhere.push(url.origin().ascii_serialization());
                }
            }
            Err(Reach::NotHttp) => facts.route.reach = Reach::NotHttp,
            Err(_) => {}
        }
    }
}

/// Where something else answers on this machine: whether the API is at one of the usual ports
/// next to it.
async fn neighbours(facts: &mut EndpointFacts, typed: &Typed, straight: &ProbePlan<'_>) {
    let answers = matches!(facts.route.reach, Reach::Answered | Reach::NotHttp);
    if !answers || facts.is_convex_api() || !typed.is_loopback() {
        return;
    }
    let plan = ProbePlan { timeout: NEIGHBOUR.min(straight.timeout), connects: false, ..*straight };
    let Ok(route) = ProbeRoute::new(&Recorder::refusing(), &plan) else { return };
    let mut ports = vec![typed.port.saturating_sub(1), 3210];
    ports.dedup();
    ports.retain(|port| *port != typed.port && *port != 0);
    let found = ports.into_iter().map(|port| {
        let (route, path) = (&route, "/instance_name");
        async move {
            let mut url = typed.elsewhere("http", port)?;
            url.set_path(path);
            let got = route.get(url.clone(), path, HeaderMap::new()).await.ok()?;
            got.answer.instance_name().is_some().then(|| url.origin().ascii_serialization())
        }
    });
    facts
        .server
        .api_elsewhere
        .extend(futures_util::future::join_all(found).await.into_iter().flatten());
}

/// Nothing could be asked.
fn failed(facts: &mut EndpointFacts, reach: &Reach) {
    facts.route.reach = reach.clone();
    for answer in [
        &mut facts.server.root,
        &mut facts.server.version,
        &mut facts.server.instance_name,
        &mut facts.key.check_admin_key,
        &mut facts.key.first_call,
        &mut facts.key.without_key,
        &mut facts.server.websocket,
    ] {
        *answer = Observation::unavailable(words(reach));
    }
}

fn observed(got: Result<Got, Reach>) -> (Observation<Answer>, Option<String>) {
    match got {
        Ok(got) => (Observation::Seen(got.answer), got.login),
        Err(reach) => (Observation::unavailable(words(&reach)), None),
    }
}

/// The reason for the reader.
fn words(reach: &Reach) -> String {
    match reach {
        Reach::NotTried => "not asked".to_owned(),
        Reach::Answered => "it answered".to_owned(),
        Reach::NoSuchHost { error } => format!("the host's name does not resolve: {error}"),
        Reach::Refused => "the connection was refused".to_owned(),
        Reach::ConnectTimeout => "the connection timed out".to_owned(),
        Reach::AnswerTimeout => "no answer in time".to_owned(),
        Reach::Closed => "the connection was closed without an answer".to_owned(),
        Reach::Tls { fault } => format!("the TLS handshake failed: {}", tls_words(fault)),
        Reach::PlainToTls => "the URL says http, but the server uses TLS".to_owned(),
        Reach::TlsToPlain => "the URL says https, but the server does not use TLS".to_owned(),
        Reach::NotHttp => "what answered is not HTTP".to_owned(),
        Reach::Other { error } => error.clone(),
    }
}

fn tls_words(fault: &TlsFault) -> String {
    match fault {
        TlsFault::Expired(date) => format!("the certificate expired on {date}"),
        TlsFault::NotYetValid(date) => format!("the certificate is not valid before {date}"),
        TlsFault::WrongName(names) => format!("the certificate is for {}", names.join(", ")),
        TlsFault::SelfSigned => "the certificate is self-signed".to_owned(),
        TlsFault::UnknownIssuer(issuer) => format!("Node does not trust its issuer: {issuer}"),
        TlsFault::NoRoots => "this machine has no root certificates".to_owned(),
        TlsFault::OnlySystem(issuer) => format!("Node does not trust its issuer: {issuer}"),
        TlsFault::Unverified(words) => format!("the certificate cannot be verified: {words}"),
        TlsFault::Alert(words) => format!("the server ended it ({words})"),
        TlsFault::NotTls => "what answered is not TLS".to_owned(),
        TlsFault::Other(words) => words.clone(),
    }
}

fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_as_fetch_would_or_not_at_all() {
        for (key, expected) in [
            ("a|01ab", Some("Convex a|01ab")),
            ("a|01ab \t\r\n", Some("Convex a|01ab")),
            (" a|01ab", Some("Convex  a|01ab")),
            ("a|01\tab", Some("Convex a|01\tab")),
            ("a|01\nab", None),
            ("\na|01ab", None),
            ("a|01\u{0}ab", None),
            ("na\u{ef}ve|01ab", None),
            (" \n", None),
            ("", None),
        ] {
            let headers = authorization(&Secret::new(key)).ok();
            let value = headers.as_ref().map(|headers| headers[AUTHORIZATION].to_str().unwrap());
            assert_eq!(value, expected, "{key:?}");
        }
    }
}
