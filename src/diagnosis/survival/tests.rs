//! The predictions against every cell that was measured, and what must stay unknown.

use super::*;
use crate::evidence::Evidence;
use crate::evidence::build::key as build;
use crate::evidence::build::key::Seen;
use crate::evidence::build::key::declared;
use crate::evidence::build::key::entry;
use crate::evidence::build::key::mount;
use crate::evidence::build::key::valid;
use crate::evidence::compose::{DeclaredVolume, EntryValue, EnvironmentEntry, SqlUrl};
use crate::evidence::docker::{EngineVersion, MountKind, SecretState, Volume, VolumeBacking};
use crate::report::{Fate, Operation};
use Fate::{Kept, Lost, Recoverable, Unknown};

/// What was measured; the head of the file explains its letters.
const MEASURED: &str = include_str!("../../../fixtures/survival-matrix.txt");
const ANONYMOUS: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

fn operation(evidence: &Evidence, id: &str) -> Operation {
    operations(evidence).into_iter().find(|one| one.id == id).expect("it is in the table")
}

fn fates(evidence: &Evidence, id: &str) -> (Fate, Fate) {
    let one = operation(evidence, id);
    (one.keys, one.data)
}

/// An engine of that API version.
fn engine(evidence: &mut Evidence, version: &str, api: &str) {
    let engine = EngineVersion { version: version.into(), api: api.into(), podman: false };
    build::docker(evidence).engine = Seen(engine);
}

/// What the file declares at the top.
fn top(evidence: &mut Evidence, change: impl Fn(&mut DeclaredVolume)) {
    let compose = build::compose(evidence);
    compose.volumes.iter_mut().for_each(change);
}

/// Lines of the service and what is mounted by them.
fn lines(evidence: &mut Evidence, lines: &[(&str, Option<&str>, &str)]) {
    let named = lines.iter().any(|(kind, source, _)| *kind == "volume" && source.is_some());
    build::service(evidence).mounts =
        lines.iter().map(|(kind, source, target)| declared(kind, *source, target)).collect();
    let mounts = lines.iter().map(|(kind, source, target)| match (*kind, *source) {
        ("volume", Some(_)) => mount(MountKind::Named, Some("app_data"), target),
        ("volume", None) => mount(MountKind::Anonymous, Some(ANONYMOUS), target),
        ("tmpfs", _) => mount(MountKind::Tmpfs, None, target),
        (_, source) => mount(MountKind::Bind, source, target),
    });
    let mut mounts: Vec<_> = mounts.collect();
    let is_data = |target: &str| target == "/convex/data";
    let mut volumes = Vec::new();
    if named {
        volumes.push(build::volume("app_data", "app", &["app-backend-1"]));
    } else {
        build::compose(evidence).volumes.clear();
    }
    if !mounts.iter().any(|mount| is_data(&mount.target)) {
        mounts.push(mount(MountKind::Anonymous, Some(ANONYMOUS), "/convex/data"));
    }
    if mounts.iter().any(|mount| mount.kind == MountKind::Anonymous) {
        // The engine labels what the image asks for, and not what Compose does (docs/facts.md,
        // docker-anonymous-volume).
        let by_image = !lines.iter().any(|(_, _, target)| is_data(target));
        let new = !matches!(&build::docker(evidence).engine, Seen(engine) if engine.api == "1.41");
        volumes.push(Volume {
            anonymous: true,
            prunable: by_image && new,
            project: None,
            key: None,
            ..build::volume(ANONYMOUS, "", &["app-backend-1"])
        });
    }
    build::backend(evidence).storage.mounts = mounts;
    *build::volumes(evidence) = volumes;
}

/// The name of the volume, on the engine as in the file.
fn name(evidence: &mut Evidence, name: &str) {
    for mount in &mut build::backend(evidence).storage.mounts {
        if mount.kind == MountKind::Named {
            mount.source = Some(name.to_owned());
        }
    }
    build::volumes(evidence)[0].name = name.to_owned();
    top(evidence, |volume| {
        volume.name = name.to_owned();
        volume.fixed_name = true;
    });
}

