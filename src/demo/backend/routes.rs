//! The routes of the API port, each with its methods and its number of CORS layers, and what they
//! answer.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use super::authorization::{self, Identity, Refusal};
use super::{Backend, since};

/// The text at `/`, which only a Convex backend has.
const GREETING: &str = "This Convex deployment is running. See https://docs.convex.dev/.";
/// The text on the site port when the deployment has no `http.ts`.
const NO_HTTP_ACTIONS: &str = "This Convex deployment does not have HTTP actions enabled.";
/// What a read-only key may do.
const READ_ONLY_OPERATIONS: [&str; 12] = [
    "ViewEnvironmentVariables",
    "ViewLogs",
    "ViewMetrics",
    "ViewIntegrations",
    "ViewData",
    "ViewBackups",
    "DownloadBackups",
    "RunInternalQueries",
    "RunTestQuery",
    "ViewAuditLog",
    "ViewUsageLimits",
    "ViewUsage",
];
/// How long a log stream without news is held open.
const STREAM_HELD: Duration = Duration::from_secs(10);

/// The `allow` lines of most routes.
const GET: &str = "GET,HEAD";
const POST: &str = "POST";

/// A route of the API port.
pub(super) struct Route {
    pub(super) to: To,
    /// Its `allow` line
    pub(super) allow: &'static str,
    /// How many CORS layers wrap it; none: no CORS, no `Convex-Client` check, no OPTIONS
    pub(super) layers: u8,
    /// Whether the access log mentions it
    pub(super) logged: bool,
}

/// Where a route leads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Greeting,
    Version,
    InstanceName,
    Echo,
    Metrics,
    OpenApi,
    QueryTs,
    Function,
    CheckAdminKey,
    CanonicalUrls,
    UpdateCanonicalUrl,
    DeploymentInfo,
    EnvironmentVariables,
    ConfigHashes,
    Push,
    FunctionLogs,
    Storage,
    Sync,
    HttpAction,
}

/// The route at `path` in an image of that age; `None` is the empty 404.
pub(super) fn find(backend: &Backend, path: &str) -> Option<Route> {
    let quiet = |to, allow, layers| Route { to, allow, layers, logged: false };
    let route = |to, allow, layers| Route { to, allow, layers, logged: true };
    let known = |first| backend.built >= first;
    Some(match path {
        "/" => quiet(To::Greeting, GET, 2),
        "/version" => quiet(To::Version, GET, 0),
        "/instance_name" => quiet(To::InstanceName, GET, 2),
        "/instance_version" => quiet(To::Version, GET, 2),
        "/echo" => route(To::Echo, POST, 2),
        "/metrics" => quiet(To::Metrics, GET, 0),
        "/api/public_openapi.json" | "/api/dashboard_openapi.json" | "/api/v1/openapi.json" => {
            route(To::OpenApi, GET, 1)
        }
        "/api/query_ts" => route(To::QueryTs, POST, 1),
        "/api/query" => route(To::Function, "GET,HEAD,POST", 1),
        "/api/mutation" | "/api/action" | "/api/function" => route(To::Function, POST, 1),
        "/api/check_admin_key" if known(since::CHECK_ADMIN_KEY) => route(To::CheckAdminKey, GET, 1),
        "/api/v1/get_canonical_urls" if known(since::CANONICAL_URLS) => {
            route(To::CanonicalUrls, "POST,GET,HEAD", 1)
        }
        "/api/update_canonical_url" | "/api/v1/update_canonical_url"
            if known(since::CANONICAL_URLS) =>
        {
            route(To::UpdateCanonicalUrl, "POST,GET,HEAD", 1)
        }
        "/api/v1/deployment_info" if known(since::DEPLOYMENT_INFO) => {
            route(To::DeploymentInfo, GET, 1)
        }
        "/api/list_environment_variables" | "/api/v1/list_environment_variables" => {
            route(To::EnvironmentVariables, GET, 1)
        }
        "/api/get_config_hashes" => route(To::ConfigHashes, POST, 2),
        "/api/deploy2/start_push" | "/api/run_test_function" => route(To::Push, POST, 2),
        "/api/stream_function_logs" => quiet(To::FunctionLogs, GET, 2),
        "/api/sync" => route(To::Sync, GET, 1),
        _ if path.starts_with("/http/") => {
            quiet(To::HttpAction, "GET,HEAD,POST,DELETE,PATCH,PUT,OPTIONS", 0)
        }
        _ if segment(path, "/api/storage/", "").is_some() => route(To::Storage, GET, 1),
        _ if segment(path, "/api/", "/sync").is_some() => route(To::Sync, GET, 1),
        _ => return None,
    })
}

