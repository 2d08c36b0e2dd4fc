//! What changed between two looks at a deployment: each thing of the chain by what names it without
//! showing it. Times, and what changes by itself, are left out.

use serde::Serialize;

use crate::deployment::compose::backend_service;
use crate::deployment::container::{run_container, running_secret};
use crate::deployment::data::declared_mount_over;
use crate::deployment::key::{key_in_words, selected_key, utc_minute};
use crate::deployment::selection::source_in_words;
use crate::evidence::compose::EntryValue;
use crate::evidence::docker::{Container, EngineEvent, EventSubject, SecretState};
use crate::evidence::selection::KeyText;
use crate::evidence::{Evidence, Observation};

/// One thing that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What: `volume of the data`, `admin key`.
    pub what: String,
    /// As it was; `None` where it was not there.
    pub before: Option<String>,
    /// As it is; `None` where it is not there any more.
    pub after: Option<String>,
}

/// What differs, in the order in which one thing explains the next: the project before its volume,
/// the volume before the secret in it, the secret before the key. What one of the two did not see is
/// no difference.
pub fn difference(old: &Evidence, new: &Evidence) -> Vec<Change> {
    let again = made_again(old, new);
    let (mut old, mut new) = (facts(old), facts(new));
    if let Some((what, said)) = again {
        let order = new.iter().find(|fact| fact.what == DATA_VOLUME).map_or(0, |fact| fact.order);
        let fact = |text: &str| Fact { order, what: what.clone(), is: Is::This(text.to_owned()) };
        old.push(fact("created earlier"));
        new.push(fact(&said));
    }
    let mut names: Vec<&str> = Vec::new();
    for fact in new.iter().chain(&old) {
        if !names.contains(&fact.what.as_str()) {
            names.push(&fact.what);
        }
    }
    names.sort_by_key(|name| {
        new.iter().chain(&old).find(|fact| fact.what == *name).map_or(u8::MAX, |fact| fact.order)
    });
    let find = |facts: &[Fact], what: &str| facts.iter().find(|fact| fact.what == what).cloned();
    let compared = names.into_iter().filter_map(|what| {
        let (before, after) = (find(&old, what), find(&new, what));
        let unseen =
            |fact: &Option<Fact>| fact.as_ref().is_some_and(|fact| matches!(fact.is, Is::Unseen));
        if unseen(&before) || unseen(&after) {
            return None;
        }
        let (before, after) = (before.and_then(Fact::said), after.and_then(Fact::said));
        (before != after).then(|| Change { what: what.to_owned(), before, after })
    });
    let mut changes: Vec<Change> = compared.collect();
    // Said once where the container followed the file.
    changes.dedup_by(|next, one| {
        (one.what.as_str(), next.what.as_str()) == (PROJECT, CONTAINER_PROJECT)
            && (&one.before, &one.after) == (&next.before, &next.after)
    });
    changes
}

/// One thing of a deployment.
#[derive(Clone)]
struct Fact {
    order: u8,
    what: String,
    is: Is,
}

#[derive(Clone)]
enum Is {
    /// It is this.
    This(String),
    /// It is known not to be there.
    Nothing,
    /// It could not be seen.
    Unseen,
}

impl Fact {
    fn said(self) -> Option<String> {
        match self.is {
            Is::This(text) => Some(text),
            Is::Nothing | Is::Unseen => None,
        }
    }
}

#[derive(Default)]
struct Facts {
    all: Vec<Fact>,
    order: u8,
}

impl Facts {
    /// The next part of the chain begins.
    fn part(&mut self) {
        self.order += 1;
    }

    fn add(&mut self, what: impl Into<String>, is: Is) {
        self.all.push(Fact { order: self.order, what: what.into(), is });
    }

    fn this(&mut self, what: impl Into<String>, is: Option<String>) {
        self.add(what, is.map_or(Is::Nothing, Is::This));
    }

