//! The fields of a service, each in all its forms.

use crate::rare::{deploy, fixed, hosts};
use crate::rng::Rng;
use crate::words::{any, filled, odd, scalar, template, text};
use crate::yaml::{Y, map, raw};

/// The services that files talk about.
pub(crate) const SERVICES: [&str; 4] = ["a", "b", "web", "db.1"];
/// The keys of variables in `environment`.
const KEYS: [&str; 8] = ["A", "B", "C", "EMPTY", "TAG", "U1", "LOG", "k.l"];
/// `env_file`s that are there, and one that is not.
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
        return keyed(r, 4, keys, |r| match r.below(10) {
            0 => raw("null"),
            1 => raw("''"),
            _ => any(r),
        });
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
    let word = r.pick(&[
        "true", "false", "true", "false", "'true'", "yes", "${U1:-true}", "${U1:-no}", "'on'", "${A:+true}",
        "1", "maybe",
    ]);
    raw(word)
}

fn mount(r: &mut Rng) -> Y {
    let target = r.pick(&["/data", "/convex/data", "/x/", "/data/.", "/y"]);
    if r.chance(60) {
        let source = r.form(&[
            "data", "data", "logs", "ext", "./rel", "../up", "/abs", "~/home", ".", "./a/../b", "d:/win",
            "✗data.x", "~",
        ]);
        let options =
            r.pick(&["ro", "rw", "z", "nocopy", "ro,Z", "cached", "rshared", "ro,nocopy,x"]);
        let spec = match r.below(10) {
            0 => target.to_owned(),
            1 | 2 => format!("{source}:{target}:{options}"),
            3 => r
                .pick(&[
                    "a", "/", "data:", "d:/x", "x:/y:z:w", ":/x", "a::/b", "/v:/w", "/a b:/c",
                    "nope:/n",
                ])
                .to_owned(),
            _ => format!("{source}:{target}"),
        };
        return text(r, &spec);
    }
    let kind = r.pick(&["volume", "volume", "bind", "bind", "tmpfs", "image", "npipe"]);
    let mut fields = vec![("type".to_owned(), text(r, kind))];
    if kind != "tmpfs" && !r.fault(3) {
        let source = if kind == "volume" {
            r.pick(&["data", "logs", "ext", "data"])
        } else {
            r.pick(&["./rel", "/abs", "~/h", "..", "plain", "/abs/"])
        };
        fields.push(("source".to_owned(), text(r, source)));
    }
    if !r.fault(1) {
        fields.push(("target".to_owned(), text(r, target)));
    }
    if r.chance(30) {
        fields.push(("read_only".to_owned(), flag(r)));
    }
    if r.chance(10) {
        fields.push(("consistency".to_owned(), text(r, "cached")));
    }
    if r.chance(35) {
        let options = match kind {
            "bind" => {
                keyed(r, 3, &["create_host_path", "propagation", "selinux", "recursive"], |_| {
                    raw("@")
                })
            }
            "volume" => keyed(r, 3, &["nocopy", "subpath", "labels"], |_| raw("@")),
            "tmpfs" => keyed(r, 2, &["size", "mode"], |_| raw("@")),
            _ => keyed(r, 1, &["subpath"], |_| raw("@")),
        };
        let options = options_of(r, options);
        let section = if kind == "npipe" { "bind" } else { kind };
        fields.push((section.to_owned(), options));
    }
    let node = Y::Map(fields);
    styled(r, node)
}

/// The values of a mount's options.
fn options_of(r: &mut Rng, node: Y) -> Y {
    let (entries, flow) = match node {
        Y::Map(entries) => (entries, false),
        Y::Flow(inner) => match *inner {
            Y::Map(entries) => (entries, true),
            other => return other,
        },
        other => return other,
    };
    let entries = entries
        .into_iter()
        .map(|(key, _)| {
            let value = match key.as_str() {
                "create_host_path" | "nocopy" => flag(r),
                "propagation" => text(r, "rslave"),
                "selinux" => raw(r.pick(&["z", "Z"])),
                "recursive" => raw(r.pick(&["enabled", "readonly"])),
                "labels" => pairs(r, &["l1", "l2"]),
                "size" => {
                    raw(r.pick(&["10m", "1000", "1gb", "'64k'", "1.5m", "${U1:-5m}", "10mib"]))
                }
                "mode" => raw(r.pick(&["0755", "755", "'0755'", "1777", "${U1:-0700}"])),
                _ => text(r, "sub/p"),
            };
            (key, value)
        })
        .collect();
    if flow { Y::Flow(Box::new(Y::Map(entries))) } else { Y::Map(entries) }
}

