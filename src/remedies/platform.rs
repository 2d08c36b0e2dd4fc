//! Remedies that speak of `docker compose`, said for the place where the backend runs.

use crate::deployment::platform::Platform;
use crate::deployment::platform::behind_url;
use crate::deployment::platform::of_project;
use crate::evidence::Evidence;
use crate::names::URL;
use crate::remedies::platform_steps::{self, SCRIPT, Step};
use crate::report::{Action, Finding, Remedy};

/// The remedy that mints in the place behind the URL, or where the compose file is a panel's in
/// that panel; `None` where neither is known to be a place without Compose.
pub(crate) fn mint_behind_url(evidence: &Evidence, title: &str) -> Option<Remedy> {
    let step = platform_steps::mint(&behind_url(evidence).or_else(|| of_project(evidence))?)?;
    Some(said(Remedy::safe(title), vec![step]))
}

/// The finding with remedies that can be carried out where the project's backend runs.
pub(crate) fn fit(evidence: &Evidence, mut finding: Finding) -> Finding {
    // Most findings have no such remedy, and the place need not be looked for.
    if !finding.remedies.iter().any(|it| speaks_of_compose(it) || changes_the_project(it)) {
        return finding;
    }
    let Some(place) = of_project(evidence).filter(|place| *place != Platform::Compose) else {
        return finding;
    };
    let keeps = crate::checks::family(&finding.id) == Some("persistence");
    let directory = data_dir(evidence);
    let to_keep = keeps.then_some(directory.as_str());
    let remedies = std::mem::take(&mut finding.remedies);
    // The compose file here is not the one that the place goes by, and its next deployment makes
    // the container anew.
    let fitting = remedies.into_iter().filter(|remedy| !changes_the_project(remedy));
    finding.remedies = fitting.map(|remedy| translated(remedy, &place, to_keep)).collect();
    finding
}

/// Whether the doctor itself would change the compose project or a container for it.
fn changes_the_project(remedy: &Remedy) -> bool {
    let elsewhere = |action: &Action| match action {
        Action::MintKey { .. } | Action::Ignore { .. } | Action::Start { .. } => true,
        Action::SetVariable { name, .. } => name == URL,
        _ => false,
    };
    !remedy.actions.iter().all(elsewhere)
}

fn speaks_of_compose(remedy: &Remedy) -> bool {
    remedy.title.contains("`.env`")
        || remedy.title.contains("`docker compose up -d`")
        || remedy.commands.iter().any(|command| subcommand(command).is_some())
}

/// The words behind `docker compose` and its files; `None` for another command, and for one that
/// names another project.
fn subcommand(command: &str) -> Option<&str> {
    let mut rest = command.strip_prefix("docker compose ")?;
    while let Some(file) = rest.strip_prefix("-f ") {
        // A file in quotes may hold blanks.
        rest = match file.strip_prefix('\'') {
            Some(quoted) => quoted.split_once("' ")?.1,
            None => file.split_once(' ')?.1,
        };
    }
    (!rest.starts_with('-')).then_some(rest)
}

