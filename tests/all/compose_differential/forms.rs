//! The fields of a service that many files have.

use super::mounts::{mount, port};
use super::rare::{deploy, fixed, hosts};
use super::rng::Rng;
use super::service::{SERVICES, STUB, Spot};
use super::words::{any, name, odd, template, text};
use super::yaml::{Y, raw};

/// The keys of variables in `environment`.
const KEYS: [&str; 8] = ["A", "B", "C", "EMPTY", "TAG", "U1", "LOG", "k.l"];
/// `env_file`s that are there.
const ENV_FILES: [&str; 4] = ["./a.env", "b.env", "sub/c.env", "./a.env"];

/// Some of what `make` makes.
pub(crate) fn some<T>(r: &mut Rng, most: usize, mut make: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..r.below(most + 1)).map(|_| make(r)).collect()
}

/// On one line, or on several.
pub(crate) fn styled(r: &mut Rng, node: Y) -> Y {
    if r.chance(30) { Y::Flow(Box::new(node)) } else { node }
}

fn texts(r: &mut Rng, most: usize, from: &[&str]) -> Y {
    let list = some(r, most, |r| {
        let it = r.pick(from);
        text(r, it)
    });
    styled(r, Y::List(distinct(list)))
}

/// Texts that have to stay what they are.
fn names(r: &mut Rng, most: usize, from: &[&str]) -> Y {
    let mut list: Vec<&str> = some(r, most, |r| r.pick(from));
    list.sort_unstable();
    list.dedup();
    let list = list.into_iter().map(|it| name(r, it)).collect();
    styled(r, Y::List(list))
}