/// One of the set-ups that were measured.
fn set_up(which: &str, version: &str, api: &str) -> Evidence {
    const DATA: &str = "/convex/data";
    let named = Some("data");
    let mut evidence = build::healthy();
    build::compose(&mut evidence).name_from_directory = true;
    build::backend(&mut evidence).secret.environment = Seen(None);
    engine(&mut evidence, version, api);
    let inside = format!("{}/store", build::DIRECTORY);
    let here: &[(&str, Option<&str>, &str)] = match which {
        "named_volume"
        | "named_external"
        | "named_with_name"
        | "named_local_bind_driver"
        | "readonly_volume"
        | "DATA_DIR_elsewhere"
        | "two_services_one_volume"
        | "shell_secret_first_up_only+named" => &[("volume", named, DATA)],
        "bind_relative" | "bind_absolute" => &[("bind", Some(&inside), DATA)],
        "anon_compose" => &[("volume", None, DATA)],
        "tmpfs" => &[("tmpfs", None, DATA)],
        "wrong_/data" => &[("volume", named, "/data")],
        "wrong_/convex" => &[("volume", named, "/convex")],
        "wrong_storage_only" => &[("volume", named, "/convex/data/storage")],
        "credentials_only" => &[("volume", named, "/convex/data/credentials")],
        "no_entry"
        | "env_secret_no_volume"
        | "shell_secret_first_up_only"
        | "postgres_no_volume" => &[],
        other => panic!("what is {other}?"),
    };
    lines(&mut evidence, here);
    match which {
        "named_external" => {
            name(&mut evidence, "outside");
            top(&mut evidence, |volume| volume.external = true);
        }
        "named_with_name" => name(&mut evidence, "fixed"),
        "named_local_bind_driver" => {
            let backing = VolumeBacking::Device { path: inside, relative: false };
            build::volumes(&mut evidence)[0].backing = backing.clone();
            top(&mut evidence, |volume| volume.backing = backing.clone());
        }
        "bind_relative" => build::service(&mut evidence).mounts[0].relative = true,
        "readonly_volume" => {
            build::service(&mut evidence).mounts[0].read_only = true;
            build::backend(&mut evidence).storage.mounts[0].writable = false;
        }
        "DATA_DIR_elsewhere" => {
            let service = build::service(&mut evidence);
            service.data_dir = "/srv/cx".to_owned();
            service.credentials_dir = "/srv/cx/credentials".to_owned();
            let container = build::backend(&mut evidence);
            container.storage.data_dir = "/srv/cx".to_owned();
            container.storage.credentials_dir = "/srv/cx/credentials".to_owned();
        }
        "env_secret_no_volume" => {
            build::service(&mut evidence).environment = vec![pinned("ours")];
            build::backend(&mut evidence).secret.environment = Seen(Some(valid("ours")));
        }
        "shell_secret_first_up_only" | "shell_secret_first_up_only+named" => {
            build::backend(&mut evidence).secret.environment = Seen(Some(valid("ours")));
        }
        "two_services_one_volume" => {
            let both = vec!["app-backend-1".to_owned(), "app-other-1".to_owned()];
            build::volumes(&mut evidence)[0].attached_to = both;
            let companion = crate::evidence::docker::Companion {
                name: "app-other-1".to_owned(),
                service: Some("other".to_owned()),
                image: String::new(),
                state: "running".into(),
                revision: None,
                dashboard: false,
            };
            build::docker(&mut evidence).companions.push(companion);
        }
        "postgres_no_volume" => {
            build::backend(&mut evidence).storage.uses_sql = true;
            build::backend(&mut evidence).storage.sql_url = Some(sql_url("db.example.com"));
        }
        _ => {}
    }
    evidence
}

fn sql_url(host: &str) -> SqlUrl {
    SqlUrl { variable: "POSTGRES_URL".into(), host: Some(host.into()), has_path: false }
}

/// INSTANCE_SECRET in the compose file.
fn pinned(secret: &str) -> EnvironmentEntry {
    let value = EntryValue::Secret(valid(secret));
    EnvironmentEntry { value_at: Some(build::at(9)), ..entry("INSTANCE_SECRET", value) }
}

/// A cell of the matrix.
struct Cell {
    engine: (String, String),
    set_up: String,
    operation: String,
    letter: char,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut engine = (String::new(), String::new());
    let mut columns: Vec<Vec<String>> = Vec::new();
    for line in MEASURED.lines() {
        if let Some(text) = line.strip_prefix("engine ") {
            let (version, api) = text.split_once(' ').unwrap();
            engine = (version.to_owned(), api.to_owned());
            columns.clear();
        } else if line.starts_with("column ") {
            let (_, names) = line.split_once(" = ").unwrap();
            columns.push(names.split(", ").map(str::to_owned).collect());
        } else if line.starts_with('|') && !line.starts_with("| operation") {
            let mut row = line.trim_matches('|').split('|').map(str::trim);
            let operation = row.next().unwrap().to_owned();
            for (letter, set_ups) in row.zip(&columns) {
                for set_up in set_ups {
                    cells.push(Cell {
                        engine: engine.clone(),
                        set_up: set_up.clone(),
                        operation: operation.clone(),
                        letter: letter.chars().next().unwrap(),
                    });
                }
            }
        }
    }
    cells
}

