//! Which other backend answers instead of this project's own: the readings of the evidence, each
//! with its certainty.

use crate::deployment::compose::publishes;
use crate::deployment::container::{claims_port, port_taken};
use crate::evidence::docker::Container;
use crate::evidence::{ComposeFacts, DockerFacts, EndpointFacts};
use crate::report::Certainty;

/// What shows that another backend answers.
pub(super) struct Case {
    pub(super) certainty: Certainty,
    pub(super) detail: String,
    /// What was seen, and where.
    pub(super) proof: (String, String),
    /// Whether the proof is an error of Docker in its own words.
    pub(super) is_quoted: bool,
    /// The container that answers, if it is one.
    pub(super) other: Option<String>,
}

/// This project's backend was never started, and another one uses its port.
pub(super) fn never_started(
    docker: &DockerFacts,
    project: &ComposeFacts,
    port: u16,
) -> Option<Case> {
    let service = project.backend().filter(|service| publishes(service, port))?;
    let held = docker.published.iter().any(|entry| entry.host_port == port);
    let (certainty, other) = match docker.answering() {
        Some((other, certainty)) => (certainty.min(Certainty::Likely), Some(other)),
        // A bare binary may be there on purpose.
        None if !held => (Certainty::Possible, None),
        None => return None,
    };
    let name = other.map_or("A process outside Docker", |other| &other.name);
    Some(Case {
        certainty,
        detail: format!(
            "{name} answers on port {port}. This project's service `{}` was never started.",
            service.name
        ),
        proof: (
            format!("Publishes port {port}"),
            format!("{}:{}", service.at.file, service.at.line),
        ),
        is_quoted: false,
        other: other.map(|other| other.name.clone()),
    })
}

/// The container that answers belongs to another project.
pub(super) fn other_container(
    docker: &DockerFacts,
    expected: &Container,
    port: u16,
) -> Option<Case> {
    let (other, certainty) = docker.answering()?;
    let same = other.labels.working_dir == expected.labels.working_dir
        && other.labels.config_files == expected.labels.config_files;
    if other.name == expected.name || same {
        return None;
    }
    // The port may be meant for it, and the key be wrong by itself.
    let meant = if claims_port(expected, port) { certainty } else { Certainty::Likely };
    let project = match &other.labels.working_dir {
        Some(directory) => format!(" ({directory})"),
        None => String::new(),
    };
    Some(Case {
        certainty: certainty.min(meant),
        detail: format!(
            "{}{project} answers on port {port}. This project's backend is {}.",
            other.name, expected.name
        ),
        proof: (
            docker.answering.as_ref().map(|it| it.how.clone()).unwrap_or_default(),
            other.name.clone(),
        ),
        is_quoted: false,
        other: Some(other.name.clone()),
    })
}

/// Our container could not bind the port: another program uses it.
pub(super) fn bind_failed(expected: &Container, port: u16) -> Option<Case> {
    let error = expected.life.start_error.as_deref().filter(|_| !expected.is_running())?;
    (port_taken(error) == Some(port)).then(|| Case {
        certainty: Certainty::Proven,
        detail: format!(
            "{} could not start: the backend that answers already uses port {port}.",
            expected.name
        ),
        proof: (error.to_owned(), expected.name.clone()),
        is_quoted: true,
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
    let claims = claims_port(expected, endpoint.target.port);
    Some(Case {
        certainty: if claims { Certainty::Proven } else { Certainty::Likely },
        detail: format!(
            "Instance `{answers}` answers at the URL, but {} is instance `{runs}`.",
            expected.name
        ),
        proof: (format!("Its process runs as instance `{runs}`"), expected.name.clone()),
        is_quoted: false,
        other: None,
    })
}

/// Our container is not running and no other one publishes the port: a process outside Docker.
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
            "A process outside Docker probably answers: {} is not running, and no container \
             publishes port {port}.",
            expected.name
        ),
        proof: (format!("State {}", expected.life.state), expected.name.clone()),
        is_quoted: false,
        other: None,
    })
}