fn translated(mut remedy: Remedy, place: &Platform, to_keep: Option<&str>) -> Remedy {
    if !speaks_of_compose(&remedy) {
        return remedy;
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut add = |step: Option<Step>| {
        if let Some(step) = step
            && !steps.contains(&step)
        {
            steps.push(step);
        }
    };
    if let Some(directory) = to_keep
        && (!remedy.edits.is_empty() || remedy.title.contains("`volumes:`"))
    {
        add(platform_steps::storage(place, directory));
    }
    let only_says_so = remedy.commands.is_empty();
    let mut kept = Vec::new();
    let mut created_only = false;
    for command in std::mem::take(&mut remedy.commands) {
        match subcommand(&command) {
            Some(words) if words.starts_with("exec ") && words.contains(SCRIPT) => {
                add(platform_steps::mint(place));
            }
            Some(words) if words.starts_with("up --no-start") => {
                created_only = true;
                add(platform_steps::redeploy(place));
            }
            Some(words) if words.starts_with("up") || words.starts_with("pull") => {
                add(platform_steps::redeploy(place));
            }
            Some(words) if words.starts_with("logs") || words.starts_with("ps") => {
                add(platform_steps::logs(place));
            }
            Some(words) => add(Some(Step::words(format!("there, as Compose's `{words}` does")))),
            // What it would fill is another container after a deployment.
            None if created_only => add(Some(Step::words(format!(
                "with the new container stopped: `{command}`, its name in place of the old one"
            )))),
            None => kept.push(command),
        }
    }
    if only_says_so {
        add(platform_steps::redeploy(place));
    }
    remedy.commands = kept;
    said(remedy, steps)
}

/// The remedy with the steps behind its title, and their commands behind its own.
fn said(mut remedy: Remedy, steps: Vec<Step>) -> Remedy {
    for (index, step) in steps.into_iter().enumerate() {
        remedy.title.push_str(if index == 0 { "; " } else { ", then " });
        remedy.title.push_str(&step.words);
        remedy.commands.extend(step.command);
    }
    remedy
}

/// The directory that has to be kept.
fn data_dir(evidence: &Evidence) -> String {
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let declared = evidence.compose.seen().ok().and_then(|it| it.as_ref()?.backend());
    let directory = container
        .map(|container| container.data_dir.as_str())
        .or(declared.map(|service| service.data_dir.as_str()));
    directory.unwrap_or("/convex/data").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::identity::secret_invalid::SECRET_INVALID;
    use crate::evidence::Observation;
    use crate::evidence::build::key as build;

    #[test]
    fn a_command_is_compose_s_only_for_this_project() {
        for (command, expected) in [
            ("docker compose up -d", Some("up -d")),
            ("docker compose -f 'self host.yml' -f b.yml up -d", Some("up -d")),
            ("docker compose -p old up -d", None),
            ("docker exec a b", None),
            ("docker composes", None),
        ] {
            assert_eq!(subcommand(command), expected, "{command}");
        }
    }

    #[test]
    fn compose_s_steps_become_those_of_the_place() {
        let remedy = || {
            Remedy::safe("Recreate it")
                .run("docker stop a")
                .run("docker compose up -d backend")
                .run("docker compose logs --tail 50")
        };
        let places = [
            Platform::Coolify,
            Platform::Dokploy,
            Platform::CapRover,
            Platform::Portainer,
            Platform::Swarm { service: "app_backend".to_owned() },
            Platform::Kubernetes { pod: None },
            Platform::Kubernetes { pod: Some(("prod".to_owned(), "a b".to_owned())) },
            Platform::Railway,
            Platform::Fly { app: None },
            Platform::Fly { app: Some("my-app".to_owned()) },
        ];
        for place in places {
            let said = translated(remedy(), &place, None);
            assert_eq!(said.commands[0], "docker stop a");
            assert!(!said.commands.concat().contains("docker compose"), "{said:?}");
            assert!(said.title.starts_with("Recreate it; ") && said.title.contains(", then "));
            assert!(
                platform_steps::mint(&place).is_some()
                    && platform_steps::storage(&place, "/convex/data").is_some()
            );
        }
        let pod = Platform::Kubernetes { pod: Some(("prod".to_owned(), "a b".to_owned())) };
        assert_eq!(
            translated(remedy(), &pod, None).commands[1],
            "kubectl logs -n prod 'a b' --tail=50"
        );
    }

    #[test]
    fn nothing_changes_for_compose_and_where_no_mark_is_seen() {
        let mut evidence = build::healthy();
        let finding = || {
            SECRET_INVALID
                .finding(crate::report::Certainty::Proven, "")
                .remedy(Remedy::safe("Recreate it").run("docker compose up -d"))
        };
        assert_eq!(fit(&evidence, finding()).remedies, finding().remedies);
        build::docker(&mut evidence).expected = None;
        assert_eq!(fit(&evidence, finding()).remedies, finding().remedies);
        if let Observation::Seen(Some(project)) = &mut evidence.compose {
            project.panel_marks = vec!["SERVICE_FQDN_BACKEND_3210".to_owned()];
        }
        let fitted = fit(&evidence, finding());
        assert!(fitted.remedies[0].commands.is_empty(), "{fitted:?}");
        assert!(fitted.remedies[0].title.contains("Redeploy"), "{fitted:?}");
    }
}
