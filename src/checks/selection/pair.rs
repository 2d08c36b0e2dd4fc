//! The self-hosted URL, the admin key or both are missing: the CLI leaves self-hosted mode without
//! a message.

use crate::checks::Check;
use crate::deployment::endpoint::backend_url;
use crate::deployment::key::trial_of;
use crate::deployment::selection::{
    at_source, command_had_pair, depends_on_convex, has_half, is_cloud_project, is_server_only,
    names_cloud_deployment, source_in_words, winner, with_cli_words,
};
use crate::evidence::docker::{Port, SecretState};
use crate::evidence::selection::{SelectionFacts, ValueSource};
use crate::evidence::{Evidence, Unseen};
use crate::names::{ADMIN_KEY, URL};
use crate::remedies::mint::{for_selection, start_first, with_url};
use crate::remedies::script::unless_by_script;
use crate::report::{Action, Certainty, CliFailure, Finding, Level, Location, Remedy, Rule};

/// The self-hosted URL and admin key are not set.
pub static SELECTION_MISSING: Rule =
    rule!("selection-missing", Error, "the self-hosted URL and admin key are not set")
        .cause(&[])
        .explains(&[CliFailure::NotSelected]);

/// Only one of the self-hosted URL and admin key is set.
pub static SELECTION_INCOMPLETE: Rule =
    rule!("selection-incomplete", Error, "the self-hosted URL or the admin key is missing")
        .cause(&[])
        .explains(&[CliFailure::CloudConflictIncomplete, CliFailure::NotSelected]);

/// Judges `selection-missing`.
pub static MISSING_CHECK: Check = Check { rules: &[&SELECTION_MISSING], run: missing };
/// Judges `selection-incomplete`.
pub static INCOMPLETE_CHECK: Check = Check { rules: &[&SELECTION_INCOMPLETE], run: incomplete };

fn missing(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    if has_half(selection) || is_cloud_project(evidence)? {
        return Ok(vec![]);
    }
    if command_had_pair(evidence) {
        return Err(Unseen::new(HAD_BOTH));
    }
    let needed = depends_on_convex(evidence)? == Some(true);
    let instead = if names_cloud_deployment(selection) {
        "npx convex uses the cloud variables instead, although this project has a backend."
    } else {
        PRESS_CTRL_C
    };
    let detail =
        format!("They are not in {}.{} {instead}", sources(selection), ignored_flag(selection));
    let finding = SELECTION_MISSING.finding(certainty(evidence), detail).level(if needed {
        Level::Error
    } else {
        Level::Info
    });
    let finding = match start_first(evidence, &target(selection)) {
        Some(steps) => steps.into_iter().fold(finding, Finding::remedy),
        None => finding.remedy(with_url(evidence, &target(selection))),
    };
    let finding = with_cli_words(finding, selection).at(Location::line(target(selection), 0));
    Ok(vec![unless_by_script(evidence, finding)])
}

fn incomplete(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    let (set, unset) = match (selection.is_set(URL), selection.is_set(ADMIN_KEY)) {
        (true, false) => (URL, ADMIN_KEY),
        (false, true) => (ADMIN_KEY, URL),
        _ => return Ok(vec![]),
    };
    if command_had_pair(evidence) {
        return Err(Unseen::new(HAD_BOTH));
    }
    let empty = winner(selection, unset);
    let what = match empty {
        Some(source) => format!("{unset} is empty in {}", source_in_words(source)),
        None => format!("{unset} is not in {}", sources(selection)),
    };
    let detail = format!("{set} is set, but {what}.{} {PRESS_CTRL_C}", ignored_flag(selection));
    let server = is_server_only(evidence);
    let mut finding = SELECTION_INCOMPLETE.finding(certainty(evidence), detail).level(if server {
        Level::Info
    } else {
        Level::Error
    });
    if let Some(source) = winner(selection, set) {
        finding = finding.because(format!("{set} is set"), source.to_string());
    }
    for source in [empty, winner(selection, set)].into_iter().flatten() {
        finding = at_source(finding, source);
    }
    let file = match winner(selection, set) {
        Some(ValueSource::File { file, .. }) => file.clone(),
        _ => target(selection),
    };
    finding = if unset == URL {
        finding.remedy(save_url(evidence, empty, &file))
    } else {
        finding.remedy(for_selection(evidence, &file))
    };
    Ok(vec![unless_by_script(evidence, with_cli_words(finding, selection))])
}

