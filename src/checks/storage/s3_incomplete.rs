//! Some of the variables of S3 are set and others are not: the backend keeps files on disk, or does
//! not start.

use crate::checks::BACKEND_DOWN;
use crate::checks::Check;
use crate::deployment::compose::backend_service;
use crate::deployment::container::container_location;
use crate::deployment::container::run_container;
use crate::deployment::log_lines::log_match;
use crate::deployment::variable::entry_if_set;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

static S3_INCOMPLETE: Rule = Rule {
    id: "s3-incomplete",
    level: Level::Warning,
    title: "some of the S3 variables are missing: files are kept on disk",
    explain: include_str!("s3-incomplete.md"),
    is_cause: true,
    causes: BACKEND_DOWN,
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&S3_INCOMPLETE], run };

/// The five buckets; without one of them `run_backend.sh` chooses the disk.
const BUCKETS: [&str; 5] = [
    "S3_STORAGE_EXPORTS_BUCKET",
    "S3_STORAGE_SNAPSHOT_IMPORTS_BUCKET",
    "S3_STORAGE_MODULES_BUCKET",
    "S3_STORAGE_FILES_BUCKET",
    "S3_STORAGE_SEARCH_BUCKET",
];

/// What S3 needs beside them.
const ACCESS: [&str; 3] = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let service = backend_service(evidence);
    let logged = log_match(evidence, S3_INCOMPLETE.id);
    let declared = service.as_ref().ok().and_then(|it| *it);
    let container = run_container(evidence);
    // The container's own environment is what counts; without one, the file's, where a blank is no
    // opinion.
    let missing = match (container, declared) {
        (Some(container), _) => {
            missing(|name| container.storage_variables.iter().any(|it| it == name))
        }
        (None, Some(service)) => missing(|name| entry_if_set(service, name).is_some())
            .filter(|missing| missing.iter().all(|name| service.variable(name).is_none())),
        (None, None) => None,
    };
    let mend = |missing: &[&str]| {
        let title = if missing.is_empty() {
            "set all five S3_STORAGE_…_BUCKET, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or none of them".to_owned()
        } else {
            format!("set {} as well, or none of the S3 variables", missing.join(", "))
        };
        Remedy::careful(format!(
            "{title}. An instance that has files on disk refuses to start with S3: export first, import into a new one"
        ))
    };
    if let Ok(Some(found)) = &logged {
        let finding = found.finding(&S3_INCOMPLETE);
        return Ok(vec![finding.remedy(mend(missing.as_deref().unwrap_or_default()))]);
    }
    let Some(missing) = missing else {
        logged?;
        service?;
        return Ok(vec![]);
    };
    let detail =
        "run_backend.sh uses S3 only when all of its variables are set, and else the disk.";
    // Without keys in the environment, a machine's own role may give access.
    let certainty = match (container, missing.iter().any(|name| BUCKETS.contains(name))) {
        (Some(container), true) if container.upstream_entrypoint => Certainty::Proven,
        (_, true) => Certainty::Likely,
        (_, false) => Certainty::Possible,
    };
    let mut finding = S3_INCOMPLETE
        .finding(certainty, detail)
        .level(if certainty == Certainty::Possible { Level::Info } else { Level::Warning });
    let text = format!("not set: {}", missing.join(", "));
    finding = match (container, declared) {
        (Some(container), _) => finding
            .because(text, format!("the environment of {}", container.name))
            .at(container_location(container)),
        (None, Some(service)) => {
            finding.because(text, service.at.location().to_string()).at(service.at.location())
        }
        (None, None) => finding,
    };
    // No command: on an instance with files on disk the switch must not be made in passing.
    Ok(vec![finding.remedy(mend(&missing))])
}

/// What is missing to complete what is set; `None` where no bucket is set, or nothing is missing.
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
                "one bucket lacks",
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
            build::expected(&mut evidence).storage_variables = names(&held);
            assert_eq!(build::told(run(&evidence)), expected, "{case}");
        }
    }

    #[test]
    fn without_a_container_the_file_tells_and_a_blank_is_no_opinion() {
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
    fn a_backend_that_dies_of_it_is_an_error() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        let container = build::expected(&mut evidence);
        container.state = "exited".into();
        container.log = build::log(&[
            "Caught error error (x): S3_STORAGE_FILES_BUCKET env variable is required when using S3 storage",
        ]);
        assert_eq!(build::told(run(&evidence)), ["s3-incomplete error proven app-backend-1"]);
    }
}
