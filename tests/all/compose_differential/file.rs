//! What stands in a compose file at the top.

use std::collections::BTreeMap;

use super::forms::{keyed, styled};
use super::rng::Rng;
use super::service::{SERVICES, STUB, Spot, extends, service};
use super::words::{name, scalar};
use super::yaml::{Y, map, raw};

/// Which fields the services of the earlier files have.
pub(crate) type Known = BTreeMap<String, Vec<String>>;

fn volume(r: &mut Rng, external: bool) -> Y {
    if external {
        return raw(r.form(&[
            "{external: true}", "{external: true, name: o}", "{external: {name: old}}", "{external: {}}",
            "{external: '${U1:-true}'}", "{external: true, x-a: 1}", "✗{external: true, driver: x}",
            "✗{external: {name: old}, name: new}", "✗{external: true, labels: {a: b}}", "✗[]", "{external: 'yes'}",
            "{external: true, name: '${U1:-named}'}", "{external: true, name: ''}",
        ]));
    }
    raw(r.form(&[
        "", "null", "{}", "{name: other}", "{name: '${U1:-named}'}", "{driver: local}",
        "{driver: nfs, driver_opts: {a: b, n: 1}}", "{external: false}",
        "{driver: local, driver_opts: {type: none, o: bind, device: ./d}}", "{labels: {a: b}}",
        "{labels: [a=b, c]}", "{driver_opts: {o: bind, device: ./d}}", "{name: ''}", "✗{foo: 1}",
        "{labels: {a: 1, b: null, c: true}}", "✗[]", "{driver_opts: {a: 1.50, b: 0123}}", "{x-a: 1}",
        "{driver: ''}", "✗{labels: {}}", "✗{driver_opts: {a: null}}", "✗{labels: []}",
    ]))
}

/// What an override has to say of a volume.
fn volume_over(r: &mut Rng, external: bool) -> Y {
    if !external {
        return volume(r, false);
    }
    raw(r.form(&["", "{}", "{external: true}", "{x-a: 1}", "{name: over}", "✗{driver: local}"]))
}

fn network(r: &mut Rng) -> Y {
    raw(r.form(&[
        "", "null", "{}", "{external: true}", "{driver: bridge}", "{ipam: {config: [{subnet: 10.0.0.0/8}]}}",
        "{internal: true}", "✗{ipam: {driver: x, config: [{foo: 1}]}}", "✗{ipam: {config: [{subnet: 3}]}}",
        "{ipam: {options: {a: b}}}", "✗{ipam: {foo: 1}}",
        "{ipam: {config: [{aux_addresses: {a: b}, gateway: x, ip_range: y}]}}", "✗{ipam: {config: {}}}",
        "{name: n}", "{attachable: true}", "{driver_opts: {a: 1}}", "{labels: [a=b]}",
        "{external: {name: old}}", "✗{external: true, driver: x}", "{enable_ipv6: true}",
        "{ipam: {config: []}}", "✗{ipam: {options: {a: 1}}}", "✗{internal: 'x'}", "✗{ipam: {config: [null]}}",
        "✗{ipam: null}",
    ]))
}

fn secret(r: &mut Rng) -> Y {
    raw(r.form(&[
        "{file: ./s.txt}", "{environment: A}", "{external: true}", "✗{}", "✗{file: ~/s, environment: B}",
        "✗{external: true, file: x}", "✗{driver: x}", "✗{file: ''}", "{file: ~/s}", "{file: /abs, name: n}",
    ]))
}

fn config(r: &mut Rng) -> Y {
    raw(r.form(&[
        "{content: x}", "{file: ./c.txt}", "{content: 'a ${A}'}", "{environment: A}", "{external: true, name: o}",
        "✗{content: x, file: y}",
    ]))
}

