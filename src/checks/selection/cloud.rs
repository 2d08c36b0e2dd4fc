//! Variables of Convex Cloud: next to the self-hosted settings they stop the CLI or override these;
//! alone they are not a fault.

use crate::checks::Check;
use crate::deployment::endpoint::cli_at_least;
use crate::deployment::selection::{
    at_source, cloud_app_url, compose_has_backend, counts, deploy_key, has_backend, has_half,
    has_pair, holds_self_hosted_key, names_cloud_deployment, winner, with_cli_words,
};
use crate::evidence::selection::{DefinitionFacts, SelectionError, SelectionKind, ValueSource};
use crate::evidence::{Evidence, Unseen};
use crate::names::{ADMIN_KEY, DEPLOYMENT, DEPLOYMENT_TOKEN, URL};
use crate::remedies::env_file::{comment_out, without};
use crate::report::{Certainty, ChainLink, CliFailure, Finding, Order, Remedy, Rule};

/// CONVEX_DEPLOYMENT is set together with the self-hosted settings.
pub static CLOUD_DEPLOYMENT_SET: Rule = rule!(
    "cloud-deployment-set",
    Error,
    "CONVEX_DEPLOYMENT conflicts with the self-hosted settings"
)
.cause(&[])
.breaks(ChainLink::Source)
.explains(&[CliFailure::CloudConflict, CliFailure::CloudConflictIncomplete]);

/// A cloud deploy key overrides the self-hosted settings.
pub static CLOUD_DEPLOY_KEY_WINS: Rule =
    rule!("cloud-deploy-key-wins", Error, "a cloud deploy key overrides the self-hosted settings")
        .cause(&[])
        .breaks(ChainLink::Source)
        .explains(&[CliFailure::CloudKey]);

/// This project does not use a self-hosted backend.
pub static NOT_SELF_HOSTED: Rule =
    rule!("not-self-hosted", Info, "this project does not use a self-hosted backend");

/// Judges `cloud-deployment-set`.
pub static DEPLOYMENT_CHECK: Check = Check { rules: &[&CLOUD_DEPLOYMENT_SET], run: deployment };
/// Judges `cloud-deploy-key-wins`.
pub static DEPLOY_KEY_CHECK: Check = Check { rules: &[&CLOUD_DEPLOY_KEY_WINS], run: by_key };
/// Judges `not-self-hosted`.
pub static NOT_SELF_HOSTED_CHECK: Check =
    Check { rules: &[&NOT_SELF_HOSTED], run: not_self_hosted };

fn deployment(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    let stops = match selection.error {
        Some(SelectionError::DeploymentBesidePair | SelectionError::DeploymentBesideHalf) => true,
        // The CLI stopped before; in a directory with a package.json it would stop here.
        Some(SelectionError::PackageJsonMissing | SelectionError::PackageJsonUnreadable) => {
            let by_flag = matches!(winner(selection, URL), Some(ValueSource::Flag { .. }));
            has_half(selection) && !by_flag && deploy_key(selection).is_none()
        }
        _ => false,
    };
    if !stops || !selection.is_set(DEPLOYMENT) {
        return Ok(vec![]);
    }
    let settings = if has_pair(selection) {
        "the self-hosted settings"
    } else {
        "one of the self-hosted settings"
    };
    let detail = format!(
        "{DEPLOYMENT} selects Convex Cloud or a local deployment. With {settings} also set, the \
         CLI refuses to start."
    );
    let finding = CLOUD_DEPLOYMENT_SET.finding(Certainty::Proven, detail);
    Ok(vec![remove_all(with_cli_words(finding, selection), evidence, DEPLOYMENT)])
}

fn by_key(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    let Some(name) = deploy_key(selection) else { return Ok(vec![]) };
    let misplaced = holds_self_hosted_key(selection, name);
    if !has_half(selection) && !misplaced && !has_backend(evidence)? {
        return Ok(vec![]);
    }
    let is_read = name != DEPLOYMENT_TOKEN || cli_at_least(evidence, 38) == Some(true);
    let certainty = if is_read { Certainty::Proven } else { Certainty::Likely };
    let effect = match selection.error {
        Some(SelectionError::DeployKeyMalformed | SelectionError::DeployKeyMissing) if is_read => {
            format!("{name} is set, which the CLI reads first: it cannot use the value and stops.")
        }
        _ if is_read => format!("npx convex uses Convex Cloud, because {name} is set."),
        _ => format!(
            "npx convex probably uses Convex Cloud: {name} is set, which the CLI reads since 1.38."
        ),
    };
    let ignored = match (has_half(selection), is_read) {
        (true, true) => " It ignores the self-hosted settings.",
        (true, false) => " It then ignores the self-hosted settings.",
        (false, _) => "",
    };
    let mut finding = CLOUD_DEPLOY_KEY_WINS.finding(certainty, format!("{effect}{ignored}"));
    if misplaced && let Some(source) = winner(selection, name) {
        finding = finding.showing(
            "Each run sent this self-hosted key to api.convex.dev: treat it as leaked",
            source.to_string(),
        );
    }
    finding = remove_all(with_cli_words(finding, selection), evidence, name);
    if !has_pair(selection) {
        for remedy in &mut finding.remedies {
            remedy.order = Order::Step;
        }
        let title = format!("Set {URL} and {ADMIN_KEY} in .env.local");
        finding = finding.remedy(Remedy::safe(title).step());
    }
    Ok(vec![finding])
}

