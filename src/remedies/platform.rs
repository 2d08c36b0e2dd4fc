//! The pass that replaces commands for Compose by the steps of the platform that runs the backend.

use std::mem;

use crate::deployment::platform::{Platform, behind_url, of_project};
use crate::evidence::Evidence;
use crate::names::{DATA_DIR, URL};
use crate::remedies::platform_steps::{self, Step};
use crate::report::{Action, Command, ComposeCommand, ComposeVerb, Finding, Order, Remedy, Scope};

/// The remedy that generates a key on the platform behind the URL, or on the panel of the compose
/// file; `None` if neither is known to be a platform without Compose. The title is followed by
/// where to run the command.
pub(crate) fn mint_behind_url(evidence: &Evidence, title: &str) -> Option<Remedy> {
    let platform = behind_url(evidence).or_else(|| of_project(evidence))?;
    let terminal = platform_steps::terminal(&platform)?;
    let mut remedy = Remedy::safe(format!("{title}. Run this {}", terminal.place));
    remedy.commands.extend(terminal.commands.into_iter().map(Command::from));
    Some(remedy)
}

/// The finding with remedies that work on the platform of the project's backend.
pub(crate) fn adapt(evidence: &Evidence, mut finding: Finding) -> Finding {
    // Most findings have no such remedy: then the platform does not matter.
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
    let adapted = possible.flat_map(|remedy| {
        let order = remedy.order;
        adapted(remedy, &platform, &directory).into_iter().map(move |it| (order, it))
    });
    finding.remedies = without_repeated(&adapted.collect::<Vec<_>>());
    finding
}

/// Several steps of one fix can end in the same step of the platform: the last one is enough. The
/// order is that of the remedy before it was adapted: what follows an alternative may be another
/// fix.
fn without_repeated(remedies: &[(Order, Remedy)]) -> Vec<Remedy> {
    let is_repeated = |index: usize| {
        let (order, remedy) = &remedies[index];
        let mut later = remedies[index + 1..].iter().take_while(|(_, it)| it.order == Order::Step);
        *order == Order::Step && later.any(|(_, later)| later == remedy)
    };
    let kept = (0..remedies.len()).filter(|index| !is_repeated(*index));
    kept.map(|index| remedies[index].1.clone()).collect()
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
                let title = format!("Do on the platform what Compose does with `{verb}`");
                add(Some(Step::words(title)));
            }
            // After a deployment the container is a new one.
            None if created_only => add(Some(Step::with(
                "Stop the new container, and run this (CONTAINER: its name)",
                for_new_container(command).to_string(),
            ))),
            None => remedy.commands.push(command),
        }
    }
    let steps = steps.into_iter().map(|step| {
        let mut remedy = Remedy::careful(step.title).step();
        remedy.commands.extend(step.commands.into_iter().map(Command::from));
        remedy
    });
    std::iter::once(remedy).chain(steps).collect()
}

/// The command with CONTAINER instead of the container's name in `NAME:PATH`.
fn for_new_container(command: Command) -> Command {
    let Command::Docker(words) = command else { return command };
    let replaced = words.into_iter().map(|word| match word.split_once(':') {
        Some((_, path)) => format!("CONTAINER:{path}"),
        None => word,
    });
    Command::Docker(replaced.collect())
}

/// The directory that has to be kept.
fn data_dir(evidence: &Evidence) -> String {
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let declared = evidence.compose.seen().ok().and_then(|it| it.as_ref()?.backend());
    let directory = container
        .map(|container| container.storage.data_dir.as_str())
        .or(declared.map(|service| service.data_dir.as_str()));
    directory.unwrap_or(DATA_DIR).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::key as build;
    use crate::remedies::command::up;
    use crate::report::{Certainty, ComposeFlags, Level, Rule};

    fn of_compose(verb: ComposeVerb) -> Command {
        Command::Compose(ComposeCommand { flags: ComposeFlags::default(), project: None, verb })
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
    fn a_step_of_the_platform_is_the_last_one_of_its_fix_and_not_repeated() {
        static RULE: Rule = Rule::new("x", Level::Error, "x", "");
        let mut evidence = build::healthy();
        build::docker(&mut evidence).expected = None;
        if let Observation::Seen(Some(project)) = &mut evidence.compose {
            project.panel_marks = vec!["SERVICE_FQDN_BACKEND_3210".to_owned()];
        }
        let fill = Command::docker(["cp", "./rescue/.", "app-backend-1:/convex/data"]);
        let finding = RULE
            .finding(Certainty::Proven, "")
            .remedy(Remedy::safe("Add the volume").in_volumes().step())
            .remedy(
                Remedy::safe("Recreate it")
                    .run(of_compose(ComposeVerb::Create("backend".to_owned())))
                    .run(fill)
                    .run(of_compose(ComposeVerb::Up(None)))
                    .step(),
            )
            .remedy(Remedy::safe("Start it").run(of_compose(ComposeVerb::Up(None))));
        let adapted = adapt(&evidence, finding);
        let titles: Vec<_> =
            adapted.remedies.iter().map(|it| it.title.split(' ').next().unwrap()).collect();
        assert_eq!(
            titles,
            ["Add", "Add", "Recreate", "Redeploy", "Stop", "Start", "Redeploy"],
            "{adapted:?}"
        );
        assert_eq!(adapted.remedies[4].commands, ["docker cp ./rescue/. CONTAINER:/convex/data"]);
    }

    #[test]
    fn another_project_is_not_this_one() {
        let verb_ = ComposeVerb::Up(None);
        let project = Some("old".to_owned());
        let flags = ComposeFlags::default();
        let other = Command::Compose(ComposeCommand { flags, project, verb: verb_ });
        assert_eq!(verb(&other), None);
        assert_eq!(verb(&Command::from("docker compose up -d")), None);
    }
}