/// A compose file: the first one, an override, or one that others extend from (`level` 1) or
/// include (2 and 3).
pub(crate) fn file(r: &mut Rng, whole: bool, level: usize, known: &mut Known) -> Y {
    let mut top: Vec<(String, Y)> = Vec::new();
    if r.chance(8) {
        top.push(("version".to_owned(), raw(r.form(&["'3'", "\"3.8\"", "✗3", "''"]))));
    }
    if r.chance(15) {
        let word = r.form(&[
            "named", "Named.X", "${U1:-dflt}", "✗${A}", "✗_", "a b", "✗null", "✗0123", "x-${U1}", "✗",
        ]);
        top.push(("name".to_owned(), if r.chance(80) { name(r, word) } else { raw(word) }));
    }
    r.anchors = r.chance(15);
    if r.anchors {
        let env = r.pick(&["{A: 1, B: x, U1: null}", "{A: '', k.l: 0x1F}", "{A: '${TAG:-d}'}"]);
        let list = r.pick(&["[A=1, B]", "['k.l=${A-x}']", "[]"]);
        top.push(("x-env".to_owned(), raw(format!("&env {env}"))));
        top.push(("x-more".to_owned(), raw("&more {<<: *env, B: more, C: 1.50}")));
        top.push(("x-list".to_owned(), raw(format!("&list {list}"))));
    }
    let shared = r.chance(12);
    if shared {
        // Of the first service no one minds what it has.
        let spot = Spot { name: "", whole: false, level, known: &[] };
        let node = service(r, &spot);
        top.push((
            "x-common".to_owned(),
            Y::Tagged("&common".to_owned(), Box::new(untagged(node))),
        ));
    }
    if level != 1 && level < 3 && r.chance(if level == 0 { 12 } else { 4 }) {
        top.push(("include".to_owned(), include(r, level)));
    }
    let services = services(r, whole, level, shared, known);
    if !services.is_empty() || r.chance(10) {
        top.push(("services".to_owned(), Y::Map(services)));
    }
    resources(r, whole, level, &mut top);
    if r.chance(3) {
        top.push(("x-any".to_owned(), scalar(r, "1_000")));
    }
    if top.is_empty() {
        top.push(("services".to_owned(), raw(r.form(&["{}", "✗null", "✗"]))));
    }
    if r.chance(10) && !shared && !r.anchors {
        // Not before the anchors that it may need.
        let last = top.len() - 1;
        let at = r.below(top.len());
        top.swap(at, last);
    }
    Y::Map(top)
}

fn services(
    r: &mut Rng,
    whole: bool,
    level: usize,
    shared: bool,
    known: &mut Known,
) -> Vec<(String, Y)> {
    let mut services: Vec<(String, Y)> = Vec::new();
    // Those that others extend: they are to extend nothing themselves, and not to wait for who
    // extends them.
    let mut plain: Vec<&str> = Vec::new();
    let wanted = if whole { 1 + r.below(3) } else { r.below(4) };
    for _ in 0..wanted {
        let own = match level {
            0 => r.pick(&SERVICES),
            1 => r.pick(&["a", "b", "web"]),
            2 if services.is_empty() => "inc1",
            2 => "inc2",
            _ => "inc3",
        };
        let own = if level > 1 && r.fault(3) { "b" } else { own };
        if services.iter().any(|(known, _)| known == own) {
            continue;
        }
        let fields = known.get(own).cloned().unwrap_or_default();
        let spot = Spot { name: own, whole, level, known: &fields };
        let mut node = service(r, &spot);
        if let Y::Map(entries) = &mut node {
            let added = entries.iter().map(|(key, _)| key.clone());
            known.entry(own.to_owned()).or_default().extend(added);
            if r.chance(if level == 0 { 15 } else { 5 }) && !plain.contains(&own) {
                let files: &[&str] = match level {
                    0 => &["base.yaml", "sub/base.yaml", "./inc/compose.yaml", "base.yaml"],
                    _ => &[],
                };
                // Later services that are not made yet stay as they are.
                let at = SERVICES.iter().position(|name| *name == own).unwrap_or(SERVICES.len());
                let mut here: Vec<&str> = Vec::new();
                if whole && level < 2 {
                    here = SERVICES.iter().skip(at + 1).copied().filter(|name| *name != "db.1").collect();
                    here.push(STUB);
                    here.retain(|name| !services.iter().any(|(known, _)| known == name));
                }
                if let Some(node) = extends(r, own, &here, files) {
                    plain.extend(here);
                    entries.push(("extends".to_owned(), node));
                }
            }
            if shared && r.chance(60) {
                let merged = r.pick(&["*common", "[*common]", "*common"]);
                entries.insert(0, ("<<".to_owned(), raw(merged)));
            }
        }
        if !whole && r.chance(3) {
            node = Y::Tagged("!override".to_owned(), Box::new(with_image(untagged(node))));
        } else if !whole && r.fault(4) {
            node = Y::Tagged(r.pick(&["!reset", "!override"]).to_owned(), Box::new(node));
        }
        services.push((own.to_owned(), node));
    }
    // What services refer to is there.
    if whole && level < 2 && !r.fault(2) {
        for name in SERVICES {
            if !services.iter().any(|(known, _)| known == name) {
                services.push((name.to_owned(), map([("image", raw("x"))])));
            }
        }
        services.push((STUB.to_owned(), raw("{image: x, build: .}")));
        if level == 0 {
            services.push(("spare".to_owned(), raw("{image: spare, ports: [80]}")));
        }
    }
    if !whole && level == 0 && r.chance(6) {
        let node = r.pick(&["!reset null", "!reset {image: x}", "!override {image: other}", "{scale: 2}"]);
        services.push(("spare".to_owned(), raw(node)));
    }
    services
}

