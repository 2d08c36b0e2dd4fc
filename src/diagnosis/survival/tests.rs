//! The predictions against every cell that was measured, and what must stay unknown.

use super::*;
use crate::checks::key::build::{self, Seen, declared, entry, mount, valid};
use crate::evidence::compose::{DeclaredVolume, EntryValue, EnvironmentEntry};
use crate::evidence::docker::{EngineVersion, MountKind, Volume, VolumeContent};

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
        // The engine labels what the image asks for, and not what Compose does (`facts/docker.md` §0.5).
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
    build::backend(evidence).mounts = mounts;
    *build::volumes(evidence) = volumes;
}

/// The name of the volume, on the engine as in the file.
fn name(evidence: &mut Evidence, name: &str) {
    for mount in &mut build::backend(evidence).mounts {
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
            let content = VolumeContent::Device { path: inside, relative: false };
            build::volumes(&mut evidence)[0].content = content.clone();
            top(&mut evidence, |volume| volume.content = content.clone());
        }
        "bind_relative" => build::service(&mut evidence).mounts[0].relative = true,
        "readonly_volume" => {
            build::service(&mut evidence).mounts[0].read_only = true;
            build::backend(&mut evidence).mounts[0].writable = false;
        }
        "DATA_DIR_elsewhere" => {
            let service = build::service(&mut evidence);
            service.data_dir = "/srv/cx".to_owned();
            service.credentials_dir = "/srv/cx/credentials".to_owned();
            let container = build::backend(&mut evidence);
            container.data_dir = "/srv/cx".to_owned();
            container.credentials_dir = "/srv/cx/credentials".to_owned();
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
                state: "running".to_owned(),
            };
            build::docker(&mut evidence).companions.push(companion);
        }
        "postgres_no_volume" => {
            build::backend(&mut evidence).uses_sql = true;
            build::backend(&mut evidence).sql_host = Some("db.example.com".to_owned());
        }
        _ => {}
    }
    evidence
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
    /// What the letter means. Where the stack does not come up, the external volume is gone, and the directory is not.
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

/// Nobody measured the data apart: it lies beside the secret, but where the secret has a place of its own.
#[test]
fn the_data_goes_the_way_of_its_own_directory() {
    let cells = cells();
    for cell in &cells {
        let like = match cell.set_up.as_str() {
            "credentials_only" | "env_secret_no_volume" => "no_entry",
            // The files are in the named volume, so that the documents decide but where that one goes and they do not.
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
