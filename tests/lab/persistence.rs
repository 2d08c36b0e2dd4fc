//! The table of `convex-doctor persistence` against what the commands really do on this engine,
//! cell by cell.
//!
//! No prune: it would delete other people's volumes on the engine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{run, succeed, text, wait_for};

/// How a deployment can hold its credentials: a name, the service's lines, and the top-level ones.
/// `@DIR@` is the project's directory.
const SET_UPS: &[(&str, &str, &str)] = &[
    ("named", "volumes: ['data:/convex/data']", "volumes: {data: }"),
    (
        "external",
        "volumes: ['data:/convex/data']",
        "volumes: {data: {external: true, name: '@NAME@_out'}}",
    ),
    ("withname", "volumes: ['data:/convex/data']", "volumes: {data: {name: '@NAME@_fixed'}}"),
    (
        "driver",
        "volumes: ['data:/convex/data']",
        "volumes: {data: {driver: local, driver_opts: {type: none, o: bind, device: '@DIR@/store'}}}",
    ),
    ("relative", "volumes: ['./store:/convex/data']", ""),
    ("absolute", "volumes: ['@DIR@/store:/convex/data']", ""),
    ("anonymous", "volumes: [/convex/data]", ""),
    ("noentry", "", ""),
    ("tmpfs", "tmpfs: [/convex/data]", ""),
    ("elsewhere", "environment: [DATA_DIR=/srv/cx]", ""),
    ("credentials", "volumes: ['data:/convex/data/credentials']", "volumes: {data: }"),
    (
        "pinned",
        "environment: [INSTANCE_SECRET=8f14e45fceea167a5a36dedd4bea2543f9bd5a6d9d5e2b1c0a4f7e3d2c1b0a99]",
        "",
    ),
];

/// Operations, and the commands that carry them out.
const OPERATIONS: &[(&str, &[&str])] = &[
    ("restart", &["docker compose restart -t 1"]),
    ("up_unchanged", &["docker compose up -d -t 1"]),
    ("up_force_recreate", &["docker compose up -d -t 1 --force-recreate"]),
    ("up_V_unchanged", &["docker compose up -d -t 1 -V"]),
    ("down_up", &["docker compose down -t 1", "docker compose up -d"]),
    ("down_v_up", &["docker compose down -v -t 1", "docker compose up -d"]),
    ("rm_f_up", &["docker rm -f @NAME@-backend-1", "docker compose up -d"]),
    ("rm_fv_up", &["docker rm -fv @NAME@-backend-1", "docker compose up -d"]),
    ("p_other", &["docker compose -p @NAME@other up -d"]),
    ("volume_entries_removed_up", &["strip", "docker compose up -d -t 1"]),
    ("down_dir_renamed_up", &["docker compose down -t 1", "rename", "docker compose up -d"]),
];

/// A project of one cell; what it left on the engine goes when it is dropped.
struct Cell {
    directory: PathBuf,
    name: String,
    /// Every volume that any of its containers had.
    volumes: BTreeSet<String>,
    home: tempfile::TempDir,
}

impl Cell {
    fn new(set_up: usize, operation: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (what, service, top) = SET_UPS[set_up];
        let name = format!("lab{}{what}{operation}", std::process::id());
        let directory = home.path().join(&name);
        fs::create_dir_all(directory.join("store")).unwrap();
        let file = format!(
            "services:\n  backend:\n    image: ghcr.io/get-convex/convex-backend:latest\n    {service}\n{top}\n"
        );
        let file = file.replace("@DIR@", directory.to_str().unwrap()).replace("@NAME@", &name);
        fs::write(directory.join("docker-compose.yml"), file).unwrap();
        let cell = Self { directory, name, volumes: BTreeSet::new(), home };
        if what == "external" {
            succeed(&cell.shell(&format!("docker volume create {}_out", cell.name)));
        }
        cell
    }

    fn shell(&self, line: &str) -> std::process::Output {
        run(&self.directory, &["sh", "-c", &line.replace("@NAME@", &self.name)])
    }

    /// The secret on the command line of the project's backend.
    fn secret(&self, container: &str) -> Option<String> {
        let top = text(&self.shell(&format!("docker top {container}")).stdout);
        Some(top.split_once("--instance-secret ")?.1.get(..64)?.to_owned())
    }

    fn note_volumes(&mut self, container: &str) {
        let format = "{{range .Mounts}}{{if .Name}}{{.Name}} {{end}}{{end}}";
        let names = self.shell(&format!("docker inspect -f '{format}' {container}"));
        self.volumes.extend(text(&names.stdout).split_whitespace().map(str::to_owned));
    }

    fn up(&mut self, container: &str) -> String {
        wait_for(|| self.secret(container).is_some());
        self.note_volumes(container);
        self.secret(container).unwrap()
    }

    /// What the doctor foresees, by operation.
    fn predicted(&self, operation: &str) -> (String, String) {
        let line = format!("{} persistence --format json", env!("CARGO_BIN_EXE_convex-doctor"));
        let output = self.shell(&line);
        let json: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
        let rows = json["operations"].as_array().unwrap();
        let row = rows.iter().find(|row| row["id"] == operation).unwrap();
        let word = |column: &str| row[column].as_str().unwrap().to_owned();
        (word("keys"), word("data"))
    }