fn not_self_hosted(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    let app = cloud_app_url(evidence);
    if !names_cloud_deployment(selection) && app.is_none() {
        return Ok(vec![]);
    }
    // If Docker was not checked, there may be a backend; without the compose file nothing is known.
    let certainty = match (compose_has_backend(evidence)?, has_backend(evidence)) {
        (true, _) | (_, Ok(true)) => return Ok(vec![]),
        (false, Ok(false)) => Certainty::Proven,
        (false, Err(_)) => Certainty::Likely,
    };
    if let Some((name, source)) = app {
        let detail = format!(
            "{name} points the app to Convex Cloud, and there are no self-hosted settings. There \
             is probably nothing to diagnose."
        );
        // The CLI does not read it.
        let finding = NOT_SELF_HOSTED.finding(Certainty::Likely, detail);
        return Ok(vec![at_source(finding, source)]);
    }
    let name = deploy_key(selection).unwrap_or(DEPLOYMENT);
    let what = match selection.kind {
        SelectionKind::Local => "a local deployment that the CLI runs itself",
        _ => "Convex Cloud",
    };
    let detail = format!(
        "{name} selects {what}, and there are no self-hosted settings. There is nothing to \
         diagnose."
    );
    let finding = NOT_SELF_HOSTED.finding(certainty, detail);
    Ok(vec![match winner(selection, name) {
        Some(source) => at_source(finding, source),
        None => finding,
    }])
}

