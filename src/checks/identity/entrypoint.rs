//! The backend is not started by the image's `run_backend.sh`, which reads and stores the
//! credentials.

use crate::checks::Check;
use crate::deployment::compose::backend_service;
use crate::deployment::container::{identity_subject, inspected};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

/// Another entrypoint than `run_backend.sh`.
pub static ENTRYPOINT_OVERRIDDEN: Rule =
    rule!("entrypoint-overridden", Warning, "the backend does not start through run_backend.sh");

/// How the backend is started.
pub static CHECK: Check = Check { rules: &[&ENTRYPOINT_OVERRIDDEN], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let service = backend_service(evidence);
    let subject = identity_subject(evidence);
    let overridden =
        service.as_ref().ok().and_then(|service| service.filter(|s| s.entrypoint_overridden));
    let container = subject
        .as_ref()
        .ok()
        .and_then(Option::as_ref)
        .map(|subject| subject.container)
        .filter(|container| inspected(container).is_ok())
        .filter(|container| !container.software.upstream_entrypoint);
    if overridden.is_none() && container.is_none() {
        if let Some(subject) = subject? {
            inspected(subject.container)?;
        }
        service?;
        return Ok(vec![]);
    }
    let mut finding = ENTRYPOINT_OVERRIDDEN.finding(
        Certainty::Proven,
        "The other entrypoint decides which secret the backend gets. `generate_admin_key.sh` does \
         not know that secret, and its keys can be rejected.",
    );
    if let Some(service) = overridden {
        finding =
            finding.because("Sets `entrypoint`", service.at.to_string()).at(service.at.location());
    }
    if let Some(container) = container {
        finding = finding
            .because("Was started by another entrypoint", container.name.clone())
            .at(Location::container(&container.name));
    }
    Ok(vec![finding.remedy(Remedy::careful(
        "Remove the `entrypoint`, or let it end with `exec ./run_backend.sh`",
    ))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::unseen;

    #[test]
    fn in_the_file_or_in_the_container() {
        assert_eq!(run(&build::healthy()), Ok(vec![]));
        let mut evidence = build::healthy();
        build::backend(&mut evidence).software.upstream_entrypoint = false;
        assert_eq!(run(&evidence).unwrap().len(), 1);
        evidence = build::healthy();
        evidence.docker = unseen();
        assert!(run(&evidence).is_err());
        build::service(&mut evidence).entrypoint_overridden = true;
        assert_eq!(run(&evidence).unwrap().len(), 1);
    }
}