    fn act(&mut self, step: &str) {
        match step {
            "strip" => {
                let path = self.directory.join("docker-compose.yml");
                let text = fs::read_to_string(&path).unwrap();
                let kept = text.lines().filter(|line| {
                    let line = line.trim_start();
                    !line.starts_with("volumes:") && !line.starts_with("tmpfs:")
                });
                fs::write(path, kept.collect::<Vec<_>>().join("\n")).unwrap();
            }
            "rename" => {
                let new = self.home.path().join(format!("{}new", self.name));
                fs::rename(&self.directory, &new).unwrap();
                self.directory = new;
            }
            command => drop(self.shell(command)),
        }
    }

    /// Whether a text stands anywhere in the volumes, in the containers that run, or in the host's
    /// directories. The volumes are read on the engine's own disk, which is this machine's.
    fn is_somewhere(&self, needle: &str, containers: &[String]) -> bool {
        let search = |place: &str| format!("[ -n \"$(grep -rls {needle} {place} 2>/dev/null)\" ]");
        let in_volume = |name: &String| {
            let volume =
                self.shell(&format!("docker volume inspect -f '{{{{.Mountpoint}}}}' {name}"));
            let path = text(&volume.stdout).trim().to_owned();
            if !volume.status.success() {
                return false;
            }
            assert!(Path::new(&path).is_dir(), "{path} cannot be looked into");
            self.shell(&search(&path)).status.success()
        };
        let in_container = |name: &String| {
            let search = search("/convex/data /srv");
            self.shell(&format!("docker exec {name} sh -c '{search}'")).status.success()
        };
        self.volumes.iter().any(in_volume)
            || containers.iter().any(in_container)
            || self.shell(&search(&self.home.path().display().to_string())).status.success()
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let name = &self.name;
        for line in [
            format!("docker ps -aq --filter name=^{name} | xargs -r docker rm -fv"),
            format!("docker volume ls -q --filter name=^{name} | xargs -r docker volume rm"),
            format!("docker network ls -q --filter name=^{name} | xargs -r docker network rm"),
        ] {
            drop(run(Path::new("/"), &["sh", "-c", &line]));
        }
        for volume in &self.volumes {
            drop(run(Path::new("/"), &["docker", "volume", "rm", volume]));
        }
    }
}

/// One cell: what was foreseen and what came, for keys and data; `None` where both are the same.
fn play(set_up: usize, operation: usize) -> Option<String> {
    let (id, steps) = OPERATIONS[operation];
    let mut cell = Cell::new(set_up, operation);
    let container = format!("{}-backend-1", cell.name);
    succeed(&cell.shell("docker compose up -d"));
    let secret = cell.up(&container);
    let marker = format!("marker-of-{}", cell.name);
    succeed(&cell.shell(&format!(
        "docker exec {container} sh -c 'echo {marker} > ${{DATA_DIR:-/convex/data}}/db.sqlite3'"
    )));
    let predicted = cell.predicted(id);
    for step in steps {
        cell.act(step);
    }
    let after = match id {
        "p_other" => format!("{}other-backend-1", cell.name),
        "down_dir_renamed_up" => format!("{}new-backend-1", cell.name),
        _ => container.clone(),
    };
    let comes_up =
        text(&cell.shell(&format!("docker inspect -f '{{{{.State.Running}}}}' {after}")).stdout);
    let now = (comes_up.trim() == "true").then(|| cell.up(&after));
    let has_marker = cell
        .shell(&format!(
            "docker exec {after} sh -c 'grep -qs {marker} ${{DATA_DIR:-/convex/data}}/db.sqlite3'"
        ))
        .status
        .success();
    let others = [container, after];
    let fate = |kept: bool, needle: &str| {
        if kept {
            "kept"
        } else if cell.is_somewhere(needle, &others) {
            "recoverable"
        } else {
            "lost"
        }
    };
    let measured = (
        fate(now.as_ref() == Some(&secret), &secret).to_owned(),
        fate(has_marker, &marker).to_owned(),
    );
    let what = SET_UPS[set_up].0;
    println!("{what:12} {id:26} {measured:?}");
    (measured != predicted)
        .then(|| format!("{what}, {id}: foreseen {predicted:?}, came {measured:?}"))
}

#[test]
#[ignore = "needs a Docker engine"]
fn what_survives_is_foreseen_in_every_cell() {
    let queue = std::sync::Mutex::new(
        (0..SET_UPS.len())
            .flat_map(|set_up| (0..OPERATIONS.len()).map(move |operation| (set_up, operation)))
            .filter(|(set_up, operation)| {
                // `CELL=noentry/up_V` plays only the cells whose name holds that text.
                let name = format!("{}/{}", SET_UPS[*set_up].0, OPERATIONS[*operation].0);
                std::env::var("CELL").map_or(true, |cell| name.contains(&cell))
            })
            .collect::<Vec<_>>(),
    );
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((set_up, operation)) = queue.lock().unwrap().pop() else { break };
                    let found = play(set_up, operation);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}
