//! `fix` over the fixtures: the plan changes nothing and shows no secret; what is applied changes the intended lines alone, helps, or is
//! taken back.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "these tests run the binary and read files"
)]

mod support;

use std::collections::BTreeMap;

use convex_doctor::demo::Stage;
use serde_json::Value;
use support::{Fixture, fixtures, snapshot};

/// One run of `fix`: its exit code, its story.
async fn fix(stage: &Stage, options: &[&str]) -> (Option<i32>, Value) {
    let all = [&["fix", "--format", "json"], options].concat();
    let run = support::run(stage, "fix", &all).await;
    for secret in &stage.secrets {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{}", run.stdout);
    }
    let story = serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr));
    (run.code, story)
}

/// `id state: why` of each fix.
fn states(story: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = |fix: &Value| {
        let outcome = &fix["outcome"];
        match text(&outcome["why"]) {
            why if why.is_empty() => format!("{} {}", text(&fix["id"]), text(&outcome["state"])),
            why => format!("{} {}: {why}", text(&fix["id"]), text(&outcome["state"])),
        }
    };
    story["fixes"].as_array().unwrap().iter().map(state).collect()
}

/// The files that differ, each with its lines of before that are gone and its lines of now that are new.
type Changed = BTreeMap<String, (Vec<String>, Vec<String>)>;

fn changed(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) -> Changed {
    let mut changed = Changed::new();
    for file in before.keys().chain(after.keys()) {
        if before.get(file) == after.get(file) {
            continue;
        }
        let lines = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
            let text = files.get(file).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            text.unwrap_or_default().split_inclusive('\n').map(str::to_owned).collect()
        };
        let (old, new) = (lines(before), lines(after));
        let start = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
        let end = old[start..]
            .iter()
            .rev()
            .zip(new[start..].iter().rev())
            .take_while(|(one, other)| one == other)
            .count();
        let differing = |lines: &[String]| lines[start..lines.len() - end].to_vec();
        changed.insert(file.clone(), (differing(&old), differing(&new)));
    }
    changed
}

#[tokio::test]
async fn dump() {
    for fixture in fixtures() {
        let stage = fixture.raise().await;
        let run = support::run(&stage, "fix", &["fix"]).await;
        println!("######## {} -> {:?}\n{}{}", fixture.name, run.code, run.stdout, run.stderr);
    }
}
