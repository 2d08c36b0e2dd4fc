//! No output shows a secret, wherever it was put: in the evidence of every fixture, in the world of
//! every fixture, and in a project whose files are made here.
//!
//! The seed is fixed. `LEAK_CASES=5000` makes so many random cases instead of the usual number, and
//! `LEAK_SEED` others.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests write files and start the binary"
)]

mod evidence;
mod project;
mod secrets;
mod world;

/// The seed of every case.
fn seed() -> u64 {
    number("LEAK_SEED").unwrap_or(20_261_130)
}

/// How many random cases there are: `usual`, or what is asked for.
fn cases(usual: u64) -> u64 {
    number("LEAK_CASES").unwrap_or(usual)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The numbers of the cases, shared between two threads; what each complains of.
fn all(count: u64, judge: impl Fn(u64) -> Vec<String> + Sync) -> Vec<String> {
    let next = std::sync::atomic::AtomicU64::new(0);
    let found = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let case = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if case >= count {
                        break;
                    }
                    let complaints = judge(case);
                    found.lock().unwrap().extend(complaints);
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort();
    found
}

/// Fails with the first complaints.
fn none(complaints: &[String]) {
    let shown = &complaints[..complaints.len().min(40)];
    assert!(complaints.is_empty(), "{} leaks:\n{}", complaints.len(), shown.join("\n"));
}
