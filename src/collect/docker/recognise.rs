//! What makes a container a Convex backend: its image, what it runs, its image's labels. Never its
//! name alone.

use std::collections::HashMap;

/// What `docker ps` shows of a container, as far as it tells what it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    /// The image as named, or `sha256:…` once its tag has moved.
    pub(super) image: &'a str,
    /// Entrypoint and command in one text.
    pub(super) command: &'a str,
    /// The container's labels, its image's among them.
    pub(super) labels: Option<&'a HashMap<String, String>>,
}

/// Repository names of backend images, whatever the registry before them.
const BACKEND_IMAGES: [&str; 2] = ["convex-backend", "self-hosted-backend"];

/// Repository names of dashboard images.
const DASHBOARD_IMAGES: [&str; 2] = ["convex-dashboard", "self-hosted-dashboard"];

/// Labels by which an image names its source.
const SOURCE_LABELS: [&str; 2] =
    ["org.opencontainers.repository", "org.opencontainers.image.source"];

/// How the container was recognised as a Convex backend, in words for the reader; `None` when it is
/// none.
pub(super) fn backend(sight: Sight<'_>) -> Option<String> {
    // `run_backend.sh` replaced by the script that mints keys: a helper, not an instance.
    if sight.command.contains("generate_admin_key") || sight.command.contains(" keygen ") {
        return None;
    }
    let repository = repository(sight.image);
    if BACKEND_IMAGES.contains(&repository) {
        return Some(format!("its image is {}", sight.image));
    }
    for program in ["run_backend.sh", "convex-local-backend"] {
        if sight.command.contains(program) {
            return Some(format!("it runs {program}"));
        }
    }
    if is_dashboard(sight) {
        return None;
    }
    let label = SOURCE_LABELS.iter().find(|label| names_upstream(sight, label))?;
    Some(format!("the label {label} of its image names get-convex/convex-backend"))
}

/// Whether it is a Convex dashboard.
pub(super) fn is_dashboard(sight: Sight<'_>) -> bool {
    let upstream = SOURCE_LABELS.iter().any(|label| names_upstream(sight, label));
    is_dashboard_image(sight.image)
        // The dashboard's image comes from the same repository and is a Node server.
        || upstream && (sight.command.contains("server.js") || sight.image.contains("dashboard"))
}

/// Whether an image's name alone says that it is a backend.
pub fn is_backend_image(image: &str) -> bool {
    BACKEND_IMAGES.contains(&repository(image))
}

/// Whether an image's name alone says that it is a dashboard.
pub fn is_dashboard_image(image: &str) -> bool {
    DASHBOARD_IMAGES.contains(&repository(image))
}

fn names_upstream(sight: Sight<'_>, label: &str) -> bool {
    let value = sight.labels.and_then(|labels| labels.get(label)).map_or("", String::as_str);
    let value = value.trim_end_matches('/').trim_end_matches(".git");
    value.ends_with("get-convex/convex-backend")
}

/// The last part of an image's name, without registry, tag and digest.
pub fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_image_program_or_label_and_never_by_a_look_alike() {
        let upstream = "https://github.com/get-convex/convex-backend";
        let source = "org.opencontainers.image.source";
        for (image, command, label, expected) in [
            ("ghcr.io/get-convex/convex-backend:latest", "./run_backend.sh", None, true),
            ("ghcr.io/get-convex/convex-backend@sha256:ab", "", None, true),
            ("mirror.corp:5000/x/convex-backend:1", "", None, true),
            ("me/self-hosted-backend", "", None, true),
            ("sha256:abcd", "./run_backend.sh", None, true),
            ("app-backend", "sh -c ./convex-local-backend x", None, true),
            ("sha256:abcd", "tini -- x", Some(upstream), true),
            ("sha256:abcd", "docker-entrypoint.sh node ./server.js", Some(upstream), false),
            ("ghcr.io/get-convex/convex-dashboard:latest", "node", Some(upstream), false),
            ("ghcr.io/get-convex/convex-dashboard:latest", "node", None, false),
            ("ghcr.io/get-convex/convex-backend", "./generate_admin_key.sh", None, false),
            ("convex-backend-tools", "sh", None, false),
            ("postgres:16", "docker-entrypoint.sh postgres", None, false),
            ("sha256:abcd", "x", Some("https://github.com/me/convex-backend"), false),
        ] {
            let labels = label.map(|label| HashMap::from([(source.to_owned(), label.to_owned())]));
            let sight = Sight { image, command, labels: labels.as_ref() };
            assert_eq!(backend(sight).is_some(), expected, "{image} {command}");
        }
    }

    #[test]
    fn a_dashboard_is_one() {
        for (image, expected) in [
            ("ghcr.io/get-convex/convex-dashboard:latest", true),
            ("ghcr.io/get-convex/convex-backend:latest", false),
            ("grafana-dashboard", false),
        ] {
            let sight = Sight { image, command: "node", labels: None };
            assert_eq!(is_dashboard(sight), expected, "{image}");
        }
    }
}