fn distinct(list: Vec<Y>) -> Vec<Y> {
    let mut kept: Vec<Y> = Vec::new();
    for item in list {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// A map whose keys come from a list.
pub(crate) fn keyed(
    r: &mut Rng,
    most: usize,
    keys: &[&str],
    mut make: impl FnMut(&mut Rng) -> Y,
) -> Y {
    let mut entries: Vec<(String, Y)> = Vec::new();
    for _ in 0..r.below(most + 1) {
        let key = r.pick(keys);
        if !entries.iter().any(|(known, _)| known == key) {
            entries.push((key.to_owned(), make(r)));
        }
    }
    styled(r, Y::Map(entries))
}

/// A map, or a list of `KEY=value`.
pub(crate) fn pairs(r: &mut Rng, keys: &[&str]) -> Y {
    if r.chance(50) {
        let node = keyed(r, 4, keys, |r| match r.below(10) {
            0 => raw("null"),
            1 => raw("''"),
            _ => any(r),
        });
        return if r.anchors && r.chance(40) { merged(r, node) } else { node };
    }
    if r.anchors && r.chance(15) {
        return raw(r.pick(&["*list", "*env"]));
    }
    let list = some(r, 4, |r| {
        let key = r.pick(keys);
        let item = match r.below(8) {
            0 | 1 => key.to_owned(),
            2 => format!("{key}="),
            3 => format!("{key}={}", template(r, "t")),
            4 => format!("{key}=a=b"),
            _ => format!("{key}={}", odd(r)),
        };
        text(r, &item)
    });
    styled(r, Y::List(distinct(list)))
}

/// A map with the ones of the file's anchors merged in.
fn merged(r: &mut Rng, node: Y) -> Y {
    let (mut entries, flow) = match node {
        Y::Map(entries) => (entries, false),
        Y::Flow(inner) => match *inner {
            Y::Map(entries) => (entries, true),
            other => return other,
        },
        other => return other,
    };
    let at = r.below(entries.len() + 1);
    let from = r.pick(&["*env", "[*env, *more]", "[*more]", "*more", "{A: own}", "[*env, {B: own}]"]);
    entries.insert(at, ("<<".to_owned(), raw(from)));
    if flow { Y::Flow(Box::new(Y::Map(entries))) } else { Y::Map(entries) }
}

/// A word or a list of words.
fn command(r: &mut Rng) -> Y {
    match r.below(8) {
        0 => raw("null"),
        1 => raw("''"),
        2 => raw("[]"),
        3 => texts(r, 3, &["sh", "-c", "echo $$A", "", "a b", "it's"]),
        _ => {
            let line = r.form(&[
                "run", "sh -c 'a b'", "a \"b c\" d", "echo a; b", "a && b", "x > y", "a\\ b", "echo $$HOME",
                "echo `a b`", "a $$(b c) d", "x 2>y", "sh -c \"echo 'q'\"", "  a   b ", "a#b c", "a\tb",
                "✗open \"quote", "✗a (b)",
            ]);
            text(r, line)
        }
    }
}

pub(crate) fn flag(r: &mut Rng) -> Y {
    raw(r.form(&[
        "true", "false", "true", "false", "'true'", "yes", "${U1:-true}", "${U1:-no}", "'on'", "${HOME:+true}",
        "✗${A:+true}", "✗1", "✗maybe", "True", "'NO'",
    ]))
}

fn env_file(r: &mut Rng) -> Y {
    let path = if r.fault(4) { "missing.env" } else { r.pick(&ENV_FILES) };
    if r.chance(50) {
        return name(r, path);
    }
    let mut fields = vec![("path".to_owned(), name(r, path))];
    if r.chance(40) {
        let path = fields.first_mut().unwrap();
        if r.chance(30) {
            path.1 = raw("missing.env");
        }
        fields.push((
            "required".to_owned(),
            if path_is_missing(&fields) { raw("false") } else { flag(r) },
        ));
    }
    if r.chance(30) {
        let format = if r.fault(5) { "odd" } else { r.pick(&["raw", "raw", "raw", "''"]) };
        if format == "raw" && !path_is_missing(&fields) && !r.fault(10) {
            fields[0].1 = name(r, "r.env");
        }
        fields.push(("format".to_owned(), raw(format)));
    }
    let node = Y::Map(fields);
    styled(r, node)
}

fn path_is_missing(fields: &[(String, Y)]) -> bool {
    fields.iter().any(|(_, value)| *value == raw("missing.env"))
}

fn env_files(r: &mut Rng) -> Y {
    if r.chance(30) {
        let path = r.pick(&ENV_FILES);
        return name(r, path);
    }
    let list = some(r, 3, env_file);
    styled(r, Y::List(list))
}

fn build(r: &mut Rng) -> Y {
    let context = [
        ".", "./dir", "../up", "/abs", "https://h/r.git", "git@h:r", "github.com/a/b", "~/c", "", "dir",
    ];
    if r.chance(30) {
        let it = r.pick(&context);
        return name(r, it);
    }
    let keys = [
        "context", "context", "context", "dockerfile", "args", "args", "target", "labels", "cache_from",
        "no_cache", "pull", "additional_contexts", "network", "tags", "shm_size", "extra_hosts", "secrets",
        "ssh", "platforms", "privileged", "dockerfile_inline", "isolation", "ulimits", "entitlements",
        "cache_to", "provenance", "sbom",
    ];
    let mut entries: Vec<(String, Y)> = Vec::new();
    for _ in 0..r.below(5) {
        let key = r.pick(&keys);
        let other = match key {
            "dockerfile" => "dockerfile_inline",
            "dockerfile_inline" => "dockerfile",
            _ => key,
        };
        let known = |key| entries.iter().any(|(known, _)| known == key);
        if known(key) || (known(other) && !r.fault(20)) {
            continue;
        }
        let value = match key {
            "context" => {
                let it = r.pick(&context);
                name(r, it)
            }
            "args" => pairs(r, &KEYS),
            "labels" => pairs(r, &["l1", "l2"]),
            "additional_contexts" => {
                raw(r.form(&[
                    "{c1: ./x, c2: 'https://h'}", "['c1=./y', c3=service:z]", "✗['c1=./y', c3=service:a]",
                    "{c4: 'docker-image://x', c5: /abs}", "[]",
                ]))
            }
            "no_cache" | "pull" | "privileged" => flag(r),
            "cache_from" | "cache_to" | "tags" | "entitlements" => {
                texts(r, 2, &["img:1", "img:2", "x"])
            }
            "platforms" => texts(r, 2, &["linux/amd64", "linux/arm64"]),
            "shm_size" => raw(r.form(&["64m", "1000", "'1g'", "✗1.5k"])),
            "extra_hosts" => hosts(r),
            "secrets" => raw(r.pick(&["[s1]", "[{source: s1, target: t}]", "[]"])),
            "ssh" => raw(r.form(&["[default]", "✗['k=./key']", "✗{k: /key}", "✗default", "{}", "[]"])),
            "ulimits" => raw("{nofile: 10, nproc: {soft: 1, hard: 2}}"),
            "provenance" | "sbom" => raw(r.pick(&["true", "'mode=max'"])),
            "dockerfile_inline" => raw("FROM x\nRUN y"),
            "dockerfile" => name(r, "Dockerfile.dev"),
            _ => text(r, "word"),
        };
        entries.push((key.to_owned(), value));
    }
    let node = Y::Map(entries);
    styled(r, node)
}

/// The services that one may wait for without a circle: those that come later.
fn later(r: &mut Rng, spot: &Spot<'_>) -> Vec<&'static str> {
    if r.fault(4) {
        return vec!["a", "b", "web", "db.1", "nope"];
    }
    let at = SERVICES.iter().position(|name| *name == spot.name);
    let mut names = SERVICES[at.map_or(1, |at| at + 1)..].to_vec();
    names.push(STUB);
    names
}

fn depends(r: &mut Rng, spot: &Spot<'_>) -> Y {
    let others = later(r, spot);
    if r.chance(50) {
        return names(r, 2, &others);
    }
    keyed(r, 2, &others, |r| {
        let condition =
            r.pick(&["service_started", "service_healthy", "service_completed_successfully"]);
        let mut fields = vec![("condition".to_owned(), name(r, condition))];
        if r.chance(20) {
            fields.push(("restart".to_owned(), flag(r)));
        }
        if r.chance(30) {
            fields.push(("required".to_owned(), raw(r.pick(&["true", "false"]))));
        }
        Y::Map(fields)
    })
}

fn healthcheck(r: &mut Rng) -> Y {
    let keys = [
        "test", "test", "interval", "timeout", "retries", "start_period", "start_interval", "disable",
    ];
    let mut entries: Vec<(String, Y)> = Vec::new();
    for _ in 0..r.below(5) {
        let key = r.pick(&keys);
        if entries.iter().any(|(known, _)| known == key) {
            continue;
        }
        let value = match key {
            "test" => match r.below(8) {
                0 => raw("[]"),
                1 => raw("''"),
                2 => raw("NONE"),
                3 => raw("[NONE]"),
                4 => raw("[CMD, a, 'b c']"),
                5 => raw("[CMD-SHELL, 'a || b']"),
                6 => raw(r.form(&["✗[a, b]", "[CMD]", "✗['CMD ', x]", "✗[cmd, x]"])),
                _ => text(r, "curl -f http://x || exit 1"),
            },
            "retries" => {
                raw(r.form(&["3", "'3'", "${U1:-5}", "0", "1.0", "1e1", "✗-1", "✗3.7", "✗'x'"]))
            }
            "disable" => flag(r),
            _ => {
                let it = r.form(&[
                    "5s", "90s", "1m30s", "1h", "500ms", "0s", "1.5s", "1d", "2w", "100us", "${U1:-7s}",
                    "1h1m1.001s", "-5s", "'0'", "✗'5'", "✗5x", "✗''", "✗'1.s'", "'.5s'", "✗'1m 30s'",
                    "✗9999999h", "✗1y", "✗1M", "1d12h",
                ]);
                raw(it)
            }
        };
        entries.push((key.to_owned(), value));
    }
    let node = Y::Map(entries);
    styled(r, node)
}

fn networks(r: &mut Rng) -> Y {
    if r.chance(50) {
        return names(r, 2, &["front", "back", "default"]);
    }
    keyed(r, 2, &["front", "back", "default"], |r| {
        raw(r.pick(&[
            "null", "", "{aliases: [x, y]}", "{ipv4_address: 10.0.0.1}", "{priority: 5}", "{}",
            "{aliases: [x], mac_address: a}", "{driver_opts: {a: b}, gw_priority: 1}",
            "{link_local_ips: [1.1.1.1]}", "{interface_name: eth0}",
        ]))
    })
}

fn references(r: &mut Rng, name: &str) -> Y {
    let name = if r.fault(3) { "nope" } else { name };
    raw(match r.below(6) {
        0 => format!("[{{source: {name}, target: t, mode: 0440}}]"),
        1 => format!("[{{source: {name}, uid: '1', gid: '2'}}]"),
        2 => format!("[{{source: {name}}}, {name}]"),
        3 => format!("[{{source: {name}, target: /run/secrets/{name}}}, {name}]"),
        4 => "[]".to_owned(),
        _ => format!("[{name}]"),
    })
}

/// A value of a service's field.
pub(crate) fn value(r: &mut Rng, key: &str, spot: &Spot<'_>) -> Y {
    match key {
        "image" => {
            let it = r.pick(&[
                "x", "ghcr.io/get-convex/convex-backend:latest", "img:${TAG:-1}", "x@sha256:abc",
            ]);
            name(r, it)
        }
        "build" => build(r),
        "command" | "entrypoint" => command(r),
        "environment" => pairs(r, &KEYS),
        "env_file" => env_files(r),
        "volumes" => {
            let list = some(r, 3, mount);
            styled(r, Y::List(list))
        }
        "ports" => {
            let list = some(r, 2, port);
            styled(r, Y::List(list))
        }
        "profiles" => names(r, 2, &["p1", "p2", "p3"]),
        "depends_on" => depends(r, spot),
        "healthcheck" => healthcheck(r),
        "labels" => pairs(r, &["l1", "l2", "l.3"]),
        "networks" => networks(r),
        "deploy" => deploy(r),
        "secrets" => references(r, "s1"),
        "configs" => references(r, "c1"),
        "container_name" => {
            let own = format!("{}-c", spot.name);
            if r.fault(10) { raw(r.pick(&["_x", "a", "a b", "''", "c1"])) } else { name(r, &own) }
        }
        other => fixed(r, other),
    }
}
