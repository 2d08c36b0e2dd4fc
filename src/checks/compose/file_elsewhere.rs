//! The backend is in a compose project that `docker compose` does not run when it is called in this
//! directory without flags.

use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::key::key_goes_through;
use crate::evidence::compose::{ComposeFacts, ComposeFound};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::{compose, doctor};
use crate::report::{Certainty, ComposeVerb, Finding, Level, Location, Remedy, Rule};

static COMPOSE_FILE_ELSEWHERE: Rule =
    rule!("compose-file-elsewhere", Warning, "Docker Compose does not run this backend by itself");

pub(super) static CHECK: Check = Check { rules: &[&COMPOSE_FILE_ELSEWHERE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    // The file that has the backend may be one of those that Compose would read: then its error is
    // said alone.
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(found) = &project.found else {
        // A container may name other files.
        evidence.docker.seen()?;
        return Ok(vec![]);
    };
    let file = named(project);
    let detail = match found {
        ComposeFound::Label { container, instead } => {
            format!("{container} was made from {file}. {}", without_flags(instead, evidence))
        }
        ComposeFound::ProjectName { container, project } => format!(
            "{container} belongs to project {project}. Without `-p {project}`, `docker compose` \
             acts on another project."
        ),
        ComposeFound::Search { instead, .. } => {
            format!("The backend is in {file}. {}", without_flags(instead, evidence))
        }
        ComposeFound::Profile { profile } => {
            let service = project.chosen.as_deref().unwrap_or("backend");
            format!(
                "Service `{service}` is behind profile {profile}: without it, `docker compose` \
                 leaves the service out."
            )
        }
    };
    let level = if key_goes_through(evidence) { Level::Info } else { Level::Warning };
    let certainty = match found {
        ComposeFound::Search { others, .. } if !others.is_empty() => Certainty::Likely,
        _ => Certainty::Proven,
    };
    let mut finding = COMPOSE_FILE_ELSEWHERE.finding(certainty, detail).level(level);
    if let ComposeFound::Search { others, .. } = found {
        for other in others {
            finding = finding.because("Has a Convex backend, too", other.clone());
        }
    }
    if let Some(backend) = project.backend() {
        let place = backend.at.location();
        let text = format!("Service `{}`: {}", backend.name, backend.recognised_by);
        finding = finding.because(text, place.to_string()).at(place);
    } else {
        finding = finding.at(Location::line(file, 0));
    }
    Ok(vec![
        finding.remedy(
            Remedy::safe("Give every command the same flags, for example")
                .run(compose(evidence, ComposeVerb::Ps))
                .run(doctor(evidence, [])),
        ),
    ])
}

/// The files as they are typed.
fn named(project: &ComposeFacts) -> String {
    project.flags.files.join(" and ")
}

/// What `docker compose` does here without flags.
fn without_flags(instead: &[String], evidence: &Evidence) -> String {
    let inside = format!("{}/", evidence.surroundings.directory.trim_end_matches('/'));
    let files: Vec<&str> =
        instead.iter().map(|file| file.strip_prefix(&inside).unwrap_or(file)).collect();
    match files.as_slice() {
        [] => "Without `-f`, `docker compose` finds no file here.".to_owned(),
        files => format!("Without `-f`, `docker compose` reads {}.", files.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

    #[test]
    fn it_says_what_compose_would_do_instead() {
        let mut evidence = build::healthy();
        assert_eq!(run(&evidence), Ok(vec![]));
        let instead = vec!["/srv/app/compose.yaml".to_owned()];
        let container = "stack-backend-1".to_owned();
        for (found, files, expected) in [
            (
                ComposeFound::Label { container, instead: instead.clone() },
                vec!["stack.yml"],
                "stack-backend-1 was made from stack.yml. Without `-f`, `docker compose` reads \
                 compose.yaml.",
            ),
            (
                ComposeFound::ProjectName {
                    container: "web-backend-1".to_owned(),
                    project: "web".to_owned(),
                },
                vec![],
                "web-backend-1 belongs to project web. Without `-p web`, `docker compose` acts on \
                 another project.",
            ),
            (
                ComposeFound::Search { others: vec![], instead: vec![] },
                vec!["infra/convex/compose.yml"],
                "The backend is in infra/convex/compose.yml. Without `-f`, `docker compose` finds \
                 no file here.",
            ),
            (
                ComposeFound::Profile { profile: "convex".to_owned() },
                vec![],
                "Service `backend` is behind profile convex: without it, `docker compose` leaves \
                 the service out.",
            ),
        ] {
            let compose = build::compose(&mut evidence);
            compose.found = Some(found);
            compose.flags.files = files.into_iter().map(str::to_owned).collect();
            evidence.surroundings.directory = "/srv/app".to_owned();
            let finding = run(&evidence).unwrap().remove(0);
            assert_eq!(finding.detail.to_string(), expected);
            assert_eq!(finding.level, Level::Info);
        }
        build::unreachable(&mut evidence, Reach::Refused);
        assert_eq!(run(&evidence).unwrap()[0].level, Level::Warning);
    }
}
