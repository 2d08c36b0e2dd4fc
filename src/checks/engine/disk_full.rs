//! No space is left where the backend writes.

use crate::checks::BACKEND_DOWN;
use crate::checks::Check;
use crate::deployment::container::container_location;
use crate::deployment::container::run_subject;
use crate::deployment::log_lines::log_match;
use crate::deployment::weight::of_backend_fault;
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::docker_command;
use crate::report::{Finding, Level, Remedy, Rule};

static DISK_FULL: Rule = Rule {
    id: "disk-full",
    level: Level::Error,
    title: "the disk that holds the backend's data is full",
    explain: include_str!("disk-full.md"),
    is_cause: true,
    causes: BACKEND_DOWN,
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&DISK_FULL], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let (container, finding) = match refused_by_engine(evidence) {
        Some(found) => found,
        None => match log_match(evidence, DISK_FULL.id)? {
            Some(found) => (found.container, found.finding(&DISK_FULL)),
            None => return Ok(vec![]),
        },
    };
    let mut look = Remedy::safe("see what takes the space");
    let data = container.mount_over(&container.data_dir);
    look = match data.and_then(|mount| mount.source.as_deref()).filter(|it| it.starts_with('/')) {
        Some(directory) => look.run(format!("df -h {}", crate::report::shell_word(directory))),
        None => look.run("df -h").run("docker system df"),
    };
    Ok(vec![finding.remedy(look).remedy(
        Remedy::careful(
            "make room: old images and the build cache first (neither holds data); never volumes, then",
        )
        .run("docker image prune")
        .run("docker builder prune")
        .run(docker_command("start", &container.name)),
    )])
}

/// The engine itself found no room to start it.
fn refused_by_engine(evidence: &Evidence) -> Option<(&Container, Finding)> {
    let docker = evidence.docker.seen().ok()?;
    let (container, sure) = run_subject(evidence, docker).ok()??;
    let error = container.start_error.as_deref().filter(|_| !container.is_running())?;
    if !error.to_ascii_lowercase().contains("no space left on device") {
        return None;
    }
    let (level, weighed) = of_backend_fault(evidence);
    let detail = format!("The engine could not start {}: its disk is full.", container.name);
    let finding = DISK_FULL
        .finding(sure.min(weighed), detail)
        .level(level)
        .because(error.to_owned(), "the engine's last start of it")
        .at(container_location(container));
    Some((container, finding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

    #[test]
    fn a_full_disk_kills_and_a_serving_backend_may_have_got_over_it() {
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
                build::expected(&mut evidence).state = "exited".into();
            }
            build::expected(&mut evidence).log = build::log(&[line]);
            let expected: Vec<_> =
                expected.iter().map(|it| format!("{it} app-backend-1")).collect();
            assert_eq!(build::told(run(&evidence)), expected, "{line}");
        }
    }

    #[test]
    fn the_engine_says_so_itself() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        let container = build::expected(&mut evidence);
        container.state = "created".into();
        container.start_error =
            Some("mkdir /var/lib/docker/overlay2/x: no space left on device".to_owned());
        assert_eq!(build::told(run(&evidence)), ["disk-full error proven app-backend-1"]);
    }
}