/// Saves the URL. The doctor does it if the key matches the secret of this project's backend, and
/// that is published on this machine.
fn save_url(evidence: &Evidence, empty: Option<&ValueSource>, file: &str) -> Remedy {
    let url = backend_url(evidence);
    let file = match empty {
        None => file,
        Some(ValueSource::File { file, .. }) => file.as_str(),
        // What a shell exports comes before every file, also when it is empty.
        Some(_) => {
            return Remedy::safe(format!("Set {URL} in the shell, such as {url}"));
        }
    };
    if !is_for_own_backend(evidence) {
        return Remedy::safe(format!("Save {URL} in {file}, such as {url}"));
    }
    Remedy::safe(format!("Save {URL}={url} in {file}")).act(Action::SetVariable {
        file: file.to_owned(),
        name: URL.to_owned(),
        value: url,
    })
}

/// Whether the key that counts was made with the secret with which this project's backend runs, at
/// a port of this machine.
fn is_for_own_backend(evidence: &Evidence) -> bool {
    let Ok(docker) = evidence.docker.seen() else { return false };
    let Some(container) = docker.expected().filter(|container| container.is_running()) else {
        return false;
    };
    let published = |port: &Port| port.container == 3210 && port.host.is_some();
    let process = container.secret.process.seen().ok().and_then(Option::as_ref);
    let secret = process.and_then(SecretState::fingerprint);
    let source = winner(&evidence.selection, ADMIN_KEY);
    let key = evidence.keys.iter().find(|key| Some(&key.source) == source);
    let opened = key.zip(secret).and_then(|(key, secret)| trial_of(key, secret)?.opened.as_ref());
    docker.local && container.net.ports.iter().any(published) && opened.is_some()
}

/// Why the settings that are missing here are not missed.
const HAD_BOTH: &str = "the command had a URL and a key, which its script sets";

/// What to do when the CLI, without the settings, leaves self-hosted mode.
const PRESS_CTRL_C: &str = "If npx convex offers a login or a new local backend, press Ctrl-C.";

/// A file that could not be read may contain what is missing, and the CLI may have read it.
fn certainty(evidence: &Evidence) -> Certainty {
    if evidence.surroundings.unreadable.is_empty() { Certainty::Proven } else { Certainty::Likely }
}

fn target(selection: &SelectionFacts) -> String {
    selection.env_file.clone().unwrap_or_else(|| ".env.local".to_owned())
}

fn sources(selection: &SelectionFacts) -> String {
    match &selection.env_file {
        Some(file) => format!("{file}, the only file that --env-file reads"),
        None => "the shell, .env.local or .env".to_owned(),
    }
}

