//! What `npx convex` selects here, and whether that is self-hosted at all.
//!
//! Another kind of project is not a broken one (docs/facts.md, rule-other-worlds): for a project on
//! Convex Cloud only that is reported, and a directory with only the server's compose file needs no
//! URL and key.

use crate::evidence::compose::ComposeFacts;
use crate::evidence::docker::Container;
use crate::evidence::selection::{SelectionError, SelectionFacts, SelectionKind, ValueSource};
use crate::evidence::surroundings::PackageJson;
use crate::evidence::{Evidence, Unseen};
use crate::names::{ADMIN_KEY, DEPLOY_KEYS, DEPLOYMENT, DEPLOYMENT_TOKEN, URL};
use crate::report::{Finding, Location};

/// Where a value is set, in words.
pub(crate) fn source_in_words(source: &ValueSource) -> String {
    match source {
        ValueSource::File { file, line } => format!("{file}:{line}"),
        ValueSource::Env { env } => format!("{env} in the shell"),
        ValueSource::Flag { flag } => format!("option {flag}"),
    }
}

/// The location of a source; `None` for an option of the command line.
pub(crate) fn source_location(source: &ValueSource) -> Option<Location> {
    match source {
        ValueSource::File { file, line } => Some(Location::line(file, *line)),
        ValueSource::Env { env } => Some(Location::Environment { env: env.clone() }),
        ValueSource::Flag { .. } => None,
    }
}

/// Adds the location where a value is set.
pub(crate) fn at_source(finding: Finding, source: &ValueSource) -> Finding {
    match source_location(source) {
        Some(location) => finding.at(location),
        None => finding,
    }
}

/// Where the value of `name` that counts is set.
pub(crate) fn winner<'a>(selection: &'a SelectionFacts, name: &str) -> Option<&'a ValueSource> {
    let definitions = selection.definitions(name);
    definitions.iter().find(|definition| definition.wins).map(|definition| &definition.source)
}

/// Whether the CLI uses this source: with `--env-file`, only that file.
pub(crate) fn counts(selection: &SelectionFacts, source: &ValueSource) -> bool {
    match (&selection.env_file, source) {
        (Some(only), ValueSource::File { file, .. }) => only == file,
        (Some(_), ValueSource::Env { .. }) => false,
        _ => true,
    }
}

/// Whether URL and key are both set and neither is empty.
pub(crate) fn has_pair(selection: &SelectionFacts) -> bool {
    selection.is_set(URL) && selection.is_set(ADMIN_KEY)
}

/// Whether the command that was run had URL and key, as its output shows, and they are not set in
/// what is read here: its script got them from elsewhere.
pub(crate) fn command_had_pair(evidence: &Evidence) -> bool {
    !has_pair(&evidence.selection)
        && evidence
            .command
            .as_ref()
            .is_some_and(super::super::evidence::command::CommandFacts::had_pair)
}

/// Whether at least one of the two is.
pub(crate) fn has_half(selection: &SelectionFacts) -> bool {
    selection.is_set(URL) || selection.is_set(ADMIN_KEY)
}

/// The variable that sends the CLI to Convex Cloud whatever else is set.
pub(crate) fn deploy_key(selection: &SelectionFacts) -> Option<&'static str> {
    let is_read = |name: &&'static str| *name != DEPLOYMENT_TOKEN || !selection.ignores_token;
    let set = DEPLOY_KEYS.into_iter().filter(is_read).find(|name| selection.is_set(name))?;
    let is_used = match (selection.kind, selection.error) {
        (SelectionKind::CloudDeployKey, _)
        | (
            SelectionKind::Error,
            Some(
                SelectionError::DeployKeyMalformed
                | SelectionError::DeployKeyMissing
                | SelectionError::PackageJsonMissing
                | SelectionError::PackageJsonUnreadable,
            ),
        ) => true,
        // Both flags, or the sentinel that means "not set".
        _ => false,
    };
    is_used.then_some(set)
}

/// Whether the project's compose file has a Convex backend, or names one where Compose cannot read
/// it.
pub(crate) fn compose_has_backend(evidence: &Evidence) -> Result<bool, Unseen> {
    let has_one = |compose: &ComposeFacts| {
        !compose.backends.is_empty() || !compose.dashboards.is_empty() || compose.names_backend
    };
    Ok(evidence.compose.seen()?.as_ref().is_some_and(has_one))
}

/// Whether a self-hosted backend belongs to this directory. Many machines have containers of other
/// projects, which do not count.
pub(crate) fn has_backend(evidence: &Evidence) -> Result<bool, Unseen> {
    if compose_has_backend(evidence)? {
        return Ok(true);
    }
    let docker = evidence.docker.seen()?;
    let here = |container: &Container| {
        container.labels.working_dir.as_deref() == Some(evidence.surroundings.directory.as_str())
    };
    Ok(docker.expected().is_some() || docker.backends.iter().any(here))
}

