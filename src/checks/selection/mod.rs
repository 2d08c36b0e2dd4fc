//! What `npx convex` would use here, and whether that is what its user means: the variables, the
//! files that set them, and the files that only look as if they did.
//!
//! Another world is not a broken one (docs/facts.md, rule-other-worlds): a cloud project is told so
//! and no more, and a directory that only holds the server's compose file needs no pair. Nothing
//! here asks what the key opens, but for the key that a shell hides.
#![allow(
    clippy::unnecessary_wraps,
    reason = "every check has one signature, also one that sees all it needs"
)]

pub(crate) use super::compose::shell_word as word;
use super::{Check, edits, minting};
use crate::evidence::docker::{Container, DockerFacts};
use crate::evidence::endpoint::Body;
use crate::evidence::selection::{
    DefinitionFacts, SelectionError, SelectionFacts, SelectionKind, ValueSource,
};
use crate::evidence::surroundings::PackageJson;
use crate::evidence::{Evidence, Observation, Unseen};
use crate::report::{Finding, Location, Remedy};

pub mod app_url_differs;
#[cfg(test)]
pub(crate) mod build;
pub mod cloud;
pub mod empty_value_shadows;
pub mod env_file_elsewhere;
pub mod line_misread;
pub mod misnamed_variable;
pub mod pair;
pub mod project_files;
pub mod repository;
pub mod shell_shadows_file;
pub mod sources;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &app_url_differs::CHECK,
    &cloud::DEPLOYMENT_CHECK,
    &cloud::DEPLOY_KEY_CHECK,
    &cloud::NOT_SELF_HOSTED_CHECK,
    &empty_value_shadows::CHECK,
    &env_file_elsewhere::CHECK,
    &line_misread::CHECK,
    &misnamed_variable::CHECK,
    &pair::INCOMPLETE_CHECK,
    &pair::MISSING_CHECK,
    &project_files::PACKAGE_JSON_CHECK,
    &project_files::UNREADABLE_CHECK,
    &repository::NOT_IGNORED_CHECK,
    &repository::SECRET_CHECK,
    &shell_shadows_file::CHECK,
    &sources::DUPLICATE_CHECK,
    &sources::SPLIT_CHECK,
];

pub(crate) const URL: &str = "CONVEX_SELF_HOSTED_URL";
pub(crate) const ADMIN_KEY: &str = "CONVEX_SELF_HOSTED_ADMIN_KEY";
pub(crate) const DEPLOYMENT: &str = "CONVEX_DEPLOYMENT";
/// In the order in which the CLI asks for them.
pub(crate) const DEPLOY_KEYS: [&str; 2] = ["CONVEX_DEPLOY_KEY", "CONVEX_DEPLOYMENT_TOKEN"];

/// The place that a source is; none for an option of the command line.
pub(crate) fn place(source: &ValueSource) -> Option<Location> {
    match source {
        ValueSource::File { file, line } => Some(Location::line(file, *line)),
        ValueSource::Env { env } => Some(Location::Environment { env: env.clone() }),
        ValueSource::Flag { .. } => None,
    }
}

/// Points the finding to where a value is written.
pub(crate) fn at(finding: Finding, source: &ValueSource) -> Finding {
    match place(source) {
        Some(location) => finding.at(location),
        None => finding,
    }
}

/// Where the value of `name` that counts is written.
pub(crate) fn winner<'a>(selection: &'a SelectionFacts, name: &str) -> Option<&'a ValueSource> {
    let definitions = selection.definitions(name);
    definitions.iter().find(|definition| definition.wins).map(|definition| &definition.source)
}

/// Whether the CLI takes this source into account: with `--env-file`, only that file.
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

/// Whether at least one of the two is.
pub(crate) fn has_half(selection: &SelectionFacts) -> bool {
    selection.is_set(URL) || selection.is_set(ADMIN_KEY)
}

/// The variable that sends the CLI to Convex Cloud whatever else is set.
pub(crate) fn deploy_key(selection: &SelectionFacts) -> Option<&'static str> {
    let set = DEPLOY_KEYS.into_iter().find(|name| selection.is_set(name))?;
    let in_force = match (selection.kind, selection.error) {
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
        // Both flags, or the sentinel that stands for "unset".
        _ => false,
    };
    in_force.then_some(set)
}

/// The engine, unless it could not be asked.
fn engine(evidence: &Evidence) -> Result<&DockerFacts, Unseen> {
    evidence.docker.seen()
}

/// Whether the project's compose file has a Convex backend.
pub(crate) fn compose_has_backend(evidence: &Evidence) -> Result<bool, Unseen> {
    Ok(evidence.compose.seen()?.as_ref().is_some_and(|compose| !compose.backends.is_empty()))
}

