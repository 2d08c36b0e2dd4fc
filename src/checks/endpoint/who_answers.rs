//! Who answers in place of this project's backend: the readings of the evidence, each with its
//! certainty.

use crate::deployment::compose::publishes;
use crate::deployment::container::claims_port;
use crate::deployment::container::port_taken;
use crate::evidence::docker::Container;
use crate::evidence::{ComposeFacts, DockerFacts, EndpointFacts};
use crate::report::Certainty;

/// What speaks for another backend.
pub(super) struct Case {
    /// How surely.
    pub(super) certainty: Certainty,
    /// What is the case.
    pub(super) detail: String,
    /// What was seen, and where.
    pub(super) proof: (String, String),
    /// The container that answers, if it is one.
    pub(super) other: Option<String>,
}

/// This project's backend was never started, and another one has its port.
pub(super) fn never_started(
    docker: &DockerFacts,
    project: &ComposeFacts,
    port: u16,
) -> Option<Case> {
    let service = project.backend().filter(|service| publishes(service, port))?;
    let held = docker.published.iter().any(|entry| entry.host_port == port);
    let (certainty, who) = match docker.answering() {
        Some((other, certainty)) => (certainty.min(Certainty::Likely), Some(other)),
        // A bare binary may be there on purpose.
        None if !held => (Certainty::Possible, None),
        None => return None,
    };
    let name = who.map_or("a process outside of Docker", |other| &other.name);
    Some(Case {
        certainty,
        detail: format!(
            "Service `{}` was never started, and {name} answers on its port {port}.",
            service.name
        ),
        proof: (
            format!("publishes port {port}"),
            format!("{}:{}", service.at.file, service.at.line),
        ),
        other: who.map(|other| other.name.clone()),
    })
}

/// The container that answers is of another project.
pub(super) fn other_container(
    docker: &DockerFacts,
    expected: &Container,
    port: u16,
) -> Option<Case> {
    let (other, certainty) = docker.answering()?;
    let same =
        other.working_dir == expected.working_dir && other.config_files == expected.config_files;
    if other.name == expected.name || same {
        return None;
    }
    // The port may have been meant for it, and the key be wrong by itself.
    let meant = if claims_port(expected, port) { certainty } else { Certainty::Likely };
    Some(Case {
        certainty: certainty.min(meant),
        detail: format!(
            "{} of {} answers on port {port}; this project's backend is {}.",
            other.name,
            other.working_dir.as_deref().unwrap_or("no compose project"),
            expected.name
        ),
        proof: (
            docker.answering.as_ref().map(|it| it.how.clone()).unwrap_or_default(),
            other.name.clone(),
        ),
        other: Some(other.name.clone()),
    })
}

/// Our container could not take the port: somebody else has it.
pub(super) fn bind_failed(expected: &Container, port: u16) -> Option<Case> {
    let error = expected.start_error.as_deref().filter(|_| !expected.is_running())?;
    (port_taken(error) == Some(port)).then(|| Case {
        certainty: Certainty::Proven,
        detail: format!(
            "{} could not take port {port}, because the backend that answers there holds it.",
            expected.name
        ),
        proof: (error.to_owned(), expected.name.clone()),
        other: None,
    })
}

/// Our process runs under another name than the one that answers.
pub(super) fn other_name(expected: &Container, endpoint: &EndpointFacts) -> Option<Case> {
    let answers = endpoint.answering_name()?;
    let runs = expected.instance_name.process.seen().ok()?.as_deref()?;
    if !expected.is_running() || answers == runs {
        return None;
    }
    let claims = claims_port(expected, endpoint.port);
    Some(Case {
        certainty: if claims { Certainty::Proven } else { Certainty::Likely },
        detail: format!(
            "The URL answers as instance `{answers}`; {} runs as `{runs}`.",
            expected.name
        ),
        proof: (format!("its process runs as `{runs}`"), expected.name.clone()),
        other: None,
    })
}

/// Our container does not run and no other one holds the port: a process outside of Docker.
pub(super) fn outside_docker(
    docker: &DockerFacts,
    expected: &Container,
    port: u16,
) -> Option<Case> {
    let held = docker.published.iter().any(|entry| entry.host_port == port);
    if expected.is_running() || !claims_port(expected, port) || held {
        return None;
    }
    Some(Case {
        certainty: Certainty::Likely,
        detail: format!(
            "{} does not run, and no container publishes port {port}: a process outside of Docker answers.",
            expected.name
        ),
        proof: (format!("state {}", expected.state), expected.name.clone()),
        other: None,
    })
}
