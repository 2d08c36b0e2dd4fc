//! `fix --apply` on a real engine, killed at each request by which it changes something there,
//! interrupted, and two at once: what runs next brings it to the end, and nothing is lost on the
//! way.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::{Project, run, succeed, text, wait_for, without_volume};

/// The end of the name of a new text that never came into force.
const UNUSED: &str = ".new";

/// Stands between the doctor and the engine, and sends the doctor a signal when it asks for
/// something.
struct Between {
    socket: PathBuf,
    shared: Arc<Shared>,
    _directory: tempfile::TempDir,
}

#[derive(Default)]
struct Shared {
    /// Words that the head of the request has, and what is sent then; `None` once it is.
    trap: Mutex<Option<(&'static [&'static str], &'static str)>>,
    /// The process id of the doctor.
    doctor: AtomicU32,
    /// The heads of the requests that change something.
    changes: Mutex<Vec<String>>,
}

impl Between {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let shared = Arc::new(Shared::default());
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(engine) = UnixStream::connect(super::fix_engine::socket()) else { return };
                let (back, front) = (client.try_clone().unwrap(), engine.try_clone().unwrap());
                let shared = Arc::clone(&all);
                std::thread::spawn(move || pass(client, engine, |piece| shared.sees(piece)));
                std::thread::spawn(move || pass(front, back, |_| true));
            }
        });
        Self { socket, shared, _directory: directory }
    }

    fn start(&self, project: &Project, arguments: &[&str]) -> Child {
        let child = Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
            .args(arguments)
            .current_dir(&project.directory)
            .env_clear()
            .envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.shared.doctor.store(child.id(), Ordering::SeqCst);
        child
    }

    /// One run, which gets `signal` when it asks for something with these words in its head.
    fn struck(
        &self,
        project: &Project,
        words: &'static [&'static str],
        signal: &'static str,
    ) -> Output {
        *self.shared.trap.lock().unwrap() = Some((words, signal));
        let output = self.start(project, &["fix", "--apply"]).wait_with_output().unwrap();
        let left = self.shared.trap.lock().unwrap().take();
        let changes = self.shared.changes.lock().unwrap();
        assert!(left.is_none(), "{words:?} was never asked: {changes:#?} {}", said(&output));
        output
    }
}