/// Whether a self-hosted backend belongs to this directory. Containers of other projects are on
/// many machines and say nothing.
pub(crate) fn has_backend(evidence: &Evidence) -> Result<bool, Unseen> {
    if compose_has_backend(evidence)? {
        return Ok(true);
    }
    let docker = engine(evidence)?;
    let here = |container: &Container| {
        container.working_dir.as_deref() == Some(evidence.surroundings.directory.as_str())
    };
    Ok(docker.expected().is_some() || docker.backends.iter().any(here))
}

/// Whether a cloud or local deployment is named and nothing of a pair is: then the missing pair is
/// no fault, unless a backend is seen.
pub(crate) fn names_another_world(selection: &SelectionFacts) -> bool {
    let by_key = deploy_key(selection);
    // A self-hosted key under the cloud's name is no cloud project.
    let misplaced = by_key.is_some_and(|name| holds_self_hosted_key(selection, name));
    (by_key.is_some() || selection.is_set(DEPLOYMENT)) && !has_half(selection) && !misplaced
}

/// Whether the value of `name` that counts has the shape of a self-hosted key.
pub(crate) fn holds_self_hosted_key(selection: &SelectionFacts, name: &str) -> bool {
    selection.definitions(name).iter().any(|definition| {
        definition.wins && definition.key.as_ref().is_some_and(|key| key.fingerprint.is_some())
    })
}

/// Whether this is somebody else's world: a cloud project, nothing self-hosted in sight.
pub(crate) fn is_another_world(evidence: &Evidence) -> Result<bool, Unseen> {
    Ok(names_another_world(&evidence.selection) && !has_backend(evidence)?)
}

/// Whether package.json depends on `convex`; `None` where there is no package.json.
pub(crate) fn depends_on_convex(evidence: &Evidence) -> Result<Option<bool>, Unseen> {
    Ok(match evidence.surroundings.package_json.seen()? {
        PackageJson::Here { depends_on_convex } => Some(*depends_on_convex),
        PackageJson::Missing { .. } => None,
    })
}

/// Whether this directory is the server's and no app's: nobody runs the CLI here.
pub(crate) fn is_server_only(evidence: &Evidence) -> bool {
    compose_has_backend(evidence) == Ok(true)
        && !matches!(depends_on_convex(evidence), Ok(Some(true)))
}

/// The 200 rule (docs/facts.md, rule-200): the CLI would use this pair, and its own first call and
/// check_admin_key take it, with full rights.
pub(crate) fn works(evidence: &Evidence) -> bool {
    let Ok(Some(endpoint)) = evidence.endpoint.seen() else { return false };
    let accepted = endpoint.check_admin_key.seen().is_ok_and(|answer| {
        let full =
            matches!(answer.body, Body::KeyAccepted { read_only } if read_only != Some(true));
        answer.status == 200 && full
    });
    let called = endpoint.first_call.seen().is_ok_and(|answer| answer.status == 200);
    evidence.selection.kind == SelectionKind::SelfHosted && accepted && called
}

/// What the CLI itself prints, where it prints anything.
pub(crate) fn with_cli_words(finding: Finding, selection: &SelectionFacts) -> Finding {
    match (&selection.cli_says, selection.error) {
        (_, None | Some(SelectionError::PackageJsonMissing)) | (None, _) => finding,
        (Some(said), _) => finding.because(format!("npx convex prints: {said}"), "convex 1.48.0"),
    }
}

/// The URL at which the project's backend is published, as far as that is seen; upstream's default
/// else.
pub(crate) fn backend_url(evidence: &Evidence) -> String {
    let docker = engine(evidence).ok();
    let published = docker.and_then(DockerFacts::expected).and_then(|container| {
        container.ports.iter().find(|port| port.container == 3210).and_then(|port| port.host)
    });
    format!("http://127.0.0.1:{}", published.unwrap_or(3210))
}

/// How to mint a key: in the container behind the URL, or, while no URL is chosen, in the one of
/// this project. Where nobody knows which that is there is no command (docs/facts.md,
/// rule-containers).
pub(crate) fn mint(evidence: &Evidence, title: &str) -> Remedy {
    let container = engine(evidence).ok().and_then(|docker| match evidence.endpoint {
        Observation::Seen(None) => docker.expected().filter(|it| fits_the_url(evidence, it)),
        _ => docker.answering().map(|(container, _)| container),
    });
    minting::remedy(evidence, title, container.filter(|container| container.is_running()))
}

