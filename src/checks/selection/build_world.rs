//! Remedies of this family that are said more than once.

use crate::checks::endpoint::published_url;
use crate::evidence::Evidence;
use crate::report::Remedy;

/// Both lines, with the URL that the backend here publishes.
pub(super) fn write_both(evidence: &Evidence) -> Remedy {
    let url = url(evidence);
    Remedy::safe(format!(
        "Write both lines into .env.local: CONVEX_SELF_HOSTED_URL={url} and \
         CONVEX_SELF_HOSTED_ADMIN_KEY=<the key that is minted>"
    ))
}

/// The URL's line.
pub(super) fn write_url(evidence: &Evidence) -> Remedy {
    let url = url(evidence);
    Remedy::safe(format!("Add the line CONVEX_SELF_HOSTED_URL={url} beside the key"))
}

fn url(evidence: &Evidence) -> String {
    published_url(evidence).unwrap_or_else(|| "http://127.0.0.1:3210".to_owned())
}
