//! The bodies of the fuzz targets (`tests/fuzz/`) on stable: each is fed with its seeds and with
//! some mutations of them, the same in every run. The seeds come from the fixtures;
//! `tests/fuzz/seed.sh` writes them down for libFuzzer.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test reads the fixtures, and says what it tried"
)]

#[path = "../fuzz/bodies.rs"]
#[allow(
    unreachable_pub,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    reason = "a crate of its own, too, to which nothing of ours applies"
)]
mod bodies;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convex_doctor::admin_key::{self, InstanceSecret};
use convex_doctor::secret::Secret;
use serde_json::Value;

use crate::support::{self, Fixture};
use bodies::{Body, IN_JSON, NEXT_FILE, TARGETS};

type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

fn fixture(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    std::fs::read_to_string(root.join(name)).unwrap()
}

fn list(name: &str) -> Vec<Value> {
    serde_json::from_str(&fixture(name)).unwrap()
}

/// Every file below `fixtures/` with one of these ends.
fn files(ends: &[&str]) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut files = Vec::new();
    for (name, bytes) in support::snapshot(&root) {
        if ends.iter().any(|end| name.ends_with(end)) {
            files.extend(String::from_utf8(bytes).ok().map(|text| (root.join(&name), text)));
        }
    }
    files
}

/// Every text in a value that is longer than a word.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() > 20 => found.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|one| texts(one, found)),
        Value::Object(map) => map.values().for_each(|one| texts(one, found)),
        _ => {}
    }
}

/// A text behind the two bytes that say what is planted in it, and where.
fn planting(texts: &[String]) -> Vec<Vec<u8>> {
    let header = |index: usize| [index % 40, index * 37 % 256].map(|it| u8::try_from(it).unwrap());
    let texts = texts.iter().enumerate();
    texts.map(|(index, text)| [&header(index)[..], text.as_bytes()].concat()).collect()
}

/// All seeds but those of `bundle`.
fn seeds() -> Seeds {
    let bytes = |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect();
    let mut env_texts: Vec<String> = list("env-cases/dotenv-parse.json")
        .iter()
        .map(|case| case["text"].as_str().unwrap().to_owned())
        .collect();
    env_texts.extend(files(&[".env", ".env.local"]).into_iter().map(|(_, text)| text));

    let mut projects: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for (path, text) in files(&[".yml", ".yaml", ".env"]) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let entry = projects.entry(path.parent().unwrap().to_owned()).or_default();
        if ["compose.yaml", "compose.yml", "docker-compose.yml"].contains(&name.as_str()) {
            entry.insert(0, text);
        } else {
            entry.push(format!("{NEXT_FILE}{name}\n{text}"));
        }
    }
    let mut projects: Vec<String> = projects.into_values().map(|files| files.concat()).collect();
    projects.sort();
    projects.dedup();
    let values = projects.iter().flat_map(|text| text.lines()).filter(|line| line.contains('$'));
    let mut values: Vec<String> = values.map(|line| line.trim().to_owned()).collect();
    values.sort();
    values.dedup();
    let forms =
        ["$A", "${A:-$LONG}", "${A:+x}", "${NO:?why}", "${A-${B:-}}", "$$A", "${LONG}$LONG"];
    values.extend(forms.map(str::to_owned));

    let vectors = list("key-vectors.json");
    let field = |case: &Value, name: &str| case[name].as_str().unwrap_or_default().to_owned();
    let mut keys: Vec<String> = vectors.iter().map(|case| field(case, "key")).collect();
    keys.push(bodies::minted().to_owned());
    keys.push(format!("Admin key:\n'{}'\n", bodies::minted()));
    let opened = vectors.iter().filter_map(|case| {
        let secret = InstanceSecret::parse(&Secret::new(field(case, "secret"))).ok()?;
        Some(admin_key::open(&Secret::new(field(case, "key")), &secret)?.encode())
    });

    let mut logs = Vec::new();
    for (_, text) in files(&["world.json"]) {
        texts(&serde_json::from_str(&text).unwrap(), &mut logs);
    }
    texts(&serde_json::from_str(&fixture("cli-transcripts.json")).unwrap(), &mut logs);
    logs.sort();
    logs.dedup();
    let inspected: Value = serde_json::from_str(&fixture("containers-inspected.json")).unwrap();
    let inspected = inspected.as_object().unwrap().values();
    let answers = list("http-transcripts.json").into_iter().map(|case| {
        let mut kinds = case["response"]["headers"].as_array().unwrap().iter();
        let kind = kinds.rfind(|header| header[0] == "content-type");
        let kind = kind.and_then(|header| header[1].as_str()).unwrap_or_default();
        let path = field(&case["request"], "path");
        let head = format!("{path} {} {kind}\n\u{3}\u{70}", case["response"]["status"]);
        [head, field(&case["response"], "body")].concat().into_bytes()
    });
    let settings = [
        "[self-hosted]\nfail-on = \"warning\"\nservice = \"backend\"\nignore = [\n  { id = \"image-unpinned\", reason = \"why\", until = 2027-03-31 },\n]\n",
        "[self-hosted]\nonly = [\"key\", 3]\ntimeout = 5\nephemeral = true\n[other]\nx = 1\n",
        "self-hosted = 1\n",
        "[self-hosted]\nprofile = ['a', \"b\"]\nfile = [\"../x.yml\"]\nproject-name = ''\nformat = \"json\n",
        "[self-hosted]\nignore = [{ id = \"key-foreign\", where = \".env.local\" }]\nhost = 1\n",
    ];
    let settings = settings.map(str::to_owned);
    BTreeMap::from([
        ("node_dotenv", bytes(&env_texts)),
        ("compose_dotenv", bytes(&env_texts)),
        ("compose", bytes(&projects)),
        ("interpolation", bytes(&values)),
        ("key", bytes(&keys)),
        ("claims", opened.collect()),
        ("log_lines", planting(&logs)),
        ("engine", inspected.map(|one| serde_json::to_vec(one).unwrap()).collect()),
        ("http_body", answers.collect()),
        ("settings", planting(&settings)),
        ("gate", planting(&logs)),
        ("scrubber", planting(&logs)),
    ])
}