fn port(r: &mut Rng) -> Y {
    if r.chance(70) {
        let spec = r.form(&[
            "80", "3210:3210", "3210:3210", "8080:80/udp", "127.0.0.1:84:85", "90-91:92-93", "7000-7003:3210",
            "[::1]:86:87", "127.0.0.1::88", "94-95", "0.0.0.0:1:2", "3211:3210", "53:53/tcp", "53:53/udp",
            "22:22/TCP", "${U1:-99}:80", "${A:-1}:80", "✗80:80-81", "✗70000:1", "✗a:b", "✗1:2/xyz",
            "✗::1:80:80", ":80", "✗80:", "0:80", "80-80:80", "✗1.2.3:1:2", "08:80", "✗80/tcp/udp", "✗", "80/",
            "✗1:2:3:4:5", "✗+80:80", "✗localhost:80:80", "✗5-3:80", "✗80:5-3",
        ]);
        if spec.bytes().all(|byte| byte.is_ascii_digit()) && !spec.is_empty() && r.chance(60) {
            return raw(spec);
        }
        let spec = filled(r, spec);
        return if spec.contains("::") || spec.contains('[') || spec.ends_with(':') || r.chance(70) {
            raw(format!("'{spec}'"))
        } else {
            scalar(r, &spec)
        };
    }
    let mut fields = Vec::new();
    let mut put = |key: &str, value: Y| fields.push((key.to_owned(), value));
    if r.chance(95) {
        let target = raw(r.form(&[
            "80", "'80'", "3210", "${U1:-3210}", "'3210'", "✗x", "✗99999", "✗'90-91'",
        ]));
        put("target", if r.chance(85) { raw("3210") } else { target });
    }
    if r.chance(70) {
        put(
            "published",
            raw(r.form(&["80", "'80'", "'3210'", "3210", "'80-90'", "${U1:-81}", "0", "''", "✗x"])),
        );
    }
    if r.chance(30) {
        let ip = r.form(&["127.0.0.1", "::1", "''", "0.0.0.0", "✗notip"]);
        put("host_ip", raw(format!("\"{}\"", ip.trim_matches('\''))));
    }
    if r.chance(30) {
        put("protocol", raw(r.form(&["tcp", "udp", "TCP", "✗xyz", "''"])));
    }
    if r.chance(20) {
        put("mode", raw(r.pick(&["host", "ingress", "odd", "''"])));
    }
    if r.chance(10) {
        put("name", text(r, "main"));
    }
    if r.chance(10) {
        put("app_protocol", text(r, "http"));
    }
    let node = Y::Map(fields);
    styled(r, node)
}

fn env_file(r: &mut Rng) -> Y {
    let path = if r.fault(4) { "missing.env" } else { r.pick(&ENV_FILES) };
    if r.chance(50) {
        return text(r, path);
    }
    let mut fields = vec![("path".to_owned(), text(r, path))];
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
        let format = if r.fault(5) { "odd" } else { "raw" };
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
        return text(r, path);
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
        return text(r, it);
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
        if entries.iter().any(|(known, _)| known == key) {
            continue;
        }
        let value = match key {
            "context" => {
                let it = r.pick(&context);
                text(r, it)
            }
            "args" => pairs(r, &KEYS),
            "labels" => pairs(r, &["l1", "l2"]),
            "additional_contexts" => {
                if r.chance(50) {
                    raw("{c1: ./x, c2: 'https://h'}")
                } else {
                    raw("['c1=./y', c3=service:a]")
                }
            }
            "no_cache" | "pull" | "privileged" => flag(r),
            "cache_from" | "cache_to" | "tags" | "entitlements" => {
                texts(r, 2, &["img:1", "img:2", "x"])
            }
            "platforms" => texts(r, 2, &["linux/amd64", "linux/arm64"]),
            "shm_size" => raw(r.form(&["64m", "1000", "'1g'", "✗1.5k"])),
            "extra_hosts" => hosts(r),
            "secrets" => raw(r.pick(&["[s1]", "[{source: s1, target: t}]", "[]"])),
            "ssh" => raw(r.form(&["[default]", "['k=./key']", "{k: /key}", "✗default"])),
            "ulimits" => raw("{nofile: 10, nproc: {soft: 1, hard: 2}}"),
            "provenance" | "sbom" => raw(r.pick(&["true", "'mode=max'"])),
            "dockerfile_inline" => raw("FROM x\nRUN y"),
            "dockerfile" => text(r, "Dockerfile.dev"),
            _ => text(r, "word"),
        };
        entries.push((key.to_owned(), value));
    }
    let node = Y::Map(entries);
    styled(r, node)
}