/// Whether a URL that is typed without a key could lead to this container. None typed contradicts
/// nothing.
fn fits_the_url(evidence: &Evidence, container: &Container) -> bool {
    let definitions = evidence.selection.definitions(URL);
    let typed = definitions.iter().find(|one| one.wins && !one.empty);
    let Some(text) = typed.and_then(|one| one.text.as_deref()) else { return true };
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
    let Some((host, port)) = rest.rsplit_once(':') else { return false };
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
        && container.ports.iter().any(|one| one.host.is_some() && one.host == port.parse().ok())
}

/// What takes a definition away: `unset` in this shell, or the line of its file, which is named and
/// not touched.
pub(crate) fn without(name: &str, definition: &DefinitionFacts) -> Remedy {
    match &definition.source {
        ValueSource::File { file, line } => {
            Remedy::safe(format!("delete line {line} of {file} ({name}), or put `#` before it"))
                .edit(edits::comment_out(definition))
        }
        ValueSource::Env { env } => {
            Remedy::safe(format!("take {env} out of the shell")).run(format!("unset {}", word(env)))
        }
        ValueSource::Flag { flag } => Remedy::safe(format!("leave {flag} out")),
    }
}

#[cfg(test)]
mod tests {
    use super::build;
    use super::*;
    use crate::evidence::docker::Port;

    #[test]
    fn minting_needs_a_container_that_the_url_does_not_contradict() {
        let in_compose = ["convex-doctor key mint --write"];
        let none: [&str; 0] = [];
        for (local, expected) in [
            ("", &in_compose[..]),
            ("CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210", &in_compose[..]),
            ("CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3999", &none[..]),
            ("CONVEX_SELF_HOSTED_URL=https://api.example.com", &none[..]),
            (build::PAIR, &none[..]), // nobody knows who answers
        ] {
            let mut evidence = build::evidence(&[], local, "");
            build::add_backend(&mut evidence);
            let port = Port { container: 3210, host: Some(3210), host_ip: String::new() };
            let container = Container {
                name: "app-backend-1".to_owned(),
                service: Some("backend".to_owned()),
                state: "running".into(),
                ports: vec![port],
                ..Container::default()
            };
            evidence.docker = Observation::Seen(DockerFacts {
                expected: Some("app-backend-1".to_owned()),
                backends: vec![container],
                ..DockerFacts::default()
            });
            assert_eq!(mint(&evidence, "mint").commands, expected, "{local}");
        }
    }

    /// What both families come to: the ids found with their certainty, and the ids that passed.
    fn outcome(evidence: &Evidence) -> crate::checks::Outcome {
        let ours = |id: &str| {
            let families = [CHECKS, crate::checks::key_shape::CHECKS].concat();
            families.iter().any(|check| check.rules.iter().any(|rule| rule.id == id))
        };
        let mut outcome = crate::checks::run_all(evidence);
        outcome.findings.retain(|finding| ours(&finding.id));
        outcome.passed.retain(|id| ours(id));
        outcome
    }

    #[test]
    fn what_is_not_seen_is_never_a_pass_and_never_surer() {
        let unseen = || "taken away".to_owned();
        let cloud = "CONVEX_DEPLOYMENT=dev:a-b-1\n";
        let deploy = "CONVEX_DEPLOY_KEY=prod:a-b-1|eyJ2MiI6IjAxMjM0NTY3ODkifQ==\n";
        let cut = &build::PAIR[..build::PAIR.len() - 3];
        for (local, backend) in [
            ("", false),
            ("", true),
            (cloud, false),
            (cloud, true),
            (deploy, false),
            (deploy, true),
            (build::PAIR, false),
            (cut, true),
            ("CONVEX_ADMIN_KEY=x|01", true),
        ] {
            let mut whole = build::evidence(&[], local, "");
            if backend {
                build::add_backend(&mut whole);
            }
            if local == cut {
                build::refuse(&mut whole);
            }
            let before = outcome(&whole);
            for source in ["compose", "docker", "endpoint", "package.json", "git"] {
                let mut less = whole.clone();
                let reason = unseen();
                match source {
                    "compose" => less.compose = Observation::Unavailable { reason },
                    "docker" => less.docker = Observation::Unavailable { reason },
                    "endpoint" => less.endpoint = Observation::Unavailable { reason },
                    "git" => less.surroundings.git = Observation::Unavailable { reason },
                    _ => less.surroundings.package_json = Observation::Unavailable { reason },
                }
                let after = outcome(&less);
                for finding in &before.findings {
                    assert!(
                        !after.passed.contains(&finding.id),
                        "{local}: {source}: {}",
                        finding.id
                    );
                }
                for finding in &after.findings {
                    let was = before.findings.iter().find(|one| one.id == finding.id);
                    let surer = was.is_none_or(|was| was.certainty < finding.certainty);
                    assert!(!surer, "{local}: without {source}: {}", finding.id);
                }
            }
        }
    }
}
