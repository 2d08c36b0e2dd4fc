//! What a fix does on an engine, on a real one: copies of volumes, containers in the place of
//! others, and every kill in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bollard::{API_DEFAULT_VERSION, Docker};
use convex_doctor::act::engine::{
    ContainerChange, CopyProgress, Engine, EngineCallFailure, KEPT, Kept, Replaced, SET_ASIDE,
};
use serde_json::{Value as Json, json};

use super::{COMPOSE, Project, run, succeed, text, wait_for, without_volume};

#[path = "fix_broken.rs"]
mod broken;

/// The steps between which a copy may die.
const COPY_STEPS: [&str; 7] = [
    "copy: nothing is there",
    "copy: the reader is there",
    "copy: the volume is there",
    "copy: the writer is there",
    "copy: everything has passed",
    "copy: it is verified",
    "copy: the writer is gone",
];

/// The same of a replacement.
const REPLACE_STEPS: [&str; 8] = [
    "replace: nothing is there",
    "replace: the new one is there",
    "replace: the old one is still up",
    "replace: the old one is stopped",
    "replace: the old one is not restarted",
    "replace: the old one is set aside",
    "replace: the new one has the name",
    "replace: the new one runs",
];

/// The same of taking it back.
const UNDO_STEPS: [&str; 4] = [
    "undo: the new one is stopped",
    "undo: the name is free",
    "undo: the old one has the name",
    "undo: the old one runs",
];

pub(super) fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    PathBuf::from(host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock"))
}

fn engine() -> Engine {
    let path = socket();
    let client = Docker::connect_with_unix(path.to_str().unwrap(), 5, API_DEFAULT_VERSION);
    Engine::new(client.unwrap(), Duration::from_secs(10))
}

/// Drives a future on a runtime of its own, as the program does.
fn drive<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// Drives it until the engine stands still at its step, and drops it there: a kill.
fn kill<T>(engine: &Engine, future: impl Future<Output = T>) {
    drive(async {
        tokio::select! {
            _ = future => panic!("it came to its end"),
            () = engine.halted() => {}
            () = tokio::time::sleep(Duration::from_mins(1)) => panic!("it never came there"),
        }
    });
}

fn docker(arguments: &[&str]) -> String {
    let output = run(Path::new("/"), &[&["docker"], arguments].concat());
    succeed(&output);
    text(&output.stdout).trim().to_owned()
}

fn lines(arguments: &[&str]) -> BTreeSet<String> {
    docker(arguments).lines().map(str::to_owned).collect()
}

fn volumes() -> BTreeSet<String> {
    lines(&["volume", "ls", "-q"])
}

/// All containers by their names, with their ids.
fn containers() -> BTreeSet<String> {
    lines(&["ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}"])
}

fn inspect(container: &str) -> Json {
    let mut all: Json = serde_json::from_str(&docker(&["inspect", container])).unwrap();
    all[0].take()
}

/// What of a container lasts: everything but the moments, addresses and process of its present run.
fn lasting(container: &str) -> Json {
    let mut whole = inspect(container);
    let running = whole["State"]["Running"].take();
    let map = whole.as_object_mut().unwrap();
    map.insert("State".to_owned(), running);
    map.remove("RestartCount");
    let mut network = map.remove("NetworkSettings").unwrap();
    for (_, endpoint) in network["Networks"].as_object_mut().unwrap() {
        let aliases = endpoint["Aliases"].take();
        let addresses = endpoint["IPAMConfig"].as_object().cloned().unwrap_or_default();
        *endpoint = json!({"Aliases": aliases, "IPAMConfig": addresses});
    }
    map.insert("Networks".to_owned(), network["Networks"].take());
    whole
}

/// The volume at a container's data directory.
fn data_volume(container: &str) -> String {
    let mounts = inspect(container)["Mounts"].take();
    let mut mounts = mounts.as_array().unwrap().iter();
    let data = mounts.find(|mount| mount["Destination"] == "/convex/data").unwrap();
    data["Name"].as_str().unwrap().to_owned()
}

/// Whether the backend of a project accepts the key.
fn accepts(project: &Project, key: &str) -> bool {
    project.get("/api/check_admin_key", key).contains(" 200 ")
}

