//! CONVEX_CLOUD_ORIGIN and CONVEX_SITE_ORIGIN: the addresses that the backend announces as its own,
//! and where they were read.

use url::Url;

use crate::deployment::compose::project;
use crate::deployment::container::container_location;
use crate::deployment::endpoint::{convex_answers, selected_endpoint, url_location};
use crate::deployment::variable::value_location;
use crate::evidence::compose::{EntryValue, EnvironmentEntry};
use crate::evidence::docker::Container;
use crate::evidence::endpoint::Body;
use crate::evidence::{Evidence, Unseen};
use crate::names::{API_PORT, CLOUD_ORIGIN, SITE_ORIGIN, SITE_PORT};
use crate::remedies::command::up;
use crate::report::{Certainty, Finding, Location, Remedy};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Of the API: files, Node actions, the dashboard's login.
    Cloud,
    /// Of HTTP actions, auth among them.
    Site,
}

impl Which {
    /// The variable of `run_backend.sh`.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Cloud => CLOUD_ORIGIN,
            Self::Site => SITE_ORIGIN,
        }
    }

    /// The port inside the container that it is the address of.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Cloud => API_PORT,
            Self::Site => SITE_PORT,
        }
    }

    /// Its value in a container's environment.
    pub(super) fn of_container(self, container: &Container) -> Option<&str> {
        match self {
            Self::Cloud => container.cloud_origin.as_deref(),
            Self::Site => container.site_origin.as_deref(),
        }
    }

    /// Its line in the compose file.
    pub(super) fn line(self, evidence: &Evidence) -> Option<&EnvironmentEntry> {
        project(evidence).ok()??.backend()?.variable(self.variable())
    }
}

/// An origin that the backend uses.
pub(super) struct Origin<'a> {
    /// As the backend has it, which checks only how it begins.
    pub(super) text: &'a str,
    /// What was read, and where.
    pub(super) proof: (String, String),
    /// How surely the backend uses it.
    pub(super) certainty: Certainty,
}

impl Origin<'_> {
    /// Parsed as a browser does; `None` if it is not a URL.
    pub(super) fn url(&self) -> Option<Url> {
        Url::parse(self.text).ok().filter(|url| url.host_str().is_some_and(|host| !host.is_empty()))
    }
}

/// The host of a URL without brackets.
pub(super) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

/// The origin that the backend uses: what it answers to the CLI's first call, else the container's
/// environment, which `update_canonical_url` may have overruled. `None` if nothing sets it.
pub(super) fn current(evidence: &Evidence, which: Which) -> Result<Option<Origin<'_>>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(None) };
    let answer = endpoint.key.first_call.seen();
    if let Ok(answer) = &answer
        && let Body::CanonicalUrls { cloud, site } = &answer.body
    {
        let (text, name) = match which {
            Which::Cloud => (cloud, "convexCloudUrl"),
            Which::Site => (site, "convexSiteUrl"),
        };
        let proof = (
            format!("{name} is `{text}`"),
            format!("{}/api/v1/get_canonical_urls", endpoint.target.url.trim_end_matches('/')),
        );
        return Ok(Some(Origin { text, proof, certainty: Certainty::Proven }));
    }
    match (container(evidence), answer) {
        (Ok(Some(container)), answer) => match which.of_container(container) {
            Some(text) => {
                let proof = (format!("{} is `{text}`", which.variable()), container.name.clone());
                Ok(Some(Origin { text, proof, certainty: Certainty::Likely }))
            }
            None => answer.map(|_| None),
        },
        (Ok(None), Err(unseen)) if convex_answers(endpoint)? => Err(unseen),
        (Ok(None), _) => Ok(None),
        (Err(_), Err(unseen)) | (Err(unseen), Ok(_)) => Err(unseen),
    }
}

/// The container that answers, else the one that Compose would run here.
pub(super) fn container(evidence: &Evidence) -> Result<Option<&Container>, Unseen> {
    let docker = evidence.docker.seen()?;
    Ok(docker.answering().map(|(container, _)| container).or_else(|| docker.expected()))
}

/// Where to change it: its line, else the container, else the URL.
pub(super) fn location(evidence: &Evidence, which: Which) -> Location {
    if let Some(entry) = which.line(evidence) {
        return value_location(entry);
    }
    match container(evidence) {
        Ok(Some(container)) => container_location(container),
        _ => url_location(evidence),
    }
}

/// Adds the fix: set the variable to the URL for browsers, and recreate the container with it.
pub(super) fn with_remedies(evidence: &Evidence, finding: Finding, which: Which) -> Finding {
    let what = match which.line(evidence).map(|entry| (&entry.value, &entry.value_at)) {
        Some((EntryValue::Plain(_), Some(at))) => format!("{}:{}", at.file, at.line),
        _ => which.variable().to_owned(),
    };
    let set = format!("Set {what} to the URL at which browsers reach port {}", which.port());
    let recreate = "Recreate the backend's container with the new value";
    finding
        .remedy(Remedy::careful(set).step())
        .remedy(Remedy::careful(recreate).run(up(evidence)).step())
}
