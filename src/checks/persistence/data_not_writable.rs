//! The backend may not write where its data lies: the mount is read-only, or the system refuses.

use crate::checks::BACKEND_DOWN;
use crate::checks::Check;
use crate::deployment::compose::declared_backend;
use crate::deployment::container::container_location;
use crate::deployment::container::run_subject;
use crate::deployment::data::declared_mount_over;
use crate::deployment::log_lines::LogMatch;
use crate::deployment::log_lines::log_match;
use crate::deployment::weight::cap_if_cli_works;
use crate::deployment::weight::of_backend_fault;
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::compose_command;
use crate::report::shell_word;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

/// The data directory cannot be written to.
pub static DATA_NOT_WRITABLE: Rule = Rule {
    id: "data-not-writable",
    level: Level::Error,
    title: "the backend cannot write to its data directory",
    explain: include_str!("data-not-writable.md"),
    is_cause: true,
    causes: BACKEND_DOWN,
    since: "0.1.0",
};

/// Whether the data directory can be written to.
pub static CHECK: Check = Check { rules: &[&DATA_NOT_WRITABLE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let container = container(evidence);
    if let Ok(Some((container, sure))) = container
        && let Some(mount) = container.mount_over(&container.data_dir).filter(|it| !it.writable)
    {
        let (level, weighed) = of_backend_fault(evidence);
        let finding = DATA_NOT_WRITABLE
            .finding(
                sure.min(weighed),
                format!(
                    "{} is mounted read-only; the backend writes there at every start.",
                    mount.target
                ),
            )
            .level(level)
            .because(format!("{} is mounted read-only", mount.target), container.name.clone())
            .at(container_location(container));
        return Ok(vec![with_line(evidence, finding).remedy(writable(evidence))]);
    }
    let line = declared_backend(evidence)
        .ok()
        .flatten()
        .and_then(|(_, service)| declared_mount_over(service, &service.data_dir))
        .filter(|line| line.read_only);
    if let Some(line) = line {
        let finding = DATA_NOT_WRITABLE
            .finding(
                Certainty::Likely,
                format!("After the next `docker compose up -d` {} is read-only, and the backend does not start.", line.target),
            )
            .because(format!("mounts {} read-only", line.target), line.at.to_string())
            .at(line.at.location())
            .remedy(writable(evidence));
        return Ok(vec![cap_if_cli_works(evidence, finding)]);
    }
    let found = log_match(evidence, DATA_NOT_WRITABLE.id)?;
    container?;
    Ok(found.map(|found| refused(&found)).into_iter().collect())
}

fn container(evidence: &Evidence) -> Result<Option<(&Container, Certainty)>, Unseen> {
    run_subject(evidence, evidence.docker.seen()?)
}

/// The system refuses, though the mount itself is not read-only.
fn refused(found: &LogMatch<'_>) -> Finding {
    let container = found.container;
    let finding = found.finding(&DATA_NOT_WRITABLE);
    match container.mount_over(&container.data_dir).and_then(|mount| mount.source.as_deref()) {
        Some(directory) if directory.starts_with('/') => finding.remedy(
            Remedy::safe("see who owns the directory; on a host with SELinux the mount needs `:Z`, and `user:` of the service must own it")
                .run(format!("ls -ldZ {}", shell_word(directory))),
        ),
        _ => finding.remedy(
            Remedy::safe("see how it is mounted, and as whom the backend runs").run(format!(
                "docker inspect -f '{{{{json .Mounts}}}} {{{{.Config.User}}}}' {}",
                shell_word(&container.name)
            )),
        ),
    }
}

fn with_line(evidence: &Evidence, finding: Finding) -> Finding {
    match log_match(evidence, DATA_NOT_WRITABLE.id) {
        Ok(Some(found)) => {
            finding.because(found.line.to_owned(), format!("the log of {}", found.container.name))
        }
        _ => finding,
    }
}

fn writable(evidence: &Evidence) -> Remedy {
    Remedy::careful("remove `:ro` (or `read_only: true`) from the line that mounts it, then")
        .run(compose_command(evidence, "up -d"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::declared;

    use crate::evidence::build::key::mount;
    use crate::evidence::docker::MountKind;
    use crate::evidence::endpoint::Reach;

    fn told(evidence: &Evidence) -> Vec<String> {
        endpoint::told(run(evidence))
    }

    #[test]
    fn the_mount_proves_the_line_foretells_and_the_log_tells() {
        let read_only = || {
            let mut attached = mount(MountKind::Named, Some("app_data"), "/convex/data");
            attached.writable = false;
            attached
        };
        let mut dead = build::healthy();
        endpoint::unreachable(&mut dead, Reach::Refused);
        build::backend(&mut dead).state = "exited".into();
        build::backend(&mut dead).log = endpoint::log(&[]);
        assert!(told(&dead).is_empty());

        let mut mounted = dead.clone();
        build::backend(&mut mounted).mounts = vec![read_only()];
        assert_eq!(told(&mounted), ["data-not-writable error proven app-backend-1"]);
        // A read-only mount elsewhere is nobody's fault.
        build::backend(&mut mounted).mounts = vec![
            mount(MountKind::Named, Some("app_data"), "/convex/data"),
            crate::evidence::docker::Mount { target: "/certs".to_owned(), ..read_only() },
        ];
        assert!(told(&mounted).is_empty());

        let mut line = build::healthy();
        let mut declared = declared("volume", Some("data"), "/convex/data");
        declared.read_only = true;
        build::service(&mut line).mounts = vec![declared];
        build::backend(&mut line).mounts.clear();
        assert_eq!(told(&line), ["data-not-writable error likely docker-compose.yml:7"]);

        let mut logged = dead;
        build::backend(&mut logged).log = endpoint::log(&[
            "mkdir: cannot create directory '/convex/data/tmp': Permission denied",
        ]);
        assert_eq!(told(&logged), ["data-not-writable error proven app-backend-1"]);
        build::backend(&mut logged).log = build::unseen();
        assert_eq!(told(&logged), ["unknown"]);
    }
}
