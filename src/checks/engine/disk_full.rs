//! The disk that the backend writes to has no space left.

use crate::checks::{BACKEND_DOWN, Check};
use crate::deployment::container::{container_location, run_subject};
use crate::deployment::log_lines::log_match;
use crate::deployment::weight::of_backend_fault;
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Command, Finding, Remedy, Rule, shell_word};

static DISK_FULL: Rule =
    rule!("disk-full", Error, "the disk with the backend's data is full").cause(BACKEND_DOWN);

pub(super) static CHECK: Check = Check { rules: &[&DISK_FULL], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let (container, finding) = match not_started_by_docker(evidence) {
        Some(found) => found,
        None => match log_match(evidence, DISK_FULL.id)? {
            Some(found) => (found.container, found.finding(&DISK_FULL)),
            None => return Ok(vec![]),
        },
    };
    let mut look = Remedy::safe("Find out what uses the space").step();
    let data = container.mount_over(&container.storage.data_dir);
    look = match data.and_then(|mount| mount.source.as_deref()).filter(|it| it.starts_with('/')) {
        Some(directory) => look.run(format!("df -h {}", shell_word(directory))),
        None => look.run("df -h").run(Command::docker(["system", "df"])),
    };
    Ok(vec![
        finding.remedy(look).remedy(
            Remedy::careful("Delete old images and build cache (no data), and start the backend")
                .run(Command::docker(["image", "prune"]))
                .run(Command::docker(["builder", "prune"]))
                .run(Command::docker(["start", &container.name]))
                .step(),
        ),
    ])
}

/// Docker itself had no space to start it.
fn not_started_by_docker(evidence: &Evidence) -> Option<(&Container, Finding)> {
    let docker = evidence.docker.seen().ok()?;
    let (container, sure) = run_subject(evidence, docker).ok()??;
    let error = container.life.start_error.as_deref().filter(|_| !container.is_running())?;
    if !error.to_ascii_lowercase().contains("no space left on device") {
        return None;
    }
    let (level, weighed) = of_backend_fault(evidence);
    let detail = format!("Docker could not start {}: its disk is full.", container.name);
    let finding = DISK_FULL
        .finding(sure.min(weighed), detail)
        .level(level)
        .showing(error.to_owned(), "Docker's last attempt to start it")
        .at(container_location(container));
    Some((container, finding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

    #[test]
    fn a_full_disk_ends_the_backend_and_one_that_answers_may_have_recovered() {
        for (line, serves, expected) in [
            (
                "Caught error error (x): No space left on device (os error 28)",
                false,
                Some("disk-full error proven"),
            ),
            (
                "Caught error error (x): database or disk is full",
                false,
                Some("disk-full error proven"),
            ),
            (
                "Caught error error (x): database or disk is full",
                true,
                Some("disk-full info possible"),
            ),
            ("INFO there is no space", false, None),
        ] {
            let mut evidence = build::healthy();
            if !serves {
                build::unreachable(&mut evidence, Reach::Refused);
                build::expected(&mut evidence).life.state = "exited".into();
            }
            build::expected(&mut evidence).log = build::log(&[line]);
            let expected: Vec<_> =
                expected.iter().map(|it| format!("{it} app-backend-1")).collect();
            assert_eq!(build::told(run(&evidence)), expected, "{line}");
        }
    }

    #[test]
    fn docker_reports_it_itself() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        let container = build::expected(&mut evidence);
        container.life.state = "created".into();
        container.life.start_error =
            Some("mkdir /var/lib/docker/overlay2/x: no space left on device".to_owned());
        assert_eq!(build::told(run(&evidence)), ["disk-full error proven app-backend-1"]);
    }
}