/// Removes each definition: without the first, the next one counts (`env -u` does not help against
/// a file).
fn remove_all(mut finding: Finding, evidence: &Evidence, name: &str) -> Finding {
    let selection = &evidence.selection;
    let counting: Vec<&DefinitionFacts> = selection
        .definitions(name)
        .iter()
        .filter(|definition| !definition.empty && counts(selection, &definition.source))
        .collect();
    let in_files =
        |definition: &&&DefinitionFacts| matches!(definition.source, ValueSource::File { .. });
    let mut remedies: Vec<Remedy> = Vec::new();
    for definition in &counting {
        finding = at_source(finding, &definition.source)
            .because(format!("{name} is set"), definition.source.to_string());
    }
    for definition in counting.iter().filter(|it| !in_files(it)) {
        remedies.push(without(definition));
    }
    // One without the other changes nothing: the lines of the files go together.
    let lines: Vec<&&DefinitionFacts> = counting.iter().filter(in_files).collect();
    if !lines.is_empty() {
        let places: Vec<String> = lines.iter().map(|it| it.source.to_string()).collect();
        let edits = lines.iter().flat_map(|definition| comment_out(definition));
        remedies.push(Remedy::safe(format!("Comment out {}", places.join(" and "))).edit(edits));
    }
    if remedies.len() > 1 {
        remedies = remedies.into_iter().map(Remedy::step).collect();
    }
    finding.remedies.extend(remedies);
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{KEY, PAIR, told};

    const CLOUD: &str = "CONVEX_DEPLOYMENT=dev:happy-animal-123\n";
    const DEPLOY: &str = "CONVEX_DEPLOY_KEY=prod:happy-animal-123|eyJ2MiI6IjAxMjM0NTY3ODkifQ==\n";

    fn all(evidence: &Evidence) -> Vec<String> {
        [deployment, by_key, not_self_hosted].iter().flat_map(|run| told(run(evidence))).collect()
    }

    #[test]
    fn next_to_the_settings_they_are_faults_and_alone_they_are_not() {
        let half = PAIR.split_inclusive('\n').next().unwrap();
        let misplaced = format!("CONVEX_DEPLOY_KEY={KEY}\n");
        for (local, backend, expected) in [
            (PAIR.to_owned(), true, None),
            (format!("{PAIR}CONVEX_DEPLOYMENT=\nCONVEX_DEPLOY_KEY=\n"), false, None),
            (format!("{CLOUD}{PAIR}"), false, Some("cloud-deployment-set error proven")),
            (format!("{CLOUD}{half}"), false, Some("cloud-deployment-set error proven")),
            (CLOUD.to_owned(), false, Some("not-self-hosted info proven")),
            (CLOUD.to_owned(), true, None),
            (format!("{DEPLOY}{PAIR}"), false, Some("cloud-deploy-key-wins error proven")),
            (format!("{DEPLOY}{half}"), false, Some("cloud-deploy-key-wins error proven")),
            (DEPLOY.to_owned(), false, Some("not-self-hosted info proven")),
            (DEPLOY.to_owned(), true, Some("cloud-deploy-key-wins error proven")),
            (misplaced, false, Some("cloud-deploy-key-wins error proven")),
            (format!("CONVEX_DEPLOY_KEY=<ignore_deploy_key>\n{PAIR}"), false, None),
        ] {
            let mut evidence = build::evidence(&[], &local, "");
            if backend {
                build::add_backend(&mut evidence);
            }
            let expected: Vec<_> =
                expected.map(|line| format!("{line} .env.local:1")).into_iter().collect();
            assert_eq!(all(&evidence), expected, "{local}");
        }
    }

    #[test]
    fn an_app_that_uses_the_cloud_is_not_a_broken_self_hosted_one() {
        let url = |name: &str, host: &str| format!("{name}=https://{host}\n");
        let cloud = url("VITE_CONVEX_URL", "happy-animal-123.convex.cloud");
        for (local, backend, expected) in [
            (cloud.clone(), false, true),
            (url("NEXT_PUBLIC_CONVEX_URL", "a-b-1.eu-west-1.convex.cloud"), false, true),
            (url("CONVEX_URL", "a-b-1.convex.cloud:443/"), false, true),
            (cloud.clone(), true, false),
            (url("VITE_CONVEX_URL", "convex.cloud.example.com"), false, false),
            (url("VITE_CONVEX_URL", "api.example.com"), false, false),
            (url("MY_URL", "a-b-1.convex.cloud"), false, false),
            // Self-hosting was meant.
            (format!("{cloud}CONVEX_SELF_HOSTED_URL=\n"), false, false),
            (format!("{cloud}CONVEX_ADMIN_KEY=app|01ac\n"), false, false),
            (format!("{cloud}set CONVEX_SELF_HOSTED_URL=http://h\n"), false, false),
        ] {
            let mut evidence = build::evidence(&[], &local, "");
            if backend {
                build::add_backend(&mut evidence);
            }
            let line = "not-self-hosted info likely .env.local:1";
            let found = told(not_self_hosted(&evidence));
            assert_eq!(found, [line][..usize::from(expected)], "{local}");
            let is_cloud = crate::deployment::selection::is_cloud_project(&evidence);
            assert_eq!(is_cloud, Ok(expected), "{local}");
        }
    }

    #[test]
    fn the_token_counts_from_1_38_on() {
        let proven = Some("cloud-deploy-key-wins error proven .env.local:1");
        let likely = Some("cloud-deploy-key-wins error likely .env.local:1");
        let token = format!("CONVEX_DEPLOYMENT_TOKEN=prod:a-b-1|eyJ2MiI6IjAxIn0=\n{PAIR}");
        let malformed = format!("CONVEX_DEPLOYMENT_TOKEN=x\n{PAIR}");
        let key = format!("CONVEX_DEPLOY_KEY=prod:a-b-1|eyJ2MiI6IjAxIn0=\n{PAIR}");
        let only = "CONVEX_DEPLOYMENT_TOKEN=prod:a-b-1|eyJ2MiI6IjAxIn0=\n".to_owned();
        let cloud = Some("not-self-hosted info proven .env.local:1");
        for (cli, local, expected) in [
            (Some("1.48.0"), &token, proven),
            (Some("1.38.0"), &malformed, proven),
            (Some("1.37.0"), &token, None),
            (Some("1.37.0"), &malformed, None),
            (None, &token, likely),
            (None, &malformed, likely),
            (Some("1.37.0"), &key, proven),
            (None, &key, proven),
            (Some("1.48.0"), &only, cloud),
            (Some("1.37.0"), &only, None),
        ] {
            let mut sources = build::sources(&[], local, "");
            sources.ignores_token = cli == Some("1.37.0");
            let mut evidence = build::of(&sources);
            evidence.surroundings.cli_version = cli.map(str::to_owned);
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(all(&evidence), expected, "{cli:?} {local}");
        }
    }

    #[test]
    fn a_backend_that_could_not_be_looked_for_is_not_absent() {
        let mut evidence = build::evidence(&[], DEPLOY, "");
        evidence.docker = Observation::unavailable("permission denied");
        assert_eq!(all(&evidence), ["unknown", "not-self-hosted info likely .env.local:1"]);
        evidence.compose = Observation::unavailable("not readable");
        assert_eq!(all(&evidence), ["unknown", "unknown"]);
    }
}