fn to_data(volume: &str) -> ContainerChange {
    ContainerChange {
        mounts: vec![(volume.to_owned(), "/convex/data".to_owned())],
        ..ContainerChange::default()
    }
}

/// Removes containers and volumes that no project's `down` knows of.
struct Tidy(Vec<String>, Vec<String>);

impl Drop for Tidy {
    fn drop(&mut self) {
        for container in &self.0 {
            run(Path::new("/"), &["docker", "rm", "-fv", container]);
        }
        for volume in &self.1 {
            run(Path::new("/"), &["docker", "volume", "rm", volume]);
        }
    }
}

impl Tidy {
    fn of(project: &Project) -> Self {
        let name = project.container();
        let containers = [SET_ASIDE, KEPT, ".new-by-convex-doctor"].map(|it| format!("{name}{it}"));
        Self(containers.to_vec(), vec![format!("{}_data", project.name)])
    }
}

/// A project with its data in a nameless volume, in a container that the engine restarts.
fn nameless(name: &str) -> (Project, Tidy, String) {
    let compose = without_volume().replace("stop_signal:", "restart: always\n    stop_signal:");
    let project = Project::created(name, &compose, "");
    project.up();
    let key = project.mint();
    project.write_key(&key);
    let tidy = Tidy::of(&project);
    (project, tidy, key)
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_nameless_volume_becomes_a_named_one_and_the_key_stays() {
    let (project, mut tidy, key) = nameless("fix");
    let (container, engine) = (project.container(), engine());
    let (old_volume, new_volume) = (data_volume(&container), format!("{}_data", project.name));
    tidy.1.push(old_volume.clone());
    let before = inspect(&container);
    let labels = BTreeMap::from([
        ("com.docker.compose.project".to_owned(), project.name.clone()),
        ("com.docker.compose.volume".to_owned(), "data".to_owned()),
    ]);
    let mut passed = Vec::new();

    // A backend that runs has its database open.
    let refused = drive(engine.copy_volume(&old_volume, &new_volume, &labels, &mut |_| ()));
    let refused = refused.unwrap_err();
    assert!(matches!(refused, EngineCallFailure::Refused(_)), "{refused}");
    assert!(refused.to_string().contains(&container), "{refused}");
    assert!(!volumes().contains(&new_volume));

    drive(engine.stop(&container)).unwrap();
    let copied =
        drive(engine.copy_volume(&old_volume, &new_volume, &labels, &mut |at| passed.push(at)));
    let copied = copied.unwrap();
    assert!(copied.files >= 3 && copied.bytes >= 64, "{copied:?}");
    let halves =
        |is: fn(&CopyProgress) -> Option<u64>| passed.iter().filter_map(is).collect::<Vec<_>>();
    let made = halves(|it| if let CopyProgress::Copied(bytes) = it { Some(*bytes) } else { None });
    let compared =
        halves(|it| if let CopyProgress::Compared(bytes) = it { Some(*bytes) } else { None });
    for half in [&made, &compared] {
        assert!(half.is_sorted() && half.last() > Some(&copied.bytes), "{passed:?}");
    }
    assert_eq!(made.last(), compared.last());
    let again = drive(engine.copy_volume(&old_volume, &new_volume, &labels, &mut |_| ()));
    assert!(again.unwrap_err().to_string().contains("already"));

    drive(engine.start(&container)).unwrap();
    let replaced = drive(engine.replace(&container, &to_data(&new_volume))).unwrap();
    assert_eq!(replaced.name(), container);
    wait_for(|| accepts(&project, &key));
    assert_eq!(data_volume(&container), new_volume);
    let after = inspect(&container);
    for (what, pointer) in [
        ("ports", "/HostConfig/PortBindings"),
        ("restart policy", "/HostConfig/RestartPolicy"),
        ("variables", "/Config/Env"),
        ("health check", "/Config/Healthcheck"),
        ("image", "/Config/Image"),
        ("service", "/Config/Labels/com.docker.compose.service"),
    ] {
        assert_eq!(after.pointer(pointer), before.pointer(pointer), "{what}");
        assert!(after.pointer(pointer).is_some(), "{what}");
    }
    assert_eq!(drive(replaced.keep()).unwrap(), Kept::Removed);
    assert!(!containers().iter().any(|container| container.contains(SET_ASIDE)));
    assert!(volumes().contains(&old_volume), "the old data is never removed");
    let recovered = drive(engine.recover()).unwrap();
    assert!(recovered.notes.is_empty() && recovered.unsettled.is_empty(), "{recovered:?}");

    // Compose takes the container and the volume for its own.
    fs::write(project.file("docker-compose.yml"), COMPOSE).unwrap();
    let up = project.compose(&["up", "-d", "backend"]);
    succeed(&up);
    assert!(!text(&up.stderr).contains("already exists but was"), "{}", text(&up.stderr));
    wait_for(|| accepts(&project, &key));
    assert_eq!(data_volume(&container), new_volume);
    succeed(&project.compose(&["down", "-t", "2"]));
    project.up();
    assert!(accepts(&project, &key));
}

#[test]
#[ignore = "needs a Docker engine"]
fn undone_it_is_as_it_was() {
    let (project, tidy, key) = nameless("undo");
    let (container, engine) = (project.container(), engine());
    let volume = &tidy.1[0];
    docker(&["volume", "create", volume]);
    let secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0";
    let change = || ContainerChange {
        environment: vec![
            ("INSTANCE_SECRET".to_owned(), Some(convex_doctor::secret::Secret::new(secret))),
            ("RUST_LOG".to_owned(), None),
        ],
        ..to_data(volume)
    };
    for running in [true, false] {
        if !running {
            drive(engine.stop(&container)).unwrap();
        }
        let (before, all) = (lasting(&container), containers());
        assert_eq!(before["State"], running);
        let volumes_before = volumes();
        let replaced = drive(engine.replace(&container, &change())).unwrap();
        wait_for(|| project.get("/version", "").contains(" 200 "));
        assert!(!accepts(&project, &key), "it has another secret");
        let env = inspect(&container)["Config"]["Env"].to_string();
        assert!(env.contains(secret) && !env.contains("RUST_LOG"), "{env}");
        let aside = inspect(&replaced.set_aside());
        assert_eq!(aside["HostConfig"]["RestartPolicy"]["Name"], "no");
        drive(replaced.undo()).unwrap();
        assert_eq!(lasting(&container), before);
        assert_eq!(containers(), all);
        assert_eq!(volumes(), volumes_before);
    }
    drive(engine.start(&container)).unwrap();
    wait_for(|| accepts(&project, &key));
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_copy_that_is_killed_leaves_nothing_that_recover_does_not_take_away() {
    let (project, tidy, key) = nameless("killcopy");
    let container = project.container();
    let (old_volume, new_volume) = (data_volume(&container), &tidy.1[0]);
    drive(engine().stop(&container)).unwrap();
    let (all, volumes_before) = (containers(), volumes());
    for step in COPY_STEPS {
        let engine = engine().halting_at(step);
        let (labels, mut progress) = (BTreeMap::new(), |_| ());
        kill(&engine, engine.copy_volume(&old_volume, new_volume, &labels, &mut progress));
        let recovered = drive(engine.recover()).unwrap();
        assert_eq!(containers(), all, "{step}");
        assert_eq!(volumes(), volumes_before, "{step}");
        let nothing_was_there = step == COPY_STEPS[0];
        assert_eq!(recovered.notes.is_empty(), nothing_was_there, "{step}: {recovered:?}");
    }
    drive(engine().start(&container)).unwrap();
    wait_for(|| accepts(&project, &key));
}

/// What a kill at any step comes to, after `recover`: the old container as it was, or the new one
/// that ran already, which is then taken back.
#[test]
#[ignore = "needs a Docker engine"]
fn a_replacement_that_is_killed_comes_back() {
    let (project, tidy, key) = nameless("killswap");
    let container = project.container();
    docker(&["volume", "create", &tidy.1[0]]);
    let (before, all, volumes_before) = (lasting(&container), containers(), volumes());
    let as_before = |case: &str| {
        assert_eq!(lasting(&container), before, "{case}");
        assert_eq!(containers(), all, "{case}");
        assert_eq!(volumes(), volumes_before, "{case}");
        wait_for(|| accepts(&project, &key));
    };
    for step in REPLACE_STEPS {
        let engine = engine().halting_at(step);
        let change = to_data(&tidy.1[0]);
        kill(&engine, engine.replace(&container, &change));
        settle(step, step == REPLACE_STEPS[7]);
        as_before(step);
    }
    for step in UNDO_STEPS {
        let halting = engine().halting_at(step);
        let change = to_data(&tidy.1[0]);
        let replaced: Replaced<'_> = drive(halting.replace(&container, &change)).unwrap();
        kill(&halting, replaced.undo());
        // It stopped, and nobody knows whether that was meant until the names change.
        settle(step, step == UNDO_STEPS[0]);
        as_before(step);
    }
    // A process that lives is not disturbed, and one that was killed for good is found by its age
    // or its number.
    let engine = engine();
    drop(drive(engine.replace(&container, &to_data(&tidy.1[0]))).unwrap());
    let name = inspect(&container)["Name"].clone();
    assert_eq!(name, format!("/{container}"));
    settle("dropped", true);
    as_before("dropped");
}

/// Recovers; what is handed over undecided is undone.
fn settle(case: &str, undecided: bool) {
    let engine = engine();
    let mut recovered = drive(engine.recover()).unwrap();
    assert_eq!(recovered.unsettled.len(), usize::from(undecided), "{case}: {recovered:?}");
    for replaced in recovered.unsettled.drain(..) {
        drive(replaced.undo()).unwrap();
    }
    let again = drive(engine.recover()).unwrap();
    assert!(again.notes.is_empty() && again.unsettled.is_empty(), "{case}: {again:?}");
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_port_that_somebody_took_brings_the_old_one_back() {
    let (project, tidy, key) = nameless("port");
    let (container, engine) = (project.container(), engine());
    docker(&["volume", "create", &tidy.1[0]]);
    let (before, all) = (lasting(&container), containers());
    // Whoever listens on the port as soon as the old one lets go of it.
    let port = project.port;
    let thief = std::thread::spawn(move || {
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            if let Ok(listener) = std::net::TcpListener::bind(("0.0.0.0", port)) {
                std::thread::sleep(Duration::from_millis(1500));
                drop(listener);
                return true;
            }
        }
        false
    });
    let trouble = drive(engine.replace(&container, &to_data(&tidy.1[0]))).err();
    assert!(thief.join().unwrap(), "the port was never free");
    let trouble = trouble.expect("the port is taken");
    let said = trouble.to_string();
    assert!(said.contains("port") || said.contains("address already in use"), "{said}");
    // The old one wants the same port, so that it may have been refused it too.
    let recovered = drive(engine.recover()).unwrap();
    assert_eq!(trouble.nothing_changed(), recovered.notes.is_empty(), "{said} {recovered:?}");
    assert_eq!(lasting(&container), before);
    assert_eq!(containers(), all);
    wait_for(|| accepts(&project, &key));
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_mount_that_fails_brings_the_old_one_back() {
    let (project, mut tidy, key) = nameless("mount");
    let (container, engine) = (project.container(), engine());
    let broken = format!("{}_broken", project.name);
    docker(&[
        "volume",
        "create",
        "-o",
        "type=none",
        "-o",
        "o=bind",
        "-o",
        "device=/no/such",
        &broken,
    ]);
    tidy.1.push(broken.clone());
    let (before, all) = (lasting(&container), containers());
    let trouble = drive(engine.replace(&container, &to_data(&broken))).unwrap_err();
    assert!(trouble.nothing_changed() && trouble.to_string().contains("/no/such"), "{trouble}");
    assert_eq!(lasting(&container), before);
    assert_eq!(containers(), all);
    assert!(accepts(&project, &key));
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_volume_that_is_full_is_said_and_taken_away() {
    let (project, tidy, key) = nameless("full");
    let (container, engine) = (project.container(), engine());
    let (old_volume, new_volume) = (data_volume(&container), &tidy.1[0]);
    let fill = "head -c 3000000 /dev/urandom > /convex/data/storage/big";
    docker(&["exec", &container, "sh", "-c", fill]);
    drive(engine.stop(&container)).unwrap();
    let (all, volumes_before) = (containers(), volumes());
    let small = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=64k")];
    let small = small.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let labels = BTreeMap::new();
    let (small, mut progress) = (BTreeMap::from(small), |_| ());
    let copy = engine.copy_volume_with(&old_volume, new_volume, &labels, small, &mut progress);
    let trouble = drive(copy).unwrap_err();
    assert!(trouble.nothing_changed(), "{trouble}");
    assert!(trouble.to_string().contains("disk is full"), "{trouble}");
    assert_eq!(containers(), all);
    assert_eq!(volumes(), volumes_before);
    drive(engine.start(&container)).unwrap();
    wait_for(|| accepts(&project, &key));
}

#[test]
#[ignore = "needs a Docker engine"]
fn what_must_not_be_touched_is_not() {
    let (project, mut tidy, _) = nameless("refuse");
    let (container, engine) = (project.container(), engine());
    let image = "ghcr.io/get-convex/convex-backend:latest";
    let other = |what: &str| format!("{}-{what}", project.name);
    let (removed, memory, guest) = (other("rm"), other("memory"), other("guest"));
    tidy.0.extend([removed.clone(), memory.clone(), guest.clone()]);
    docker(&["run", "-d", "--rm", "--name", &removed, "--network", "none", image]);
    let tmpfs = ["--tmpfs", "/convex/data", "--network", "none", image];
    docker(&[&["run", "-d", "--name", &memory][..], &tmpfs].concat());
    let (all, volumes_before) = (containers(), volumes());
    let refused = |result: Result<(), EngineCallFailure>, words: &str| {
        let trouble = result.unwrap_err();
        assert!(matches!(trouble, EngineCallFailure::Refused(_)), "{trouble}");
        assert!(trouble.to_string().contains(words), "{trouble}");
        assert_eq!(containers(), all, "{words}");
        assert_eq!(volumes(), volumes_before, "{words}");
    };
    let replace =
        |name: &str, change: ContainerChange| drive(engine.replace(name, &change)).map(drop);
    for name in [&removed, &memory] {
        let words = if *name == removed { "--rm" } else { "in memory" };
        refused(replace(name, ContainerChange::default()), words);
        refused(drive(engine.stop(name)), words);
    }
    refused(replace(&container, to_data("no-such-volume")), "volume no-such-volume does not exist");
    refused(replace("no-such-container", ContainerChange::default()), "does not exist");
    let copy = |from: &str, to: &str| {
        drive(engine.copy_volume(from, to, &BTreeMap::new(), &mut |_| ())).map(drop)
    };
    refused(copy("no-such-volume", "x"), "volume no-such-volume does not exist");
    refused(copy("a/../b", "x"), "not a volume name");

    let joined = format!("container:{container}");
    docker(&["run", "-d", "--name", &guest, "--network", &joined, image]);
    let trouble = replace(&container, ContainerChange::default()).unwrap_err();
    assert!(trouble.to_string().contains(&guest), "{trouble}");
}

/// On Podman's engine, where DOCKER_HOST names that, it is said that nothing is done; on Docker's
/// it is done.
#[test]
#[ignore = "needs a Docker engine"]
fn podman_is_left_alone() {
    let podman = docker(&["version"]).contains("Podman");
    let own = |what: &str| format!("lab{}podman{what}", std::process::id());
    let (container, from, to) = (own("x"), own("from"), own("to"));
    let _tidy = Tidy(vec![container.clone()], vec![from.clone(), to.clone()]);
    docker(&["volume", "create", &from]);
    let mount = format!("{from}:/convex/data");
    let image = "ghcr.io/get-convex/convex-backend:latest";
    docker(&["create", "--name", &container, "--network", "none", "-v", &mount, image]);
    let engine = engine();
    let (all, volumes_before) = (containers(), volumes());
    let copied = drive(engine.copy_volume(&from, &to, &BTreeMap::new(), &mut |_| ())).map(drop);
    let replaced = drive(engine.replace(&container, &ContainerChange::default()));
    let undone = replaced.map(|replaced| drive(replaced.undo()).unwrap());
    for result in [copied, undone] {
        match result {
            Ok(()) => assert!(!podman, "it is changed on Podman"),
            Err(EngineCallFailure::Refused(why)) => {
                assert!(podman && why.contains("Podman"), "{why}");
            }
            Err(trouble) => panic!("{trouble}"),
        }
    }
    if podman {
        assert_eq!((containers(), volumes()), (all, volumes_before));
    }
}

/// What Compose can ask for, in one service.
const RICH: &str = include_str!("rich.yml");

#[test]
#[ignore = "needs a Docker engine"]
fn a_container_of_many_settings_is_made_alike() {
    let project = Project::created("rich", RICH, "");
    fs::create_dir(project.file("settings")).unwrap();
    fs::write(project.file("token"), "t").unwrap();
    project.up();
    let (container, engine, mut tidy) = (project.container(), engine(), Tidy::of(&project));
    let key = project.mint();
    tidy.1.push(data_volume(&container));
    let before = lasting(&container);
    let networks = before["Networks"].as_object().unwrap();
    assert_eq!(networks.len(), 2, "{networks:?}");
    let replaced = drive(engine.replace(&container, &ContainerChange::default())).unwrap();
    assert!(replaced.notes().is_empty(), "{:?}", replaced.notes());
    wait_for(|| accepts(&project, &key));

    let bare = |mut whole: Json| {
        let short = whole["Id"].as_str().unwrap()[..12].to_owned();
        let map = whole.as_object_mut().unwrap();
        // Its own: the places of its files on the engine, and when it was made.
        let own = ["Id", "Created", "GraphDriver", "ResolvConfPath", "HostnamePath", "HostsPath"];
        for name in own.into_iter().chain(["LogPath"]) {
            assert!(map.remove(name).is_some(), "{name}");
        }
        for (_, endpoint) in whole["Networks"].as_object_mut().unwrap() {
            let aliases = endpoint["Aliases"].as_array().unwrap().iter();
            let aliases: BTreeSet<_> = aliases.filter_map(Json::as_str).collect();
            endpoint["Aliases"] =
                json!(aliases.into_iter().filter(|it| *it != short).collect::<Vec<_>>());
        }
        let labels = whole["Config"]["Labels"].as_object_mut().unwrap();
        labels.retain(|name, _| !name.starts_with("convex-doctor."));
        // The nameless volume is asked for by its name now.
        let mounts = whole["HostConfig"]["Mounts"].as_array_mut().unwrap();
        let count = mounts.len();
        mounts.retain(|mount| mount["Target"] != "/convex/data");
        assert_eq!(mounts.len(), count - 1);
        for pointer in ["/HostConfig/Mounts", "/Mounts"] {
            let mounts = whole.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
            mounts.sort_by_key(|it| format!("{}{}", it["Target"], it["Destination"]));
        }
        whole
    };
    assert_eq!(bare(lasting(&container)), bare(before));
    assert_eq!(drive(replaced.keep()).unwrap(), Kept::Removed);
    wait_for(|| accepts(&project, &key));
}

#[test]
#[ignore = "needs a Docker engine"]
fn data_in_the_container_itself_keeps_it_from_being_removed() {
    let compose =
        COMPOSE.replace("    environment:\n", "    environment:\n      - DATA_DIR=/srv/cx\n");
    let project = Project::created("layer", &compose, "");
    project.up();
    let (container, engine, _tidy) = (project.container(), engine(), Tidy::of(&project));
    let key = project.mint();
    let data = format!("{}_data", project.name);
    let change = ContainerChange {
        mounts: vec![(data, "/srv/cx".to_owned())],
        ..ContainerChange::default()
    };
    let replaced = drive(engine.replace(&container, &change)).unwrap();
    let kept = drive(replaced.keep()).unwrap();
    let aside = format!("{container}{KEPT}");
    let Kept::SetAside { container: name, why } = kept else { panic!("{kept:?}") };
    assert_eq!(name, aside);
    assert!(why.contains("/srv/cx/"), "{why}");
    assert_eq!(inspect(&aside)["State"]["Running"], false);
    let recovered = drive(engine.recover()).unwrap();
    assert!(recovered.notes.is_empty() && recovered.unsettled.is_empty(), "{recovered:?}");
    // The data is still in it.
    docker(&["rm", "-f", &container]);
    docker(&["rename", &aside, &container]);
    docker(&["start", &container]);
    wait_for(|| accepts(&project, &key));
}
