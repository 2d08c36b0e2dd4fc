//! The kept bundle of a fixture, `fixtures/NAME/bundle.json`: what a run over sockets saw, so that
//! every test that asks what is made of it takes it from there. `UPDATE=1` writes it, and the
//! fixtures that are played over sockets are held against it.
//!
//! What differs from run to run is replaced in both, and nothing else:
//!
//! - Ports: those of the world's servers, in the order of their names, are 40001, 40002 and so on;
//!   any other port of 127.0.0.1 that the system chose is 40099. Lists that are sorted by port are
//!   sorted again.
//! - Paths: the temporary directory is `/tmp/convex-doctor-world`.
//! - Times: the run began on 2026-11-30 at 00:00 UTC, and the files and the lines of logs that were
//!   written for it are as old. Events move with it, to a minute; how far they are from each other
//!   stays.
//! - Order: what a key was tried against is sorted by secret, the public one last, and the places
//!   of a secret by container; containers answer in any order.
//! - Durations: an answer over two seconds took 2500 ms, any other 0; connecting and the look-up of
//!   a name took none, and how long each probe took is left out.
//! - The hashes of the lines of an env file, which may hold a port, are numbered. Equal ones stay
//!   equal.
//! - The user is 0.
//! - This machine's own engine is no part of a world: where it has one, the run sees it as a context.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use convex_doctor::demo::Stage;
use regex::{Captures, Regex};
use serde_json::{Map, Value, json};

/// Where the first server listens.
const FIRST_PORT: u16 = 40_001;
/// The ports that the system chose and that have no name.
const OTHER_PORT: &str = "40099";
/// 2026-11-30T00:00:00Z.
const BEGAN: i64 = 1_795_996_800;
/// What is as near as this to a run's begin belongs to it.
const NEAR: i64 = 3600;
/// What stands for the temporary directory.
const ROOT: &str = "/tmp/convex-doctor-world";
/// Where this machine's own engine answers, if it has one.
const OWN_ENGINE: &str = "unix:///var/run/docker.sock";
/// The project's directory in it.
pub(crate) const DIRECTORY: &str = "/tmp/convex-doctor-world/app";

/// What is a run's own: to be replaced in what it saw.
pub(crate) struct Own {
    root: String,
    ports: BTreeMap<u16, u16>,
}

/// The ports that stand for those of the servers with these names.
pub(crate) fn ports<'n>(names: impl Iterator<Item = &'n String>) -> BTreeMap<u16, String> {
    (FIRST_PORT..).zip(names.cloned()).collect()
}

impl Own {
    pub(crate) fn of(stage: &Stage) -> Self {
        let root = stage.project.parent().unwrap().display().to_string();
        let kept = ports(stage.ports.keys());
        Self {
            root,
            ports: kept.into_iter().map(|(port, name)| (stage.ports[&name], port)).collect(),
        }
    }

    /// The evidence of a run without what is the run's own.
    pub(crate) fn replaced(&self, evidence: &Value) -> Value {
        let began = evidence["collected_at"].as_i64().unwrap();
        let mut evidence = evidence.clone();
        self.replace(&mut evidence, "", began);
        number_hashes(&mut evidence, &mut Vec::new());
        evidence["surroundings"]["uid"] = json!(0);
        if let Some(events) = evidence.pointer_mut("/docker/seen/events/seen") {
            // How far they are from each other is the world's.
            let all = events.as_array_mut().unwrap();
            let newest = all.iter().filter_map(|event| event["at"].as_i64()).max().unwrap_or(began);
            for event in all {
                let ago = (began - newest + 30).div_euclid(60) * 60;
                event["at"] = (BEGAN - ago + event["at"].as_i64().unwrap() - newest).into();
            }
        }
        evidence["timings"] = json!([]);
        if let Some(Value::Array(contexts)) = evidence.pointer_mut("/docker/seen/other_contexts") {
            contexts.retain(|context| context["address"] != OWN_ENGINE);
        }
        for key in evidence["keys"].as_array_mut().unwrap() {
            if let Some(trials) = key["trials"].as_array_mut() {
                for trial in trials.iter_mut() {
                    let places = trial["places"].as_array_mut().unwrap();
                    places.sort_by_key(|place| place["container"].to_string());
                }
                let public = json!([{"place": "public_development"}]);
                trials.sort_by_key(|it| (it["places"] == public, it["secret"].to_string()));
            }
        }
        if let Some(published) = evidence.pointer_mut("/docker/seen/published") {
            let published = published.as_array_mut().unwrap();
            published.sort_by_key(|port| port["host_port"].as_u64());
        }
        evidence
    }

