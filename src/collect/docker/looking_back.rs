//! What happened before: the ends of the backends' logs, and what the engine remembers. Both are asked
//! for as soon as the key is known to be rejected, while the backends are still looked at, and
//! understood once these are known.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::collections::BTreeMap;

use bollard::container::LogOutput;
use bollard::models::EventMessage;
use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt;

use super::engine::ReadEngine;
use super::events::{self, EventFilter};
use super::{Listing, WantedObjects, failure, log, summary};
use crate::budget::{LOG_BYTES, LOG_READ_BYTES};
use crate::evidence::Observation;
use crate::evidence::docker::{DockerFacts, EngineEvent};

/// The logs of so many containers are read.
const MOST: usize = 4;

/// What was asked for and not yet understood.
pub struct LookedBack {
    events: Result<Vec<EventMessage>, String>,
    logs: BTreeMap<String, Result<String, String>>,
}

impl LookedBack {
    /// The engine's events, and the logs of the backends that run.
    pub async fn ask(listing: &Listing, wanted: &WantedObjects<'_>) -> Self {
        let running = summary::candidates(&listing.containers, wanted).into_iter();
        let running = running.filter(|(summary, _)| summary::is_running(summary));
        let names = running.map(|(summary, _)| summary::name_of(summary)).take(MOST).collect();
        // On the engine's thread: these answers come in a thousand pieces.
        let (to_remember, to_read) = (listing.engine.clone(), listing.engine.clone());
        let events = tokio::spawn(async move { events::ask(&to_remember).await });
        let logs = tokio::spawn(async move { logs(&to_read, names).await });
        let not_said = |_| Err("the events: internal error".to_owned());
        Self {
            events: events.await.unwrap_or_else(not_said),
            // What is missing is asked for again.
            logs: logs.await.unwrap_or_default(),
        }
    }

    /// What of the events is about this project, the oldest first.
    pub fn events(
        &self,
        docker: &DockerFacts,
        wanted: &WantedObjects<'_>,
    ) -> Observation<Vec<EngineEvent>> {
        match &self.events {
            Ok(all) => Observation::Seen(events::of(all, &EventFilter::of(docker, wanted))),
            Err(reason) => Observation::unavailable(reason.clone()),
        }
    }

    /// Enters the logs of the containers that may have answered, or should have (a stopped one that
    /// would publish the URL's port), searched for the nonces of this run's own requests. What was
    /// not asked for yet is asked for now.
    pub async fn read_logs(
        mut self,
        listing: &Listing,
        docker: &mut DockerFacts,
        port: Option<u16>,
        nonces: &[String],
    ) {
        let mut names: Vec<String> = docker.expected.iter().cloned().collect();
        let (running, stopped): (Vec<_>, Vec<_>) =
            docker.backends.iter().partition(|container| container.is_running());
        let stopped = stopped.into_iter().filter(|container| {
            port.is_some() && container.net.ports.iter().any(|one| one.host == port)
        });
        let others = running.into_iter().chain(stopped).map(|container| container.name.clone());
        let others: Vec<String> = others.filter(|name| !names.contains(name)).collect();
        names.extend(others);
        names.truncate(MOST);
        let missing = names.iter().filter(|name| !self.logs.contains_key(*name)).cloned().collect();
        self.logs.extend(logs(&listing.engine, missing).await);
        for container in docker.backends.iter_mut().filter(|one| names.contains(&one.name)) {
            container.log = match self.logs.remove(&container.name) {
                Some(Ok(text)) => Observation::Seen(log::read(&text, nonces)),
                Some(Err(reason)) => Observation::unavailable(reason),
                None => continue,
            };
        }
    }
}

/// The ends of the logs of these containers, all at the same time.
async fn logs(engine: &ReadEngine, names: Vec<String>) -> BTreeMap<String, Result<String, String>> {
    let read = names.into_iter().map(|name| async {
        let text = end_of_log(engine, &name).await;
        (name, text)
    });
    futures_util::future::join_all(read).await.into_iter().collect()
}

async fn end_of_log(engine: &ReadEngine, container: &str) -> Result<String, String> {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        tail: "1000".to_owned(),
        ..LogsOptions::default()
    };
    let stream = engine.client.logs(container, Some(options));
    let read = async {
        let mut text = Vec::new();
        let mut total = 0;
        let mut stream = std::pin::pin!(stream);
        while let Some(part) = stream.next().await {
            let message = match part? {
                LogOutput::StdErr { message }
                | LogOutput::StdOut { message }
                | LogOutput::StdIn { message }
                | LogOutput::Console { message } => message,
            };
            total += message.len();
            text.extend_from_slice(&message);
            if text.len() > 2 * LOG_BYTES {
                text.drain(..text.len() - LOG_BYTES);
            }
            if total > LOG_READ_BYTES {
                break;
            }
        }
        let start = text.len().saturating_sub(LOG_BYTES);
        Ok(String::from_utf8_lossy(&text[start..]).into_owned())
    };
    let read = engine.call(read).await;
    read.map_err(|error| format!("the log of {container}: {}", failure::words(&error)))
}
