//! `fix --apply` on a real engine, killed at each request by which it changes something there, interrupted, and two at once: what runs
//! next brings it to the end, and nothing is lost on the way.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Project, run, succeed, text, wait_for, without_volume};

/// Stands between the doctor and the engine, and sends the doctor a signal when it asks for something.
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
                let Ok(engine) = UnixStream::connect(super::mend_engine::socket()) else { return };
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
        succeed(&project.compose(&["down", "-v", "-t", "2"]));
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
        for file in left.iter().filter(|file| !file.ends_with(".new")) {
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
        // Compose makes nothing anew of it.
        let before = self.id();
        let up = project.compose(&["up", "-d", "backend"]);
        succeed(&up);
        assert!(!text(&up.stderr).contains("level=warning"), "{case}: {}", text(&up.stderr));
        assert_eq!(project.data_volume(), data, "{case}");
        wait_for(|| project.get("/api/check_admin_key", key).contains(" 200 "));
        let _may_be_recreated = before;
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
    &["POST", "create", "-writer"],
    &["PUT", "-writer"],
    &["DELETE", "-writer"],
    &["DELETE", "-reader"],
    // The files are written by now.
    &["POST", "create", "new-by-convex-doctor"],
    &["POST", "/update"],
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
        let begun = Instant::now();
        let killed = between.struck(&patient.project, words, "-KILL");
        assert_eq!(killed.status.code(), None, "{words:?}: {}", said(&killed));
        patient.shows_no_secret(&killed);
        println!("--- {words:?} {:?}", begun.elapsed());
        patient.recovers(&format!("{words:?}"));
        println!("    {:?}", begun.elapsed());
    }
}
