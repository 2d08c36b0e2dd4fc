//! What the evidence says of each link by itself.

use super::{Judged, KEY_VARIABLE, Scene, URL_VARIABLE};
use crate::deployment::container::CredentialsFile;
use crate::deployment::container::credentials_file;
use crate::deployment::data::is_persistent;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::key::KeyAnswer;
use crate::deployment::key::is_not_a_key;
use crate::deployment::key::key_answer;
use crate::deployment::key::key_in_words;
use crate::deployment::key::trial_of;
use crate::deployment::selection::{command_had_pair, source_in_words};
use crate::evidence::docker::{Container, ContainerHealth, SecretState};
use crate::evidence::endpoint::Reach;
use crate::evidence::selection::SelectionKind;
use crate::evidence::{ComposeFacts, EndpointFacts, KeyFacts, Observation};
use crate::report::{Certainty, LinkState};
use crate::secret::Fingerprint;

fn holds(why: impl Into<String>) -> Judged {
    Judged { state: LinkState::Holds, why: why.into() }
}

fn broken(why: impl Into<String>) -> Judged {
    Judged { state: LinkState::Broken, why: why.into() }
}

fn unknown(why: impl Into<String>) -> Judged {
    Judged { state: LinkState::Unknown, why: why.into() }
}

/// Why there is no container to speak of.
fn no_container(scene: &Scene<'_>) -> Judged {
    match scene.evidence.docker.seen() {
        Err(unseen) => unknown(format!("Docker was not checked: {}", unseen.reason)),
        Ok(docker) if docker.expected.is_none() && scene.compose.is_some_and(has_backend) => {
            unknown("the container of this project does not exist yet")
        }
        Ok(_) => unknown("no container of this engine is known to answer at the URL"),
    }
}

fn has_backend(compose: &ComposeFacts) -> bool {
    compose.backend().is_some()
}

/// A value that is not set: missed in an app, and no fault on a server.
fn nowhere(scene: &Scene<'_>, variable: &str) -> Judged {
    if let Some(file) = scene.evidence.surroundings.unreadable.first() {
        return unknown(format!("{variable} may be set in {}, which could not be read", file.file));
    }
    if scene.evidence.selection.is_set(variable) {
        return unknown(format!("the command sets {variable} to a value that is not known here"));
    }
    if command_had_pair(scene.evidence) {
        return unknown(format!("the script sets {variable}, and its value is not known here"));
    }
    let why = format!("{variable} is not set in what npx convex reads here");
    if scene.is_app() { broken(why) } else { unknown(why) }
}

/// The key opens the secret, bears the instance's name and may write.
pub(super) fn key(scene: &Scene<'_>) -> Judged {
    let Some(key) = scene.key else { return nowhere(scene, KEY_VARIABLE) };
    let url = || scene.url.map_or("the URL", |(text, _)| text);
    // What another backend says of it is not about this chain.
    let said = match scene.other {
        Some(other) => KeyAnswer::untested(format!("{} answers instead", other.name)),
        None if scene.usurped => KeyAnswer::untested("another backend answers instead"),
        None => key_answer(scene.evidence),
    };
    match &said {
        KeyAnswer::Accepted { read_only: Some(true) } | KeyAnswer::ReadOnly => {
            return broken(format!("{} accepts it as read-only", url()));
        }
        KeyAnswer::Accepted { .. } => return holds(format!("{} accepts it", url())),
        _ if is_not_a_key(key) => {
            return broken(format!("the text in {} is not a key", key.source));
        }
        _ => {}
    }
    match scene.secret.and_then(|(secret, how)| Some((secret, how, trial_of(key, secret)?))) {
        Some((secret, _, trial)) => match &trial.opened {
            Some(claims) => opened(
                scene,
                key,
                secret,
                claims.inner_name.as_deref(),
                said == KeyAnswer::Rejected,
            ),
            None => broken(format!("{} does not match secret {secret}", key_in_words(key))),
        },
        None => match said {
            KeyAnswer::Rejected => broken(format!("{} answers 401 BadAdminKey to it", url())),
            KeyAnswer::NotAdmin => unknown(format!("{} answers as if no key had arrived", url())),
            KeyAnswer::Untested { reason, .. } => {
                unknown(format!("no secret was found to compare it with; {reason}"))
            }
            KeyAnswer::Accepted { .. } | KeyAnswer::ReadOnly => unknown("no secret was found"),
        },
    }
}

