//! Which container is meant. Three are never confused (docs/facts.md, rule-containers): the one
//! that answers at the URL and the one that Compose would run here are in the evidence
//! (`DockerFacts::answering`, `DockerFacts::expected`); from them follow the container that the key
//! must match, the one whose identity is judged, and the one that this run is about.

use url::Url;

use crate::deployment::endpoint::{is_engine_host, is_loopback, selected_endpoint};
use crate::evidence::docker::{Container, SecretState};
use crate::evidence::{DockerFacts, Evidence, Unseen};
use crate::report::{Certainty, Location};
use crate::secret::Fingerprint;

/// The container whose secret the key has to match, and how certain that is.
pub(crate) struct KeySubject<'a> {
    /// The container.
    pub(crate) container: &'a Container,
    /// How certain it is that it is the one behind the URL.
    pub(crate) certainty: Certainty,
    /// Whether it is only assumed to be, because this project's backend would be there.
    pub(crate) assumed: bool,
}

/// The answering container; if that is unknown and the URL points to this machine, the expected
/// one, which is an assumption.
pub(crate) fn key_subject(evidence: &Evidence) -> Option<KeySubject<'_>> {
    let docker = evidence.docker.seen().ok()?;
    if let Some((container, certainty)) = docker.answering() {
        let differs = docker.expected().is_some_and(|expected| expected.name != container.name);
        let certainty = if differs { certainty.min(Certainty::Likely) } else { certainty };
        return Some(KeySubject { container, certainty, assumed: false });
    }
    let container = docker.expected().filter(|_| is_local_url(evidence))?;
    Some(KeySubject { container, certainty: Certainty::Likely, assumed: true })
}

/// Whether the selected URL can lead to a container on this machine: loopback, or not known.
fn is_local_url(evidence: &Evidence) -> bool {
    let seen =
        evidence.endpoint.seen().ok().and_then(Option::as_ref).map(|e| e.target.host.clone());
    let typed = || {
        let url = Url::parse(&evidence.selection.url.as_ref()?.text).ok()?;
        Some(url.host_str()?.trim_matches(['[', ']']).to_owned())
    };
    let host = seen.filter(|host| !host.is_empty()).or_else(typed);
    host.is_none_or(|host| is_loopback(&host) || host == "host.docker.internal")
}

/// The secret that a container's backend is running with. The one that its process got counts; if
/// that could not be read, the one in its environment or else in its file is used, and then nothing
/// is proven.
pub(crate) fn running_secret(container: &Container) -> Option<(&Fingerprint, Certainty)> {
    let places = &container.secret;
    if let Ok(state) = places.process.seen()
        && state.is_some()
    {
        return Some((state.as_ref()?.fingerprint()?, Certainty::Proven));
    }
    [&places.environment, &places.file]
        .into_iter()
        .find_map(|place| place.seen().ok().and_then(Option::as_ref))
        .and_then(SecretState::fingerprint)
        .map(|secret| (secret, Certainty::Likely))
}

/// The container, if the engine showed more of it than its list does: without that, its mounts and
/// its environment are not known, and not empty.
pub(crate) fn inspected(container: &Container) -> Result<&Container, Unseen> {
    container.secret.environment.seen().map(|_| container)
}

/// Whether the engine showed the container that Compose would run here, if there is one.
pub(crate) fn expected_inspected(evidence: &Evidence) -> Result<(), Unseen> {
    let expected = evidence.docker.seen().ok().and_then(DockerFacts::expected);
    expected.map_or(Ok(()), |container| inspected(container).map(drop))
}

/// Whether the engine showed all backends: the ports and mounts of one that it only listed are not
/// known.
pub(crate) fn all_inspected(docker: &DockerFacts) -> Result<(), Unseen> {
    docker.backends.iter().try_for_each(|container| inspected(container).map(drop))
}

/// What is known of the credentials file, from which the next start takes the secret if no variable
/// sets one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CredentialsFile {
    /// It was read, or nothing depends on it.
    There,
    /// It is not there: the next start generates a new secret.
    Gone,
    /// It holds another secret than the one that the backend is running with.
    Differs,
    /// It holds what no backend starts with; the text says what is wrong with it.
    Damaged(String),
    /// It could not be checked; the text says why.
    NotSeen(String),
}

