//! What a command would destroy: the line is read, played, and judged as the table's operations
//! are.

use super::command::{Act, ComposeScope, ParsedCommand, Verb, parse};
use super::model::{BackendInstance, ComposePlan, StartFailure, Up};
use super::play::Worlds;
use super::setup::Deployment;
use super::shell::NotUnderstood;
use super::world::SimulatedWorld;
use crate::evidence::Evidence;
use crate::report::{ComposeFlags, Fate, Foresight};

/// How the line names its compose project: the first command that names one at all.
pub fn flags(line: &str) -> Result<ComposeFlags, NotUnderstood> {
    let named = |one: ParsedCommand| match one.act {
        Act::Compose { scope, .. } => Some(scope.flags).filter(|flags| !flags.words().is_empty()),
        _ => None,
    };
    Ok(parse(line)?.into_iter().find_map(named).unwrap_or_default())
}

/// What the line would do to the keys and the data of this deployment; `Err` where it cannot be
/// read.
pub fn before(evidence: &Evidence, line: &str) -> Result<Foresight, NotUnderstood> {
    let commands = parse(line)?;
    let command = commands
        .iter()
        .map(|one| format!("{}{}", one.text, if one.and { " &&" } else { ";" }))
        .collect::<Vec<_>>()
        .join(" ");
    let command = command.trim_end_matches(';').to_owned();
    let Some(deployment) = Deployment::of(evidence) else {
        let why = match evidence.docker.seen() {
            Ok(_) => "no backend was found, neither in a compose file nor on the engine".to_owned(),
            Err(unseen) => format!("no backend was found: {}", unseen.reason),
        };
        return Ok(Foresight {
            command,
            keys: Fate::Unknown,
            data: Fate::Unknown,
            why,
            deletes: Vec::new(),
            notes: Vec::new(),
        });
    };
    let worlds = Worlds::of(&deployment);
    let backend_only = commands.iter().all(|one| is_backend_only(&one.act, &deployment));
    let act = |world: &mut SimulatedWorld| play(world, &commands);
    let outcome = worlds.play(&deployment, backend_only, act);
    let ends: Vec<SimulatedWorld> = worlds
        .all
        .iter()
        .map(|(_, before)| {
            let mut after = before.clone();
            act(&mut after);
            after
        })
        .collect();
    // What only some of the ways delete is said in the reason of an outcome that is unknown.
    let mut deletes: Vec<String> = ends.first().map(|end| end.swept.clone()).unwrap_or_default();
    deletes.retain(|name| ends.iter().all(|end| end.swept.contains(name)));
    let mut notes = ends.into_iter().next().map(|end| end.notes).unwrap_or_default();
    let prunes = |one: &ParsedCommand| {
        matches!(one.act, Act::VolumePrune { .. } | Act::SystemPrune { volumes: true })
    };
    if commands.iter().any(prunes) {
        notes.push(
            "a prune affects the whole engine: unused volumes of other projects may be deleted, too"
                .to_owned(),
        );
    }
    Ok(Foresight {
        command,
        keys: outcome.keys.fate,
        data: outcome.data.fate,
        why: outcome.why(),
        deletes,
        notes,
    })
}

/// Whether a command touches no other container and no volume.
fn is_backend_only(act: &Act, deployment: &Deployment<'_>) -> bool {
    let container = deployment.container_name();
    let service = deployment.compose.map(|(_, service)| &service.name);
    match act {
        Act::Compose { scope, verb } => {
            let backend = scope.services.iter().all(|one| Some(one) == service);
            matches!(verb, Verb::Nothing | Verb::Renew)
                || backend && !scope.services.is_empty() && !matches!(verb, Verb::Down { .. })
        }
        Act::Remove { names, .. } | Act::Stop(names) | Act::Start(names) | Act::Restart(names) => {
            names.iter().all(|name| *name == container)
        }
        Act::Nothing => true,
        Act::VolumeRemove(_)
        | Act::VolumePrune { .. }
        | Act::SystemPrune { .. }
        | Act::ContainerPrune => false,
    }
}

/// Plays the commands one after the other, and brings the backend up again where they leave it
/// down: what counts is what it finds then.
fn play(world: &mut SimulatedWorld, commands: &[ParsedCommand]) {
    for one in commands {
        let done = act(world, &one.act);
        if let Err(reason) = done {
            world.notes.push(format!("`{}`: {reason}", one.text));
            if one.and {
                break;
            }
        }
        if world.trouble.is_some() {
            return;
        }
    }
    match world.current().map(|instance| (instance.running, instance.name.clone())) {
        Some((true, _)) => {}
        Some((false, name)) => world.start(|one| one.name == name),
        None => world.up(&Up::default()),
    }
}