    fn seen<T>(&mut self, what: &str, seen: &Observation<T>, say: impl Fn(&T) -> Option<String>) {
        let is = match seen {
            Observation::Seen(value) => say(value).map_or(Is::Nothing, Is::This),
            Observation::Unavailable { .. } => Is::Unseen,
        };
        self.add(what, is);
    }
}

fn facts(evidence: &Evidence) -> Vec<Fact> {
    let mut facts = Facts::default();
    let container = run_container(evidence);
    project(evidence, container, &mut facts);
    volume(evidence, container, &mut facts);
    secret(container, &mut facts);
    image(container, &mut facts);
    pair(evidence, &mut facts);
    compose_environment(evidence, &mut facts);
    life(evidence, container, &mut facts);
    answers(evidence, &mut facts);
    versions(evidence, &mut facts);
    facts.all
}

/// The project that the files name.
const PROJECT: &str = "compose project";
/// The project that the container is of: another where `-p` named it.
const CONTAINER_PROJECT: &str = "project of the container";

fn project(evidence: &Evidence, container: Option<&Container>, facts: &mut Facts) {
    facts.part();
    facts.seen(PROJECT, &evidence.compose, |compose| {
        compose.as_ref().map(|compose| compose.project.clone())
    });
    if let Some(container) = container {
        facts.this(CONTAINER_PROJECT, container.labels.project.clone());
    }
    facts.seen("compose files", &evidence.compose, |compose| {
        compose.as_ref().map(|compose| compose.files.join(", "))
    });
    facts.seen("Docker engine", &evidence.docker, |docker| Some(docker.address.clone()));
}

/// Where the data is.
const DATA_VOLUME: &str = "volume of the data";

fn volume(evidence: &Evidence, container: Option<&Container>, facts: &mut Facts) {
    facts.part();
    if let Ok(Some(service)) = backend_service(evidence) {
        let declared = declared_mount_over(service, &service.data_dir)
            .map(|mount| mount.source.clone().unwrap_or_else(|| "an anonymous volume".to_owned()));
        facts.this("volume in the compose file", declared);
    }
    if let Some(container) = container {
        facts.this(DATA_VOLUME, data_volume(container).map(str::to_owned));
    }
}

fn data_volume(container: &Container) -> Option<&str> {
    container.mount_over(&container.storage.data_dir)?.source.as_deref()
}

/// The volume of the data where it is a new one under the same name, and since when. The engine is
/// asked for its events only if something is wrong, and forgets them: that it names none is no
/// difference, but one since the first look is.
fn made_again(old: &Evidence, new: &Evidence) -> Option<(String, String)> {
    let name = data_volume(run_container(new)?)?;
    if data_volume(run_container(old)?) != Some(name) {
        return None;
    }
    let is_made = |event: &&EngineEvent| {
        event.subject == EventSubject::Volume && event.name == name && event.action == "create"
    };
    let events = new.docker.seen().ok()?.events.seen().ok()?;
    let at = events.iter().filter(is_made).map(|event| event.at).max()?;
    (at > old.collected_at)
        .then(|| (format!("volume {name}"), format!("created {}", utc_minute(at))))
}

fn secret(container: Option<&Container>, facts: &mut Facts) {
    facts.part();
    let Some(container) = container else { return };
    let known = running_secret(container).map(|(secret, _)| format!("secret {secret}"));
    let known = known.or_else(|| {
        let state = container.secret.file.seen().ok()?.as_ref()?;
        state.fingerprint().map(|secret| format!("secret {secret}"))
    });
    facts.add("instance secret", known.map_or(Is::Unseen, Is::This));
    facts.seen("credentials file", &container.secret.file, |state| {
        state.as_ref().map(state_in_words)
    });
    facts.seen("instance name", &container.instance_name.process, Clone::clone);
}

fn state_in_words(state: &SecretState) -> String {
    match state {
        SecretState::Valid(secret) => format!("secret {secret}"),
        SecretState::Invalid(why) => why.clone(),
    }
}

fn image(container: Option<&Container>, facts: &mut Facts) {
    facts.part();
    let Some(container) = container else { return };
    facts.this("image", Some(container.software.image.clone()));
    facts.this("commit of the image", container.software.revision.clone());
}

