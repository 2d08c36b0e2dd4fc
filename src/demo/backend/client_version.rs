//! The `Convex-Client` header and the version in a sync path: which clients the backend turns away.

use hyper::StatusCode;

use super::answer::Answer;

/// What a header earns that has no `-` or names a client no longer supported; `None`: it passes.
pub(super) fn refuse_header(client: &str) -> Option<Answer> {
    let Some((name, version)) = client.split_once('-') else {
        return Some(Answer::error(
            StatusCode::BAD_REQUEST,
            "InvalidClientVersion",
            &format!(
                "Failed to parse client version string: '{client}'. Expected format is \
                 {{client_name}}-{{semver}}, e.g. my-esolang-client-0.0.1"
            ),
        ));
    };
    // `npm-cli-1.2.3` is the CLI; `npm-cli-x` is the package npm at the version `cli-x`.
    match version.strip_prefix("cli-").filter(|rest| name == "npm" && numbers(rest).is_some()) {
        Some(version) => refuse("npm-cli", version),
        None => refuse(name, version),
    }
}

/// The same for the version in `/api/<version>/sync`, which is the version of the npm package.
pub(super) fn refuse_path(version: &str) -> Option<Answer> {
    match version.chars().next() {
        Some(first) if !first.is_ascii_digit() => Some(Answer::error(
            StatusCode::BAD_REQUEST,
            "InvalidClientVersion",
            &format!(
                "Failed to parse client version: unexpected character '{first}' while parsing \
                 major version number"
            ),
        )),
        _ => refuse("npm", version),
    }
}

fn refuse(name: &str, version: &str) -> Option<Answer> {
    let (last_refused, advice) = match name {
        "npm" | "npm-cli" => ([0, 19, 1], "npm version with `npx convex update` or `npm update`."),
        "python" => ([0, 0, 2], "python version with `pip install --upgrade convex`."),
        "rust" => {
            ([0, 0, 1], "rust version with `cargo update -p convex` or by updating `Cargo.toml`.")
        }
        _ => return None,
    };
    if numbers(version).is_some_and(|version| version > last_refused) {
        return None;
    }
    let message = format!(
        "The Convex {name} package at version {version} is no longer supported. Update your \
         Convex {advice}"
    );
    let refusal = Answer::error(StatusCode::BAD_REQUEST, "ClientVersionUnsupported", &message);
    Some(
        refusal
            .header("x-convex-deprecation-state", "Unsupported")
            .header("x-convex-deprecation-message", &message),
    )
}

/// Major, minor and patch of a semantic version.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let core = version.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(str::parse);
    let three = [parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?];
    parts.next().is_none().then_some(three)
}