/// The evidence of these fixtures.
fn evidence(fixtures: &[Fixture]) -> Vec<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut found = Vec::new();
    for fixture in fixtures {
        for (_, report) in runtime.block_on(support::reports(fixture)) {
            found.push(serde_json::to_vec(&report["evidence"]).unwrap());
        }
    }
    found
}

/// The same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> usize {
        bodies::number(&mut self.0)
    }

    /// A seed with some bytes changed, doubled, left out or taken from another.
    fn mutated(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        const SIGNS: &[u8] = b"\0\n\r\t \"'`\\#$%&()*+,-./:;<=>?@[]_{|}~09afAFzZ\xc3\xff";
        let mut bytes = seed[..seed.len().min(4000)].to_vec();
        for _ in 0..=self.next() % 4 {
            let at = self.next() % (bytes.len() + 1);
            let end = at + self.next() % (bytes.len() - at + 1).min(12);
            let sign = SIGNS[self.next() % SIGNS.len()];
            match self.next() % 5 {
                0 => bytes.insert(at, sign),
                1 => drop(bytes.splice(at..end, [])),
                2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                3 if at < bytes.len() => bytes[at] = sign,
                _ => {
                    let from = self.next() % (other.len() + 1);
                    let to = from + self.next() % (other.len() - from + 1).min(40);
                    bytes.splice(at..end, other[from..to].iter().copied());
                }
            }
        }
        bytes
    }
}

/// Feeds a body with the seeds, and so many mutations of them; gives those that failed.
fn feed(name: &str, body: Body, seeds: &[Vec<u8>], mutations: usize) -> Vec<String> {
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let mut failed = Vec::new();
    let mut try_one = |bytes: &[u8]| {
        // A body says what it met; more than some of it says no more.
        if failed.len() < 5 && std::panic::catch_unwind(|| body(bytes)).is_err() {
            failed.push(format!("{name}: {:?}", String::from_utf8_lossy(bytes)));
        }
    };
    let mutations = std::env::var("MUTATIONS").map_or(mutations, |text| text.parse().unwrap());
    let start = std::env::var("SEED").map_or(9, |text| text.parse().unwrap());
    for seed in seeds.iter().step_by(1 + seeds.len() / mutations.max(1)) {
        try_one(seed);
    }
    let mut numbers = Numbers(start);
    for _ in 0..mutations {
        let (seed, other) =
            (&seeds[numbers.next() % seeds.len()], &seeds[numbers.next() % seeds.len()]);
        let in_json =
            IN_JSON.contains(&name).then(|| bodies::mutate_json(seed, &mut || numbers.next()));
        match in_json.flatten() {
            Some(bytes) => try_one(&bytes),
            None => try_one(&numbers.mutated(seed, other)),
        }
    }
    failed
}

#[test]
fn every_target_holds_for_mutations_of_its_seeds() {
    if support::apart("fuzzing::every_target_holds_for_mutations_of_its_seeds") {
        return;
    }
    let seeds = seeds();
    let wanted = std::env::var("TARGET").ok();
    let mut failed = Vec::new();
    for (name, body) in TARGETS.iter().filter(|(name, _)| *name != "bundle") {
        if wanted.as_ref().is_none_or(|wanted| wanted == name) {
            failed.extend(feed(name, *body, &seeds[name], 50));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_bundle_is_taken_whatever_it_says() {
    if support::apart("fuzzing::a_bundle_is_taken_whatever_it_says") {
        return;
    }
    let wanted = ["several-stopped-and-wrong-port", "healthy", "key-from-detached-volume"];
    let fixtures: Vec<_> =
        support::fixtures().into_iter().filter(|one| wanted.contains(&one.name.as_str())).collect();
    let body = TARGETS.iter().find(|(name, _)| *name == "bundle").unwrap().1;
    let failed = feed("bundle", body, &evidence(&fixtures), 30);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Every target is a file of its own, and a binary of the fuzz crate.
#[test]
fn every_target_has_its_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let text = std::fs::read_to_string(root.join(format!("targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("bodies::{name}(")), "targets/{name}.rs");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "Cargo.toml: {name}");
    }
    let files = std::fs::read_dir(root.join("targets")).unwrap().count();
    assert_eq!(files, TARGETS.len());
}

/// `tests/fuzz/seed.sh` runs this.
#[test]
#[ignore = "writes tests/fuzz/corpus/"]
fn seeds_are_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut seeds = seeds();
    seeds.insert("bundle", evidence(&support::fixtures()));
    for (name, seeds) in seeds {
        std::fs::create_dir_all(root.join(name)).unwrap();
        for (index, seed) in seeds.iter().enumerate() {
            std::fs::write(root.join(name).join(format!("seed-{index}")), seed).unwrap();
        }
    }
}
