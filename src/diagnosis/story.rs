//! What happened, in order, each with its source: told when something is wrong.

use jiff::Timestamp;

use crate::deployment::key::selected_key;
use crate::evidence::Evidence;
use crate::evidence::docker::{Container, DockerFacts, EngineEvent, EventSubject};
use crate::evidence::selection::ValueSource;
use crate::report::StoryEntry;

/// A time and what happened at it.
type Moment = (i64, StoryEntry);

/// Times of the same thing from two sources may differ so much, in seconds.
const SAME: i64 = 2;

/// The story; empty where less than two things are known.
pub(super) fn tell(evidence: &Evidence) -> Vec<StoryEntry> {
    let mut moments = about_key(evidence);
    if let Ok(docker) = evidence.docker.seen() {
        let events = docker.events.seen().map(Vec::as_slice).unwrap_or_default();
        moments.extend(events.iter().filter_map(of_event));
        let container =
            docker.answering().map(|(container, _)| container).or_else(|| docker.expected());
        if let Some(container) = container {
            moments.extend(about_container(docker, container, events));
        }
    }
    moments.retain(|(at, _)| *at > 0 && *at <= evidence.collected_at);
    moments.sort_by_key(|(at, _)| *at);
    moments.dedup_by(|later, earlier| later.1.what == earlier.1.what && later.0 == earlier.0);
    if moments.len() < 2 {
        return Vec::new();
    }
    moments.into_iter().map(|(_, entry)| entry).collect()
}

fn moment(at: i64, what: String, source: impl Into<String>) -> Option<Moment> {
    let time = Timestamp::from_second(at).ok()?.to_string();
    Some((at, StoryEntry { at: time, what, source: source.into() }))
}

/// When the key was created and committed, and when its file was last changed.
fn about_key(evidence: &Evidence) -> Vec<Moment> {
    let issued = selected_key(evidence)
        .and_then(|key| key.trials.iter().find_map(|trial| trial.opened.as_ref()))
        .and_then(|claims| i64::try_from(claims.issued_s).ok())
        .and_then(|at| moment(at, "the key was created".to_owned(), "the key"));
    let changed = match &evidence.selection.admin_key_source {
        Some(ValueSource::File { file, .. }) => evidence
            .surroundings
            .key_file_changed_at
            .and_then(|at| moment(at, format!("{file} was last changed"), "the file's time")),
        _ => None,
    };
    let committed = evidence.surroundings.git.seen().ok().and_then(Option::as_ref);
    let committed = committed
        .and_then(|git| git.key_committed_at)
        .and_then(|at| moment(at, "the key in use was committed".to_owned(), "git"));
    issued.into_iter().chain(changed).chain(committed).collect()
}

/// When the container and what it mounts came to be, as far as the events do not say it.
fn about_container(
    docker: &DockerFacts,
    container: &Container,
    events: &[EngineEvent],
) -> Vec<Moment> {
    let (name, life) = (&container.name, &container.life);
    let told = |subject: EventSubject, name: &str, action: &str, at: i64| {
        events.iter().any(|event| {
            let same = event.subject == subject && event.name == name && event.action == action;
            same && event.at.abs_diff(at) <= SAME.unsigned_abs()
        })
    };
    let of_container = |at: Option<i64>, action: &str, what: String| {
        let at = at.filter(|at| !told(EventSubject::Container, name, action, *at))?;
        moment(at, format!("{name} {what}"), "the container")
    };
    let stopped = life.finished_at.filter(|_| !container.is_running());
    let moments = [
        of_container(life.created_at, "create", "was created".to_owned()),
        of_container(life.started_at, "start", "was started".to_owned()),
        of_container(stopped, "die", ended(life.exit_code)),
    ];
    let over = container.mount_over(&container.storage.data_dir);
    let volume = over.and_then(|mount| {
        let source = mount.source.as_deref()?;
        docker.volumes.seen().ok()?.iter().find(|seen| seen.name == source)
    });
    let changed = volume.and_then(|volume| {
        let what = format!("volume {} was last changed", volume.name);
        moment(volume.changed_at?, what, "the volume")
    });
    let written = container.storage.credentials_written_at.and_then(|at| {
        moment(at, format!("the credentials file of {name} was written"), "the file's time")
    });
    moments.into_iter().chain([changed, written]).flatten().collect()
}

/// How a container ended.
fn ended(exit_code: Option<i64>) -> String {
    match exit_code {
        Some(137) => "was killed (exit code 137)".to_owned(),
        Some(130 | 143) => "was stopped".to_owned(),
        Some(code) => format!("ended with exit code {code}"),
        None => "ended".to_owned(),
    }
}

fn of_event(event: &EngineEvent) -> Option<Moment> {
    let name = &event.name;
    let what = match (event.subject, event.action.as_str()) {
        (EventSubject::Volume, "create") => format!("volume {name} was created"),
        (EventSubject::Volume, "destroy") => format!("volume {name} was removed"),
        (EventSubject::Container, "create") => format!("{name} was created"),
        (EventSubject::Container, "start") => format!("{name} was started"),
        (EventSubject::Container, "destroy") => format!("{name} was removed"),
        (EventSubject::Container, "oom") => format!("{name} ran out of memory"),
        (EventSubject::Container, "rename") => format!("{name} was renamed"),
        (EventSubject::Container, "die") => format!("{name} {}", ended(event.exit_code)),
        (EventSubject::Container, "kill") => {
            format!("{name} was sent signal {}", event.signal?)
        }
        _ => return None,
    };
    moment(event.at, what, "the engine's events")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::key as build;

    #[test]
    fn it_is_told_in_order_and_each_thing_once() {
        let mut evidence = build::healthy();
        let now = evidence.collected_at;
        let event = |at, subject, name: &str, action: &str| EngineEvent {
            at,
            subject,
            name: name.to_owned(),
            action: action.to_owned(),
            exit_code: None,
            signal: None,
        };
        let docker = build::docker(&mut evidence);
        let name = docker.backends[0].name.clone();
        docker.backends[0].life.created_at = Some(now - 59);
        docker.backends[0].life.started_at = Some(now - 10);
        docker.events = Observation::Seen(vec![
            event(now - 90, EventSubject::Volume, "app_data", "destroy"),
            event(now - 60, EventSubject::Container, &name, "create"),
            event(now + 60, EventSubject::Container, &name, "die"),
        ]);
        let told: Vec<String> = tell(&evidence).into_iter().map(|entry| entry.what).collect();
        let last: Vec<&str> = told.iter().rev().take(3).rev().map(String::as_str).collect();
        let (created, started) = (format!("{name} was created"), format!("{name} was started"));
        assert_eq!(last, ["volume app_data was removed", &created, &started]);
        assert_eq!(told.iter().filter(|what| **what == created).count(), 1, "{told:?}");
    }
}
