//! The backend was killed from outside: for its memory, or by an instruction that this processor
//! does not have.

use crate::checks::Check;
use crate::deployment::container::{container_location, run_subject};
use crate::deployment::weight::of_backend_fault;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::{compose, up};
use crate::report::{ComposeVerb, Finding, Level, Remedy, Rule};

/// 128 + SIGILL.
const ILLEGAL_INSTRUCTION: i64 = 132;

static BACKEND_OUT_OF_MEMORY: Rule =
    rule!("backend-out-of-memory", Error, "the backend ran out of memory and was killed")
        .cause(&["backend-stopped", "backend-restarting"]);

static BACKEND_ILLEGAL_INSTRUCTION: Rule = rule!(
    "backend-illegal-instruction",
    Error,
    "the image does not support this machine's processor"
)
.cause(&["backend-stopped", "backend-restarting"]);

pub(super) static CHECK: Check =
    Check { rules: &[&BACKEND_OUT_OF_MEMORY, &BACKEND_ILLEGAL_INSTRUCTION], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let docker = evidence.docker.seen()?;
    let Some((container, sure)) = run_subject(evidence, docker)? else { return Ok(vec![]) };
    let (level, weighed) = of_backend_fault(evidence);
    let certainty = sure.min(weighed);
    let name = &container.name;
    let finding = if container.life.oom_killed {
        BACKEND_OUT_OF_MEMORY
            .finding(
                certainty,
                format!("The kernel killed {name}, because it used more memory than is allowed."),
            )
            .because("OOMKilled is true", name.clone())
            .remedy(
                Remedy::careful("Raise `mem_limit` of the service, or give the host more memory")
                    .step(),
            )
            .remedy(Remedy::careful("Recreate the container").run(up(evidence)).step())
    } else if container.life.exit_code == Some(ILLEGAL_INSTRUCTION) && !container.is_running() {
        BACKEND_ILLEGAL_INSTRUCTION
            .finding(
                certainty,
                format!(
                    "{name} crashed with exit code 132 (SIGILL): its program uses an instruction \
                     that this processor does not have."
                ),
            )
            .because("Exit code 132", name.clone())
            .remedy(
                Remedy::careful("Set a newer tag for the backend image, if its tag is pinned")
                    .step(),
            )
            .remedy(
                Remedy::careful("Pull the image and recreate the container")
                    .run(compose(evidence, ComposeVerb::Pull))
                    .run(up(evidence))
                    .step(),
            )
            .remedy(Remedy::careful("Run the backend on a machine with a newer processor"))
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
    fn the_two_causes_are_told_apart() {
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
            container.life.state = state.into();
            (container.life.oom_killed, container.life.exit_code) = (oom, Some(code));
            let expected: Vec<_> =
                expected.iter().map(|it| format!("{it} app-backend-1")).collect();
            assert_eq!(build::told(run(&evidence)), expected, "{state} {code}");
        }
        assert_eq!(run(&build::healthy()), Ok(vec![]));
    }
}
