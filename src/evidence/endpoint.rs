//! The selected URL: how it reads, whether something answers there, and what.
use serde::{Deserialize, Serialize};

use super::Observation;

/// Everything seen of the selected URL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EndpointFacts {
    /// The URL and its parts.
    #[serde(flatten)]
    pub target: EndpointTarget,
    /// How its server is reached.
    #[serde(flatten)]
    pub route: Route,
    /// What is answered without a key.
    #[serde(flatten)]
    pub server: ServerAnswers,
    /// What is answered to the key.
    #[serde(flatten)]
    pub key: KeyProbes,
}

/// A URL and its parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EndpointTarget {
    /// As typed, a password masked.
    pub url: String,
    /// Why it is no URL the CLI can use, in a few words; then nothing was asked.
    pub invalid: Option<UrlFault>,
    /// `http` or `https`.
    pub scheme: String,
    /// The host, without brackets.
    pub host: String,
    /// The port, also when it is the scheme's own.
    pub port: u16,
    /// The path as typed (`/`, `/api`, …); empty without one.
    pub path: String,
}

/// How the server of a URL is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Route {
    /// The addresses the host resolves to, in the resolver's order.
    pub addresses: Observation<Vec<String>>,
    /// Whether something listens at each of them, in the same order; only for a name of this
    /// machine that has several.
    #[serde(default)]
    pub connections: Vec<Connection>,
    /// What the CLI's own way of connecting (proxy variables heeded) came to.
    pub reach: Reach,
    /// The proxy that HTTP_PROXY, HTTPS_PROXY put in between for this URL, its password masked.
    pub proxy: Option<String>,
    /// The variable that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_variable: Option<String>,
    /// A proxy variable at which the CLI stops, for any URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_invalid: Option<InvalidProxy>,
    /// What the environment says of the certificates that Node trusts.
    #[serde(default)]
    pub trust: TrustFacts,
    /// With a proxy in between: the variable that takes hosts out of it, `no_proxy` or `NO_PROXY`.
    #[serde(default)]
    pub exceptions: Option<String>,
    /// With a proxy in between: what came of going round it.
    pub direct: Option<Reach>,
    /// GET `/instance_name` round that proxy, where it was answered.
    #[serde(default)]
    pub direct_answer: Option<Answer>,
    /// The names and dates of the server's certificate.
    pub certificate: Option<Certificate>,
    /// Whether NODE_TLS_REJECT_UNAUTHORIZED=0 makes the CLI accept any certificate.
    #[serde(default)]
    pub unverified: bool,
    /// How long the host's name took to resolve, in milliseconds.
    #[serde(default)]
    pub resolve_ms: Option<u64>,
    /// How long TCP took to connect directly, in milliseconds; `None` where it did not.
    #[serde(default)]
    pub connect_ms: Option<u64>,
}

/// A proxy variable whose value is not the URL of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InvalidProxy {
    /// Its name.
    pub variable: String,
    /// Its value, unless there may be a password in it.
    pub value: Option<String>,
    /// Whether every CLI that reads proxies stops at it.
    pub certain: bool,
}

/// What the environment says of the certificates that Node trusts, besides its own list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TrustFacts {
    /// The file of NODE_EXTRA_CA_CERTS.
    pub extra: Option<String>,
    /// Why Node gets no certificate from it.
    pub extra_fault: Option<String>,
    /// Whether Node reads the system's list already.
    pub system: bool,
    /// Whether an option in NODE_OPTIONS keeps it from that.
    pub system_off: bool,
    /// Whether this version of Node reads NODE_USE_SYSTEM_CA; `None` where it is not known.
    pub reads_variable: Option<bool>,
    /// Where such a variable is set in an env file, which Node does not read.
    pub in_files: Vec<VariableInFile>,
}

/// A line of an env file that sets a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VariableInFile {
    /// Its name.
    pub name: String,
    /// The file, relative to the project's directory.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// What is answered to the key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyProbes {
    /// GET `<origin>/api/check_admin_key` with the key; not asked without a key that can be sent.
    pub check_admin_key: Observation<Answer>,
    /// `check_admin_key` a second time, under another nonce; only when the first was no 200.
    #[serde(default)]
    pub check_again: Observation<Answer>,
    /// `check_admin_key` again, one after the other, until the answers have changed twice or three
    /// were alike; only when the key was refused, or the CLI's own first call was.
    #[serde(default)]
    pub more_tries: Vec<Observation<Answer>>,
    /// GET `<url as typed>/api/v1/get_canonical_urls` with the key: what the CLI asks first (since
    /// 1.35).
    pub first_call: Observation<Answer>,
    /// GET `<origin>/api/check_admin_key` without a key: 403 of that kind says it is a Convex API
    /// even when no key is sent.
    pub without_key: Observation<Answer>,
    /// How often `check_admin_key` answered 401.
    pub refusals: u32,
    /// `check_admin_key` with the key straight at the container it was minted for; asked only where
    /// the URL answered as if the key had been lost on the way.
    #[serde(default)]
    pub straight: Option<Straight>,
}

