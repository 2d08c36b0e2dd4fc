//! The backend was killed from outside: for its memory, or by an instruction that this processor
//! does not have.

use crate::checks::Check;
use crate::deployment::container::container_location;
use crate::deployment::container::run_subject;
use crate::deployment::weight::of_backend_fault;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::compose_command;
use crate::report::{Finding, Level, Remedy, Rule};

/// 128 + SIGILL.
const ILLEGAL_INSTRUCTION: i64 = 132;

static BACKEND_OUT_OF_MEMORY: Rule = Rule {
    id: "backend-out-of-memory",
    level: Level::Error,
    title: "the backend was killed for its memory",
    explain: include_str!("backend-out-of-memory.md"),
    is_cause: true,
    causes: &["backend-stopped", "backend-restarting"],
    since: "0.1.0",
};

static BACKEND_ILLEGAL_INSTRUCTION: Rule = Rule {
    id: "backend-illegal-instruction",
    level: Level::Error,
    title: "the image needs a processor that this host does not have",
    explain: include_str!("backend-illegal-instruction.md"),
    is_cause: true,
    causes: &["backend-stopped", "backend-restarting"],
    since: "0.1.0",
};

pub(super) static CHECK: Check =
    Check { rules: &[&BACKEND_OUT_OF_MEMORY, &BACKEND_ILLEGAL_INSTRUCTION], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let docker = evidence.docker.seen()?;
    let Some((container, sure)) = run_subject(evidence, docker)? else { return Ok(vec![]) };
    let (level, weighed) = of_backend_fault(evidence);
    let certainty = sure.min(weighed);
    let name = &container.name;
    let finding = if container.oom_killed {
        BACKEND_OUT_OF_MEMORY
            .finding(certainty, format!("The kernel killed {name}: it used more memory than it may."))
            .because("OOMKilled is true", name.clone())
            .remedy(
                Remedy::careful("raise the memory limit of the service (`mem_limit`, `deploy.resources`) or give the host more, then")
                    .run(compose_command(evidence, "up -d")),
            )
    } else if container.exit_code == Some(ILLEGAL_INSTRUCTION) && !container.is_running() {
        BACKEND_ILLEGAL_INSTRUCTION
            .finding(certainty, format!("{name} ended with exit code 132 (SIGILL)."))
            .because("exit code 132", name.clone())
            .remedy(
                Remedy::careful("take a newer image, or run it on a newer processor (Raspberry Pi 4 and old arm64 boards are known for it)")
                    .run(compose_command(evidence, "pull"))
                    .run(compose_command(evidence, "up -d")),
            )
    } else {
        return Ok(vec![]);
    };
    let level = if container.is_running() { level.min(Level::Warning) } else { level };
    Ok(vec![finding.level(level).at(container_location(container))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

    #[test]
    fn tells_the_two_deaths_apart() {
        for (state, oom, code, expected) in [
            ("exited", true, 137, Some("backend-out-of-memory error proven")),
            ("exited", false, 137, None),
            ("restarting", false, 132, Some("backend-illegal-instruction error proven")),
            ("running", false, 132, None),
            ("running", true, 0, Some("backend-out-of-memory warning proven")),
        ] {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, Reach::Refused);
            let container = build::expected(&mut evidence);
            container.state = state.into();
            (container.oom_killed, container.exit_code) = (oom, Some(code));
            let expected: Vec<_> =
                expected.iter().map(|it| format!("{it} app-backend-1")).collect();
            assert_eq!(build::told(run(&evidence)), expected, "{state} {code}");
        }
        assert_eq!(run(&build::healthy()), Ok(vec![]));
    }
}