fn ignored_flag(selection: &SelectionFacts) -> String {
    match &selection.ignored_flag {
        Some(flag) => format!(" {flag} alone is ignored: the CLI needs both options."),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{KEY, PAIR, told};
    use crate::evidence::selection::PackageJsonState;

    const URL_LINE: &str = "CONVEX_SELF_HOSTED_URL=http://h:3210\n";

    #[test]
    fn the_settings_are_missing_only_if_they_are_needed() {
        use PackageJsonState as P;
        for (case, local, package, backend, expected) in [
            ("whole", PAIR, P::WithConvex, false, None),
            ("half is another id", URL_LINE, P::WithConvex, false, None),
            ("app", "", P::WithConvex, false, Some("error")),
            ("no convex in it", "", P::WithoutConvex, false, Some("info")),
            ("server directory", "", P::Missing, true, Some("info")),
            ("cloud project", "CONVEX_DEPLOYMENT=dev:a-b-1", P::WithConvex, false, None),
            (
                "cloud next to a backend",
                "CONVEX_DEPLOYMENT=dev:a-b-1",
                P::WithConvex,
                true,
                Some("error"),
            ),
        ] {
            let mut sources = build::sources(&[], local, "");
            sources.package_json = package;
            let mut evidence = build::of(&sources);
            if backend {
                build::add_backend(&mut evidence);
            }
            let told = told(missing(&evidence));
            let expected: Vec<String> = expected
                .map(|level| format!("selection-missing {level} proven .env.local"))
                .into_iter()
                .collect();
            assert_eq!(told, expected, "{case}");
        }
    }

    #[test]
    fn a_url_of_the_cloud_in_another_env_file_makes_a_cloud_project() {
        for (backend, expected) in [(false, 0), (true, 1)] {
            let mut evidence = build::evidence(&[], "", "");
            evidence.surroundings.cloud_urls_elsewhere =
                vec![crate::evidence::surroundings::CloudUrl {
                    variable: "VITE_CONVEX_URL".to_owned(),
                    source: ValueSource::File { file: ".env.production".to_owned(), line: 1 },
                }];
            if backend {
                build::add_backend(&mut evidence);
            }
            assert_eq!(missing(&evidence).unwrap().len(), expected, "{backend}");
        }
    }

    #[test]
    fn a_cloud_project_without_a_look_at_the_backends_is_unknown() {
        let mut evidence = build::evidence(&[], "CONVEX_DEPLOYMENT=dev:a-b-1", "");
        evidence.compose = Observation::unavailable("not readable");
        assert_eq!(told(missing(&evidence)), ["unknown"]);
    }

    /// What it is, the shell, .env.local, what else differs, and whether the URL is sure.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, fn(&mut Evidence), bool);

    #[test]
    fn the_url_is_saved_for_a_key_of_this_project_s_backend() {
        use crate::evidence::build::key as keys;
        let key = format!("CONVEX_SELF_HOSTED_ADMIN_KEY={KEY}\n");
        let empty = format!("{key}CONVEX_SELF_HOSTED_URL=\n");
        let shell = [("CONVEX_SELF_HOSTED_URL", "")];
        let nothing: fn(&mut Evidence) = |_| {};
        let cases: [Case<'_>; 8] = [
            ("its own", &[], &key, nothing, true),
            ("an empty line", &[], &empty, nothing, true),
            ("an empty export", &shell, &key, nothing, false),
            (
                "another's key",
                &[],
                &key,
                |it| it.keys[0].trials = vec![keys::closed("ours", vec![])],
                false,
            ),
            ("stopped", &[], &key, |it| keys::backend(it).life.state = "exited".into(), false),
            ("not published", &[], &key, |it| keys::backend(it).net.ports[0].host = None, false),
            ("another machine", &[], &key, |it| keys::docker(it).local = false, false),
            ("unseen", &[], &key, |it| it.docker = keys::unseen(), false),
        ];
        for (case, env, local, spoil, sure) in cases {
            let mut evidence = keys::healthy();
            evidence.selection = build::evidence(env, local, "").selection;
            evidence.keys[0].source = ValueSource::File { file: ".env.local".to_owned(), line: 1 };
            keys::docker(&mut evidence).local = true;
            spoil(&mut evidence);
            let found = incomplete(&evidence).unwrap();
            let set = Action::SetVariable {
                file: ".env.local".to_owned(),
                name: URL.to_owned(),
                value: "http://127.0.0.1:3210".to_owned(),
            };
            let expected: Vec<_> = sure.then_some(set).into_iter().collect();
            assert_eq!(found[0].remedies[0].actions, expected, "{case}");
        }
    }

    #[test]
    fn a_script_that_passes_the_settings_makes_it_likely() {
        use crate::evidence::surroundings::CliScript;
        let named = |name: &str| CliScript { name: name.to_owned(), ..CliScript::default() };
        let file = CliScript { env_file: Some(".env.docker".to_owned()), ..named("convex:dev") };
        let flags = CliScript { flags: true, ..named("dev") };
        let variables = CliScript { variables: vec![URL.to_owned()], ..named("dev") };
        let other = CliScript { variables: vec!["CONVEX_DEPLOYMENT".to_owned()], ..named("dev") };
        let opaque = CliScript { opaque: true, ..named("dev") };
        let trust = CliScript { trust: vec!["NODE_OPTIONS".to_owned()], ..named("dev") };
        for (script, certainty, command) in [
            (file, Certainty::Likely, Some("npm run convex:dev")),
            (flags, Certainty::Likely, Some("npm run dev")),
            (variables, Certainty::Likely, Some("npm run dev")),
            (other, Certainty::Proven, None),
            (opaque, Certainty::Likely, Some("npm run dev")),
            (trust, Certainty::Proven, None),
        ] {
            for (local, run) in [("", MISSING_CHECK.run), (URL_LINE, INCOMPLETE_CHECK.run)] {
                let mut evidence = build::evidence(&[], local, "");
                evidence.surroundings.cli_scripts = vec![script.clone()];
                let found = run(&evidence).unwrap();
                assert_eq!(found[0].certainty, certainty, "{script:?}");
                let first = found[0].remedies[0].commands.first().map(ToString::to_string);
                let first = first.filter(|command| command.starts_with("npm run"));
                assert_eq!(first.as_deref(), command, "{script:?}");
            }
        }
    }

    #[test]
    fn a_command_whose_key_was_rejected_had_both() {
        for (text, cloud) in [
            (
                "✖ Error fetching POST http://127.0.0.1:3210/api/x 401 Unauthorized: BadAdminKey",
                false,
            ),
            ("✖ Error fetching POST https://a-b-1.convex.cloud/api/x 401: BadAdminKey", true),
            ("✖ No CONVEX_DEPLOYMENT set", true),
        ] {
            for (local, run) in [("", MISSING_CHECK.run), (URL_LINE, INCOMPLETE_CHECK.run)] {
                let mut evidence = build::evidence(&[], local, "");
                let mut transcript = crate::transcript::Transcript::default();
                transcript.feed(crate::transcript::Stream::Err, format!("{text}\n").as_bytes());
                let said = transcript.lines().to_vec();
                evidence.command =
                    Some(crate::evidence::command::CommandFacts { said, ..Default::default() });
                assert_eq!(run(&evidence).is_ok(), cloud, "{text} {local}");
                evidence.surroundings.env_files_elsewhere =
                    vec![crate::evidence::surroundings::EnvFileElsewhere {
                        file: ".env.stage".to_owned(),
                        line: 1,
                        has_url: true,
                        has_key: true,
                    }];
                let elsewhere = (super::super::env_file_elsewhere::CHECK.run)(&evidence);
                assert_eq!(!elsewhere.unwrap().is_empty(), cloud, "{text} {local}");
            }
        }
    }

    #[test]
    fn one_of_the_two() {
        let empty = format!("{URL_LINE}CONVEX_SELF_HOSTED_ADMIN_KEY=\n");
        let only_key = format!("\nCONVEX_SELF_HOSTED_ADMIN_KEY={KEY}\n");
        for (local, expected) in [
            (PAIR, None),
            ("", None),
            (URL_LINE, Some(".env.local:1")),
            (empty.as_str(), Some(".env.local:2")),
            (only_key.as_str(), Some(".env.local:2")),
        ] {
            let mut evidence = build::evidence(&[], local, "");
            let told_of = |level: &str| -> Vec<String> {
                let line = |at| format!("selection-incomplete {level} proven {at}");
                expected.map(line).into_iter().collect()
            };
            assert_eq!(told(incomplete(&evidence)), told_of("error"), "{local}");
            evidence.surroundings.package_json =
                Observation::Seen(crate::evidence::surroundings::PackageJson::Missing {
                    nearest: None,
                });
            build::add_backend(&mut evidence);
            assert_eq!(told(incomplete(&evidence)), told_of("info"), "{local}");
        }
    }
}
