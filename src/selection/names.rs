//! The variables: which the CLI reads, which names are typing errors, and which values are secret.

pub use crate::names::{ADMIN_KEY, DEPLOY_KEY, DEPLOYMENT, DEPLOYMENT_TOKEN, URL};

/// The variables that select a deployment.
pub const SELECTING: [&str; 5] = [URL, ADMIN_KEY, DEPLOYMENT, DEPLOY_KEY, DEPLOYMENT_TOKEN];

/// Whether the variable selects a deployment, or tells the app where it is
/// (`NEXT_PUBLIC_CONVEX_URL` and its like).
pub(super) fn matters(name: &str) -> bool {
    SELECTING.contains(&name) || name.ends_with("CONVEX_URL") || name.ends_with("CONVEX_SITE_URL")
}

/// Whether the value of this variable is a secret.
pub fn holds_key(name: &str) -> bool {
    matches!(name, ADMIN_KEY | DEPLOY_KEY | DEPLOYMENT_TOKEN)
}

/// The parts of a text that is not a key by its name which are secret all the same: a password
/// before `@`, what follows `|` (URL and key swapped), long runs of hex digits.
pub(super) fn secret_parts(text: &str) -> Vec<std::ops::Range<usize>> {
    const SHORTEST_KEY: usize = 32;
    let mut parts = Vec::new();
    let authority = text.find("://").map_or(0, |at| at + 3);
    let end = text[authority..].find(['/', '?', '#']).map_or(text.len(), |at| authority + at);
    if let Some(at) = text[authority..end].rfind('@')
        && let Some(colon) = text[authority..authority + at].find(':')
    {
        parts.push(authority + colon + 1..authority + at);
    }
    if let Some(bar) = text.find('|') {
        parts.push(bar + 1..text.len());
    }
    let mut start = 0;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if !c.is_ascii_hexdigit() {
            if at - start >= SHORTEST_KEY {
                parts.push(start..at);
            }
            start = at + c.len_utf8();
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Names that Convex's own tools and documents use: never a slip of the pen.
const REAL: &[&str] = &[
    URL,
    ADMIN_KEY,
    DEPLOYMENT,
    DEPLOY_KEY,
    DEPLOYMENT_TOKEN,
    "CONVEX_URL",
    "CONVEX_SITE_URL",
    "CONVEX_CLOUD_URL",
    "CONVEX_CLOUD_ORIGIN",
    "CONVEX_SITE_ORIGIN",
    "CONVEX_DEPLOYMENT_URL",
    "CONVEX_PROVISION_HOST",
    "CONVEX_OVERRIDE_ACCESS_TOKEN",
    "CONVEX_ALLOW_ANONYMOUS",
    "CONVEX_AGENT_MODE",
    "CONVEX_HTTP_ACTIONS_URL",
];

/// Names met in the wild that are too far from the right one for [`strsim`].
const SLIPS: &[(&str, &str)] = &[
    ("CONVEX_ADMIN_KEY", ADMIN_KEY),
    ("CONVEX_SELF_HOSTED_KEY", ADMIN_KEY),
    ("CONVEX_SELF_HOSTED_ADMIN", ADMIN_KEY),
    ("CONVEX_SELF_HOSTED_DEPLOY_KEY", ADMIN_KEY),
    ("CONVEX_SELF_HOSTED_ADMIN_API_KEY", ADMIN_KEY),
    ("CONVEX_HOSTED_ADMIN_KEY", ADMIN_KEY),
    ("SELF_HOSTED_CONVEX_ADMIN_KEY", ADMIN_KEY),
    ("SELF_HOSTED_ADMIN_KEY", ADMIN_KEY),
    ("CONVEX_HOSTED_URL", URL),
    ("CONVEX_SELF_HOSTED", URL),
    ("CONVEX_SELF_HOSTED_BACKEND_URL", URL),
    ("CONVEX_SELF_HOSTED_DEPLOYMENT_URL", URL),
    ("CONVEX_SELF_HOSTED_CONVEX_URL", URL),
    ("SELF_HOSTED_CONVEX_URL", URL),
    ("SELF_HOSTED_URL", URL),
];

/// Letters left out, added, changed or swapped in a name that is still recognised.
const MOST_SLIPS: usize = 3;

/// What bundlers want before a name that the browser may see; the CLI does not read such names.
const APP_PREFIXES: &[&str] =
    &["NEXT_PUBLIC_", "VITE_", "REACT_APP_", "EXPO_PUBLIC_", "NUXT_PUBLIC_", "PUBLIC_"];

/// The name of the pair that `written` is a slip of; `None` for the names themselves and for any
/// real one.
pub fn meant(written: &str) -> Option<&'static str> {
    if REAL.contains(&written) {
        return None;
    }
    let name = written.to_ascii_uppercase().replace(['-', '.'], "_");
    let name = APP_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    if let Some(pair) = [URL, ADMIN_KEY].into_iter().find(|pair| *pair == name) {
        return Some(pair);
    }
    if REAL.contains(&name) {
        return None;
    }
    if let Some((_, meant)) = SLIPS.iter().find(|(slip, _)| *slip == name) {
        return Some(meant);
    }
    // Most names are out of reach; a file may have a million.
    let near = |pair: &str| {
        name.len().abs_diff(pair.len()) <= MOST_SLIPS
            && (name.contains("CONVEX") || name.contains("HOSTED"))
            && strsim::damerau_levenshtein(name, pair) <= MOST_SLIPS
    };
    [URL, ADMIN_KEY].into_iter().find(|pair| near(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_real_names() {
        for (written, expected) in [
            ("convex_self_hosted_url", Some(URL)),
            ("CONVEX_SELFHOSTED_URL", Some(URL)),
            ("CONVEX_SELF_HOST_URL", Some(URL)),
            ("CONVEX-SELF-HOSTED-URL", Some(URL)),
            ("CONVEX_ADMIN_KEY", Some(ADMIN_KEY)),
            ("CONVEX_SELF_HOSTED_KEY", Some(ADMIN_KEY)),
            ("CONVEX_SELF_HOSTED_ADMINKEY", Some(ADMIN_KEY)),
            ("CONVEX_SELF_HOSTED_ADMIN_KEYS", Some(ADMIN_KEY)),
            ("NEXT_PUBLIC_CONVEX_SELF_HOSTED_URL", Some(URL)),
            ("CONVEX_SELF_HOSTED_URL", None),
            ("CONVEX_URL", None),
            ("VITE_CONVEX_URL", None),
            ("CONVEX_SITE_URL", None),
            ("CONVEX_CLOUD_ORIGIN", None),
            ("CONVEX_DEPLOY_KEY", None),
            ("PATH", None),
        ] {
            assert_eq!(meant(written), expected, "{written}");
        }
    }

    #[test]
    fn a_key_in_the_place_of_a_url_is_secret() {
        let secret = |text: &str| -> Vec<String> {
            secret_parts(text).into_iter().map(|part| text[part].to_owned()).collect()
        };
        assert_eq!(secret("http://user:pass@h:1/x"), ["pass"]);
        assert_eq!(secret("name|01ab"), ["01ab"]);
        assert_eq!(
            secret("http://h/?k=0123456789abcdef0123456789abcdef"),
            ["0123456789abcdef0123456789abcdef"]
        );
        assert!(secret("http://127.0.0.1:3210/a@b:c").is_empty());
    }
}
