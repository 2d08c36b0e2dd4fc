//! Random projects, each read by `compose::load` and by the real `docker compose config`: both
//! accept it and come to the same, or both refuse it for the same reason.
//!
//! Needs Compose v2.40.3 (no engine), so that it is ignored by default. `cargo test --test all
//! compose_differential:: -- --ignored` reads a fixed set of projects, as `.ci/run` does, and
//! `COMPOSE_DIFFERENTIAL_COUNT` (2000) fresh ones of the seed `COMPOSE_DIFFERENTIAL_SEED` (the
//! clock). A project that is read differently is made as small as it gets and written to
//! `target/compose-differences/` in the form of `fixtures/compose-cases/`: it can be moved there as
//! it is.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test acts on the world, and fails by a panic"
)]

mod case;
mod rng;
mod shrink;
mod yaml;

// Lists of forms, which rustfmt would write one below the other.
#[rustfmt::skip]
mod faults;
#[rustfmt::skip]
mod file;
#[rustfmt::skip]
mod forms;
#[rustfmt::skip]
mod mounts;
#[rustfmt::skip]
mod project;
#[rustfmt::skip]
mod rare;
#[rustfmt::skip]
mod service;
#[rustfmt::skip]
mod words;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::support::compose::{self as support, Difference};
use case::Case;
use rng::Rng;

/// The Compose whose behaviour the reader has.
const VERSION: &str = "2.40.3";
/// How many runs of Compose go on at once.
const THREADS: usize = 2;
/// How many differing projects are enough.
const MOST_DIFFERENCES: usize = 10;

/// How often Compose is asked before an answer is taken for its only one.
const MOST_ASKED: usize = 3;

/// What both make of a project.
enum Agreed {
    Accepted,
    Refused,
    /// Compose fell over: what it would have said is not known.
    Unknown,
}

/// The plugin's binary: run by itself it is faster than behind `docker`.
fn compose() -> PathBuf {
    let home = std::env::var("HOME").unwrap_or_default();
    let config = std::env::var("DOCKER_CONFIG").unwrap_or_else(|_| format!("{home}/.docker"));
    let directories = [
        config.as_str(),
        "/usr/local/lib/docker",
        "/usr/local/libexec/docker",
        "/usr/lib/docker",
        "/usr/libexec/docker",
    ];
    let mut binaries =
        directories.iter().map(|directory| Path::new(directory).join("cli-plugins/docker-compose"));
    let binary = binaries.find(|binary| binary.exists()).expect("Docker Compose");
    let version = Command::new(&binary).args(["version", "--short"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim().trim_start_matches('v'), VERSION);
    binary
}

/// Whether a project differs. Compose reports one of several faults, not always the same: it is
/// asked again.
fn differs(case: &Case, compose: &Path, root: &Path) -> Result<Agreed, Difference> {
    drop(std::fs::remove_dir_all(root));
    case.write(root);
    let mut tries = 0;
    loop {
        let said = case.ask(compose, root);
        tries += 1;
        match case.difference(root, &said) {
            None if said.stdout.is_some() => return Ok(Agreed::Accepted),
            None if support::fell_over(&said.stderr) => return Ok(Agreed::Unknown),
            None => return Ok(Agreed::Refused),
            Some(found) if tries == MOST_ASKED => return Err(found),
            Some(_) => {}
        }
    }
}

/// Reads the projects of a seed both ways.
fn compare(seed: u64, count: u64) {
    let compose = compose();
    let directory = tempfile::tempdir().unwrap();
    let directory = std::fs::canonicalize(directory.path()).unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/compose-differences");
    let (next, roots) = (AtomicU64::new(0), AtomicUsize::new(0));
    let (accepted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let found: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let start = Instant::now();
    let work = || {
        let root = directory.join(format!("{}/case", roots.fetch_add(1, Ordering::Relaxed)));
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || found.lock().unwrap().len() >= MOST_DIFFERENCES {
                return;
            }
            let case = project::project(Rng::new(seed, number));
            let first = match differs(&case, &compose, &root) {
                Ok(agreed) => {
                    let count = match agreed {
                        Agreed::Accepted => &accepted,
                        Agreed::Refused => &refused,
                        Agreed::Unknown => continue,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Err(first) => first,
            };
            let small = shrink::shrink(case, |case| {
                differs(case, &compose, &root).is_err_and(|it| shrink::is_like(&it, &first))
            });
            let why = differs(&small, &compose, &root).err().unwrap_or(first);
            let name = format!("differs-{seed}-{number}");
            small.keep(&compose, &kept.join(&name), &why.to_string());
            found.lock().unwrap().push(format!("{}: {why}", kept.join(&name).display()));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    let found = found.into_inner().unwrap();
    println!(
        "seed {seed}: {count} projects, {} accepted by both, {} refused by both, {} differ, in {:?}",
        accepted.into_inner(),
        refused.into_inner(),
        found.len(),
        start.elapsed()
    );
    assert!(found.is_empty(), "seed {seed}: {} differ:\n{}", found.len(), found.join("\n"));
}

/// What CI runs.
#[test]
#[ignore = "needs Docker Compose"]
fn fixed_seeds() {
    compare(1, 300);
}

#[test]
#[ignore = "needs Docker Compose"]
fn random_projects() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |number| number.parse().unwrap())
    };
    let seed = number("COMPOSE_DIFFERENTIAL_SEED", clock);
    println!("COMPOSE_DIFFERENTIAL_SEED={seed}");
    compare(seed, number("COMPOSE_DIFFERENTIAL_COUNT", 2_000));
}
