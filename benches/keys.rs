//! How many secrets a second are tried on one key: `cargo bench --bench keys`.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a bench tells the time")]

use std::time::Instant;

use convex_doctor::admin_key::{BinaryKey, InstanceSecret, mint};

/// So many secrets, each another one.
const SECRETS: u32 = 200_000;
/// So many times; the fastest counts.
const RUNS: usize = 5;

fn main() {
    let secrets: Vec<InstanceSecret> = (0..SECRETS)
        .map(|number| {
            let mut bytes = [7; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            InstanceSecret::generate_from(bytes)
        })
        .collect();
    let right = InstanceSecret::generate_from([9; 32]);
    let key = mint(&right, "convex-self-hosted", 1_795_996_800, [1; 12], false);
    let key = BinaryKey::of(&key);
    assert!(key.open(&right).is_some(), "the right secret opens it");
    let fastest = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let opened = secrets.iter().filter(|secret| key.open(secret).is_some()).count();
            assert_eq!(opened, 0, "no other secret does");
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    let each = fastest / SECRETS;
    println!(
        "one key, {SECRETS} secrets: {:.0} a second ({each:?} each)",
        f64::from(SECRETS) / fastest.as_secs_f64()
    );
}