    fn replace(&self, value: &mut Value, field: &str, began: i64) {
        match value {
            Value::String(text) => *text = self.in_text(text, began),
            Value::Number(number) => {
                if let Some(number) =
                    number.as_i64().map(|number| self.number(number, field, began))
                {
                    *value = number.into();
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|one| self.replace(one, field, began)),
            Value::Object(map) => {
                map.iter_mut().for_each(|(field, value)| self.replace(value, field, began));
            }
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn number(&self, number: i64, field: &str, began: i64) -> i64 {
        match field {
            "ms" => i64::from(number > 2000) * 2500,
            "connect_ms" | "resolve_ms" => 0,
            "collected_at" => BEGAN,
            "key_file_changed_at" | "key_committed_at" if (number - began).abs() < NEAR => BEGAN,
            _ => {
                let kept = u16::try_from(number).ok().and_then(|port| self.ports.get(&port));
                kept.map_or(number, |port| i64::from(*port))
            }
        }
    }

    fn in_text(&self, text: &str, began: i64) -> String {
        static PORT: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"(127\.0\.0\.1:)?\b[3-6]\d{4}\b").unwrap());
        static TIME: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap());
        let text = text.replace(&self.root, ROOT);
        let text = PORT.replace_all(&text, |found: &Captures<'_>| {
            let host = found.get(1).map_or("", |host| host.as_str());
            let port = found[0][host.len()..].parse::<u16>().ok();
            match port.and_then(|port| self.ports.get(&port)) {
                Some(kept) => format!("{host}{kept}"),
                None if !host.is_empty() && port > Some(32_767) => format!("{host}{OTHER_PORT}"),
                None => found[0].to_owned(),
            }
        });
        let text = TIME.replace_all(&text, |found: &Captures<'_>| {
            let at: jiff::Timestamp = found[0].parse().unwrap();
            if (at.as_second() - began).abs() >= NEAR {
                return found[0].to_owned();
            }
            jiff::Timestamp::from_second(BEGAN).unwrap().to_string()
        });
        text.into_owned()
    }
}

/// Numbers the hashes of lines in the order in which they first appear.
fn number_hashes(value: &mut Value, known: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|one| number_hashes(one, known)),
        Value::Object(map) => {
            for (field, value) in map {
                let Some(hashes) = value.as_array_mut().filter(|_| field == "hashes") else {
                    number_hashes(value, known);
                    continue;
                };
                for hash in hashes {
                    let text = hash.as_str().unwrap().to_owned();
                    let at = known.iter().position(|one| *one == text).unwrap_or(known.len());
                    if at == known.len() {
                        known.push(text);
                    }
                    *hash = format!("{:016x}", at + 1).into();
                }
            }
        }
        _ => {}
    }
}

/// What is otherwise in `less`: each place by its pointer, with what is there.
pub(crate) fn difference(whole: &Value, less: &Value) -> Map<String, Value> {
    let mut found = Map::new();
    differ(whole, less, "", &mut found);
    found
}

fn differ(whole: &Value, less: &Value, at: &str, found: &mut Map<String, Value>) {
    match (whole, less) {
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
            for (name, value) in one {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                differ(value, &other[name], &format!("{at}/{escaped}"), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, value) in one.iter().enumerate() {
                differ(value, &other[index], &format!("{at}/{index}"), found);
            }
        }
        _ if whole == less => {}
        _ => drop(found.insert(at.to_owned(), less.clone())),
    }
}

/// `whole` with this difference.
pub(crate) fn applied(whole: &Value, difference: &Map<String, Value>) -> Value {
    let mut less = whole.clone();
    for (at, value) in difference {
        *less.pointer_mut(at).unwrap() = value.clone();
    }
    less
}
