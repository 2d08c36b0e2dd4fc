//! Which service of the compose file is the Convex backend: none, or one of several.

use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::selected_endpoint;
use crate::evidence::{Evidence, Unseen};
use crate::report::shell_word;
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static COMPOSE_NO_BACKEND: Rule = Rule {
    id: "compose-no-backend",
    level: Level::Warning,
    title: "no service of the compose file looks like a Convex backend",
    explain: include_str!("compose-no-backend.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

static COMPOSE_SEVERAL_BACKENDS: Rule = Rule {
    id: "compose-several-backends",
    level: Level::Info,
    title: "several services look like a Convex backend",
    explain: include_str!("compose-several-backends.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

pub(super) static CHECK: Check =
    Check { rules: &[&COMPOSE_NO_BACKEND, &COMPOSE_SEVERAL_BACKENDS], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    if project.backends.is_empty() {
        // A compose file of something else, beside a backend that answers elsewhere, is in order.
        let answered = selected_endpoint(evidence)
            .is_ok_and(|it| it.is_some_and(|it| convex_answers(it).unwrap_or(false)));
        let level = if answered { Level::Info } else { Level::Warning };
        let services = project.services.join(", ");
        let file = project.files.first().cloned().unwrap_or_default();
        return Ok(vec![
            COMPOSE_NO_BACKEND
                .finding(
                    Certainty::Proven,
                    "A backend is known by its image, its script run_backend.sh or its port 3210; no service has one of them.",
                )
                .level(level)
                .because(format!("services: {services}"), file.clone())
                .at(Location::line(file, 0))
                .remedy(Remedy::safe("name the service with --service, or run the doctor where the backend's compose file is")),
        ]);
    }
    if project.backends.len() < 2 || evidence.asked.service.is_some() {
        return Ok(vec![]);
    }
    let taken = match project.backend() {
        Some(backend) => format!("`{}` was taken.", backend.name),
        None => "None was taken.".to_owned(),
    };
    let mut finding = COMPOSE_SEVERAL_BACKENDS.finding(
        Certainty::Proven,
        format!("{} services look like a backend. {taken}", project.backends.len()),
    );
    for backend in &project.backends {
        let place = backend.at.location();
        finding = finding
            .because(format!("`{}`: {}", backend.name, backend.recognised_by), place.to_string())
            .at(place);
    }
    let other = project.backends.iter().find(|it| Some(&it.name) != project.chosen.as_ref());
    if let Some(other) = other {
        finding = finding.remedy(
            Remedy::safe("look at another one")
                .run(format!("convex-doctor --service {}", shell_word(&other.name))),
        );
    }
    Ok(vec![finding])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

    #[test]
    fn none_one_or_several() {
        let mut evidence = build::healthy();
        assert_eq!(run(&evidence), Ok(vec![]));
        build::compose(&mut evidence).backends.push(build::service("staging"));
        let several = ["compose-several-backends info proven docker-compose.yml:2"];
        assert_eq!(build::told(run(&evidence)), several);
        evidence.asked.service = Some("staging".to_owned());
        assert_eq!(run(&evidence), Ok(vec![]));
        build::compose(&mut evidence).backends.clear();
        let none =
            |level| vec![format!("compose-no-backend {level} proven /srv/app/docker-compose.yml")];
        assert_eq!(build::told(run(&evidence)), none("info"));
        build::unreachable(&mut evidence, Reach::Refused);
        assert_eq!(build::told(run(&evidence)), none("warning"));
    }
}
