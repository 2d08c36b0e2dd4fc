//! Some of the S3 variables are set and others are not: the backend keeps files on disk, or does
//! not start.

use crate::checks::{BACKEND_DOWN, Check};
use crate::deployment::compose::backend_service;
use crate::deployment::container::{container_location, expected_inspected, run_container};
use crate::deployment::log_lines::log_match;
use crate::deployment::variable::entry_if_set;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

static S3_INCOMPLETE: Rule =
    rule!("s3-incomplete", Warning, "some S3 variables are missing; files stay on disk")
        .cause(BACKEND_DOWN);

pub(super) static CHECK: Check = Check { rules: &[&S3_INCOMPLETE], run };

/// The five buckets; without one of them `run_backend.sh` chooses the disk.
const BUCKETS: [&str; 5] = [
    "S3_STORAGE_EXPORTS_BUCKET",
    "S3_STORAGE_SNAPSHOT_IMPORTS_BUCKET",
    "S3_STORAGE_MODULES_BUCKET",
    "S3_STORAGE_FILES_BUCKET",
    "S3_STORAGE_SEARCH_BUCKET",
];

/// What S3 needs together with them.
const ACCESS: [&str; 3] = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let service = backend_service(evidence);
    let logged = log_match(evidence, S3_INCOMPLETE.id);
    let declared = service.as_ref().ok().and_then(|it| *it);
    expected_inspected(evidence)?;
    let container = run_container(evidence);
    // The container's own environment counts; without one, that of the file, where an empty value
    // may be set elsewhere.
    let missing = match (container, declared) {
        (Some(container), _) => {
            missing(|name| container.storage.storage_variables.iter().any(|it| it == name))
        }
        (None, Some(service)) => missing(|name| entry_if_set(service, name).is_some())
            .filter(|missing| missing.iter().all(|name| service.variable(name).is_none())),
        (None, None) => None,
    };
    if let Ok(Some(found)) = &logged {
        let finding = found.finding(&S3_INCOMPLETE);
        return Ok(vec![with_remedies(finding, missing.as_deref().unwrap_or_default())]);
    }
    let Some(missing) = missing else {
        logged?;
        service?;
        return Ok(vec![]);
    };
    // Without keys in the environment, a machine's own role may give access.
    let certainty = match (container, missing.iter().any(|name| BUCKETS.contains(name))) {
        (Some(container), true) if container.software.upstream_entrypoint => Certainty::Proven,
        (_, true) => Certainty::Likely,
        (_, false) => Certainty::Possible,
    };
    let stay = match certainty {
        Certainty::Proven => "stay",
        Certainty::Likely => "probably stay",
        Certainty::Possible => "may stay",
    };
    let mut finding = S3_INCOMPLETE
        .finding(
            certainty,
            format!(
                "Files {stay} on disk, because run_backend.sh uses S3 only if all S3 variables are \
                 set."
            ),
        )
        .level(if certainty == Certainty::Possible { Level::Info } else { Level::Warning });
    let text = format!("Not set: {}", missing.join(", "));
    finding = match (container, declared) {
        (Some(container), _) => finding
            .because(text, format!("the environment of {}", container.name))
            .at(container_location(container)),
        (None, Some(service)) => {
            finding.because(text, service.at.location().to_string()).at(service.at.location())
        }
        (None, None) => finding,
    };
    Ok(vec![with_remedies(finding, &missing)])
}

/// No command: a backend with files on disk does not start with S3.
fn with_remedies(finding: Finding, missing: &[&str]) -> Finding {
    let variables = match missing {
        [] => "all S3 variables".to_owned(),
        [one] => (*one).to_owned(),
        several => format!("the {} missing S3 variables", several.len()),
    };
    finding
        .remedy(Remedy::careful(format!("Set {variables}, if no files are on disk yet")))
        .remedy(Remedy::careful("Remove all S3 variables (files stay on disk)"))
}

/// What is missing to complete what is set; `None` if no bucket is set, or nothing is missing.
fn missing(is_set: impl Fn(&str) -> bool) -> Option<Vec<&'static str>> {
    let any = BUCKETS.iter().any(|name| is_set(name));
    let missing: Vec<_> = BUCKETS.into_iter().chain(ACCESS).filter(|name| !is_set(name)).collect();
    (any && !missing.is_empty()).then_some(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::compose::EntryValue;
    use crate::evidence::endpoint::Reach;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn some_are_worse_than_none_or_all() {
        let all = [&BUCKETS[..], &ACCESS[..]].concat();
        let id = "s3-incomplete";
        for (case, held, expected) in [
            ("none", vec![], vec![]),
            ("all", all.clone(), vec![]),
            (
                "one bucket is missing",
                all[1..].to_vec(),
                vec![format!("{id} warning proven app-backend-1")],
            ),
            (
                "a role may give access",
                BUCKETS.to_vec(),
                vec![format!("{id} info possible app-backend-1")],
            ),
            ("only access", ACCESS.to_vec(), vec![]),
        ] {
            let mut evidence = build::healthy();
            build::expected(&mut evidence).storage.storage_variables = names(&held);
            assert_eq!(build::told(run(&evidence)), expected, "{case}");
        }
    }

    #[test]
    fn without_a_container_the_file_counts_but_not_its_empty_values() {
        let with = |extra: Option<EntryValue>| {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, Reach::Refused);
            let docker = build::docker(&mut evidence);
            (docker.expected, docker.answering) = (None, None);
            let mut entries: Vec<_> = [&BUCKETS[1..], &ACCESS[..]]
                .concat()
                .iter()
                .map(|name| build::variable(name, EntryValue::Hidden))
                .collect();
            entries.extend(extra.map(|value| build::variable(BUCKETS[0], value)));
            build::compose(&mut evidence).backends[0].environment = entries;
            build::told(run(&evidence))
        };
        assert_eq!(with(None), ["s3-incomplete warning likely docker-compose.yml:2"]);
        assert!(with(Some(EntryValue::Blank)).is_empty());
        assert!(with(Some(EntryValue::Hidden)).is_empty());
    }

    #[test]
    fn a_backend_that_crashes_because_of_it_is_an_error() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        let container = build::expected(&mut evidence);
        container.life.state = "exited".into();
        container.log = build::log(&[
            "Caught error error (x): S3_STORAGE_FILES_BUCKET env variable is required when using S3 storage",
        ]);
        assert_eq!(build::told(run(&evidence)), ["s3-incomplete error proven app-backend-1"]);
    }
}