/// What a server answers without a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServerAnswers {
    /// GET `<origin>/`.
    pub root: Observation<Answer>,
    /// GET `<origin>/version`.
    pub version: Observation<Answer>,
    /// GET `<origin>/instance_name`.
    pub instance_name: Observation<Answer>,
    /// Other ports of the same host that answer `/instance_name` as a Convex API, where this one
    /// does not.
    pub api_elsewhere: Vec<String>,
    /// GET `<origin>/api/<version>/sync` with the headers of a WebSocket: 101 where the upgrade
    /// gets through.
    #[serde(default)]
    pub websocket: Observation<Answer>,
    /// The scheme of a `www-authenticate` header (`Basic`, …), which no Convex backend sends: a
    /// login in front of it.
    #[serde(default)]
    pub login: Option<String>,
    /// Headers by which the proxy of a platform is known (`fly-request-id`, `x-railway-edge`), in
    /// any of the answers.
    #[serde(default)]
    pub edge_headers: Vec<String>,
    /// POST `<origin>/echo` with 4 MiB and without a key; with `--deep` only, `None` else.
    #[serde(default)]
    pub big_body: Option<Observation<Answer>>,
}

/// Whether something listens at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Connection {
    /// The address, without the port.
    pub address: String,
    /// Whether TCP connected.
    pub connected: bool,
}

/// The page of a dashboard of this project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DashboardPage {
    /// The container's name.
    pub container: String,
    /// Where it was asked: the port that the container publishes, on loopback.
    pub url: String,
    /// GET `/` there.
    pub page: Observation<Answer>,
}

/// An address that the deployment names for clients: an origin of the backend, or the URL in the
/// page of a dashboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AskedOrigin {
    /// As it is named.
    pub url: String,
    /// How far the connection got.
    #[serde(flatten)]
    pub reach: Reach,
    /// GET `/instance_name` below it, without a key: the API says its name, the port of HTTP actions
    /// its own sentence.
    pub answer: Observation<Answer>,
}

/// What a container answers past whatever is before the URL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Straight {
    /// Its name.
    pub container: String,
    /// The origin that was asked: a loopback or bridge address.
    pub url: String,
    /// GET `/api/check_admin_key` there, with the key.
    pub check_admin_key: Observation<Answer>,
}

impl EndpointFacts {
    /// The name of the instance that answers.
    pub fn answering_name(&self) -> Option<&str> {
        self.server.instance_name.seen().ok()?.instance_name()
    }

    /// The first address of a name of this machine, where nothing listens, and another where
    /// something does: a client that tries only the first does not get there.
    pub fn dead_first_address(&self) -> Option<(&str, &str)> {
        let first = self.route.connections.first().filter(|first| !first.connected)?;
        let other = self.route.connections.iter().find(|other| other.connected)?;
        Some((&first.address, &other.address))
    }

    /// Whether `check_admin_key` took the key, each time it was asked with it, in order; `None` for
    /// an answer that says neither.
    pub fn verdicts(&self) -> Vec<Option<bool>> {
        [&self.key.check_admin_key, &self.key.check_again]
            .into_iter()
            .chain(&self.key.more_tries)
            .map(|answer| answer.seen().ok()?.takes_key())
            .collect()
    }

    /// How often those answers changed from yes to no or back.
    pub fn changes(&self) -> usize {
        let said: Vec<bool> = self.verdicts().into_iter().flatten().collect();
        said.windows(2).filter(|two| two[0] != two[1]).count()
    }

    /// Whether what answers is a Convex API port, by its own sentences.
    pub fn is_convex_api(&self) -> bool {
        self.answering_name().is_some()
            || [&self.server.root, &self.key.without_key, &self.key.check_admin_key]
                .into_iter()
                .any(|answer| {
                    answer.seen().is_ok_and(|answer| {
                        matches!(
                            answer.body,
                            Body::ConvexRoot | Body::ConvexError { .. } | Body::KeyAccepted { .. }
                        )
                    })
                })
    }
}

/// Why a URL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UrlFault {
    /// `127.0.0.1:3210`, `localhost:3210`, `api.example.com`.
    NoScheme,
    /// A scheme that is not http or https.
    OtherScheme(String),
    /// Quotes are part of it.
    Quotes,
    /// Blanks are part of it.
    Blanks,
    /// `user:password@`.
    UserInfo,
    /// `$VAR` or `${VAR}` left in.
    Variable,
    /// Anything else that no URL parser takes.
    Unparsable(String),
}