fn act(world: &mut SimulatedWorld, act: &Act) -> Result<(), String> {
    match act {
        Act::Compose { scope, verb } => return compose(world, scope, verb),
        Act::Remove { names, force, volumes } => {
            if !force && world.instances.iter().any(|one| one.running && is_named(one, names)) {
                return Err("the engine refuses this while the container is running".to_owned());
            }
            world.remove(*volumes, |one| is_named(one, names));
        }
        Act::Stop(names) => world.stop(|one| is_named(one, names)),
        Act::Start(names) => world.start(|one| is_named(one, names)),
        Act::Restart(names) => {
            world.stop(|one| is_named(one, names));
            world.start(|one| is_named(one, names));
        }
        Act::VolumeRemove(names) => {
            let mut refused = Vec::new();
            for name in names {
                if world.record(name).is_some()
                    && !world.remove_volume(name, "`volume rm` deletes it")
                {
                    refused.push(name.as_str());
                }
            }
            if !refused.is_empty() {
                return Err(format!(
                    "the engine refuses this while {} is in use",
                    refused.join(", ")
                ));
            }
        }
        Act::VolumePrune { all } => world.prune_volumes(*all),
        Act::SystemPrune { volumes } => world.prune_system(*volumes),
        Act::ContainerPrune => world.prune_containers(),
        Act::Nothing => {}
    }
    Ok(())
}

/// By its name or the beginning of its id.
fn is_named(instance: &BackendInstance, names: &[String]) -> bool {
    names.iter().any(|name| {
        *name == instance.name
            || name.len() >= 4
                && !instance.id.is_empty()
                && (instance.id.starts_with(name.as_str()) || name.starts_with(&instance.id))
    })
}

fn compose(world: &mut SimulatedWorld, scope: &ComposeScope, verb: &Verb) -> Result<(), String> {
    if *verb == Verb::Nothing {
        return Ok(());
    }
    let own = match (&world.plan, world.current()) {
        (Some(plan), _) => plan.project.clone(),
        (None, Some(instance)) => instance.project.clone().unwrap_or_default(),
        (None, None) => String::new(),
    };
    let project = scope.flags.project.clone().unwrap_or_else(|| own.clone());
    let other_file = world.plan.as_ref().is_some_and(|plan| !is_of(plan, &scope.flags.files));
    let read_with = world.plan.as_ref().map(|plan| &plan.flags);
    if let Some(option) = read_with.and_then(|read| read.other_option(&scope.flags)) {
        world.trouble = Some(StartFailure::NotSeen(format!(
            "the project was read with another {option} than this command has"
        )));
        return Ok(());
    }
    if other_file {
        world.trouble = Some(StartFailure::NotSeen(
            "it uses another compose file than the one that was read; pass the same -f to convex-doctor"
                .to_owned(),
        ));
        return Ok(());
    }
    let service = match (&world.plan, world.current()) {
        (Some(plan), _) => Some(plan.service.clone()),
        (None, instance) => instance.and_then(|instance| instance.service.clone()),
    };
    let is_meant = scope.services.is_empty()
        || service.as_ref().is_some_and(|service| scope.services.contains(service));
    if !is_meant {
        return Ok(());
    }
    let ours = |one: &BackendInstance| one.project.as_deref() == Some(project.as_str());
    match verb {
        Verb::Up { up, start } => {
            let project = Some(project.clone()).filter(|project| *project != own);
            world.up(&Up { project, ..up.clone() });
            if !start {
                world.stop(ours);
            }
        }
        Verb::Down { volumes } => world.down(&project, *volumes),
        Verb::Remove { stop, volumes } => {
            if *stop {
                world.stop(ours);
            }
            world.remove(*volumes, |one| ours(one) && !one.running);
        }
        Verb::Stop => world.stop(ours),
        Verb::Start => world.start(ours),
        Verb::Restart => {
            world.stop(ours);
            world.start(ours);
        }
        Verb::Renew => world.changed = true,
        Verb::Nothing => {}
    }
    Ok(())
}