fn pair(evidence: &Evidence, facts: &mut Facts) {
    facts.part();
    let selection = &evidence.selection;
    let url = selection.url.as_ref();
    facts.this("URL", url.map(|url| url.text.clone()));
    facts.this("place of the URL", url.map(|url| source_in_words(&url.source)));
    let key = selected_key(evidence);
    let text = selection.admin_key.as_ref();
    let named = |text: &KeyText| text.fingerprint.as_ref().map(|it| format!("key {it}"));
    facts.this(
        "admin key",
        text.and_then(named)
            .or_else(|| key.map(key_in_words))
            .or_else(|| text.map(|_| "a value that is not an admin key".to_owned())),
    );
    facts.this("place of the admin key", selection.admin_key_source.as_ref().map(source_in_words));
    for variable in &selection.variables {
        let is_of_the_pair = variable.name.starts_with("CONVEX_SELF_HOSTED_");
        let winner = variable.definitions.iter().find(|definition| definition.wins);
        let Some(winner) = winner.filter(|_| !is_of_the_pair) else { continue };
        let said = match (&winner.text, &winner.key) {
            (Some(text), _) => text.clone(),
            (None, Some(key)) => named(key).unwrap_or_else(|| "set".to_owned()),
            (None, None) => "set".to_owned(),
        };
        let place = source_in_words(&winner.source);
        facts.this(variable.name.clone(), Some(format!("{said} ({place})")));
    }
}

fn compose_environment(evidence: &Evidence, facts: &mut Facts) {
    facts.part();
    let Ok(Some(service)) = backend_service(evidence) else { return };
    facts.this("image in the compose file", service.image.clone());
    let ports = service.ports.iter().map(|port| {
        format!("{}:{}", port.published.as_deref().unwrap_or_default(), port.container)
    });
    facts.this("ports in the compose file", Some(ports.collect::<Vec<_>>().join(", ")));
    for entry in &service.environment {
        let said = match &entry.value {
            EntryValue::Unset => None,
            EntryValue::Blank => Some("empty".to_owned()),
            EntryValue::Secret(state) => Some(state_in_words(state)),
            EntryValue::Plain(text) => Some(text.clone()),
            EntryValue::Hidden => Some("set".to_owned()),
        };
        facts.this(format!("{} in the compose file", entry.name), said);
    }
}

fn life(evidence: &Evidence, container: Option<&Container>, facts: &mut Facts) {
    facts.part();
    if evidence.docker.seen().is_err() {
        facts.add("container", Is::Unseen);
        return;
    }
    facts.this("container", container.map(|container| container.name.clone()));
    let Some(container) = container else { return };
    facts.this("id of the container", Some(container.id.clone()));
    facts.this("state of the container", Some(container.life.state.to_string()));
    let ports = container.net.ports.iter().map(|port| {
        let host = port.host.map_or_else(|| "-".to_owned(), |host| host.to_string());
        format!("{host}:{}", port.container)
    });
    let mut ports: Vec<String> = ports.collect();
    ports.sort();
    ports.dedup();
    facts.this("published ports", Some(ports.join(", ")));
}

fn answers(evidence: &Evidence, facts: &mut Facts) {
    facts.part();
    let Ok(Some(endpoint)) = evidence.endpoint.seen() else { return };
    let status =
        |answer: &crate::evidence::endpoint::Answer| Some(format!("HTTP {}", answer.status));
    facts.seen("answer to /version", &endpoint.server.version, status);
    facts.seen("answer to the key", &endpoint.key.check_admin_key, status);
}

fn versions(evidence: &Evidence, facts: &mut Facts) {
    facts.part();
    let around = &evidence.surroundings;
    facts.this("Convex CLI", around.cli_version.clone());
    facts.this("Node", around.node_version.clone());
    if let Ok(docker) = evidence.docker.seen() {
        facts.seen("version of the engine", &docker.engine, |engine| Some(engine.version.clone()));
    }
}
