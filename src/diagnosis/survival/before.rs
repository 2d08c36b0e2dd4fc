//! What a command would destroy: the line is read, played, and judged as the table's operations
//! are.

use super::command::{Act, ComposeScope, ParsedCommand, Verb, parse};
use super::model::{BackendInstance, ComposePlan, StartFailure, Up};
use super::play::Worlds;
use super::setup::Deployment;
use super::shell::NotUnderstood;
use super::world::SimulatedWorld;
use crate::deployment::compose::declared_backend;
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

/// The project to read instead of the one that was read. That is the one that the line's first compose
/// command names, if the engine has something of it; else, where it has nothing of the one that was
/// read, the one in which a container was made from the same files.
pub fn other_project(
    evidence: &Evidence,
    line: &str,
    given: &ComposeFlags,
) -> Result<Option<String>, NotUnderstood> {
    let first = parse(line)?.into_iter().find_map(|one| match one.act {
        Act::Compose { scope, .. } => Some(scope.flags),
        _ => None,
    });
    let (Some(mut flags), Ok(docker)) = (first, evidence.docker.seen()) else { return Ok(None) };
    complete(&mut flags, given);
    let Ok(Some((compose, _))) = declared_backend(evidence) else { return Ok(None) };
    let named = flags.project.filter(|named| *named != compose.project);
    let has = |project: &str| {
        let of_it = |label: &Option<String>| label.as_deref() == Some(project);
        docker.backends.iter().any(|one| of_it(&one.labels.project))
            || docker.volumes.seen().is_ok_and(|all| all.iter().any(|one| of_it(&one.project)))
    };
    if named.is_none() && given.project.is_some() || has(&compose.project) {
        return Ok(named.filter(|named| has(named)));
    }
    let is_read = |file: &String| compose.files.contains(file);
    let made_here =
        docker.backends.iter().map(|one| &one.labels).find(|labels| {
            !labels.config_files.is_empty() && labels.config_files.iter().all(is_read)
        });
    let made_here = made_here.and_then(|labels| labels.project.clone());
    Ok(match named {
        Some(named) if has(&named) => Some(named),
        named => made_here.or(named),
    })
}

/// Adds what a command does not say itself.
fn complete(flags: &mut ComposeFlags, given: &ComposeFlags) {
    let fill = |own: &mut Vec<String>, given: &[String]| {
        if own.is_empty() {
            *own = given.to_vec();
        }
    };
    fill(&mut flags.files, &given.files);
    fill(&mut flags.env_files, &given.env_files);
    fill(&mut flags.profiles, &given.profiles);
    flags.project = flags.project.take().or_else(|| given.project.clone());
    flags.directory = flags.directory.take().or_else(|| given.directory.clone());
}

/// What the line would do to the keys and the data of this deployment; `Err` where it cannot be
/// read.
///
/// What this run was `given` to name the project holds for each command that does not say otherwise.
pub fn before(
    evidence: &Evidence,
    line: &str,
    given: &ComposeFlags,
) -> Result<Foresight, NotUnderstood> {
    let mut commands = parse(line)?;
    for one in &mut commands {
        if let Act::Compose { scope, .. } = &mut one.act {
            complete(&mut scope.flags, given);
        }
    }
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
        Act::Restart(names) => world.restart(|one| is_named(one, names)),
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
    let meant = meant(world, &scope.flags);
    if let (Some(plan), Some(project)) = (&world.plan, &meant.project)
        && !meant.as_read
        && *project != plan.project
    {
        let note = format!("a command here is for project {project}, not for {}", plan.project);
        world.notes.push(note);
        return Ok(());
    }
    if !meant.as_read {
        world.trouble = Some(StartFailure::NotSeen(
            "it uses another compose file than the one that was read; pass the same -f to convex-doctor"
                .to_owned(),
        ));
        return Ok(());
    }
    let read_with = world.plan.as_ref().map(|plan| &plan.flags);
    if let Some(option) = read_with.and_then(|read| read.other_option(&scope.flags)) {
        world.trouble = Some(StartFailure::NotSeen(format!(
            "the project was read with another {option} than this command has"
        )));
        return Ok(());
    }
    let project = meant.project.unwrap_or_default();
    if let (Some(why), Some(plan)) = (&world.unseen, &world.plan)
        && project != plan.project
    {
        world.trouble = Some(StartFailure::NotSeen(format!(
            "not known whether the backend is in project {} or {project} ({why})",
            plan.project
        )));
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
            world.up(&Up { project: Some(project.clone()), ..up.clone() });
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
        Verb::Restart => world.restart(ours),
        Verb::Renew => world.changed = true,
        Verb::Nothing => {}
    }
    Ok(())
}