/// Whether the files named are those of the project; none named is what Compose finds itself.
fn is_of(plan: &ComposePlan, files: &[String]) -> bool {
    let normal = |file: &String| {
        let path = std::path::Path::new(&plan.directory).join(file);
        let parts = path.components().filter(|part| *part != std::path::Component::CurDir);
        parts.collect::<std::path::PathBuf>()
    };
    files.is_empty()
        || files.len() == plan.files.len()
            && files.iter().zip(&plan.files).all(|(one, other)| normal(one) == normal(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::Seen;
    use crate::evidence::docker::EngineVersion;
    use Fate::{Kept, Lost, Recoverable, Unknown};

    fn healthy() -> Evidence {
        let mut evidence = build::healthy();
        let engine = EngineVersion { version: "26.1.5".into(), api: "1.45".into(), podman: false };
        build::docker(&mut evidence).engine = Seen(engine);
        evidence
    }

    fn fates(evidence: &Evidence, line: &str) -> (Fate, Fate) {
        let one = before(evidence, line).unwrap();
        (one.keys, one.data)
    }

    #[test]
    fn commands_do_here_what_they_do() {
        let evidence = healthy();
        let both = |fate| (fate, fate);
        for (line, fate) in [
            ("docker compose ps", Kept),
            ("docker compose stop", Kept),
            ("docker compose kill; docker compose start", Kept),
            ("docker compose pull && docker compose up -d", Kept),
            ("docker compose down", Kept),
            ("docker compose down --rmi all", Kept),
            ("docker compose down -v", Lost),
            ("docker compose -p app down -v", Lost),
            ("docker compose -p other down -v", Kept),
            ("docker compose -f docker-compose.yml down -v", Lost),
            ("docker compose -f ./docker-compose.yml down -v", Lost),
            ("docker compose -f other.yml down -v", Unknown),
            ("docker compose --env-file x down -v", Unknown),
            ("docker compose down -v dashboard", Kept),
            ("docker compose rm -sfv", Kept),
            ("docker rm -fv app-backend-1", Kept),
            ("docker rm -fv somebody-else", Kept),
            ("docker compose -p other up -d", Recoverable),
            ("COMPOSE_PROJECT_NAME=other docker compose up -d", Recoverable),
            // The engine refuses, and `&&` stops there.
            ("docker volume rm app_data", Kept),
            ("docker rm app-backend-1 && docker volume rm app_data", Kept),
            ("docker rm -f app-backend-1 && docker volume rm app_data", Lost),
            ("docker compose down; docker volume rm app_data", Lost),
            ("docker compose down && docker volume prune -f", Kept),
            ("docker compose down && docker volume prune -af", Lost),
            ("docker volume prune -af", Kept),
            ("docker system prune -af --volumes", Kept),
        ] {
            assert_eq!(fates(&evidence, line), both(fate), "{line}");
        }
    }

    #[test]
    fn a_name_made_of_the_project_s_is_another_one_under_another_project() {
        use crate::evidence::docker::MountKind;
        let both = |fate| (fate, fate);
        for (case, by_project, fixed, external, fate) in [
            ("no name", None, false, false, Recoverable),
            ("a fixed name", None, true, false, Kept),
            ("made of it", Some("{project}_data"), false, false, Recoverable),
            // `up` is refused: there is no such volume.
            ("external", Some("{project}_data"), true, true, Recoverable),
        ] {
            let mut evidence = healthy();
            let volume = &mut build::compose(&mut evidence).volumes[0];
            (volume.fixed_name, volume.external) = (fixed, external);
            volume.by_project = by_project.map(str::to_owned);
            assert_eq!(fates(&evidence, "docker compose -p other up -d"), both(fate), "{case}");
            assert_eq!(fates(&evidence, "docker compose up -d"), both(Kept), "{case}");
        }
        for (by_project, fate) in [(None, Kept), (Some("/srv/{project}"), Recoverable)] {
            let mut evidence = healthy();
            let line = build::declared("bind", Some("/srv/app"), "/convex/data");
            build::service(&mut evidence).mounts = vec![line];
            build::service(&mut evidence).mounts[0].by_project = by_project.map(str::to_owned);
            let mount = build::mount(MountKind::Bind, Some("/srv/app"), "/convex/data");
            build::backend(&mut evidence).storage.mounts = vec![mount];
            assert_eq!(fates(&evidence, "docker compose -p other up -d"), both(fate));
            assert_eq!(fates(&evidence, "docker compose up -d"), both(Kept));
        }
    }

    #[test]
    fn what_is_deleted_and_refused_is_named() {
        let mut evidence = healthy();
        let mut other = build::compose(&mut evidence).volumes[0].clone();
        (other.key, other.name) = ("pg".to_owned(), "app_pg".to_owned());
        build::compose(&mut evidence).volumes.push(other);
        let one = before(&evidence, "docker compose   down -v").unwrap();
        assert_eq!(one.command, "docker compose down -v");
        assert_eq!(one.deletes, ["volume app_data", "volume app_pg"]);
        let one = before(&evidence, "docker volume rm app_data").unwrap();
        assert_eq!(one.deletes, [""; 0]);
        assert!(one.notes[0].contains("refuses this while app_data is in use"), "{:?}", one.notes);
        let one = before(&evidence, "docker volume prune").unwrap();
        assert!(one.notes[0].contains("other projects"), "{:?}", one.notes);
    }

    #[test]
    fn without_a_backend_nothing_is_known() {
        let mut evidence = healthy();
        (evidence.compose, evidence.docker) = (Seen(None), build::unseen());
        let one = before(&evidence, "docker compose down").unwrap();
        assert_eq!((one.keys, one.data), (Unknown, Unknown));
        assert!(one.why.contains("no backend was found"), "{}", one.why);
    }

    /// What starts it again is not known; what is deleted is deleted anyway.
    #[test]
    fn a_container_that_compose_does_not_run() {
        let mut evidence = healthy();
        evidence.compose = Seen(None);
        let container = build::backend(&mut evidence);
        (container.labels.project, container.labels.service) = (None, None);
        assert_eq!(fates(&evidence, "docker restart app-backend-1"), (Kept, Kept));
        assert_eq!(fates(&evidence, "docker rm -f app-backend-1"), (Unknown, Unknown));
        let line = "docker rm -f app-backend-1 && docker volume rm app_data";
        assert_eq!(fates(&evidence, line), (Lost, Lost));
        assert_eq!(fates(&evidence, "docker compose down -v"), (Kept, Kept));
    }
}