/// The secret is right: is the name?
fn opened(
    scene: &Scene<'_>,
    key: &KeyFacts,
    secret: &Fingerprint,
    inner: Option<&str>,
    refused: bool,
) -> Judged {
    let names = scene.container.map(|container| &container.instance_name);
    let place = |of: fn(&crate::evidence::docker::NamePlaces) -> &Observation<Option<String>>| {
        names.and_then(|names| of(names).seen().ok()?.as_deref())
    };
    let running = scene
        .endpoint
        .filter(|_| scene.answers)
        .and_then(|endpoint| endpoint.answering_name())
        .or_else(|| place(|names| &names.process))
        .or_else(|| place(|names| &names.environment))
        .or_else(|| place(|names| &names.file));
    let key_called = key_in_words(key);
    match (key.shape.name.as_deref().or(inner), running) {
        (Some(own), Some(name)) if own != name => broken(format!(
            "{key_called} matches secret {secret}, but has the name {own}; the instance name is {name}"
        )),
        (Some(_), Some(_)) if refused && scene.answers => unknown(format!(
            "{key_called} matches secret {secret} and has the right name, but it is rejected"
        )),
        (Some(_), Some(name)) => {
            holds(format!("{key_called} matches secret {secret} and has the name {name}"))
        }
        _ => unknown(format!(
            "{key_called} matches secret {secret}; the names could not be compared"
        )),
    }
}

/// The secret in use is the one that the credentials file holds, or the environment that outranks
/// it.
pub(super) fn secret(scene: &Scene<'_>) -> Judged {
    let Some(container) = scene.container else { return no_container(scene) };
    let places = &container.secret;
    let states = [&places.process, &places.environment, &places.file].into_iter();
    let invalid = states.filter_map(|state| state.seen().ok()?.as_ref()).find_map(|state| {
        let SecretState::Invalid(fault) = state else { return None };
        Some(fault)
    });
    if let Some(fault) = invalid {
        return broken(format!("the value is not a secret: {fault}"));
    }
    let name = &container.name;
    let process = match valid(&places.process) {
        Ok(Some(secret)) => secret,
        Ok(None) if container.is_running() => {
            return unknown(format!("the process of {name} shows no secret"));
        }
        Ok(None) => {
            return unknown(format!("{name} is {}: no secret is in use", container.life.state));
        }
        Err(reason) => return in_force_unseen(scene, container, &reason),
    };
    match (valid(&places.environment), valid(&places.file)) {
        (Ok(Some(set)), _) if set == process => {
            holds(format!("INSTANCE_SECRET of {name} sets it, which overrides the file"))
        }
        (Ok(Some(set)), _) => broken(format!(
            "the process runs with {process}; INSTANCE_SECRET of {name} will be {set} from the next start on"
        )),
        (Ok(None), Ok(Some(file))) if file == process => {
            holds(format!("the process of {name} runs with the secret in the file"))
        }
        (Ok(None), Ok(Some(file))) => broken(format!(
            "the process runs with {process}; the file contains {file}, which the next start will use"
        )),
        (Ok(None), Ok(None)) if credentials_file(container) == CredentialsFile::Gone => {
            broken(format!(
                "the process runs with {process}; there is no credentials file, and the next start generates a new secret"
            ))
        }
        (Ok(None), Ok(None)) => unknown(format!("{name} has no credentials file")),
        (Err(reason), _) | (_, Err(reason)) => unknown(reason),
    }
}

/// The process was not seen. A key that is accepted and opens with the secret tells that it is
/// in use.
fn in_force_unseen(scene: &Scene<'_>, container: &Container, reason: &str) -> Judged {
    let tried = scene.key.zip(scene.secret).and_then(|(key, (secret, _))| trial_of(key, secret));
    let opens = tried.is_some_and(|trial| trial.opened.is_some());
    match (key_answer(scene.evidence), scene.answers && opens) {
        (KeyAnswer::Accepted { .. } | KeyAnswer::ReadOnly, true) => holds(format!(
            "the key that matches it is accepted, so {} runs with it",
            container.name
        )),
        _ if !container.is_running() => unknown(format!(
            "{} is {}: no secret is in force",
            container.name, container.life.state
        )),
        _ => unknown(format!("the secret in use was not checked: {reason}")),
    }
}