impl Shared {
    /// Whether it is passed on.
    fn sees(&self, piece: &[u8]) -> bool {
        if ![&b"POST /"[..], b"PUT /", b"DELETE /"].iter().any(|method| piece.starts_with(method)) {
            return true;
        }
        let head = String::from_utf8_lossy(piece);
        let head = head.lines().next().unwrap_or_default().to_owned();
        self.changes.lock().unwrap().push(head.clone());
        let mut trap = self.trap.lock().unwrap();
        let Some((_, signal)) =
            trap.take_if(|(words, _)| words.iter().all(|word| head.contains(word)))
        else {
            return true;
        };
        let doctor = self.doctor.load(Ordering::SeqCst).to_string();
        assert!(Command::new("kill").args([signal, &doctor]).status().unwrap().success());
        signal != "-KILL"
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream, mut sees: impl FnMut(&[u8]) -> bool) {
    let mut piece = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        if !sees(&piece[..count]) || to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// A project whose data lies in a nameless volume, in a container that the engine restarts.
struct Patient {
    project: Project,
    compose: String,
    key: String,
    /// The nameless volumes, all of which have to last.
    nameless: Vec<String>,
}

impl Patient {
    fn new(name: &str) -> Self {
        let compose = without_volume().replace("stop_signal:", "restart: always\n    stop_signal:");
        let project = Project::created(name, &compose, "");
        let mut patient = Self { project, compose, key: String::new(), nameless: vec![] };
        patient.fall_ill();
        patient
    }

    /// As at first, with another instance.
    fn fall_ill(&mut self) {
        let project = &self.project;
        run(&project.directory, &["docker", "rm", "-f", &project.container()]);
        self.remove_copies();
        fs::write(project.file("docker-compose.yml"), &self.compose).unwrap();
        for file in self.beside() {
            fs::remove_file(project.file(&file)).unwrap();
        }
        project.up();
        self.key = project.mint();
        project.write_key(&self.key);
        self.nameless = vec![project.data_volume()];
    }

    /// Files of ours in the project.
    fn beside(&self) -> Vec<String> {
        let names = fs::read_dir(&self.project.directory).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("convex-doctor")).collect()
    }

    fn volumes(&self) -> Vec<String> {
        let filter = format!("name={}_", self.project.name);
        let list = ["docker", "volume", "ls", "-q", "--filter", &filter];
        text(&run(&self.project.directory, &list).stdout).lines().map(str::to_owned).collect()
    }

    fn remove_copies(&self) {
        for volume in self.volumes().iter().chain(&self.nameless) {
            run(&self.project.directory, &["docker", "volume", "rm", volume]);
        }
    }

    fn shows_no_secret(&self, output: &Output) {
        let hex = self.key.split_once('|').unwrap().1;
        assert!(!said(output).contains(hex), "a secret is shown");
        for secret in self.project.secrets() {
            assert!(!said(output).contains(&secret), "a secret is shown");
        }
    }

    /// The next run ends it. What the killed one left beside a file is told.
    #[track_caller]
    fn recovers(&self, case: &str) {
        let left = self.beside();
        let next =
            run(&self.project.directory, &[env!("CARGO_BIN_EXE_convex-doctor"), "fix", "--apply"]);
        let all = said(&next);
        self.shows_no_secret(&next);
        assert_eq!(next.status.code(), Some(0), "{case}: {all}");
        for file in left.iter().filter(|file| !file.ends_with(UNUSED)) {
            assert!(all.contains(file.as_str()), "{case}: {file} is not told: {all}");
        }
        self.is_well(case, &all);
    }

    #[track_caller]
    fn is_well(&self, case: &str, all: &str) {
        let project = &self.project;
        let key = &self.key;
        wait_for(|| project.get("/api/check_admin_key", key).contains(" 200 "));
        for volume in &self.nameless {
            assert!(project.volume_exists(volume), "{case}: {volume} is gone: {all}");
        }
        let data = project.data_volume();
        assert!(data.starts_with(&format!("{}_", project.name)), "{case}: {data}: {all}");
        let containers = run(&project.directory, &["docker", "ps", "-a", "--format", "{{.Names}}"]);
        let containers = text(&containers.stdout);
        let ours = |line: &&str| {
            line.contains("convex-doctor")
                && (line.contains(&project.name) || line.contains("copy"))
        };
        assert!(!containers.lines().any(|line| ours(&line)), "{case}: {containers}: {all}");
        let up = project.compose(&["up", "-d", "backend"]);
        succeed(&up);
        assert!(!text(&up.stderr).contains("level=warning"), "{case}: {}", text(&up.stderr));
        assert_eq!(project.data_volume(), data, "{case}");
        wait_for(|| project.get("/api/check_admin_key", key).contains(" 200 "));
        let report = project.doctor(&[]);
        assert_eq!((report.verdict(), report.code), ("healthy", 0), "{case}: {:#}", report.json);
    }

    fn id(&self) -> String {
        let inspect = ["docker", "inspect", "--format", "{{.Id}}", &self.project.container()];
        text(&run(&self.project.directory, &inspect).stdout)
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        self.project.compose(&["down", "-v", "-t", "2"]);
        self.remove_copies();
    }
}

/// The requests of a rescue, by words in their heads.
const MOMENTS: &[&[&str]] = &[
    &["POST", "/stop"],
    &["POST", "create", "-reader"],
    &["POST", "volumes/create"],
    &["PUT", "-writer"],
    &["DELETE", "-reader"],
    // The files are written by now.
    &["POST", "create", "new-by-convex-doctor"],
    &["POST", "rename", "before-convex-doctor"],
    &["POST", "/start"],
    &["DELETE", "containers"],
];

#[test]
#[ignore = "needs a Docker engine"]
fn a_rescue_that_is_killed_is_brought_to_its_end() {
    let between = Between::new();
    let mut patient = Patient::new("killed");
    for (number, words) in MOMENTS.iter().enumerate() {
        if number > 0 {
            patient.fall_ill();
        }
        let killed = between.struck(&patient.project, words, "-KILL");
        assert_eq!(killed.status.code(), None, "{words:?}: {}", said(&killed));
        patient.shows_no_secret(&killed);
        patient.recovers(&format!("{words:?}"));
    }
}

/// Killed half way through a copy into the volume that the file declared before: nobody knows
/// whether a backend had it since, so that it is left, and another takes its place.
#[test]
#[ignore = "needs a Docker engine"]
fn half_a_copy_that_the_file_declares_is_left() {
    let patient = Patient::new("half");
    let project = &patient.project;
    let declared = super::COMPOSE.replace("stop_signal:", "restart: always\n    stop_signal:");
    fs::write(project.file("docker-compose.yml"), declared).unwrap();
    let killed = Between::new().struck(project, MOMENTS[3], "-KILL");
    assert_eq!(killed.status.code(), None);
    patient.recovers("half");
    let volumes = ["convex-data", "data"].map(|key| format!("{}_{key}", project.name));
    assert_eq!(patient.volumes(), volumes);
    assert_eq!(project.data_volume(), volumes[0]);
}

/// Killed once the file has its lines and the container not yet its volume, and then the backend
/// went on with its old one: what it wrote since is in the new one too, and the copy of before is
/// left as it was.
#[test]
#[ignore = "needs a Docker engine"]
fn what_is_written_after_a_kill_comes_along() {
    let patient = Patient::new("since");
    let (project, container) = (&patient.project, patient.project.container());
    let killed = Between::new().struck(project, MOMENTS[5], "-KILL");
    assert_eq!(killed.status.code(), None);
    let file = fs::read_to_string(project.file("docker-compose.yml")).unwrap();
    assert!(file.contains("- data:/convex/data"), "{file}");
    let docker = |arguments: &[&str]| {
        let output = run(&project.directory, &[&["docker"], arguments].concat());
        succeed(&output);
        text(&output.stdout)
    };
    docker(&["start", &container]);
    docker(&["exec", &container, "sh", "-c", "echo since > /convex/data/storage/since"]);
    let stale = format!("{}_data", project.name);
    let read = |volume: &str, file: &str| {
        let mount = format!("{volume}:/it");
        let image = "ghcr.io/get-convex/convex-backend:latest";
        let cat = ["docker", "run", "--rm", "-v", &mount, "--entrypoint", "cat", image, file];
        text(&run(&project.directory, &cat).stdout)
    };
    patient.recovers("since");
    assert_eq!(docker(&["exec", &container, "cat", "/convex/data/storage/since"]), "since\n");
    let file = fs::read_to_string(project.file("docker-compose.yml")).unwrap();
    let come = ["    external: true", &format!("    name: {}_convex-data", project.name)];
    assert!(come.iter().all(|line| file.lines().any(|it| it == *line)), "{file}");
    assert_ne!(read(&stale, "/it/credentials/instance_secret"), "", "the first copy is left");
    assert_eq!(read(&stale, "/it/storage/since"), "");
}

#[test]
#[ignore = "needs a Docker engine"]
fn ctrl_c_takes_everything_back() {
    let between = Between::new();
    let patient = Patient::new("ctrlc");
    let project = &patient.project;
    let before = fs::read_to_string(project.file("docker-compose.yml")).unwrap();
    let id = patient.id();
    for words in [MOMENTS[3], MOMENTS[5], MOMENTS[7]] {
        let stopped = between.struck(project, words, "-INT");
        let all = said(&stopped);
        assert_eq!(stopped.status.code(), Some(130), "{words:?}: {all}");
        assert!(all.contains("interrupted"), "{words:?}: {all}");
        patient.shows_no_secret(&stopped);
        let file = fs::read_to_string(project.file("docker-compose.yml")).unwrap();
        assert_eq!(file, before, "{words:?}");
        assert_eq!(patient.beside(), [""; 0], "{words:?}");
        assert_eq!(patient.id(), id, "{words:?}: {all}");
        wait_for(|| project.get("/api/check_admin_key", &patient.key).contains(" 200 "));
        assert_eq!(project.data_volume(), patient.nameless[0]);
        // What a container may have been started with is never removed, and told.
        let left = patient.volumes();
        assert_eq!(left.is_empty(), words == MOMENTS[3], "{words:?}: {left:?} {all}");
        let told = all.split_whitespace().collect::<Vec<_>>().join(" ");
        let told = told.contains("is kept; no container uses it");
        assert_eq!(told, words != MOMENTS[3], "{words:?}: {left:?} {all}");
    }
    patient.recovers("after Ctrl-C");
}

#[test]
#[ignore = "needs a Docker engine"]
fn two_at_once_make_one_rescue() {
    let between = Between::new();
    let patient = Patient::new("two");
    let [first, second] = [0, 1].map(|_| between.start(&patient.project, &["fix", "--apply"]));
    let ends = [first, second].map(|child| child.wait_with_output().unwrap());
    let mut codes = ends.each_ref().map(|output| output.status.code().unwrap());
    let all = ends.each_ref().map(said).join("\n");
    codes.sort_unstable();
    assert_eq!(codes, [0, 1], "{all}");
    assert!(all.contains("another convex-doctor is at work"), "{all}");
    patient.is_well("two", &all);
    assert_eq!(patient.volumes(), [format!("{}_data", patient.project.name)]);
}

/// A disk of its own, gone when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(options: &str) -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.mount(options);
        disk
    }

    fn mount(&self, options: &str) {
        let at = self.0.path().to_str().unwrap();
        succeed(&run(self.0.path(), &["mount", "-t", "tmpfs", "-o", options, "tmpfs", at]));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let at = self.0.path().to_str().unwrap().to_owned();
        run(std::path::Path::new("/"), &["umount", "-l", &at]);
    }
}