/// Whether the credentials file of a container is there. One that never started has none yet, and
/// only `run_backend.sh` reads it.
pub(crate) fn credentials_file(container: &Container) -> CredentialsFile {
    let places = &container.secret;
    let official = container.software.upstream_entrypoint;
    let not_seen = |what: &str, unseen: Unseen| {
        CredentialsFile::NotSeen(format!("{what} was not checked ({})", unseen.reason))
    };
    match (places.environment.seen(), places.file.seen(), places.process.seen()) {
        (Ok(Some(_)), ..) => CredentialsFile::There,
        (Err(unseen), ..) => not_seen("its environment", unseen),
        (_, Err(unseen), _) => not_seen("the credentials file", unseen),
        (_, Ok(None), _) if official && !container.is_created() => CredentialsFile::Gone,
        (_, Ok(Some(SecretState::Invalid(why))), _) if official => {
            CredentialsFile::Damaged(why.clone())
        }
        (_, Ok(Some(file)), Ok(Some(process))) if file != process => CredentialsFile::Differs,
        // What runs may have another secret than the file.
        (_, Ok(Some(_)), Err(unseen)) if official && container.is_running() => {
            not_seen("the running secret", unseen)
        }
        (_, Ok(_), _) => CredentialsFile::There,
    }
}

/// The container that this run is about, and how certain that is: the one that Compose would run
/// here, else the one that answers, else, without a compose file, the only one that claims the
/// URL's port on this machine.
pub(crate) fn run_subject<'a>(
    evidence: &Evidence,
    docker: &'a DockerFacts,
) -> Result<Option<(&'a Container, Certainty)>, Unseen> {
    if let Some(container) = docker.expected() {
        return Ok(Some((inspected(container)?, Certainty::Proven)));
    }
    if let Some((container, certainty)) = docker.answering() {
        return Ok(Some((inspected(container)?, certainty)));
    }
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(None) };
    if evidence.compose.seen()?.is_some() || !is_engine_host(evidence, endpoint)? {
        return Ok(None);
    }
    all_inspected(docker)?;
    let mut claiming =
        docker.backends.iter().filter(|container| claims_port(container, endpoint.target.port));
    match (claiming.next(), claiming.next()) {
        (Some(container), None) => Ok(Some((container, Certainty::Likely))),
        _ => Ok(None),
    }
}

/// The location of a container.
pub(crate) fn container_location(container: &Container) -> Location {
    Location::container(container.name.clone())
}

/// Whether the container publishes that port of the host, or would when started.
pub(crate) fn claims_port(container: &Container, host_port: u16) -> bool {
    container.net.ports.iter().any(|port| port.host == Some(host_port))
}

/// The one stopped backend that publishes the URL's port when it runs.
pub(crate) fn stopped_holder(evidence: &Evidence) -> Option<&Container> {
    let port = evidence.endpoint.seen().ok()?.as_ref()?.target.port;
    let docker = evidence.docker.seen().ok()?;
    let mut holders = docker.backends.iter().filter(|it| it.is_stopped() && claims_port(it, port));
    holders.next().filter(|_| holders.next().is_none())
}

/// The host port that is in use according to an error of Docker.
pub(crate) fn port_taken(error: &str) -> Option<u16> {
    let lower = error.to_ascii_lowercase();
    if !(lower.contains("already allocated") || lower.contains("address already in use")) {
        return None;
    }
    // `Bind for 0.0.0.0:3210 failed: port is already allocated`, `listen tcp4 127.0.0.1:3210: bind:
    // address already in use`
    lower.split([' ', ',']).find_map(|word| {
        let (host, port) = word.trim_end_matches([':', '.', ')']).rsplit_once(':')?;
        (host.contains('.') || host.contains(':')).then(|| port.parse().ok())?
    })
}

/// The container whose identity is judged, and how certain it is that it is the right one.
pub(crate) struct IdentitySubject<'a> {
    /// The one that answers; if that is unknown, the one that Compose would run here.
    pub(crate) container: &'a Container,
    /// `Proven` for the answering one and for the one that is both; `Likely` for an expected one
    /// alone.
    pub(crate) certainty: Certainty,
    /// Whether the compose file describes this container.
    pub(crate) of_compose: bool,
}

/// The container whose identity to judge; `None` if there is none.
pub(crate) fn identity_subject(evidence: &Evidence) -> Result<Option<IdentitySubject<'_>>, Unseen> {
    let docker = evidence.docker.seen()?;
    let expected = docker.expected();
    let of_compose =
        |container: &Container| expected.is_some_and(|expected| expected.name == container.name);
    Ok(match docker.answering() {
        Some((container, certainty)) => {
            Some(IdentitySubject { container, certainty, of_compose: of_compose(container) })
        }
        None => expected.map(|container| IdentitySubject {
            container,
            certainty: Certainty::Likely,
            of_compose: true,
        }),
    })
}

/// The container of this run; `None` if there is none, or if Docker could not be checked.
pub(crate) fn run_container(evidence: &Evidence) -> Option<&Container> {
    let docker = evidence.docker.seen().ok()?;
    Some(run_subject(evidence, docker).ok()??.0)
}