fn valid(place: &Observation<Option<SecretState>>) -> Result<Option<&Fingerprint>, String> {
    let state = place.seen().map_err(|unseen| unseen.reason)?;
    Ok(state.as_ref().and_then(SecretState::fingerprint))
}

/// The credentials file lies in what is mounted.
pub(super) fn file(scene: &Scene<'_>) -> Judged {
    let Some(container) = scene.container else { return no_container(scene) };
    let directory = &container.storage.credentials_dir;
    match (scene.held, container.secret.file.seen()) {
        (None, _) => unknown(format!("nothing is mounted over {directory}")),
        (Some(_), Err(unseen)) => unknown(format!("the file was not checked: {}", unseen.reason)),
        (Some(_), Ok(None)) => unknown(format!("there is no credentials file in {directory}")),
        (Some(mount), Ok(Some(_))) => {
            holds(format!("{directory} is inside the mount {}", mount.target))
        }
    }
}

/// The mount brings the volume in.
pub(super) fn volume(scene: &Scene<'_>) -> Judged {
    let Some(container) = scene.container else { return no_container(scene) };
    let name = &container.name;
    match scene.held {
        Some(mount) if is_persistent(mount) => {
            holds(format!("{name} has {} at {}", scene.volume_node(), mount.target))
        }
        Some(mount) => unknown(format!(
            "{name} has {} at {}; whether it is kept with the container is not known",
            scene.volume_node(),
            mount.target
        )),
        None => {
            let directory = &container.storage.credentials_dir;
            broken(format!(
                "{name} has nothing mounted over {directory}: the file is in the container's own layer"
            ))
        }
    }
}

/// The container has the mount.
pub(super) fn mount(scene: &Scene<'_>) -> Judged {
    let Some(container) = scene.container else { return no_container(scene) };
    match scene.held {
        Some(mount) => holds(format!("mounted into {} at {}", container.name, mount.target)),
        None => unknown(format!("{} has no such mount", container.name)),
    }
}

/// The port of the host leads to the container.
pub(super) fn port(scene: &Scene<'_>) -> Judged {
    let Some(container) = scene.container else { return no_container(scene) };
    let name = &container.name;
    if !container.is_running() {
        return broken(format!("{name} is not running (state {})", container.life.state));
    }
    if let Some(other) = scene.other.filter(|_| !scene.leads_elsewhere()) {
        return broken(format!("{} answers instead", other.name));
    }
    let answers = scene.endpoint.is_some_and(EndpointFacts::is_convex_api);
    if let Some(health) =
        container.life.health.as_ref().filter(|it| **it != ContainerHealth::Healthy && !answers)
    {
        return unknown(format!("{name} is {health}, and did not answer"));
    }
    match scene.published {
        Some(port) => holds(format!("{name} publishes its API at port {port} of the host")),
        None if scene.answers => {
            let how = scene.docker.and_then(|docker| docker.answering.as_ref());
            holds(how.map_or_else(String::new, |answering| answering.how.clone()))
        }
        None if container.net.network_mode.as_deref() == Some("host") => {
            unknown(format!("{name} shares the host's network; whether it answers was not checked"))
        }
        None => unknown(format!("{name} publishes no port for its API")),
    }
}

