//! An engine that dies or hangs while something is done on it, and a person who interrupts it.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;

/// What becomes of the engine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Dies,
    Hangs,
}

/// Stands between the program and the engine, until that has sent so many bytes.
struct Between {
    socket: PathBuf,
    closed: Arc<AtomicBool>,
    _directory: tempfile::TempDir,
}

impl Between {
    fn until(bytes: u64, fate: Fate) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let left = Arc::new(AtomicU64::new(bytes));
        let over = Arc::new(AtomicBool::new(false));
        let closed = Arc::new(AtomicBool::new(false));
        let all_closed = Arc::clone(&closed);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(engine)) = (client, UnixStream::connect(super::socket()))
                else {
                    return;
                };
                if over.load(Ordering::SeqCst) && fate == Fate::Dies {
                    continue;
                }
                let (client_again, engine_again) =
                    (client.try_clone().unwrap(), engine.try_clone().unwrap());
                let there = Line {
                    left: Arc::clone(&left),
                    over: Arc::clone(&over),
                    closed: Arc::clone(&all_closed),
                    fate,
                };
                let back = Line { left: Arc::new(AtomicU64::new(u64::MAX)), ..there.clone() };
                std::thread::spawn(move || back.pass(client_again, engine_again));
                std::thread::spawn(move || there.pass(engine, client));
            }
        });
        Self { socket, closed, _directory: directory }
    }

    fn engine(&self) -> Engine {
        let client =
            Docker::connect_with_unix(self.socket.to_str().unwrap(), 5, API_DEFAULT_VERSION);
        Engine::new(client.unwrap(), Duration::from_secs(2)).giving_up_after(Duration::from_secs(2))
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

/// One direction of a connection.
#[derive(Clone)]
struct Line {
    /// The bytes until it is over.
    left: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
    fate: Fate,
}

impl Line {
    fn pass(&self, mut from: UnixStream, mut to: UnixStream) {
        let mut piece = vec![0; 16 * 1024];
        let moment = Duration::from_millis(50);
        from.set_read_timeout(Some(moment)).unwrap();
        while !self.closed.load(Ordering::SeqCst) {
            if self.over.load(Ordering::SeqCst) {
                if self.fate == Fate::Dies {
                    break;
                }
                std::thread::sleep(moment);
                continue;
            }
            match from.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => {
                    if to.write_all(&piece[..length]).is_err() {
                        break;
                    }
                    let length = length as u64;
                    if self.left.load(Ordering::SeqCst) <= length {
                        self.over.store(true, Ordering::SeqCst);
                    } else {
                        self.left.fetch_sub(length, Ordering::SeqCst);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    }
}

/// A stopped project whose nameless volume takes a while to copy.
fn big(name: &str, megabytes: u32) -> (Project, Tidy, String) {
    let (project, tidy, key) = nameless(name);
    let fill = format!("head -c {megabytes}000000 /dev/urandom > /convex/data/storage/big");
    docker(&["exec", &project.container(), "sh", "-c", &fill]);
    drive(engine().stop(&project.container())).unwrap();
    (project, tidy, key)
}

#[test]
#[ignore = "needs a Docker engine"]
fn an_engine_that_dies_or_hangs_is_said_and_cleared_up_later() {
    let (project, tidy, key) = big("dying", 40);
    let (container, new_volume) = (project.container(), &tidy.1[0]);
    let old_volume = data_volume(&container);
    let (all, volumes_before) = (containers(), volumes());
    for (fate, megabytes) in
        [(Fate::Dies, 10), (Fate::Dies, 50), (Fate::Hangs, 10), (Fate::Hangs, 50)]
    {
        let between = Between::until(megabytes * 1_000_000, fate);
        let (broken, labels, begin) = (between.engine(), BTreeMap::new(), Instant::now());
        let trouble = drive(broken.copy_volume(&old_volume, new_volume, &labels, &mut |_| ()));
        let trouble = trouble.unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(20), "{trouble}");
        assert!(!trouble.nothing_changed(), "{trouble}");
        let said = trouble.to_string();
        assert!(said.contains("is left"), "{said}");
        drop(between);
        let whole = engine();
        let recovered = drive(whole.recover()).unwrap();
        assert!(recovered.notes.iter().any(|it| it.contains(new_volume)), "{recovered:?}");
        assert_eq!((containers(), volumes()), (all.clone(), volumes_before.clone()), "{said}");
    }
    drive(engine().start(&container)).unwrap();
    wait_for(|| accepts(&project, &key));
}

/// Not a test of its own: what another one starts as a process, to interrupt it.
#[test]
#[ignore = "part of another test"]
fn a_copy_to_be_interrupted() {
    let Ok(volumes) = std::env::var("LAB_COPY") else { return };
    let (from, to) = volumes.split_once(' ').unwrap();
    let mut last = Instant::now();
    let copied =
        drive(engine().copy_volume(from, to, &BTreeMap::new(), &mut |_| last = Instant::now()));
    // Only somebody who runs it by hand comes here.
    let memory = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!(
        "{copied:?}, {:.1} s after everything had passed, {most}",
        last.elapsed().as_secs_f32()
    );
}

#[test]
#[ignore = "needs a Docker engine"]
fn ctrl_c_leaves_nothing_behind() {
    let (project, tidy, _) = big("interrupt", 300);
    let (old_volume, new_volume) = (data_volume(&project.container()), &tidy.1[0]);
    let (all, volumes_before) = (containers(), volumes());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "fix_engine::broken::a_copy_to_be_interrupted"])
        .env("LAB_COPY", format!("{old_volume} {new_volume}"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(|| containers().iter().any(|it| it.contains("-writer")));
    let pid = child.id().to_string();
    succeed(&run(Path::new("/"), &["kill", "-INT", &pid]));
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "as the signal wants");
    assert_eq!((containers(), volumes()), (all, volumes_before));
}
