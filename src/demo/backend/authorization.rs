//! Who asks: the Authorization header, `?adminKey=`, or `adminKey` in a JSON body, as upstream's
//! `authentication.rs` reads them.

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;

use super::Backend;
use super::answer::BackendAnswer;
use super::encoding::unbase64;
use super::log::LogLevel;

/// Upstream's one sentence about every bad key.
pub(super) const BAD_ADMIN_KEY: &str = "The provided admin key was invalid for this instance";
/// Upstream's sentence about a Bearer token that is not one.
pub(super) const BAD_JWT: &str = "Could not parse JWT payload. Check that the token is a valid JWT \
                                  format with three base64-encoded parts separated by dots.";
const BAD_DEPLOY_KEY: &str = "The provided deploy key was invalid for this deployment. Double check \
                              that the environment this key was generated for matches the desired \
                              deployment.";

/// What the backend's key broker finds in a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallerVerdict {
    /// Accepted, for a member
    Admin { member_id: u64, issued_s: u64, read_only: bool },
    /// Accepted, for the system
    System,
    /// It opens, for an instance of this name
    WrongName(String),
    /// It opens, and no name is anywhere
    NoName,
    /// Everything else
    Undecodable,
}

/// The identity a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallerIdentity {
    Admin {
        read_only: bool,
    },
    System,
    /// No key and no token at all
    Unknown,
}

/// A request that is turned away: what is answered, and what only the log tells.
pub(super) struct CallerRefusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    log_suffix: String,
}

impl CallerRefusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), log_suffix: String::new() }
    }

    fn logged(mut self, suffix: impl Into<String>) -> Self {
        self.log_suffix = suffix.into();
        self
    }

    /// 403 for want of a key.
    pub(super) fn no_key() -> Self {
        Self::new(StatusCode::FORBIDDEN, "BadDeployKey", BAD_DEPLOY_KEY)
    }

    /// 403 for a read-only key.
    pub(super) fn operation(operation: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "OperationNotPermitted",
            format!("You do not have permission to perform this operation ({operation})."),
        )
    }

    /// 400 for a body.
    pub(super) fn body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadJsonBody", message)
    }

    /// What a push ends with: nothing behind this backend runs functions.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "Your request couldn't be completed. Try again later.",
        )
    }

    /// The sentence, for a channel other than an HTTP answer.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Writes the line about it.
    pub(super) fn log(&self, backend: &Backend) {
        let (level, kind) = match self.status {
            StatusCode::UNAUTHORIZED => (LogLevel::Warn, "unauthenticated_error error"),
            StatusCode::INTERNAL_SERVER_ERROR => (LogLevel::Error, "error error"),
            _ => (LogLevel::Warn, "developer_error error"),
        };
        backend.log.caught(level, kind, &format!("{}{}", self.message, self.log_suffix));
    }

    /// Writes the line and makes the answer.
    pub(super) fn answer(&self, backend: &Backend) -> BackendAnswer {
        self.log(backend);
        BackendAnswer::error(self.status, self.code, &self.message)
    }
}

/// The identity by the header, or without any by `?adminKey=`: a header always wins.
pub(super) fn of_request(
    backend: &Backend,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<CallerIdentity, CallerRefusal> {
    // Of two headers the first counts.
    if let Some(value) = headers.get(AUTHORIZATION) {
        return of_header(backend, value);
    }
    let in_query = query.and_then(|query| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "adminKey")
            .map(|(_, value)| value.into_owned())
    });
    match in_query {
        Some(key) => of_key(backend, &key),
        None => Ok(CallerIdentity::Unknown),
    }
}

fn of_header(backend: &Backend, value: &HeaderValue) -> Result<CallerIdentity, CallerRefusal> {
    let bad = |code, message: String| CallerRefusal::new(StatusCode::BAD_REQUEST, code, message);
    let Ok(text) = value.to_str() else {
        return Err(bad("HeaderParseFailure", format!("Failed to parse header {value:?}")));
    };
    let (Some(scheme), Some(token)) = (text.get(..7), text.get(7..)) else {
        return Err(bad("InvalidHeaderFailure", "Invalid authentication header".to_owned()));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "convex " => of_header_key(backend, token),
        "bearer " => Err(of_token(token)),
        _ => Err(bad("InvalidAdminKey", "Invalid admin key".to_owned())),
    }
}

