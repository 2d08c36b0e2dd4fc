//! The answers of one URL, by the path of the request.

use crate::evidence::endpoint::{Answer, Body};
use crate::evidence::{EndpointFacts, Unseen};

/// An answer and the path it came from.
pub(crate) type Named<'a> = (&'static str, &'a Answer);

/// What answered, in the order in which a reader would ask.
pub(crate) fn seen(endpoint: &EndpointFacts) -> Vec<Named<'_>> {
    [
        ("/instance_name", &endpoint.server.instance_name),
        ("/api/check_admin_key", &endpoint.key.check_admin_key),
        ("/api/v1/get_canonical_urls", &endpoint.key.first_call),
        ("/api/check_admin_key without a key", &endpoint.key.without_key),
        ("/", &endpoint.server.root),
        ("/version", &endpoint.server.version),
    ]
    .into_iter()
    .filter_map(|(path, answer)| Some((path, answer.seen().ok()?)))
    .collect()
}

/// The answers of the paths that the CLI depends on, if enough of them came back to say what is
/// *not* there: `/instance_name`, and the key's endpoint either with or without a key. Otherwise
/// `Err`: a missing answer must not pass.
pub(crate) fn needed(endpoint: &EndpointFacts) -> Result<Vec<Named<'_>>, Unseen> {
    endpoint.server.instance_name.seen()?;
    match endpoint.key.check_admin_key.seen() {
        // Both need the key: if only one is missing, it was lost, not left out.
        Ok(_) => drop(endpoint.key.first_call.seen()?),
        Err(unseen) => drop(endpoint.key.without_key.seen().map_err(|_| unseen)?),
    }
    Ok(seen(endpoint).into_iter().filter(|(path, _)| !matches!(*path, "/" | "/version")).collect())
}

/// As [`needed`], with `/`, whose page shows what else it is.
pub(crate) fn all(endpoint: &EndpointFacts) -> Result<Vec<Named<'_>>, Unseen> {
    needed(endpoint)?;
    endpoint.server.root.seen()?;
    Ok(seen(endpoint))
}

/// Whether the answer sends the caller elsewhere.
pub(crate) fn is_redirect(answer: &Answer) -> bool {
    matches!(answer.status, 301 | 302 | 303 | 307 | 308) && answer.location.is_some()
}

/// Whether a proxy says that it cannot reach what is behind it. A backend's own errors are JSON.
pub(crate) fn is_gateway_error(answer: &Answer) -> bool {
    let named = matches!(&answer.body, Body::Text { line } if line.trim() == "no available server");
    named
        || (matches!(answer.status, 502..=504) && !matches!(answer.body, Body::ConvexError { .. }))
}

/// Whether a server in front of Convex asks for a login; `true` if nothing else explains the
/// answer.
pub(crate) fn is_login_wall(path: &str, answer: &Answer) -> Option<bool> {
    const NAMED: &[&str] = &[
        "cloudflareaccess.com",
        "/cdn-cgi/access",
        "/oauth2/",
        "authelia",
        "authentik",
        "/outpost.goauthentik",
        "login.microsoftonline.com",
        "accounts.google.com",
    ];
    const WORDS: &[&str] = &["login", "log in", "signin", "sign-in", "sign in", "/sso", "/auth"];
    let any = |words: &[&str], text: &str| {
        let text = text.to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    if let (true, Some(location)) = (is_redirect(answer), &answer.location) {
        if any(NAMED, location) {
            return Some(true);
        }
        return any(WORDS, location).then_some(false);
    }
    let convex = matches!(
        answer.body,
        Body::ConvexError { .. } | Body::SiteProxy | Body::ConvexRoot | Body::Dashboard { .. }
    );
    // `/instance_name` and `/` do not need a key: a server that rejects there is not Convex.
    let open = matches!(path, "/instance_name" | "/");
    match (answer.status, &answer.body) {
        (401 | 407, _) if !convex && open => Some(true),
        (401 | 407, _) if !convex => Some(false),
        (403, Body::Html { .. } | Body::Text { .. } | Body::Empty) if open => Some(false),
        (200, Body::Html { title: Some(title) }) if any(WORDS, title) => Some(false),
        _ => None,
    }
}