/// Whether a cloud or local deployment is set, and neither the self-hosted URL nor the key: then
/// the two are not missing, unless there is a backend.
pub(crate) fn names_cloud_deployment(selection: &SelectionFacts) -> bool {
    let by_key = deploy_key(selection);
    // A self-hosted key under the cloud's name does not make a cloud project.
    let misplaced = by_key.is_some_and(|name| holds_self_hosted_key(selection, name));
    (by_key.is_some() || selection.is_set(DEPLOYMENT)) && !has_half(selection) && !misplaced
}

/// Whether the value of `name` that counts has the shape of a self-hosted key.
pub(crate) fn holds_self_hosted_key(selection: &SelectionFacts, name: &str) -> bool {
    selection.definitions(name).iter().any(|definition| {
        definition.wins && definition.key.as_ref().is_some_and(|key| key.fingerprint.is_some())
    })
}

/// Whether a URL leads to Convex Cloud.
pub(crate) fn is_cloud_url(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host =
        authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let host = host.to_ascii_lowercase();
    host.ends_with(".convex.cloud") || host.ends_with(".convex.site")
}

/// The variable that points the app to Convex Cloud (`VITE_CONVEX_URL` and its like) and where it
/// is set, if nothing selects a deployment and nothing looks as if self-hosting was meant.
pub(crate) fn cloud_app_url(evidence: &Evidence) -> Option<(&str, &ValueSource)> {
    let selection = &evidence.selection;
    let is_of_the_pair = |name: &str| matches!(name, URL | ADMIN_KEY);
    let meant = selection.near_misses.iter().any(|miss| !miss.empty)
        || selection.misreadings.iter().any(|misread| is_of_the_pair(&misread.name))
        || selection.variables.iter().any(|variable| is_of_the_pair(&variable.name))
        || !evidence.surroundings.env_files_elsewhere.is_empty()
        || !evidence.surroundings.unreadable.is_empty();
    let selected = deploy_key(selection).is_some() || selection.is_set(DEPLOYMENT);
    if meant || selected {
        return None;
    }
    let elsewhere = evidence.surroundings.cloud_urls_elsewhere.first();
    let read = selection.variables.iter().find_map(|variable| {
        let winner = variable.definitions.iter().find(|definition| definition.wins)?;
        let is_app_url = variable.name.ends_with("CONVEX_URL");
        let text = winner.text.as_deref().filter(|text| is_app_url && is_cloud_url(text));
        text.map(|_| (variable.name.as_str(), &winner.source))
    });
    read.or_else(|| elsewhere.map(|one| (one.variable.as_str(), &one.source)))
}

/// Whether this is a cloud project without anything self-hosted.
pub(crate) fn is_cloud_project(evidence: &Evidence) -> Result<bool, Unseen> {
    let is_cloud = names_cloud_deployment(&evidence.selection) || cloud_app_url(evidence).is_some();
    Ok(is_cloud && !has_backend(evidence)?)
}

/// Whether package.json depends on `convex`; `None` if there is no package.json.
pub(crate) fn depends_on_convex(evidence: &Evidence) -> Result<Option<bool>, Unseen> {
    Ok(match evidence.surroundings.package_json.seen()? {
        PackageJson::Here { depends_on_convex } => Some(*depends_on_convex),
        PackageJson::Missing { .. } => None,
    })
}

/// Whether this directory is only the server's: the CLI is not used here.
pub(crate) fn is_server_only(evidence: &Evidence) -> bool {
    compose_has_backend(evidence) == Ok(true)
        && !matches!(depends_on_convex(evidence), Ok(Some(true)))
}

/// Adds what the CLI itself prints, if it prints anything.
pub(crate) fn with_cli_words(finding: Finding, selection: &SelectionFacts) -> Finding {
    match (&selection.cli_says, selection.error) {
        (_, None | Some(SelectionError::PackageJsonMissing)) | (None, _) => finding,
        (Some(text), _) => finding.because(format!("npx convex prints: {text}"), "convex 1.48.0"),
    }
}

/// Whether a URL that is set without a key could lead to this container; also if no URL is set.
pub(crate) fn fits_the_url(evidence: &Evidence, container: &Container) -> bool {
    let definitions = evidence.selection.definitions(URL);
    let typed = definitions.iter().find(|one| one.wins && !one.empty);
    let Some(text) = typed.and_then(|one| one.text.as_deref()) else { return true };
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
    let Some((host, port)) = rest.rsplit_once(':') else { return false };
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
        && container.net.ports.iter().any(|one| one.host.is_some() && one.host == port.parse().ok())
}