/// A key in the header may carry, after a colon, the user to act as.
fn of_header_key(backend: &Backend, token: &str) -> Result<CallerIdentity, CallerRefusal> {
    let key = without_type(token);
    let Some((key, user)) = key.split_once(':') else {
        return of_key(backend, &key);
    };
    let fault = match unbase64(user).map(|json| serde_json::from_slice::<serde_json::Value>(&json))
    {
        Some(Ok(_)) => return of_key(backend, key),
        Some(Err(error)) => error.to_string(),
        None if user.trim_end_matches('=').len() % 4 == 1 => {
            "Encoded text cannot have a 6-bit remainder.".to_owned()
        }
        None => "Invalid symbol.".to_owned(),
    };
    Err(CallerRefusal::new(
        StatusCode::BAD_REQUEST,
        "HeaderParseFailure",
        "Malformed Authorization header.",
    )
    .logged(format!(": {fault}")))
}

/// `dev:name|hex` without `dev:`; `preview:` and `project:` lose the name too, which is what makes
/// them fail.
fn without_type(key: &str) -> String {
    let Some((name, hex)) = key.split_once('|') else { return key.to_owned() };
    match name.split_once(':') {
        Some(("preview" | "project", _)) => hex.to_owned(),
        Some((_, name)) => format!("{name}|{hex}"),
        None => key.to_owned(),
    }
}

/// No auth provider is configured here, so that no token is ever good.
fn of_token(token: &str) -> CallerRefusal {
    let parts: Vec<_> = token.split('.').collect();
    let json = |part: &&str| {
        unbase64(part).is_some_and(|p| serde_json::from_slice::<serde_json::Value>(&p).is_ok())
    };
    if parts.len() == 3 && parts[..2].iter().all(json) {
        let message = "No auth provider found matching the given token (no providers configured). \
                       Check convex/auth.config.ts.";
        return CallerRefusal::new(StatusCode::UNAUTHORIZED, "NoAuthProvider", message);
    }
    CallerRefusal::new(StatusCode::UNAUTHORIZED, "InvalidAuthHeader", BAD_JWT)
        .logged(": Out of bounds")
}

/// The identity by a bare key: `?adminKey=`, a JSON body, the WebSocket. Nothing is trimmed, any
/// type prefix passes.
pub(super) fn of_key(backend: &Backend, key: &str) -> Result<CallerIdentity, CallerRefusal> {
    let suffix = match backend.judge(key) {
        CallerVerdict::Admin { member_id, issued_s, read_only } => {
            let issued =
                i64::try_from(issued_s).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
            let issued = issued.map_or_else(|| "None".to_owned(), |at| format!("Some({at})"));
            let name = &backend.instance_name;
            let line =
                format!("Admin key accepted from MemberId({member_id}) at {issued} for {name}");
            backend.log.write(LogLevel::Info, "keybroker::broker", &line);
            return Ok(CallerIdentity::Admin { read_only });
        }
        CallerVerdict::System => return Ok(CallerIdentity::System),
        CallerVerdict::WrongName(name) => format!(": Key is for invalid instance {name}"),
        CallerVerdict::NoName => ": Invalid admin key format".to_owned(),
        CallerVerdict::Undecodable => String::new(),
    };
    if backend.built < super::since::BAD_KEY_IS_401 {
        return Err(CallerRefusal::internal().logged(format!(": {BAD_ADMIN_KEY}{suffix}")));
    }
    Err(CallerRefusal::new(StatusCode::UNAUTHORIZED, "BadAdminKey", BAD_ADMIN_KEY).logged(suffix))
}

/// The body of the routes that take their key there.
#[derive(Deserialize)]
struct WithKey {
    #[serde(rename = "adminKey")]
    admin_key: String,
}

/// The identity by `adminKey` in a JSON body; the header is ignored.
pub(super) fn of_body(
    backend: &Backend,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<CallerIdentity, CallerRefusal> {
    of_key(backend, &json::<WithKey>(headers, body)?.admin_key)
}

/// A JSON body, refused in upstream's words.
pub(super) fn json<'a, T: Deserialize<'a>>(
    headers: &HeaderMap,
    body: &'a [u8],
) -> Result<T, CallerRefusal> {
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
    if !kind.starts_with("application/json") {
        return Err(CallerRefusal::body("Expected request with `Content-Type: application/json`"));
    }
    serde_json::from_slice(body).map_err(|error| {
        CallerRefusal::body(if error.is_data() {
            format!("Failed to deserialize the JSON body into the target type: {error}")
        } else {
            format!("Failed to parse the request body as JSON: {error}")
        })
    })
}