/// The one path segment between `before` and `after`.
pub(super) fn segment<'a>(path: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let segment = path.strip_prefix(before)?.strip_suffix(after)?;
    (!segment.is_empty() && !segment.contains('/')).then_some(segment)
}

/// What is asked.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
}

/// The answer of a route to a method it knows, without the traces of CORS.
pub(super) async fn answer(backend: &Backend, to: To, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let identity = || authorization::of_request(backend, asked.headers, asked.query);
    let in_body = || authorization::of_body(backend, asked.headers, &asked.body);
    Ok(match to {
        To::Greeting => Answer::text(GREETING),
        To::Version => Answer::text(backend.version().to_owned()),
        To::InstanceName => Answer::text(backend.instance_name.clone()),
        To::Echo => Answer::bytes(asked.body),
        To::Metrics => metrics(backend),
        To::OpenApi => Answer::text(openapi(asked.path)),
        To::QueryTs => Answer::json(json!({"ts": backend.timestamp()}).to_string()),
        To::Function => function(backend, &asked)?,
        To::CheckAdminKey => check_admin_key(backend, identity()?)?,
        To::CanonicalUrls => {
            admin(identity()?)?;
            if asked.method == Method::POST {
                authorization::json::<serde_json::Value>(asked.headers, &asked.body)?;
            }
            canonical_urls(backend)
        }
        To::UpdateCanonicalUrl if asked.method == Method::POST => {
            may(admin(identity()?)?, "deployment:env:write")?;
            backend.set_origin(authorization::json(asked.headers, &asked.body)?);
            Answer::empty(StatusCode::OK)
        }
        To::UpdateCanonicalUrl => {
            admin(identity()?)?;
            canonical_urls(backend)
        }
        To::DeploymentInfo => {
            admin(identity()?)?;
            Answer::json(r#"{"kind":"selfHosted"}"#)
        }
        To::EnvironmentVariables => {
            admin(identity()?)?;
            Answer::json(r#"{"environmentVariables":{}}"#)
        }
        To::ConfigHashes => {
            may(admin(in_body()?)?, "deployment:deploy")?;
            Answer::json(
                r#"{"config":{"functions":"convex/"},"moduleHashes":[],"udfServerVersion":null,"nodeVersion":null}"#,
            )
        }
        // The CLI packs its push with brotli. The key inside is the one that its first calls have
        // shown, and were it good, the answer would be the same.
        To::Push if asked.headers.contains_key("content-encoding") => {
            return Err(Refusal::internal());
        }
        To::Push => {
            may(admin(in_body()?)?, "deployment:deploy")?;
            return Err(Refusal::internal());
        }
        To::FunctionLogs => {
            admin(identity()?)?;
            tokio::time::sleep(STREAM_HELD).await;
            Answer::json(r#"{"entries":[],"newCursor":0}"#)
        }
        To::Storage => return Err(storage(asked.path)),
        // Taken care of before: it needs the whole request.
        To::Sync => Answer::empty(StatusCode::NOT_FOUND),
        To::HttpAction => http_action(),
    })
}

/// What the site port says to everything, and `/http/…` on the API port.
pub(super) fn http_action() -> Answer {
    Answer::text(NO_HTTP_ACTIONS).status(StatusCode::NOT_FOUND).chunked()
}

/// Prometheus' text, or upstream's 404 where it is switched off.
pub(super) fn metrics(backend: &Backend) -> Answer {
    if !backend.metrics {
        let message = "/metrics endpoint disabled";
        return Answer::error(StatusCode::NOT_FOUND, "MetricsDisabled", message);
    }
    let name = "convex_local_backend_application_function_runner_outstanding_total";
    Answer::text(format!(
        "# HELP {name} The number of currently outstanding functions of a given type. Includes both \
         running and waiting functions\n# TYPE {name} vmhistogram\n"
    ))
}

/// An identity that came with a key.
fn admin(identity: Identity) -> Result<Identity, Refusal> {
    if identity == Identity::Unknown { Err(Refusal::no_key()) } else { Ok(identity) }
}

/// Read-only keys may not.
fn may(identity: Identity, operation: &str) -> Result<(), Refusal> {
    match identity {
        Identity::Admin { read_only: true } => Err(Refusal::operation(operation)),
        _ => Ok(()),
    }
}

fn check_admin_key(backend: &Backend, identity: Identity) -> Result<Answer, Refusal> {
    let Identity::Admin { read_only } = identity else { return Err(Refusal::no_key()) };
    if read_only && backend.built < since::READ_ONLY_PASSES {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "ReadOnlyAdminKey",
            "You do not have permission to perform this operation.",
        ));
    }
    if backend.built < since::ALLOWED_OPS {
        return Ok(Answer::json(r#"{"success":true}"#));
    }
    let operations: &[&str] = if read_only { &READ_ONLY_OPERATIONS } else { &[] };
    Ok(Answer::json(format!(
        r#"{{"success":true,"allowedOps":{},"isReadOnly":{read_only}}}"#,
        json!(operations)
    )))
}

fn canonical_urls(backend: &Backend) -> Answer {
    let (api, site) = backend.origins();
    Answer::json(json!({"convexCloudUrl": api, "convexSiteUrl": site}).to_string())
}

#[derive(Deserialize)]
struct Call {
    path: String,
}

/// No function exists here, so that none is found.
fn function(backend: &Backend, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    if asked.method != Method::POST {
        let path = asked.query.and_then(|query| {
            url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "path")
        });
        let Some((_, path)) = path else {
            let message = "Failed to deserialize query string: missing field `path`";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "BadQueryArgs", message));
        };
        return Ok(not_found(&path));
    }
    let call: Call = authorization::json(asked.headers, &asked.body)?;
    authorization::of_request(backend, asked.headers, asked.query)?;
    Ok(not_found(&call.path))
}

