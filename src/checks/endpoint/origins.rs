//! CONVEX_CLOUD_ORIGIN and CONVEX_SITE_ORIGIN: the addresses that the backend announces as its own,
//! and where they were read.

use url::Url;

use crate::deployment::compose::{is_in_a_file_of, project};
use crate::deployment::container::container_location;
use crate::deployment::endpoint::{convex_answers, selected_endpoint, url_location};
use crate::deployment::variable::value_location;
use crate::evidence::compose::{EntryValue, EnvironmentEntry};
use crate::evidence::docker::Container;
use crate::evidence::endpoint::Body;
use crate::evidence::{Evidence, Unseen};
use crate::names::{API_PORT, CLOUD_ORIGIN, SITE_ORIGIN, SITE_PORT};
use crate::remedies::command::up;
use crate::remedies::secret::env_file;
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
    let port = which.port();
    let entry = which.line(evidence);
    let set =
        match (entry.map(|entry| (&entry.value, &entry.value_at)), default_of(evidence, entry)) {
            (_, Some((variable, file))) => {
                format!("Add {variable}=URL to {file}: the URL at which browsers reach port {port}")
            }
            (Some((EntryValue::Plain(_), Some(at))), None) => {
                format!(
                    "Set {}:{} to the URL at which browsers reach port {port}",
                    at.file, at.line
                )
            }
            _ => format!("Set {} to the URL at which browsers reach port {port}", which.variable()),
        };
    let recreate = "Recreate the backend's container with the new value";
    finding
        .remedy(Remedy::careful(set).step())
        .remedy(Remedy::careful(recreate).run(up(evidence)).step())
}

/// The variable that replaces the default in the entry, and the `.env` in which to set it; `None`
/// if the value is not a default.
fn default_of<'a>(
    evidence: &Evidence,
    entry: Option<&'a EnvironmentEntry>,
) -> Option<(&'a str, String)> {
    let project = project(evidence).ok()??;
    let entry = entry?;
    let in_compose_file = entry.value_at.as_ref().is_some_and(|at| is_in_a_file_of(project, at));
    let variable = entry.variable.as_deref().filter(|_| in_compose_file)?;
    (!project.other_env_files).then(|| (variable, env_file(evidence, project)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::compose::At;
    use crate::report::Certainty;

    #[test]
    fn the_fix_names_the_line_that_sets_the_value_or_the_variable_that_replaces_the_default() {
        for (file, variable, expected) in [
            (Some("docker-compose.yml"), None, "Set docker-compose.yml:9 to the URL"),
            (Some("docker-compose.yml"), Some(CLOUD_ORIGIN), "Add CONVEX_CLOUD_ORIGIN=URL to .env"),
            (Some("docker-compose.yml"), Some("ORIGIN"), "Add ORIGIN=URL to .env"),
            (Some(".env"), Some(CLOUD_ORIGIN), "Set .env:9 to the URL"),
            // The shell's value comes before every file.
            (None, Some(CLOUD_ORIGIN), "Set CONVEX_CLOUD_ORIGIN to the URL"),
        ] {
            let mut evidence = build::healthy();
            evidence.surroundings.directory = build::compose(&mut evidence).directory.clone();
            let value = EntryValue::Plain("http://127.0.0.1:3210".to_owned());
            build::compose(&mut evidence).backends[0].environment = vec![EnvironmentEntry {
                value_at: file.map(|file| At { file: file.to_owned(), ..build::at(9) }),
                variable: variable.map(str::to_owned),
                ..build::variable(CLOUD_ORIGIN, value)
            }];
            let finding = crate::checks::endpoint::origin_mismatch::ORIGIN_MISMATCH
                .finding(Certainty::Likely, "x");
            let found = with_remedies(&evidence, finding, Which::Cloud);
            let title = found.remedies[0].title.to_string();
            assert!(title.starts_with(expected), "{title}");
        }
    }
}
