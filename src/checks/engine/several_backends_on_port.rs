//! Two backends want the same port of the host: only one of them can have it.

use crate::checks::Check;
use crate::deployment::container::{all_inspected, container_location, port_taken};
use crate::deployment::endpoint::{is_engine_host, selected_endpoint};
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::docker::{Container, Port};
use crate::evidence::endpoint::Reach;
use crate::evidence::{DockerFacts, Evidence, Unseen};
use crate::remedies::command::up;
use crate::report::{Certainty, Command, Finding, Remedy, Rule};

static SEVERAL_BACKENDS_ON_PORT: Rule =
    rule!("several-backends-on-port", Error, "two backends want the same port")
        .cause(&["backend-stopped", "url-reaches-another-backend"])
        .another_answers();

pub(super) static CHECK: Check = Check { rules: &[&SEVERAL_BACKENDS_ON_PORT], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let docker = evidence.docker.seen()?;
    let finding = match docker.expected().and_then(|it| bind_failed(evidence, docker, it)) {
        Some(finding) => finding,
        None => match both_running(evidence, docker)? {
            Some(finding) => finding,
            None => return all_inspected(docker).map(|()| vec![]),
        },
    };
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

/// Our container did not get its port.
fn bind_failed(evidence: &Evidence, docker: &DockerFacts, expected: &Container) -> Option<Finding> {
    let error = expected.life.start_error.as_deref().filter(|_| !expected.is_running())?;
    let port = port_taken(error)?;
    let holder = docker
        .published
        .iter()
        .find(|entry| entry.host_port == port && entry.container != expected.name);
    // Docker keeps the error of the last start; the port may be free again since then.
    let is_free = holder.is_none()
        && selected_endpoint(evidence).ok().flatten().is_some_and(|endpoint| {
            endpoint.target.port == port && endpoint.route.reach == Reach::Refused
        })
        && selected_endpoint(evidence).ok().flatten().map(|it| is_engine_host(evidence, it))
            == Some(Ok(true));
    if is_free {
        return None;
    }
    let mut finding = SEVERAL_BACKENDS_ON_PORT
        .finding(
            Certainty::Proven,
            format!("{} could not start: port {port} is already in use.", expected.name),
        )
        .showing(error.to_owned(), "Docker's last attempt to start it")
        .at(container_location(expected));
    if let Some(holder) = holder {
        finding = finding.because(format!("Publishes port {port}"), holder.container.clone());
    }
    Some(
        with_another_port(evidence, port, finding).remedy(match holder {
            Some(holder) => {
                Remedy::careful(format!("Stop {}, and start this backend", holder.container))
                    .run(Command::docker(["stop", &holder.container]))
                    .run(up(evidence))
            }
            None => Remedy::safe("Find the process that uses the port")
                .run(format!("lsof -nP -iTCP:{port} -sTCP:LISTEN")),
        }),
    )
}

/// Two running backends publish the URL's port on addresses that overlap.
fn both_running(evidence: &Evidence, docker: &DockerFacts) -> Result<Option<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(None) };
    if !is_engine_host(evidence, endpoint)? {
        return Ok(None);
    }
    let claim = |container: &&Container| -> Option<Port> {
        container.net.ports.iter().find(|it| it.host == Some(endpoint.target.port)).cloned()
    };
    let running: Vec<_> = docker
        .backends
        .iter()
        .filter(|it| it.is_running())
        .filter_map(|it| Some((it, claim(&it)?)))
        .collect();
    let pair = running.iter().enumerate().find_map(|(index, (first, port))| {
        let second = running[index + 1..].iter().find(|(_, other)| overlap(port, other))?;
        Some((*first, second.0))
    });
    Ok(pair.map(|(first, second)| {
        let finding = SEVERAL_BACKENDS_ON_PORT
            .finding(
                Certainty::Proven,
                format!(
                    "{} and {} both publish port {}.",
                    first.name, second.name, endpoint.target.port
                ),
            )
            .at(container_location(first))
            .at(container_location(second));
        with_another_port(evidence, endpoint.target.port, finding)
    }))
}

fn overlap(one: &Port, other: &Port) -> bool {
    let any = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::");
    one.host_ip == other.host_ip || any(&one.host_ip) || any(&other.host_ip)
}

fn with_another_port(evidence: &Evidence, port: u16, finding: Finding) -> Finding {
    finding
        .remedy(
            Remedy::careful(format!(
                "Change host port {port} of one backend, in `ports:` or PORT in .env"
            ))
            .step(),
        )
        .remedy(Remedy::careful("Recreate its container").run(up(evidence)).step())
        .remedy(Remedy::careful("Use the new port in its URL").step())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn a_stopped_backend_does_not_use_the_port() {
        let with = |state: &str, ip: &str| {
            let mut evidence = build::healthy();
            build::endpoint(&mut evidence).key.check_admin_key = build::refusal(401, "BadAdminKey");
            build::expected(&mut evidence).net.ports[0].host_ip = "127.0.0.1".to_owned();
            let mut other = build::container("old-backend-1", "old", 3210);
            other.life.state = state.into();
            other.net.ports[0].host_ip = ip.to_owned();
            build::docker(&mut evidence).backends.push(other);
            build::told(run(&evidence))
        };
        let found = ["several-backends-on-port error proven app-backend-1"];
        assert_eq!(with("running", "0.0.0.0"), found);
        assert!(with("exited", "0.0.0.0").is_empty());
        assert!(with("running", "192.168.1.2").is_empty());
        assert_eq!(run(&build::healthy()), Ok(vec![]));
    }

    #[test]
    fn a_failed_bind_is_a_proof() {
        for (error, found) in [
            ("Bind for 0.0.0.0:3210 failed: port is already allocated", true),
            ("listen tcp4 127.0.0.1:3210: bind: address already in use", true),
            ("error mounting \"/x\": no such file or directory", false),
        ] {
            let mut evidence = build::healthy();
            let container = build::expected(&mut evidence);
            container.life.state = "created".into();
            container.life.start_error = Some(error.to_owned());
            assert_eq!(!run(&evidence).unwrap().is_empty(), found, "{error}");
            // Nothing is listening there now: the error of the last start is over.
            build::unreachable(&mut evidence, Reach::Refused);
            assert_eq!(run(&evidence), Ok(vec![]), "{error}");
        }
    }
}