fn not_found(path: &str) -> Answer {
    let message = format!(
        "[Request ID: 0123456789abcdef] Server Error\nCould not find public function for '{path}'.\n"
    );
    Answer::json(format!(r#"{{"status":"error","errorMessage":{}}}"#, json!(message)))
}

/// Nothing is stored here.
fn storage(path: &str) -> Refusal {
    let id = segment(path, "/api/storage/", "").unwrap_or_default();
    let uuid = id.len() == 36
        && id.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if uuid {
        let message = format!("File {id} not found");
        return Refusal::new(StatusCode::NOT_FOUND, "FileNotFound", message);
    }
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "InvalidStoragePath",
        format!(
            "Invalid storage path: \"{id}\". Please use `storage.getUrl(storageId: \
             Id<\"_storage\">)` to generate a valid URL to retrieve files. See \
             https://docs.convex.dev/file-storage/serve-files for more details"
        ),
    )
}

/// A description with the paths that date a backend and none of their details.
fn openapi(path: &str) -> String {
    let (title, paths): (_, &[&str]) = match path {
        "/api/public_openapi.json" => {
            ("Convex Public HTTP routes", &["/query", "/query_ts", "/mutation", "/action"])
        }
        "/api/dashboard_openapi.json" => ("Convex Dashboard HTTP routes", &["/check_admin_key"]),
        _ => (
            "Convex Deployment API",
            &["/list_environment_variables", "/deployment_info", "/get_canonical_urls"],
        ),
    };
    let paths: serde_json::Map<_, _> =
        paths.iter().map(|path| ((*path).to_owned(), json!({}))).collect();
    json!({"openapi": "3.1.0", "info": {"title": title, "version": "1.0.0"}, "paths": paths})
        .to_string()
}