/// The project's directory on a disk that cannot be written, and on one that is full: nothing is
/// stopped, copied or changed, for the files are tried out first.
#[test]
#[ignore = "needs a Docker engine, and root"]
fn a_disk_that_cannot_be_written() {
    let patient = Patient::new("disk");
    let started = |patient: &Patient| {
        let format =
            ["docker", "inspect", "--format", "{{.State.StartedAt}}", &patient.project.container()];
        text(&run(&patient.project.directory, &format).stdout)
    };
    for (options, words) in [("size=64k", "No space left on device"), ("ro", "Read-only file")] {
        let disk = Disk::new("size=64k");
        let own = patient.project.directory.clone();
        // The same path, for it is the project's name and stands in the container's labels.
        for file in fs::read_dir(&own).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), disk.0.path().join(file.file_name())).unwrap();
        }
        let bind = [disk.0.path().to_str().unwrap(), own.to_str().unwrap()];
        succeed(&run(std::path::Path::new("/"), &["mount", "--bind", bind[0], bind[1]]));
        if options == "ro" {
            let again = ["mount", "-o", "remount,bind,ro", bind[1]];
            succeed(&run(std::path::Path::new("/"), &again));
        } else {
            // To the last page.
            let fill = "head -c 200000 /dev/zero > full";
            run(&own, &["sh", "-c", fill]);
        }
        let before = fs::read_dir(&own).unwrap().count();
        let (file, since) = (fs::read(own.join("docker-compose.yml")).unwrap(), started(&patient));
        for arguments in [&["fix", "--apply"][..], &["key", "mint", "--write"]] {
            let program = [&[env!("CARGO_BIN_EXE_convex-doctor")], arguments].concat();
            let refused = run(&own, &program);
            let all = said(&refused).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(all.contains("nothing has changed") && all.contains(words), "{all}");
            assert_eq!(refused.status.code(), Some(1), "{all}");
            patient.shows_no_secret(&refused);
        }
        assert_eq!(fs::read(own.join("docker-compose.yml")).unwrap(), file);
        assert_eq!(fs::read_dir(&own).unwrap().count(), before);
        assert_eq!(started(&patient), since, "it was never stopped");
        assert_eq!(patient.volumes(), [""; 0]);
        succeed(&run(std::path::Path::new("/"), &["umount", "-l", bind[1]]));
    }
}