fn depends(r: &mut Rng) -> Y {
    if r.chance(50) {
        return texts(r, 2, &["b", "web", "db.1"]);
    }
    keyed(r, 2, &["b", "web", "db.1"], |r| {
        let condition =
            r.pick(&["service_started", "service_healthy", "service_completed_successfully"]);
        let mut fields = vec![("condition".to_owned(), text(r, condition))];
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
        return texts(r, 2, &["front", "back", "default"]);
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

/// Keys with the odds of each.
const FIELDS: [(&str, usize); 70] = [
    ("image", 30), ("build", 12), ("command", 10), ("entrypoint", 8), ("environment", 40), ("env_file", 20),
    ("volumes", 30), ("ports", 25), ("profiles", 8), ("depends_on", 14), ("healthcheck", 14), ("labels", 12),
    ("networks", 8), ("deploy", 6), ("secrets", 5), ("configs", 5), ("network_mode", 5), ("tmpfs", 5),
    ("restart", 5), ("container_name", 5), ("logging", 2), ("ulimits", 1), ("dns", 2), ("extra_hosts", 2),
    ("sysctls", 1), ("cap_add", 1), ("expose", 2), ("links", 2), ("volumes_from", 2), ("init", 1),
    ("privileged", 1), ("read_only", 1), ("tty", 1), ("stdin_open", 1), ("oom_kill_disable", 1), ("user", 2),
    ("stop_grace_period", 1), ("mem_limit", 1), ("memswap_limit", 1), ("mem_swappiness", 1), ("cpus", 1),
    ("cpu_shares", 1), ("shm_size", 1), ("pids_limit", 1), ("devices", 1), ("gpus", 2), ("blkio_config", 2),
    ("develop", 2), ("models", 2), ("provider", 2), ("label_file", 4), ("annotations", 2), ("hostname", 1),
    ("platform", 1), ("pull_policy", 1), ("ipc", 1), ("pid", 1), ("uts", 1), ("cgroup", 1), ("scale", 1),
    ("attach", 1), ("working_dir", 1), ("post_start", 1), ("security_opt", 1), ("credential_spec", 1),
    ("storage_opt", 1), ("userns_mode", 1), ("group_add", 1), ("use_api_socket", 1), ("mac_address", 1),
];

fn field(r: &mut Rng) -> &'static str {
    let all: usize = FIELDS.iter().map(|(_, odds)| odds).sum();
    let mut at = r.below(all);
    for (key, odds) in FIELDS {
        if at < odds {
            return key;
        }
        at -= odds;
    }
    "image"
}

fn value(r: &mut Rng, key: &str) -> Y {
    match key {
        "image" => {
            let it = r.pick(&[
                "x", "ghcr.io/get-convex/convex-backend:latest", "img:${TAG:-1}", "x@sha256:abc",
            ]);
            text(r, it)
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
        "profiles" => texts(r, 2, &["p1", "p2", "p3"]),
        "depends_on" => depends(r),
        "healthcheck" => healthcheck(r),
        "labels" => pairs(r, &["l1", "l2", "l.3"]),
        "networks" => networks(r),
        "deploy" => deploy(r),
        "secrets" => references(r, "s1"),
        "configs" => references(r, "c1"),
        other => fixed(r, other),
    }
}

/// A service of a file: of the first one whole, of an override only what it changes.
pub(crate) fn service(r: &mut Rng, whole: bool) -> Y {
    let mut entries: Vec<(String, Y)> = Vec::new();
    if whole && !r.fault(1) {
        entries.push(("image".to_owned(), value(r, "image")));
    }
    for _ in 0..r.below(6) {
        let key = field(r);
        if entries.iter().any(|(known, _)| known == key) {
            continue;
        }
        let mut node = value(r, key);
        if !whole && r.chance(12) {
            let tag = r.pick(&["!reset", "!override", "!reset", "!override"]);
            if tag == "!reset" && r.chance(60) {
                node = raw(r.pick(&["null", "[]", "{}", "''"]));
            }
            node = Y::Tagged(tag.to_owned(), Box::new(node));
        } else if r.chance(3) {
            node = raw(r.form(&["✗null", "✗", "[]", "{}", "✗''"]));
        }
        entries.push((key.to_owned(), node));
    }
    if r.chance(2) {
        entries.push(("x-note".to_owned(), any(r)));
    }
    let node = Y::Map(entries);
    if r.chance(10) { Y::Flow(Box::new(node)) } else { node }
}

/// `extends`, of a service of this file or of another.
pub(crate) fn extends(r: &mut Rng, files: &[&str]) -> Y {
    let service = if r.fault(2) { "nope" } else { r.pick(&SERVICES) };
    if files.is_empty() || r.chance(40) {
        return if r.chance(50) { text(r, service) } else { map([("service", text(r, service))]) };
    }
    let file = if r.fault(3) { "missing.yaml" } else { r.pick(files) };
    let node = map([("file", text(r, file)), ("service", text(r, service))]);
    styled(r, node)
}
