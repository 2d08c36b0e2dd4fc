//! How a Convex backend is recognised: by its image, by the image's own labels, by what it runs. Never by its name.

use std::collections::HashMap;

/// Repository names under which upstream and forks publish the backend.
const BACKEND: &[&str] = &["convex-backend", "self-hosted-backend", "convex-self-hosted-backend"];

/// Whether an image's name says that it is a Convex backend: the last part of the repository, whatever the registry.
pub fn is_backend_image(image: &str) -> bool {
    let name = image.split('@').next().unwrap_or(image);
    let last = name.rsplit('/').next().unwrap_or(name);
    let repository = last.split(':').next().unwrap_or(last);
    BACKEND.contains(&repository)
}

/// Why a container counts as a Convex backend; `None` where nothing says so.
pub fn backend(
    image: &str,
    labels: &HashMap<String, String>,
    entrypoint: &[String],
    command: &[String],
) -> Option<String> {
    if is_backend_image(image) {
        return Some(format!("image {}", crate::secret::sanitize(image)));
    }
    let words = || entrypoint.iter().chain(command).flat_map(|word| word.split_whitespace());
    let runs = |word: &str| {
        word.ends_with("run_backend.sh") || word.rsplit('/').next() == Some("convex-local-backend")
    };
    if words().any(runs) {
        return Some("it runs a Convex backend".to_owned());
    }
    // Dashboards carry the same labels; they do not run the backend's script, and an image that runs something else is no
    // backend either. What is left is a re-tagged image whose list entry shows only an id.
    let from_upstream = [
        "org.opencontainers.repository",
        "org.opencontainers.image.source",
    ]
    .iter()
    .filter_map(|label| labels.get(*label))
    .any(|value| value.trim_end_matches(".git").ends_with("get-convex/convex-backend"));
    let shell_or_script = words().any(|word| word.contains("run_backend"));
    (from_upstream && shell_or_script).then(|| "the image's own labels".to_owned())
}

/// Whether a variable's name says that its value is a secret.
pub fn is_secretive(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "_KEY", "APIKEY", "CREDENTIAL", "PRIVATE"]
        .iter()
        .any(|word| name.contains(word))
        && !matches!(name.as_str(), "CREDENTIALS_DIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_known_by_image_or_by_what_it_runs() {
        for (image, entrypoint, expected) in [
            ("ghcr.io/get-convex/convex-backend:latest", "./run_backend.sh", true),
            ("registry.example.com:5000/mirror/convex-backend@sha256:ab", "", true),
            ("ghcr.io/get-convex/convex-dashboard:latest", "node server.js", false),
            ("sha256:0123", "./run_backend.sh", true),
            ("my/own:1", "/app/convex-local-backend --port 3210", true),
            ("my/convex-backend-proxy:1", "nginx", false),
            ("postgres:17", "docker-entrypoint.sh", false),
        ] {
            let found = backend(image, &HashMap::new(), &[entrypoint.to_owned()], &[]);
            assert_eq!(found.is_some(), expected, "{image}");
        }
    }
}