/// The URL leads to the port.
pub(super) fn url(scene: &Scene<'_>, port: Option<LinkState>) -> Judged {
    let endpoint = match (scene.evidence.endpoint.seen(), scene.endpoint) {
        (Err(unseen), _) => return unknown(format!("the URL was not checked: {}", unseen.reason)),
        (Ok(_), None) => return unknown("npx convex uses no URL here, so none was checked"),
        (Ok(_), Some(endpoint)) => endpoint,
    };
    let address = format!("{}:{}", endpoint.target.host, endpoint.target.port);
    if endpoint.target.invalid.is_some() {
        return unknown("the value is not a valid URL");
    }
    match (&endpoint.route.reach, convex_answers(endpoint)) {
        (Reach::Answered, Ok(true)) => leads(scene, &address),
        (Reach::Answered, Ok(false)) => {
            broken(format!("the server at {address} is not a Convex API"))
        }
        (_, Err(unseen)) => unknown(unseen.reason),
        (Reach::Refused | Reach::Closed | Reach::ConnectTimeout | Reach::AnswerTimeout, _)
            if port == Some(LinkState::Broken)
                && scene.is_on_engine()
                && scene.published.is_none_or(|published| published == endpoint.target.port) =>
        {
            unknown(format!("nothing can answer at {address} while the link before it is broken"))
        }
        (reach, Ok(_)) => broken(format!("{address} {}", failed(reach))),
    }
}

/// A Convex API answers: is it the container's?
fn leads(scene: &Scene<'_>, address: &str) -> Judged {
    let how = scene.docker.and_then(|docker| docker.answering.as_ref()).map(|it| it.how.as_str());
    match (scene.container, scene.other) {
        (Some(container), Some(other)) if scene.leads_elsewhere() => broken(format!(
            "{} answers at {address}; {} is at port {}",
            other.name,
            container.name,
            scene.published.unwrap_or_default()
        )),
        // Whose port it is, is the next link's question.
        (_, Some(_)) => holds(format!("a Convex API answers at {address}")),
        (Some(container), None) if scene.answers => {
            let sure = match scene.docker.and_then(|docker| docker.answering.as_ref()) {
                Some(answering) if answering.certainty == Certainty::Proven => "answers",
                _ => "probably answers",
            };
            holds(format!(
                "a Convex API answers at {address}; {} {sure}: {}",
                container.name,
                how.unwrap_or_default()
            ))
        }
        (Some(container), None) => unknown(format!(
            "a Convex API answers at {address}; whether it is {} is not known",
            container.name
        )),
        (None, _) => match scene.port() {
            // The compose file publishes another one, and whose this is could not be checked.
            Some(port) if !address.ends_with(&format!(":{port}")) => unknown(format!(
                "a Convex API answers at {address}; whether it is the one of port {port} is not known"
            )),
            _ => holds(format!("a Convex API answers at {address}")),
        },
    }
}

fn failed(reach: &Reach) -> String {
    match reach {
        Reach::NotTried => "was not checked".to_owned(),
        Reach::Answered => "answers".to_owned(),
        Reach::NoSuchHost { error } => format!("does not resolve: {error}"),
        Reach::Refused => "refuses the connection".to_owned(),
        Reach::ConnectTimeout => "does not accept the connection in time".to_owned(),
        Reach::AnswerTimeout => "accepts the connection and does not answer".to_owned(),
        Reach::Closed => "closes the connection without an answer".to_owned(),
        Reach::Tls { .. } => "fails in the TLS handshake".to_owned(),
        Reach::PlainToTls => "uses TLS, but the URL starts with http".to_owned(),
        Reach::TlsToPlain => "uses plain HTTP, but the URL starts with https".to_owned(),
        Reach::NotHttp => "does not answer with HTTP".to_owned(),
        Reach::Other { error } => format!("cannot be checked: {error}"),
    }
}

/// `npx convex` takes the URL from there.
pub(super) fn source(scene: &Scene<'_>) -> Judged {
    let selection = &scene.evidence.selection;
    let Some((text, source)) = scene.url else { return nowhere(scene, URL_VARIABLE) };
    if scene.endpoint.is_some_and(|endpoint| endpoint.target.invalid.is_some()) {
        return broken(format!("the value at {source} is not a URL that the CLI can use"));
    }
    let plain = url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty()
    });
    if scene.endpoint.is_none() && !plain {
        return unknown(format!("the value at {source} is not a URL"));
    }
    let message =
        selection.message.as_deref().unwrap_or("npx convex does not use the self-hosted settings");
    match selection.kind {
        SelectionKind::SelfHosted => {
            holds(format!("npx convex takes it from {}", source_in_words(source)))
        }
        SelectionKind::None => holds(format!("it is set in {}", source_in_words(source))),
        _ => broken(message),
    }
}
