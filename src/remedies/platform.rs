//! Remedies that change the compose project, worded for the platform where the backend runs.

use std::mem;

use crate::deployment::platform::{Platform, behind_url, of_project};
use crate::evidence::Evidence;
use crate::names::{DATA_DIR, URL};
use crate::remedies::platform_steps::{self, Step};
use crate::report::{Action, Command, ComposeCommand, ComposeVerb, Finding, Remedy, Scope};

/// The remedy that generates a key on the platform behind the URL, or on the panel that the compose
/// file belongs to; `None` if neither is known to be a platform without Compose.
pub(crate) fn mint_behind_url(evidence: &Evidence, title: &str) -> Option<Remedy> {
    let platform = behind_url(evidence).or_else(|| of_project(evidence))?;
    let step = platform_steps::mint(&platform)?;
    let mut remedy = Remedy::safe(format!("{title}: {}", step.words));
    remedy.commands.extend(step.command.map(Command::from));
    Some(remedy)
}

/// The finding with remedies that can be carried out where the project's backend runs.
pub(crate) fn adapt(evidence: &Evidence, mut finding: Finding) -> Finding {
    // Most findings have no such remedy, and the platform need not be found out.
    if !finding.remedies.iter().any(|it| needs_compose(it) || changes_the_project(it)) {
        return finding;
    }
    let Some(platform) = of_project(evidence).filter(|it| *it != Platform::Compose) else {
        return finding;
    };
    let directory = data_dir(evidence);
    let remedies = mem::take(&mut finding.remedies);
    // The platform does not use the compose file here, and its next deployment recreates the
    // container.
    let possible = remedies.into_iter().filter(|remedy| !changes_the_project(remedy));
    finding.remedies = possible.flat_map(|it| adapted(it, &platform, &directory)).collect();
    finding
}

/// Whether `convex-doctor fix` would change the compose project, or recreate a container.
fn changes_the_project(remedy: &Remedy) -> bool {
    let elsewhere = |action: &Action| match action {
        Action::MintKey { .. } | Action::Ignore { .. } | Action::Start { .. } => true,
        Action::SetVariable { name, .. } => name == URL,
        _ => false,
    };
    !remedy.actions.iter().all(elsewhere)
}

fn needs_compose(remedy: &Remedy) -> bool {
    remedy.scope != Scope::Anything || remedy.commands.iter().any(|it| verb(it).is_some())
}

/// What a command does with this project; `None` for another command, and for another project.
fn verb(command: &Command) -> Option<&ComposeVerb> {
    match command {
        Command::Compose(ComposeCommand { project: None, verb, .. }) => Some(verb),
        _ => None,
    }
}

