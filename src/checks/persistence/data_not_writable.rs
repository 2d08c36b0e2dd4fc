//! The backend cannot write to its data directory: the mount is read-only, or the system denies it.

use crate::checks::{BACKEND_DOWN, Check};
use crate::deployment::compose::declared_backend;
use crate::deployment::container::{container_location, inspected, run_subject};
use crate::deployment::data::declared_mount_over;
use crate::deployment::log_lines::{LogMatch, log_match};
use crate::deployment::weight::{cap_if_cli_works, of_backend_fault};
use crate::evidence::compose::DeclaredMount;
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::up;
use crate::report::{Certainty, ChainLink, CliFailure, Command, Finding, Remedy, Rule, shell_word};

/// The data directory cannot be written to.
pub static DATA_NOT_WRITABLE: Rule =
    rule!("data-not-writable", Error, "the backend cannot write to its data directory")
        .cause(BACKEND_DOWN)
        .breaks(ChainLink::Port)
        .explains(&[CliFailure::Backend]);

/// Whether the data directory can be written to.
pub static CHECK: Check = Check { rules: &[&DATA_NOT_WRITABLE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let container = container(evidence);
    let line = declared_backend(evidence)
        .ok()
        .flatten()
        .and_then(|(_, service)| declared_mount_over(service, &service.data_dir))
        .filter(|line| line.read_only);
    if let Ok(Some((container, sure))) = container
        && let Some(mount) =
            container.mount_over(&container.storage.data_dir).filter(|it| !it.writable)
    {
        let (level, weighed) = of_backend_fault(evidence);
        let finding = DATA_NOT_WRITABLE
            .finding(
                sure.min(weighed),
                format!(
                    "{} is mounted read-only, but the backend writes there at every start.",
                    mount.target
                ),
            )
            .level(level)
            .because(format!("{} is mounted read-only", mount.target), container.name.clone())
            .at(container_location(container));
        return Ok(vec![writable(evidence, line, with_line(evidence, finding))]);
    }
    if let Some(line) = line {
        let finding = DATA_NOT_WRITABLE
            .finding(
                Certainty::Likely,
                format!(
                    "After the next `docker compose up -d` the backend probably does not start, \
                     because {} is read-only.",
                    line.target
                ),
            )
            .because(format!("Mounts {} read-only", line.target), line.at.to_string())
            .at(line.at.location());
        let finding = writable(evidence, Some(line), finding);
        return Ok(vec![cap_if_cli_works(evidence, finding)]);
    }
    let found = log_match(evidence, DATA_NOT_WRITABLE.id)?;
    container?;
    Ok(found.map(|found| denied(&found)).into_iter().collect())
}

fn container(evidence: &Evidence) -> Result<Option<(&Container, Certainty)>, Unseen> {
    let subject = run_subject(evidence, evidence.docker.seen()?)?;
    if let Some((container, _)) = subject {
        inspected(container)?;
    }
    Ok(subject)
}

/// The system denies it, although the mount itself is not read-only.
fn denied(found: &LogMatch<'_>) -> Finding {
    let container = found.container;
    let finding = found.finding(&DATA_NOT_WRITABLE);
    match container
        .mount_over(&container.storage.data_dir)
        .and_then(|mount| mount.source.as_deref())
    {
        Some(directory) if directory.starts_with('/') => finding
            .remedy(
                Remedy::safe(format!("Check the owner and the SELinux label of {directory}"))
                    .run(format!("ls -ldZ {}", shell_word(directory)))
                    .step(),
            )
            .remedy(
                Remedy::safe(
                    "Let the `user:` of the service own it; with SELinux, add `:Z` to the mount",
                )
                .step(),
            ),
        _ => finding.remedy(Remedy::safe("Check the mounts and the user of the backend").run(
            Command::docker([
                "inspect",
                "-f",
                "{{json .Mounts}} {{.Config.User}}",
                &container.name,
            ]),
        )),
    }
}

fn with_line(evidence: &Evidence, finding: Finding) -> Finding {
    match log_match(evidence, DATA_NOT_WRITABLE.id) {
        Ok(Some(found)) => {
            finding.showing(found.line.to_owned(), format!("the log of {}", found.container.name))
        }
        _ => finding,
    }
}

/// Adds the steps that make the mount writable.
fn writable(evidence: &Evidence, line: Option<&DeclaredMount>, finding: Finding) -> Finding {
    let line = line.map_or_else(|| "the mount".to_owned(), |line| line.at.to_string());
    let edit = Remedy::careful(format!("Remove `:ro` (or `read_only: true`) from {line}"));
    let recreate = Remedy::careful("Recreate the container (the data is kept)").run(up(evidence));
    finding.remedy(edit.step()).remedy(recreate.step())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint;
    use crate::evidence::build::key::{self as build, declared, mount};
    use crate::evidence::docker::MountKind;
    use crate::evidence::endpoint::Reach;

    fn found(evidence: &Evidence) -> Vec<String> {
        endpoint::told(run(evidence))
    }

    #[test]
    fn by_the_mount_by_the_line_and_by_the_log() {
        let read_only = || {
            let mut attached = mount(MountKind::Named, Some("app_data"), "/convex/data");
            attached.writable = false;
            attached
        };
        let mut dead = build::healthy();
        endpoint::unreachable(&mut dead, Reach::Refused);
        build::backend(&mut dead).life.state = "exited".into();
        build::backend(&mut dead).log = endpoint::log(&[]);
        assert!(found(&dead).is_empty());

        let mut mounted = dead.clone();
        build::backend(&mut mounted).storage.mounts = vec![read_only()];
        assert_eq!(found(&mounted), ["data-not-writable error proven app-backend-1"]);
        // A read-only mount elsewhere does not matter.
        build::backend(&mut mounted).storage.mounts = vec![
            mount(MountKind::Named, Some("app_data"), "/convex/data"),
            crate::evidence::docker::Mount { target: "/certs".to_owned(), ..read_only() },
        ];
        assert!(found(&mounted).is_empty());

        let mut line = build::healthy();
        let mut declared = declared("volume", Some("data"), "/convex/data");
        declared.read_only = true;
        build::service(&mut line).mounts = vec![declared];
        build::backend(&mut line).storage.mounts.clear();
        assert_eq!(found(&line), ["data-not-writable error likely docker-compose.yml:7"]);

        let mut logged = dead;
        build::backend(&mut logged).log = endpoint::log(&[
            "mkdir: cannot create directory '/convex/data/tmp': Permission denied",
        ]);
        assert_eq!(found(&logged), ["data-not-writable error proven app-backend-1"]);
        build::backend(&mut logged).log = build::unseen();
        assert_eq!(found(&logged), ["unknown"]);
    }
}