impl Cell {
    /// What the letter means. Where the stack does not come up, the external volume is gone, and
    /// the directory is not.
    fn fate(&self) -> Fate {
        match self.letter {
            'Y' => Fate::Kept,
            'D' | 'N' | 'A' | 'H' => Fate::Recoverable,
            'X' => Fate::Lost,
            '-' => Fate::Unknown,
            'E' if self.set_up == "named_external" => Fate::Lost,
            'E' if self.set_up == "named_local_bind_driver" => Fate::Recoverable,
            letter => panic!("{letter} in {} {}", self.set_up, self.operation),
        }
    }
}

#[test]
fn every_measured_cell_comes_out_as_it_was_measured() {
    let cells = cells();
    assert_eq!(cells.len(), 20 * 31 + 20 * 15);
    let mut wrong = Vec::new();
    for cell in &cells {
        let evidence = set_up(&cell.set_up, &cell.engine.0, &cell.engine.1);
        let found = operation(&evidence, &cell.operation);
        if found.keys != cell.fate() {
            wrong.push(format!(
                "{} {} {}: {} is {}: {}",
                cell.engine.0, cell.set_up, cell.operation, cell.letter, found.keys, found.why
            ));
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}

/// The data was not measured apart: it is next to the secret, but where the secret has a place of
/// its own.
#[test]
fn the_data_goes_the_way_of_its_own_directory() {
    let cells = cells();
    for cell in &cells {
        let like = match cell.set_up.as_str() {
            "credentials_only" | "env_secret_no_volume" => "no_entry",
            // The files are in the named volume, so that the documents decide but where that one
            // goes and they do not.
            "wrong_storage_only" => continue,
            own => own,
        };
        let measured = cells
            .iter()
            .find(|one| {
                one.set_up == like && one.operation == cell.operation && one.engine == cell.engine
            })
            .unwrap();
        let evidence = set_up(&cell.set_up, &cell.engine.0, &cell.engine.1);
        let found = operation(&evidence, &cell.operation);
        let mut expected = measured.fate();
        if cell.operation == "named_volume_entry_added_up" && like == "no_entry" {
            expected = Fate::Recoverable;
        }
        let place = format!("{} {} {}", cell.engine.0, cell.set_up, cell.operation);
        assert_eq!(found.data, expected, "{place}: {}", found.why);
    }
}

#[test]
fn one_place_of_two_decides_for_the_data() {
    let evidence = set_up("wrong_storage_only", "20.10.24", "1.41");
    // The files are in the named volume, the documents in the one without a name.
    assert_eq!(fates(&evidence, "down_up"), (Recoverable, Recoverable));
    assert_eq!(fates(&evidence, "rm_fv_up"), (Lost, Lost));
    let evidence = set_up("credentials_only", "26.1.5", "1.45");
    assert_eq!(fates(&evidence, "down_volprune_up"), (Kept, Lost));
    assert_eq!(fates(&evidence, "rm_fv_up"), (Kept, Lost));
}

#[test]
fn what_was_not_seen_is_unknown_and_never_kept() {
    // The engine's version: only what a prune decides.
    let mut evidence = set_up("named_volume", "26.1.5", "1.45");
    build::docker(&mut evidence).engine = build::unseen();
    for one in operations(&evidence) {
        let pruned = ["down_volprune_up", "stop_sysprune_up", "down_sysprune_up"];
        let expected = pruned.contains(&one.id.as_str());
        assert_eq!(one.keys == Unknown, expected, "{}: {}", one.id, one.why);
        assert_eq!(one.why.contains("version"), expected, "{}: {}", one.id, one.why);
    }
    // On Podman as well.
    let podman = EngineVersion { version: "4.3.1".into(), api: "1.41".into(), podman: true };
    build::docker(&mut evidence).engine = Seen(podman);
    assert_eq!(fates(&evidence, "down_volprune_up"), (Unknown, Unknown));

    // The volume's driver.
    let mut evidence = set_up("named_volume", "26.1.5", "1.45");
    build::volumes(&mut evidence)[0].backing = VolumeBacking::Driver("rexray".into());
    assert_eq!(fates(&evidence, "down_v_up"), (Unknown, Unknown));
    assert!(operation(&evidence, "down_v_up").why.contains("rexray"));
    assert_eq!(fates(&evidence, "down_up"), (Kept, Kept));

    // The volumes, and with them the label of the one without a name.
    let mut evidence = set_up("no_entry", "26.1.5", "1.45");
    build::docker(&mut evidence).volumes = build::unseen();
    assert_eq!(fates(&evidence, "down_volprune_up"), (Unknown, Unknown));
    assert_eq!(fates(&evidence, "down_v_up"), (Lost, Lost));

    // The compose file: what comes after the container is gone, but what is gone for certain.
    let mut evidence = set_up("no_entry", "26.1.5", "1.45");
    evidence.compose = build::unseen();
    assert_eq!(fates(&evidence, "restart"), (Kept, Kept));
    assert_eq!(fates(&evidence, "down_up"), (Unknown, Unknown));
    assert_eq!(fates(&evidence, "rm_fv_up"), (Lost, Lost));
    let mut evidence = set_up("named_volume", "26.1.5", "1.45");
    evidence.compose = build::unseen();
    assert_eq!(fates(&evidence, "down_v_up"), (Unknown, Unknown), "it may be external");
    assert_eq!(fates(&evidence, "up_unchanged"), (Unknown, Unknown));

    // An image of one's own, and no container that would show whether it has a volume.
    let mut evidence = set_up("no_entry", "26.1.5", "1.45");
    build::service(&mut evidence).image = Some("registry.example.com/mine".into());
    build::docker(&mut evidence).backends.clear();
    build::docker(&mut evidence).expected = None;
    assert_eq!(fates(&evidence, "up_force_recreate"), (Unknown, Unknown));
    assert_eq!(fates(&evidence, "restart"), (Kept, Kept));

    // No backend at all.
    let mut evidence = build::healthy();
    (evidence.compose, evidence.docker) = (Seen(None), build::unseen());
    assert_eq!(operations(&evidence), []);
}

/// Compose carries a mount over and names it to the engine, so that `-v` no longer deletes it:
/// measured on 20.10 with Compose 2.40.3.
#[test]
fn a_volume_carried_over_outlives_down_v() {
    let mut evidence = set_up("no_entry", "20.10.24", "1.41");
    assert_eq!(fates(&evidence, "down_v_up"), (Lost, Lost));
    build::backend(&mut evidence).storage.volumes_by_name = vec!["/convex/data".to_owned()];
    assert_eq!(fates(&evidence, "down_v_up"), (Recoverable, Recoverable));
    assert_eq!(fates(&evidence, "rm_fv_up"), (Recoverable, Recoverable));
    assert_eq!(fates(&evidence, "down_volprune_up"), (Lost, Lost));

    // A named one whose line is gone is not the file's any more, even where the file still declares
    // it.
    let mut evidence = set_up("named_volume", "20.10.24", "1.41");
    build::service(&mut evidence).mounts.clear();
    top(&mut evidence, |volume| volume.used = false);
    assert_eq!(fates(&evidence, "up_force_recreate"), (Kept, Kept));
    assert_eq!(fates(&evidence, "down_up"), (Recoverable, Recoverable));
    assert_eq!(fates(&evidence, "down_v_up"), (Recoverable, Recoverable));
}

#[test]
fn a_line_that_is_not_in_force_yet_changes_what_up_does() {
    let mut evidence = set_up("no_entry", "26.1.5", "1.45");
    build::service(&mut evidence).mounts = vec![declared("volume", Some("data"), "/convex/data")];
    assert_eq!(fates(&evidence, "restart"), (Kept, Kept));
    assert_eq!(fates(&evidence, "up_unchanged"), (Recoverable, Recoverable));
    assert_eq!(fates(&evidence, "rm_fv_up"), (Lost, Lost));
}

#[test]
fn a_secret_in_the_environment_saves_the_keys_if_it_is_the_one_in_force() {
    let with = |value: EnvironmentEntry, in_force: &str| {
        let mut evidence = set_up("no_entry", "26.1.5", "1.45");
        build::service(&mut evidence).environment = vec![value];
        let secret = &mut build::backend(&mut evidence).secret;
        secret.process = Seen(Some(valid(in_force)));
        secret.file = Seen(Some(valid(in_force)));
        evidence
    };
    assert_eq!(fates(&with(pinned("ours"), "ours"), "down_v_up"), (Kept, Lost));
    // Another one overwrites the file at the next start.
    let other = with(pinned("other"), "ours");
    assert_eq!(fates(&other, "restart"), (Kept, Kept));
    assert_eq!(fates(&other, "up_force_recreate"), (Lost, Kept));
    assert_eq!(fates(&other, "down_up"), (Recoverable, Recoverable));
    // In this shell only: another shell does not have it, and it can be set again.
    let value = EntryValue::Secret(valid("ours"));
    let shell = with(entry("INSTANCE_SECRET", value), "ours");
    assert_eq!(fates(&shell, "down_v_up"), (Recoverable, Lost));
    assert_eq!(fates(&shell, "up_force_recreate"), (Kept, Kept));
    // No secret: the backend would not start.
    let value = EntryValue::Secret(SecretState::Invalid("odd number of digits".into()));
    let none = with(entry("INSTANCE_SECRET", value), "ours");
    assert_eq!(fates(&none, "up_force_recreate").0, Unknown);
    assert_eq!(fates(&none, "restart"), (Kept, Kept));
    // The name goes with the credentials.
    let mut named = with(pinned("ours"), "ours");
    build::backend(&mut named).instance_name.process = Seen(Some("mine".into()));
    assert_eq!(fates(&named, "down_v_up"), (Recoverable, Lost));
    // The secret in force was not seen.
    let mut unseen = with(pinned("ours"), "ours");
    build::backend(&mut unseen).secret.process = build::unseen();
    build::backend(&mut unseen).secret.file = build::unseen();
    assert_eq!(fates(&unseen, "up_force_recreate").0, Unknown);
    // The file has another one now.
    let mut edited = with(entry("INSTANCE_SECRET", EntryValue::Unset), "ours");
    build::backend(&mut edited).secret.file = Seen(Some(valid("edited")));
    assert_eq!(fates(&edited, "up_unchanged"), (Kept, Kept));
    assert_eq!(fates(&edited, "restart"), (Lost, Kept));
}

#[test]
fn a_volume_in_use_elsewhere_is_not_deleted() {
    let mut evidence = set_up("named_volume", "20.10.24", "1.41");
    build::volumes(&mut evidence)[0].attached_to.push("stranger".to_owned());
    assert_eq!(fates(&evidence, "down_v_up"), (Kept, Kept));
    assert_eq!(fates(&evidence, "down_volprune_up"), (Kept, Kept));
    assert_eq!(fates(&evidence, "down_sysprune_up"), (Unknown, Unknown), "it may be stopped");
}

#[test]
fn memory_in_a_volume_is_memory() {
    let mut evidence = set_up("named_volume", "26.1.5", "1.45");
    build::volumes(&mut evidence)[0].backing = VolumeBacking::Memory;
    top(&mut evidence, |volume| volume.backing = VolumeBacking::Memory);
    assert_eq!(fates(&evidence, "up_unchanged"), (Kept, Kept));
    assert_eq!(fates(&evidence, "restart"), (Lost, Lost));
    let mut evidence = set_up("tmpfs", "26.1.5", "1.45");
    build::backend(&mut evidence).life.state = "exited".into();
    assert_eq!(fates(&evidence, "up_unchanged"), (Lost, Lost), "it is gone already");
}

#[test]
fn a_fixed_project_name_outlives_the_directory_s() {
    for (which, fixed, expected) in [
        ("named_volume", true, Kept),
        ("named_volume", false, Recoverable),
        ("bind_relative", true, Kept),
        ("bind_absolute", true, Recoverable),
    ] {
        let mut evidence = set_up(which, "26.1.5", "1.45");
        build::compose(&mut evidence).name_from_directory = !fixed;
        assert_eq!(
            fates(&evidence, "down_dir_renamed_up"),
            (expected, expected),
            "{which} {fixed}"
        );
    }
    // An absolute path outside of the directory does not move.
    let mut evidence = set_up("bind_absolute", "26.1.5", "1.45");
    build::service(&mut evidence).mounts[0].source = Some("/srv/store".into());
    build::backend(&mut evidence).storage.mounts[0].source = Some("/srv/store".into());
    assert_eq!(fates(&evidence, "down_dir_renamed_up"), (Kept, Kept));
    // A device that is written relative moves along.
    let mut evidence = set_up("named_local_bind_driver", "26.1.5", "1.45");
    let path = format!("{}/store", build::DIRECTORY);
    top(&mut evidence, |volume| {
        volume.backing = VolumeBacking::Device { path: path.clone(), relative: true };
    });
    assert_eq!(fates(&evidence, "down_dir_renamed_up"), (Kept, Kept));
}

#[test]
fn documents_in_sql_and_files_in_s3_lie_elsewhere() {
    let with = |host: Option<&str>, s3: bool| {
        let mut evidence = set_up("no_entry", "26.1.5", "1.45");
        let container = build::backend(&mut evidence);
        (container.storage.uses_sql, container.storage.uses_s3) = (true, s3);
        container.storage.sql_url = host.map(sql_url);
        evidence
    };
    assert_eq!(fates(&with(Some("db.example.com"), true), "down_v_up"), (Lost, Kept));
    assert_eq!(fates(&with(Some("db.example.com"), false), "down_v_up"), (Lost, Lost));
    assert!(
        operation(&with(Some("10.0.0.1"), false), "down_v_up").why.contains("files and functions")
    );
    // The project's database was not seen.
    let mut evidence = with(Some("postgres"), true);
    build::compose(&mut evidence).services.push("postgres".to_owned());
    assert_eq!(fates(&evidence, "down_v_up"), (Lost, Unknown));
    assert_eq!(fates(&evidence, "rm_f_up"), (Recoverable, Kept));
    assert_eq!(fates(&with(None, true), "down_v_up"), (Lost, Unknown));
}

/// Without a container the file tells as much, but for what was in the shell once.
#[test]
fn the_file_alone_predicts_the_same() {
    for cell in cells() {
        let from_outside =
            cell.set_up.starts_with("shell_secret") || cell.set_up == "named_external";
        if from_outside {
            continue;
        }
        let mut evidence = set_up(&cell.set_up, &cell.engine.0, &cell.engine.1);
        let docker = build::docker(&mut evidence);
        (docker.backends, docker.expected, docker.answering) = (Vec::new(), None, None);
        *build::volumes(&mut evidence) = Vec::new();
        let found = operation(&evidence, &cell.operation);
        let place = format!("{} {} {}", cell.engine.0, cell.set_up, cell.operation);
        assert_eq!(found.keys, cell.fate(), "{place}: {}", found.why);
    }
}

/// Keys are kept only with the file that holds their secret.
#[test]
fn what_the_credentials_file_carries() {
    let (gone, unread) = (|| Seen(None), build::unseen);
    for (case, file, official, expected) in [
        ("it is there", Seen(Some(valid("ours"))), true, [Kept, Kept, Kept]),
        ("it is gone", gone(), true, [Kept, Lost, Lost]),
        ("it is gone, and nothing reads it", gone(), false, [Kept, Kept, Kept]),
        ("it was not read", unread(), true, [Kept, Unknown, Unknown]),
    ] {
        let mut evidence = build::healthy();
        let container = build::backend(&mut evidence);
        container.software.upstream_entrypoint = official;
        container.secret.environment = Seen(None);
        container.secret.file = file;
        let found = ["up_unchanged", "restart", "down_up"].map(|id| fates(&evidence, id));
        assert_eq!(found.map(|(keys, _)| keys), expected, "{case}");
        assert!(found.iter().all(|(_, data)| *data == Kept), "{case}");
    }
    let mut evidence = build::healthy();
    build::backend(&mut evidence).secret.file = gone();
    build::backend(&mut evidence).secret.environment = Seen(Some(valid("ours")));
    assert_eq!(fates(&evidence, "restart"), (Kept, Kept), "pinned");
}

/// No compose file, no command of Compose.
#[test]
fn a_container_of_docker_run_has_docker_commands() {
    let mut evidence = build::healthy();
    engine(&mut evidence, "26.1.5", "1.45");
    let all = operations(&evidence);
    assert!(all.iter().any(|one| one.command == "docker compose restart"));
    evidence.compose = Seen(None);
    let container = build::backend(&mut evidence);
    (container.labels.project, container.labels.service) = (None, None);
    let all = operations(&evidence);
    assert!(all.iter().all(|one| !one.command.contains("docker compose")), "{all:?}");
    assert_eq!(operation(&evidence, "restart").command, "docker restart app-backend-1");
    assert!(all.iter().filter(|one| is_everyday(one)).count() > 2);
    // The prediction of a table is that of the same command.
    for one in all {
        let line = before(&evidence, &one.command, &crate::report::ComposeFlags::default());
        let line = line.unwrap();
        assert_eq!((line.keys, line.data), (one.keys, one.data), "{}", one.command);
    }
}