/// The remedy without commands for Compose, and the platform's own steps after it.
fn adapted(mut remedy: Remedy, platform: &Platform, directory: &str) -> Vec<Remedy> {
    if !needs_compose(&remedy) {
        return vec![remedy];
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut add = |step: Option<Step>| {
        if let Some(step) = step
            && !steps.contains(&step)
        {
            steps.push(step);
        }
    };
    if remedy.scope == Scope::Volumes {
        add(platform_steps::storage(platform, directory));
    }
    if remedy.commands.is_empty() {
        add(platform_steps::redeploy(platform));
    }
    let mut created_only = false;
    let commands = mem::take(&mut remedy.commands);
    for command in commands {
        match verb(&command) {
            Some(ComposeVerb::GenerateKey(_)) => add(platform_steps::mint(platform)),
            Some(ComposeVerb::Create(_)) => {
                created_only = true;
                add(platform_steps::redeploy(platform));
            }
            Some(ComposeVerb::Up(_) | ComposeVerb::Pull) => add(platform_steps::redeploy(platform)),
            Some(ComposeVerb::Logs | ComposeVerb::Ps) => add(platform_steps::logs(platform)),
            Some(verb) => {
                add(Some(Step::words(format!("Do there what Compose does with `{verb}`"))));
            }
            // What it would fill is another container after a deployment.
            None if created_only => add(Some(Step::words(format!(
                "With the new container stopped, and its name instead of the old one: `{command}`"
            )))),
            None => remedy.commands.push(command),
        }
    }
    let steps = steps.into_iter().map(|step| {
        let mut remedy = Remedy::careful(step.words).step();
        remedy.commands.extend(step.command.map(Command::from));
        remedy
    });
    std::iter::once(remedy).chain(steps).collect()
}

/// The directory that has to be kept.
fn data_dir(evidence: &Evidence) -> String {
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let declared = evidence.compose.seen().ok().and_then(|it| it.as_ref()?.backend());
    let directory = container
        .map(|container| container.data_dir.as_str())
        .or(declared.map(|service| service.data_dir.as_str()));
    directory.unwrap_or(DATA_DIR).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::key as build;
    use crate::remedies::command::up;
    use crate::report::{Certainty, Level, Order, Rule};

    fn of_compose(verb: ComposeVerb) -> Command {
        Command::Compose(ComposeCommand { files: vec![], project: None, verb })
    }

    #[test]
    fn steps_of_compose_become_those_of_the_platform() {
        let remedy = || {
            Remedy::safe("Recreate it")
                .run(Command::docker(["stop", "a"]))
                .run(of_compose(ComposeVerb::Up(Some("backend".to_owned()))))
                .run(of_compose(ComposeVerb::Logs))
        };
        let pod = Platform::Kubernetes { pod: Some(("prod".to_owned(), "a b".to_owned())) };
        for platform in [
            Platform::Coolify,
            Platform::Dokploy,
            Platform::CapRover,
            Platform::Portainer,
            Platform::Swarm { service: "app_backend".to_owned() },
            Platform::Kubernetes { pod: None },
            pod.clone(),
            Platform::Railway,
            Platform::Fly { app: None },
            Platform::Fly { app: Some("my-app".to_owned()) },
        ] {
            let adapted = adapted(remedy(), &platform, DATA_DIR);
            assert_eq!(adapted[0].commands, ["docker stop a"], "{platform:?}");
            assert_eq!(adapted.len(), 3, "{adapted:?}");
            assert!(adapted[1..].iter().all(|it| it.order == Order::Step), "{adapted:?}");
            let compose = |it: &Remedy| it.commands.iter().any(|it| verb(it).is_some());
            assert!(!adapted.iter().any(compose), "{adapted:?}");
            assert!(platform_steps::mint(&platform).is_some());
            assert!(platform_steps::storage(&platform, DATA_DIR).is_some());
        }
        let adapted = adapted(remedy(), &pod, DATA_DIR);
        assert_eq!(adapted[2].commands, ["kubectl logs -n prod 'a b' --tail=50"]);
    }

    #[test]
    fn nothing_changes_for_compose_and_if_no_mark_is_seen() {
        static RULE: Rule = Rule::new("x", Level::Error, "x", "");
        let mut evidence = build::healthy();
        let finding = |evidence: &Evidence| {
            let remedy = Remedy::safe("Recreate it").run(up(evidence));
            RULE.finding(Certainty::Proven, "").remedy(remedy)
        };
        let as_it_was = finding(&evidence);
        assert_eq!(adapt(&evidence, as_it_was.clone()), as_it_was);
        build::docker(&mut evidence).expected = None;
        assert_eq!(adapt(&evidence, as_it_was.clone()), as_it_was);
        if let Observation::Seen(Some(project)) = &mut evidence.compose {
            project.panel_marks = vec!["SERVICE_FQDN_BACKEND_3210".to_owned()];
        }
        let adapted = adapt(&evidence, as_it_was);
        assert!(adapted.remedies[0].commands.is_empty(), "{adapted:?}");
        assert!(adapted.remedies[1].title.contains("Redeploy"), "{adapted:?}");
    }

    #[test]
    fn another_project_is_not_this_one() {
        let verb_ = ComposeVerb::Up(None);
        let project = Some("old".to_owned());
        let other = Command::Compose(ComposeCommand { files: vec![], project, verb: verb_ });
        assert_eq!(verb(&other), None);
        assert_eq!(verb(&Command::from("docker compose up -d")), None);
    }
}