/// The project that a command means.
struct Meant {
    /// Its name, as far as it is known.
    project: Option<String>,
    /// Whether it has the files that were read.
    as_read: bool,
}

fn meant(world: &SimulatedWorld, flags: &ComposeFlags) -> Meant {
    let typed = flags.project.clone();
    let Some(plan) = &world.plan else {
        let own = world.current().and_then(|instance| instance.project.clone());
        return Meant { project: typed.or(own), as_read: true };
    };
    match &plan.plain {
        Some(plain) if flags.files.is_empty() => {
            Meant { project: typed.or_else(|| Some(plain.clone())), as_read: false }
        }
        _ if is_of(plan, &flags.files) => {
            Meant { project: typed.or_else(|| Some(plan.own_name.clone())), as_read: true }
        }
        _ => Meant { project: typed, as_read: false },
    }
}

/// Whether the files named are those of the project; none named is what Compose finds itself. A
/// path is meant from where the command is typed, not from the project's directory.
fn is_of(plan: &ComposePlan, files: &[String]) -> bool {
    use std::path::{Component, Path, PathBuf};
    let normal = |file: &String| {
        let mut path = PathBuf::new();
        for part in Path::new(&plan.here).join(file).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => drop(path.pop()),
                other => path.push(other),
            }
        }
        path
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
        let one = before(evidence, line, &ComposeFlags::default()).unwrap();
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
        let one = before(&evidence, "docker compose   down -v", &ComposeFlags::default()).unwrap();
        assert_eq!(one.command, "docker compose down -v");
        assert_eq!(one.deletes, ["volume app_data", "volume app_pg"]);
        let one = before(&evidence, "docker volume rm app_data", &ComposeFlags::default()).unwrap();
        assert_eq!(one.deletes, [""; 0]);
        assert!(one.notes[0].contains("refuses this while app_data is in use"), "{:?}", one.notes);
        let one = before(&evidence, "docker volume prune", &ComposeFlags::default()).unwrap();
        assert!(one.notes[0].contains("other projects"), "{:?}", one.notes);
    }

    #[test]
    fn without_a_backend_nothing_is_known() {
        let mut evidence = healthy();
        (evidence.compose, evidence.docker) = (Seen(None), build::unseen());
        let one = before(&evidence, "docker compose down", &ComposeFlags::default()).unwrap();
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

    /// Where commands are typed is not always where the files are.
    #[test]
    fn a_file_is_named_from_here() {
        let mut evidence = healthy();
        evidence.surroundings.directory = "/home/u".to_owned();
        build::compose(&mut evidence).flags.files = vec!["app/docker-compose.yml".to_owned()];
        for (line, fate) in [
            ("docker compose -f app/docker-compose.yml down -v", Lost),
            ("docker compose -f ./x/../app/docker-compose.yml down -v", Lost),
            ("docker compose -f docker-compose.yml down -v", Unknown),
        ] {
            assert_eq!(fates(&evidence, line), (fate, fate), "{line}");
        }
    }

    /// A command without `-p` is for the project that the files name, one without `-f` for what
    /// Compose finds.
    #[test]
    fn what_a_command_does_not_say_is_not_taken_from_another_one() {
        let mut evidence = healthy();
        build::compose(&mut evidence).own_name = Some("v".to_owned());
        for (line, fate) in [
            ("docker compose -p app down -v", Lost),
            ("docker compose down -v", Kept),
            ("docker compose -p app down && docker compose up -d", Recoverable),
        ] {
            assert_eq!(fates(&evidence, line), (fate, fate), "{line}");
        }
        let given = ComposeFlags { project: Some("app".to_owned()), ..ComposeFlags::default() };
        let one = before(&evidence, "docker compose down -v", &given).unwrap();
        assert_eq!(one.deletes, ["volume app_data"], "this run was given -p");

        let compose = build::compose(&mut evidence);
        compose.plain_project = Some("other".to_owned());
        compose.files = vec!["/home/u/app/stack.yml".to_owned()];
        let one = before(&evidence, "docker compose down -v", &ComposeFlags::default()).unwrap();
        assert_eq!((one.keys, one.data), (Kept, Kept));
        assert_eq!(one.deletes, [""; 0]);
        assert!(one.notes[0].contains("other"), "{:?}", one.notes);
        let line = "docker compose -f stack.yml -p app down -v";
        assert_eq!(fates(&evidence, line), (Lost, Lost));
        assert_eq!(fates(&evidence, "docker compose -p app down -v"), (Unknown, Unknown));
    }

    #[test]
    fn without_docker_it_is_not_known_which_project_has_the_data() {
        let mut evidence = healthy();
        evidence.docker = build::unseen();
        for (line, fate) in [
            ("docker compose -p other down -v", Unknown),
            ("docker compose -p app down -v", Lost),
            ("docker compose down -v", Lost),
        ] {
            assert_eq!(fates(&evidence, line), (fate, fate), "{line}");
        }
    }

    #[test]
    fn the_project_that_has_something_is_predicted() {
        let other = |evidence: &Evidence, line: &str| {
            other_project(evidence, line, &ComposeFlags::default()).unwrap()
        };
        let named = "docker compose -p x down -v";
        let mut evidence = healthy();
        assert_eq!(other(&evidence, named), None, "x has nothing, app has");
        build::docker(&mut evidence).backends.push(build::container("x", "theirs"));
        assert_eq!(other(&evidence, named).as_deref(), Some("x"));
        assert_eq!(
            other(&evidence, "COMPOSE_PROJECT_NAME=x docker compose up -d").as_deref(),
            Some("x")
        );
        assert_eq!(other(&evidence, "docker compose down -v"), None);
        assert_eq!(other(&evidence, "docker rm -f x-backend-1"), None);
        // It runs under another name than the file's.
        let docker = build::docker(&mut evidence);
        docker.backends.retain(|one| one.labels.project.as_deref() == Some("x"));
        docker.expected = None;
        docker.volumes = Seen(vec![]);
        let files = vec![format!("{}/docker-compose.yml", build::DIRECTORY)];
        docker.backends[0].labels.config_files = files;
        for line in [named, "docker compose down -v", "docker compose -p y up -d"] {
            assert_eq!(other(&evidence, line).as_deref(), Some("x"), "{line}");
        }
        build::docker(&mut evidence).backends.clear();
        assert_eq!(other(&evidence, "docker compose -p y up -d").as_deref(), Some("y"));
        assert_eq!(other(&evidence, "docker compose up -d"), None);
    }

    #[test]
    fn a_stop_deletes_a_container_of_rm() {
        use crate::evidence::docker::MountKind;
        let anonymous = "a".repeat(64);
        for (kind, source, gone) in
            [(MountKind::Anonymous, anonymous.as_str(), Lost), (MountKind::Named, "mine", Unknown)]
        {
            let mut evidence = healthy();
            evidence.compose = Seen(None);
            let container = build::backend(&mut evidence);
            (container.labels.project, container.labels.service) = (None, None);
            container.life.auto_remove = true;
            container.storage.mounts = vec![build::mount(kind, Some(source), "/convex/data")];
            for (line, fate) in [
                ("docker stop app-backend-1", gone),
                ("docker kill app-backend-1", gone),
                ("docker stop app-backend-1; docker start app-backend-1", gone),
                ("docker restart app-backend-1", Kept),
            ] {
                assert_eq!(fates(&evidence, line), (fate, fate), "{line}, {source}");
            }
        }
    }

    /// The next start reads the file, a process that goes on does not.
    #[test]
    fn the_credentials_file_counts_at_the_next_start() {
        use crate::evidence::docker::SecretState;
        let broken = SecretState::Invalid("Hex-decoded key was 0 bytes, not 32".to_owned());
        for (file, data) in [(build::valid("another"), Kept), (broken, Recoverable)] {
            let mut evidence = healthy();
            build::backend(&mut evidence).secret.file = Seen(Some(file));
            for line in [
                "docker compose restart",
                "docker compose stop && docker compose start",
                "docker compose up -d --force-recreate",
                "docker compose down && docker compose up -d",
            ] {
                assert_eq!(fates(&evidence, line), (Lost, data), "{line}");
            }
            assert_eq!(fates(&evidence, "docker compose up -d"), (Kept, Kept));
            assert_eq!(fates(&evidence, "docker compose down -v"), (Lost, Lost));
            let secret = &mut build::backend(&mut evidence).secret;
            secret.environment = Seen(secret.process.seen().unwrap().clone());
            assert_eq!(fates(&evidence, "docker compose restart"), (Kept, Kept), "overridden");
        }
    }
}
