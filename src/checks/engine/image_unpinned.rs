//! The image's tag moves: the next `pull` may bring another version.

use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::container::{container_location, run_subject};
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

static IMAGE_UNPINNED: Rule =
    rule!("image-unpinned", Info, "the backend image is not pinned to a version");

pub(super) static CHECK: Check = Check { rules: &[&IMAGE_UNPINNED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let project = project(evidence);
    let service = project.as_ref().ok().and_then(|project| project.as_ref()?.backend());
    let declared = service.and_then(|service| Some((service, service.image.as_deref()?)));
    let docker = evidence.docker.seen();
    let subject = docker.and_then(|docker| run_subject(evidence, docker));
    let container = subject.as_ref().ok().and_then(|found| *found).map(|(it, _)| it);
    let (image, location) = match (declared, container) {
        (Some((service, image)), _) if is_moving(image) => {
            (image, Location::line(service.at.file.clone(), service.at.line))
        }
        (_, Some(container)) if is_moving(&container.software.image) => {
            (container.software.image.as_str(), container_location(container))
        }
        _ => {
            project?;
            subject?;
            return Ok(vec![]);
        }
    };
    Ok(vec![
        IMAGE_UNPINNED
            .finding(
                Certainty::Proven,
                format!(
                    "Each pull of `{image}` can bring another version of the backend. Database \
                     migrations only run forward."
                ),
            )
            .because(format!("Image {image}"), location.to_string())
            .at(location)
            .remedy(pin(image, container)),
    ])
}

/// The official images are tagged with the revision that they were built from.
fn pin(image: &str, container: Option<&Container>) -> Remedy {
    let is_official = |image: &str| image.starts_with("ghcr.io/get-convex/");
    let revision = container
        .filter(|container| is_official(image) && is_official(&container.software.image))
        .and_then(|container| container.software.revision.as_deref());
    Remedy::safe(match revision {
        Some(revision) => format!(
            "Pin both images to the revision that is running now: {revision} (never an older one)"
        ),
        None => "Pin both images to the revision that is running now (never an older one)".into(),
    })
}

/// Whether the reference has no digest and the tag `latest`, written or not. An image without a
/// registry is built locally.
fn is_moving(image: &str) -> bool {
    let Some((_, last)) = image.rsplit_once('/').filter(|_| !image.contains('@')) else {
        return false;
    };
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn latest_moves_and_a_digest_does_not() {
        for (image, moving) in [
            ("ghcr.io/get-convex/convex-backend:latest", true),
            ("ghcr.io/get-convex/convex-backend", true),
            ("registry:5000/convex-backend", true),
            ("registry:5000/convex-backend:1", false),
            ("ghcr.io/get-convex/convex-backend:5d3b6e2", false),
            ("ghcr.io/get-convex/convex-backend:latest@sha256:ab", false),
            ("app-backend", false),
        ] {
            assert_eq!(is_moving(image), moving, "{image}");
        }
        let mut evidence = build::healthy();
        assert_eq!(run(&evidence), Ok(vec![]));
        build::compose(&mut evidence).backends[0].image = Some("x/convex-backend".to_owned());
        let declared = ["image-unpinned info proven docker-compose.yml:2"];
        assert_eq!(build::told(run(&evidence)), declared);
        evidence.compose = crate::evidence::Observation::unavailable("x");
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
        build::expected(&mut evidence).software.image = "x/convex-backend:latest".to_owned();
        assert_eq!(build::told(run(&evidence)), ["image-unpinned info proven app-backend-1"]);
    }
}
