//! Backend and dashboard have different versions.

use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::container::{container_location, run_subject};
use crate::evidence::docker::{Companion, ContainerState};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::up;
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

static DASHBOARD_VERSION_DIFFERS: Rule =
    rule!("dashboard-version-differs", Warning, "backend and dashboard have different versions");

pub(super) static CHECK: Check = Check { rules: &[&DASHBOARD_VERSION_DIFFERS], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    if let Some(finding) = declared(evidence) {
        return Ok(vec![with_remedies(evidence, finding)]);
    }
    let docker = evidence.docker.seen()?;
    let subject = run_subject(evidence, docker)?;
    project(evidence)?;
    let Some((container, _)) = subject else { return Ok(vec![]) };
    // Only a dashboard of the same project: any other may belong to another backend.
    let Some(project) = &container.labels.project else { return Ok(vec![]) };
    let of_project = |it: &&Companion| {
        it.dashboard && it.name.starts_with(project.as_str()) && it.state == ContainerState::Running
    };
    let Some(dashboard) = docker.companions.iter().find(of_project) else { return Ok(vec![]) };
    let built = (container.software.revision.as_deref(), dashboard.revision.as_deref());
    let differ = match built {
        (Some(one), Some(other)) => (one != other).then(|| (short(one), short(other))),
        _ => tags_differ(&container.software.image, &dashboard.image),
    };
    let Some((one, other)) = differ else { return Ok(vec![]) };
    let finding = DASHBOARD_VERSION_DIFFERS
        .finding(
            Certainty::Proven,
            format!(
                "{} has version {one}, {} has version {other}. They are made to run in the same \
                 version.",
                container.name, dashboard.name
            ),
        )
        .because(format!("Version {one}"), container.name.clone())
        .because(format!("Version {other}"), dashboard.name.clone())
        .at(Location::container(dashboard.name.clone()))
        .at(container_location(container));
    Ok(vec![with_remedies(evidence, finding)])
}

/// Two tags in the compose file that differ.
fn declared(evidence: &Evidence) -> Option<Finding> {
    let project = project(evidence).ok()??;
    let service = project.backend()?;
    let dashboard = project.dashboards.first()?;
    let image = service.image.as_deref()?;
    let (one, other) = tags_differ(image, &dashboard.image)?;
    let (here, there) = (service.at.location(), dashboard.at.location());
    Some(
        DASHBOARD_VERSION_DIFFERS
            .finding(
                Certainty::Proven,
                format!(
                    "Service {} has tag {one}, service {} has tag {other}. They are made to run \
                     in the same version.",
                    service.name, dashboard.name
                ),
            )
            .because(format!("Image {image}"), here.to_string())
            .because(format!("Image {}", dashboard.image), there.to_string())
            .at(there)
            .at(here),
    )
}

/// The tags of two official images, if both are pinned and differ: Convex publishes both images
/// under the same tag.
fn tags_differ(backend: &str, dashboard: &str) -> Option<(String, String)> {
    let tag = |image: &str| {
        let (name, tag) = image.split('@').next()?.rsplit_once(':')?;
        let official = name.starts_with("ghcr.io/get-convex/");
        (official && tag != "latest" && !tag.contains('/')).then(|| tag.to_owned())
    };
    let (one, other) = (tag(backend)?, tag(dashboard)?);
    (one != other).then_some((one, other))
}

fn short(revision: &str) -> String {
    revision.chars().take(12).collect()
}

/// A newer backend migrates its database, and migrations only run forward.
fn with_remedies(evidence: &Evidence, finding: Finding) -> Finding {
    finding
        .remedy(Remedy::careful("Back up the data, if the backend gets a newer image").step())
        .remedy(Remedy::careful("Give both images the same tag").step())
        .remedy(Remedy::careful("Recreate the containers").run(up(evidence)).step())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::compose::DashboardService;

    const BACKEND: &str = "ghcr.io/get-convex/convex-backend";
    const DASHBOARD: &str = "ghcr.io/get-convex/convex-dashboard";

    #[test]
    fn tags_of_official_images_are_compared_and_nothing_else() {
        for (backend, dashboard, differ) in [
            ("5d3b6e2", "5d3b6e2", false),
            ("5d3b6e2", "33cef77", true),
            ("5d3b6e2", "latest", false),
            ("5d3b6e2@sha256:ab", "33cef77@sha256:cd", true),
        ] {
            let images = (format!("{BACKEND}:{backend}"), format!("{DASHBOARD}:{dashboard}"));
            assert_eq!(tags_differ(&images.0, &images.1).is_some(), differ, "{images:?}");
        }
        assert_eq!(tags_differ("mirror/convex-backend:1", "mirror/convex-dashboard:2"), None);
        assert_eq!(tags_differ(BACKEND, DASHBOARD), None);
    }

    #[test]
    fn the_file_and_the_labels_of_the_images() {
        let id = "dashboard-version-differs";
        let mut evidence = build::healthy();
        assert_eq!(run(&evidence), Ok(vec![]));
        build::compose(&mut evidence).dashboards = vec![DashboardService {
            name: "dashboard".to_owned(),
            at: build::at(12),
            image: format!("{DASHBOARD}:33cef77"),
            environment: vec![],
        }];
        assert_eq!(
            build::told(run(&evidence)),
            [format!("{id} warning proven docker-compose.yml:12")]
        );

        let with = |one: Option<&str>, other: Option<&str>| {
            let mut evidence = build::healthy();
            build::expected(&mut evidence).software.revision = one.map(str::to_owned);
            build::docker(&mut evidence).companions = vec![Companion {
                name: "app-dashboard-1".to_owned(),
                service: None,
                image: format!("{DASHBOARD}:latest"),
                state: "running".into(),
                revision: other.map(str::to_owned),
                dashboard: true,
            }];
            build::told(run(&evidence))
        };
        assert_eq!(with(Some("a"), Some("b")), [format!("{id} warning proven app-dashboard-1")]);
        assert!(with(Some("a"), Some("a")).is_empty());
        assert!(with(Some("a"), None).is_empty());
        build::no_docker(&mut evidence);
        build::compose(&mut evidence).dashboards.clear();
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }
}
