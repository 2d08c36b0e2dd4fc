//! Which service of the compose file is the Convex backend: none, or one of several.

use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::endpoint::{convex_answers, selected_endpoint};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::doctor;
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static COMPOSE_NO_BACKEND: Rule =
    rule!("compose-no-backend", Warning, "the compose file has no Convex backend service");

static COMPOSE_SEVERAL_BACKENDS: Rule =
    rule!("compose-several-backends", Info, "several services look like a Convex backend");

pub(super) static CHECK: Check =
    Check { rules: &[&COMPOSE_NO_BACKEND, &COMPOSE_SEVERAL_BACKENDS], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    if project.backends.is_empty() {
        // The compose file may be for something else if a backend answers elsewhere.
        let answered = selected_endpoint(evidence)
            .is_ok_and(|it| it.is_some_and(|it| convex_answers(it).unwrap_or(false)));
        let level = if answered { Level::Info } else { Level::Warning };
        let services = project.services.join(", ");
        let file = project.files.first().cloned().unwrap_or_default();
        return Ok(vec![
            COMPOSE_NO_BACKEND
                .finding(
                    Certainty::Proven,
                    "It was not checked what keeps the keys and data. No service has the image, the \
                     script run_backend.sh or the port 3210 of a backend.",
                )
                .level(level)
                .because(format!("Services: {services}"), file.clone())
                .at(Location::line(file, 0))
                .remedy(Remedy::safe("Name the backend's service with --service"))
                .remedy(Remedy::safe(
                    "Run convex-doctor in the directory of the backend's compose file",
                )),
        ]);
    }
    if project.backends.len() < 2 || evidence.asked.service.is_some() {
        return Ok(vec![]);
    }
    let chosen = match project.backend() {
        Some(backend) => format!("this report is about `{}`", backend.name),
        None => "none of them was checked".to_owned(),
    };
    let mut finding = COMPOSE_SEVERAL_BACKENDS.finding(
        Certainty::Proven,
        format!("{} services look like a Convex backend; {chosen}.", project.backends.len()),
    );
    for backend in &project.backends {
        let place = backend.at.location();
        finding = finding
            .because(
                format!("Service `{}`: {}", backend.name, backend.recognised_by),
                place.to_string(),
            )
            .at(place);
    }
    let other = project.backends.iter().find(|it| Some(&it.name) != project.chosen.as_ref());
    if let Some(other) = other {
        finding = finding.remedy(
            Remedy::safe("Diagnose another one").run(doctor(evidence, ["--service", &other.name])),
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