/// How far a connection got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "reach", rename_all = "snake_case")]
pub enum Reach {
    /// Not tried.
    #[default]
    NotTried,
    /// An HTTP answer came back.
    Answered,
    /// The host's name does not resolve; the resolver's words.
    NoSuchHost {
        /// The resolver's words.
        error: String,
    },
    /// The connection was refused.
    Refused,
    /// No connection within the time.
    ConnectTimeout,
    /// Connected, and no answer within the time.
    AnswerTimeout,
    /// Connected, and closed or reset without an answer.
    Closed,
    /// The TLS handshake failed.
    Tls {
        /// Why.
        fault: TlsFault,
    },
    /// A TLS server at a URL that says `http`.
    PlainToTls,
    /// A plain server at a URL that says `https`.
    TlsToPlain,
    /// An answer that is not HTTP.
    NotHttp,
    /// Anything else.
    Other {
        /// In the library's words, the URL and secrets cut.
        error: String,
    },
}

/// Why a TLS handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TlsFault {
    /// Out of date; RFC 3339.
    Expired(String),
    /// Not yet valid; RFC 3339.
    NotYetValid(String),
    /// For other names.
    WrongName(Vec<String>),
    /// Signed by itself.
    SelfSigned,
    /// Signed by an authority that Node does not trust.
    UnknownIssuer(String),
    /// Signed by an authority that this machine's own store trusts and Node does not.
    OnlySystem(String),
    /// The certificate could not be judged, and Node may accept it; why.
    Unverified(String),
    /// The server ended the handshake with this alert.
    Alert(String),
    /// What answered is not TLS.
    NotTls,
    /// This machine has no root certificates at all.
    NoRoots,
    /// Anything else, in words.
    Other(String),
}

/// A certificate's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Certificate {
    /// The names it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// RFC 3339.
    pub not_after: String,
}

/// One HTTP answer, reduced to what can be judged and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `content-type`, without parameters.
    pub content_type: Option<String>,
    /// `server` or `via`, which no Convex backend sends: a proxy.
    pub server: Option<String>,
    /// `location` of a redirect, reduced to origin and path.
    pub location: Option<String>,
    /// What the body is.
    pub body: Body,
    /// From sending to the first byte, in milliseconds.
    pub ms: u64,
}

impl Answer {
    /// The code of a Convex error.
    pub fn code(&self) -> Option<&str> {
        match &self.body {
            Body::ConvexError { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The name, where it is a backend's answer to `/instance_name`.
    pub fn instance_name(&self) -> Option<&str> {
        match &self.body {
            Body::InstanceName { name } if self.status == 200 => Some(name),
            _ => None,
        }
    }

    /// Whether a Convex backend takes the key with this answer; `None` when it says neither.
    pub fn takes_key(&self) -> Option<bool> {
        match (self.status, &self.body) {
            (200, Body::KeyAccepted { .. } | Body::CanonicalUrls { .. }) => Some(true),
            (401, _) if self.code() == Some("BadAdminKey") => Some(false),
            _ => None,
        }
    }

    /// Whether a Convex backend answers so to a request whose key did not arrive: none did, or
    /// another scheme is in its place (<https://github.com/get-convex/convex-backend>,
    /// `crates/local_backend/src/authentication.rs`). A system key is answered the first, too.
    pub fn lost_key(&self) -> bool {
        let none = self.status == 403 && self.code() == Some("BadDeployKey");
        none || self.replaced_key()
    }

    /// Whether a Convex backend answers so where something else than the key stood in its header.
    pub fn replaced_key(&self) -> bool {
        matches!(
            (self.status, self.code()),
            (400, Some("InvalidAdminKey" | "InvalidHeaderFailure"))
                | (401, Some("InvalidAuthHeader" | "NoAuthProvider"))
        )
    }
}

/// What a body is, recognised when it was read: nothing else of it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "body", rename_all = "snake_case")]
pub enum Body {
    /// Nothing.
    Empty,
    /// The sentence of a Convex API's `/`.
    ConvexRoot,
    /// The answer of `/instance_name`: a short line.
    InstanceName {
        /// The name; not a secret.
        name: String,
    },
    /// `{"code": …, "message": …}`.
    ConvexError {
        /// The code.
        code: String,
        /// The message.
        message: String,
    },
    /// The answer of check_admin_key to a good key.
    KeyAccepted {
        /// `isReadOnly`; `None` where an old backend does not say.
        read_only: Option<bool>,
    },
    /// `{convexCloudUrl, convexSiteUrl}`.
    CanonicalUrls {
        /// `convexCloudUrl`.
        cloud: String,
        /// `convexSiteUrl`.
        site: String,
    },
    /// A sentence of the HTTP-actions (site) port.
    SiteProxy,
    /// The Convex dashboard's page.
    Dashboard {
        /// `deploymentUrl` in the page's own data.
        deployment_url: Option<String>,
        /// Whether an admin key is in it.
        holds_key: bool,
    },
    /// Another HTML page.
    Html {
        /// Its title.
        title: Option<String>,
    },
    /// Another JSON text.
    Json,
    /// Another text; its first line, at most 120 characters, secrets cut.
    Text {
        /// The first line.
        line: String,
    },
}