/// What replaces a service has to have an image itself.
fn with_image(node: Y) -> Y {
    match node {
        Y::Map(mut entries) => {
            if !entries.iter().any(|(key, _)| key == "image") {
                entries.push(("image".to_owned(), raw("x")));
            }
            Y::Map(entries)
        }
        Y::Flow(inner) => Y::Flow(Box::new(with_image(*inner))),
        other => other,
    }
}

/// Volumes, networks and all else that services refer to.
fn resources(r: &mut Rng, whole: bool, level: usize, top: &mut Vec<(String, Y)>) {
    let external = r.external;
    let mut put = |key: &str, node: Y| top.push((key.to_owned(), node));
    if level == 0 && whole {
        let mut volumes = map([
            ("data", volume(r, external)), ("logs", raw("{}")), ("ext", raw("{external: true}")),
            ("unused", volume(r, external)),
        ]);
        if r.fault(3) {
            volumes = keyed(r, 3, &["data", "logs", "ext"], |r| volume(r, false));
        }
        put("volumes", volumes);
        put("networks", map([("front", network(r)), ("back", raw("{}"))]));
        put("secrets", map([("s1", secret(r))]));
        put("configs", map([("c1", config(r))]));
        let model = r.form(&[
            "{model: x}", "✗{}", "{model: x, context_size: 5, runtime_flags: [a]}", "✗{foo: 1}", "✗null",
            "✗{model: 3}",
        ]);
        put("models", map([("m1", raw(model))]));
    } else if level == 0 {
        if r.chance(40) {
            put("volumes", keyed(r, 2, &["data", "unused"], |r| volume_over(r, external)));
        }
        if r.chance(20) {
            put("networks", keyed(r, 2, &["front", "default"], network));
        }
        if r.chance(4) {
            put("secrets", map([("s1", raw(r.form(&["{x-a: 1}", "{name: s}", "{}", "✗{environment: C}"])))]));
            put("configs", map([("c1", raw(r.form(&["{x-a: 1}", "{name: c}", "{}", "✗{content: over}"])))]));
        }
    } else if level > 1 && r.chance(40) {
        // The same twice is no conflict, all else is.
        put("volumes", map([("logs", raw("{}"))]));
        put("networks", map([("back", raw("{}")), ("inner", network(r))]));
        if r.fault(10) {
            put("secrets", map([("s1", secret(r))]));
        }
    } else if level > 1 && r.fault(5) {
        put("volumes", keyed(r, 2, &["data", "logs"], |r| volume(r, false)));
    }
}

fn untagged(node: Y) -> Y {
    match node {
        Y::Tagged(_, inner) => untagged(*inner),
        Y::Map(entries) => {
            Y::Map(entries.into_iter().map(|(key, value)| (key, untagged(value))).collect())
        }
        other => other,
    }
}

fn include(r: &mut Rng, level: usize) -> Y {
    let (file, more) =
        if level == 0 { ("inc/compose.yaml", "inc/more.yaml") } else { ("more.yaml", "./more.yaml") };
    let file = if r.fault(4) { "missing.yaml" } else { file };
    let item = match r.below(6) {
        0 => map([("path", name(r, file))]),
        1 => map([
            ("path", raw(if level == 0 { format!("[{file}, {more}]") } else { format!("[{file}]") })),
            (
                "env_file",
                raw(r.form(&["a.env", "[a.env, b.env]", "[]", "/dev/null", "✗missing.env", "✗''"])),
            ),
        ]),
        2 => map([
            ("path", name(r, file)),
            ("project_directory", raw(r.pick(&[".", "sub", "inc", "''"]))),
        ]),
        3 => map([
            ("path", raw(format!("[{file}]"))),
            ("env_file", name(r, "b.env")),
            ("project_directory", raw(".")),
        ]),
        _ => name(r, file),
    };
    let list = Y::List(vec![item]);
    styled(r, list)
}
