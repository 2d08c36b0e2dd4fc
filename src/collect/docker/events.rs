//! What the engine still remembers of this project's volumes and containers: it keeps its last 256
//! events (docs/facts.md, docker-events).
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::collections::HashMap;

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;

use super::engine::ReadEngine;
use super::{WantedObjects, failure};
use crate::evidence::docker::{DockerFacts, EngineEvent, EventSubject};
use crate::names::PROJECT_LABEL;
use crate::secret::sanitize;

/// The engine keeps no more.
const MOST: usize = 256;
/// The newest of those that are about this project.
const KEPT: usize = 40;
/// How far back, in seconds: a week.
const BACK: i64 = 7 * 86_400;
/// What happens to a container or a volume that says something about its data.
const TOLD: [&str; 9] =
    ["create", "start", "die", "kill", "stop", "oom", "destroy", "rename", "restart"];

/// Whose events are wanted.
pub(super) struct EventFilter {
    project: Option<String>,
    containers: Vec<String>,
    volumes: Vec<String>,
}

impl EventFilter {
    /// This project's, and those of every backend and of what it mounts.
    pub(super) fn of(docker: &DockerFacts, wanted: &WantedObjects<'_>) -> Self {
        let mounts = docker.backends.iter().flat_map(|one| &one.storage.mounts);
        let mounted = mounts.filter_map(|mount| mount.source.clone());
        Self {
            project: wanted.project.filter(|it| !it.is_empty()).map(str::to_owned),
            containers: docker.backends.iter().map(|one| one.name.clone()).collect(),
            volumes: wanted.declared_volumes.iter().cloned().chain(mounted).collect(),
        }
    }
}

/// All that the engine remembers.
///
/// # Errors
/// Why it does not say.
pub(super) async fn ask(engine: &ReadEngine) -> Result<Vec<EventMessage>, String> {
    let kinds = ["container", "volume"].map(str::to_owned).to_vec();
    let until = jiff::Timestamp::now();
    let options = EventsOptions {
        since: Some((until.as_second() - BACK).to_string()),
        // With an end, the engine closes the stream; what was in this very second belongs to it.
        until: Some(format!("{}.{:09}", until.as_second(), until.subsec_nanosecond())),
        filters: Some(HashMap::from([("type".to_owned(), kinds)])),
    };
    let read = async {
        let mut stream = std::pin::pin!(engine.client.events(Some(options)).take(MOST));
        let mut events = Vec::new();
        while let Some(event) = stream.next().await {
            events.push(event?);
        }
        Ok(events)
    };
    let read = engine.call(read).await;
    read.map_err(|error| format!("the events: {}", failure::words(&error)))
}

/// Those that are wanted, the oldest first.
pub(super) fn of(all: &[EventMessage], filter: &EventFilter) -> Vec<EngineEvent> {
    let mut events: Vec<_> = all.iter().filter_map(|event| reduced(event, filter)).collect();
    events.sort_by_key(|event| event.at);
    let old = events.len().saturating_sub(KEPT);
    events.drain(..old);
    events
}

/// The event, if it is wanted.
fn reduced(event: &EventMessage, filter: &EventFilter) -> Option<EngineEvent> {
    let (at, actor) = (event.time?, event.actor.as_ref()?);
    let action = event.action.as_deref().filter(|action| TOLD.contains(action))?;
    let attribute = |name: &str| actor.attributes.as_ref()?.get(name).map(String::as_str);
    let number = |name: &str| attribute(name)?.parse().ok();
    let project = filter.project.as_deref();
    let (subject, name, is_wanted) = match event.typ? {
        EventMessageTypeEnum::CONTAINER => {
            let name = attribute("name")?;
            let of_project = project.is_some() && attribute(PROJECT_LABEL) == project;
            let is_wanted = of_project || filter.containers.iter().any(|one| one == name);
            (EventSubject::Container, name, is_wanted)
        }
        EventMessageTypeEnum::VOLUME => {
            let name = actor.id.as_deref()?;
            let rest = project.and_then(|project| name.strip_prefix(project));
            let of_project = rest.is_some_and(|rest| rest.starts_with('_'));
            let is_wanted = of_project || filter.volumes.iter().any(|one| one == name);
            (EventSubject::Volume, name, is_wanted)
        }
        _ => return None,
    };
    is_wanted.then(|| EngineEvent {
        at,
        subject,
        name: sanitize(name),
        action: action.to_owned(),
        exit_code: number("exitCode"),
        signal: number("signal"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_this_project_is_kept() {
        let filter = EventFilter {
            project: Some("app".to_owned()),
            containers: vec!["convex".to_owned()],
            volumes: vec!["convex-data".to_owned()],
        };
        let met = |text: &str| {
            let event: EventMessage = serde_json::from_str(text).unwrap();
            reduced(&event, &filter).map(|it| format!("{} {}", it.action, it.name))
        };
        let volume = |action: &str, name: &str| {
            met(&format!(
                r#"{{"Type":"volume","Action":"{action}","time":5,"Actor":{{"ID":"{name}","Attributes":{{"driver":"local"}}}}}}"#
            ))
        };
        let container = |action: &str, name: &str, project: &str| {
            met(&format!(
                r#"{{"Type":"container","Action":"{action}","time":5,"Actor":{{"ID":"0f","Attributes":{{"name":"{name}","com.docker.compose.project":"{project}","signal":"9"}}}}}}"#
            ))
        };
        assert_eq!(volume("destroy", "app_data").as_deref(), Some("destroy app_data"));
        assert_eq!(volume("destroy", "convex-data").as_deref(), Some("destroy convex-data"));
        assert_eq!(volume("destroy", "application_data"), None);
        assert_eq!(volume("mount", "app_data"), None);
        assert_eq!(container("kill", "app-db-1", "app").as_deref(), Some("kill app-db-1"));
        assert_eq!(container("die", "convex", "").as_deref(), Some("die convex"));
        assert_eq!(container("die", "other-backend-1", "other"), None);
        assert_eq!(container("exec_create: sh", "app-backend-1", "app"), None);
    }
}
