//! The integration tests, in one binary: it is linked once, and what they share is compiled once.
//!
//! A test is found by its file: `cargo test --test all fix_killed::`. The lab (`tests/lab.rs`)
//! needs a Docker engine and stays apart.

mod backend_transcripts;
mod bundles;
mod causes;
mod ci_docs;
mod citations;
mod cli;
mod compose_cases;
mod compose_differential;
mod compose_edits;
mod compose_faults;
mod detached_volumes;
mod docker_collect;
mod docker_transports;
mod endpoint_collect;
mod env_cases;
mod env_format;
mod fix;
mod fix_killed;
mod fix_obstacles;
mod floors;
mod formats;
mod fuzzing;
mod generated;
mod help;
mod hostile;
mod html;
mod key_mint;
mod key_vectors;
mod leaks;
mod one_less;
mod places;
mod run;
mod scenarios;
mod screens;
mod settings;
mod site;
mod support;
mod threads;
mod topics;
mod wait;
mod words;

/// A file that is not named above would be compiled by nothing, and its tests would not run.
#[test]
#[allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test reads its directory")]
fn every_file_is_a_module() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all");
    let mut missing = Vec::new();
    for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_module = path.extension().is_some_and(|extension| extension == "rs")
            || path.join("mod.rs").exists();
        if is_module
            && name != "main"
            && !include_str!("main.rs").contains(&format!("\nmod {name};"))
        {
            missing.push(name.to_owned());
        }
    }
    assert_eq!(missing, [""; 0], "name them in tests/all/main.rs");
}
