//! Backend and dashboard are of different versions.

use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::container::container_location;
use crate::deployment::container::run_subject;
use crate::evidence::docker::{Companion, ContainerState};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::compose_command;
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static DASHBOARD_VERSION_DIFFERS: Rule = Rule {
    id: "dashboard-version-differs",
    level: Level::Warning,
    title: "backend and dashboard are of different versions",
    explain: include_str!("dashboard-version-differs.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&DASHBOARD_VERSION_DIFFERS], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    if let Some(finding) = declared(evidence) {
        return Ok(vec![finding.remedy(same(evidence))]);
    }
    let docker = evidence.docker.seen()?;
    let subject = run_subject(evidence, docker)?;
    project(evidence)?;
    let Some((container, _)) = subject else { return Ok(vec![]) };
    // The project's own; a dashboard of nobody's project may be for any backend.
    let Some(project) = &container.project else { return Ok(vec![]) };
    let of_project = |it: &&Companion| {
        it.dashboard && it.name.starts_with(project.as_str()) && it.state == ContainerState::Running
    };
    let Some(dashboard) = docker.companions.iter().find(of_project) else { return Ok(vec![]) };
    let built = (container.revision.as_deref(), dashboard.revision.as_deref());
    let differ = match built {
        (Some(one), Some(other)) => (one != other).then(|| (short(one), short(other))),
        _ => tags_differ(&container.image, &dashboard.image),
    };
    let Some((one, other)) = differ else { return Ok(vec![]) };
    Ok(vec![
        DASHBOARD_VERSION_DIFFERS
            .finding(
                Certainty::Proven,
                format!("{} is {one}, {} is {other}.", container.name, dashboard.name),
            )
            .because(format!("is {one}"), container.name.clone())
            .because(format!("is {other}"), dashboard.name.clone())
            .at(Location::container(dashboard.name.clone()))
            .at(container_location(container))
            .remedy(same(evidence)),
    ])
}

/// Two tags of the compose file that are not the same.
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
                    "Service {} is {one}, service {} is {other}.",
                    service.name, dashboard.name
                ),
            )
            .because(format!("image {image}"), here.to_string())
            .because(format!("image {}", dashboard.image), there.to_string())
            .at(there)
            .at(here),
    )
}

/// The tags of two upstream images where both are pinned and differ: upstream publishes both under
/// one tag.
fn tags_differ(backend: &str, dashboard: &str) -> Option<(String, String)> {
    let tag = |image: &str| {
        let (name, tag) = image.split('@').next()?.rsplit_once(':')?;
        let upstream = name.starts_with("ghcr.io/get-convex/");
        (upstream && tag != "latest" && !tag.contains('/')).then(|| tag.to_owned())
    };
    let (one, other) = (tag(backend)?, tag(dashboard)?);
    (one != other).then_some((one, other))
}

fn short(revision: &str) -> String {
    revision.chars().take(12).collect()
}

fn same(evidence: &Evidence) -> Remedy {
    Remedy::careful(
        "give both images the same tag; going forward with the backend migrates its database, so back it up first",
    )
    .run(compose_command(evidence, "up -d"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::compose::DashboardService;

    const BACKEND: &str = "ghcr.io/get-convex/convex-backend";
    const DASHBOARD: &str = "ghcr.io/get-convex/convex-dashboard";

    #[test]
    fn tags_of_upstream_are_compared_and_nothing_else() {
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
        }];
        assert_eq!(
            build::told(run(&evidence)),
            [format!("{id} warning proven docker-compose.yml:12")]
        );

        let with = |one: Option<&str>, other: Option<&str>| {
            let mut evidence = build::healthy();
            build::expected(&mut evidence).revision = one.map(str::to_owned);
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
