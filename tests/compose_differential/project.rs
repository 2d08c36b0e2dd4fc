//! A project: which files there are, what is in them at the top, how Compose is called.

use std::collections::BTreeMap;

use crate::case::{Case, Text};
use crate::faults;
use crate::rng::Rng;
use crate::service::{SERVICES, extends, keyed, service, some, styled};
use crate::words::{SET, dotenv, scalar, text};
use crate::yaml::{Y, map, raw};

/// Makes a project.
pub(crate) fn project(mut r: Rng) -> Case {
    let r = &mut r;
    let cwd = r.pick(&["app", "app", "app", "My.App_1", "_x-Y", "app/deep"]);
    let mut case = Case {
        cwd: cwd.to_owned(),
        args: Vec::new(),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
    };
    let home = if cwd == "app/deep" && r.chance(50) { "app" } else { cwd };
    let names = compose_files(r, &mut case, home);
    for (index, name) in names.iter().enumerate() {
        let mut documents = vec![file(r, index == 0, 0)];
        if r.chance(3) {
            documents.push(file(r, false, 0));
        }
        case.files.insert(name.clone(), Text::Yaml(documents));
    }
    surroundings(r, &mut case, home);
    if r.fault(18) {
        faults::inject(r, &mut case);
    }
    case
}

/// How the compose files are found: their paths, the first one first.
fn compose_files(r: &mut Rng, case: &mut Case, home: &str) -> Vec<String> {
    let at = |name: &str| format!("{home}/{name}");
    let found = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
    let over = [
        "compose.override.yml", "compose.override.yaml", "docker-compose.override.yml",
        "docker-compose.override.yaml",
    ];
    let mut names = Vec::new();
    match r.below(10) {
        0..5 => {
            names.push(at(r.pick(&found)));
            if r.chance(55) {
                names.push(at(r.pick(&over)));
            }
        }
        5 => {
            names.push(at(r.pick(&found)));
            names.extend(some(r, 2, |r| at(r.pick(&found))));
            names.extend(some(r, 2, |r| at(r.pick(&over))));
        }
        6 | 7 => {
            for name in ["one.yaml", "two.yml", "sub/three.yaml"].iter().take(1 + r.below(3)) {
                let path = if r.chance(50) { (*name).to_owned() } else { format!("./{name}") };
                case.args.push(("--file".to_owned(), path));
                names.push(format!("{}/{name}", case.cwd));
            }
        }
        8 => {
            let separator = r.pick(&[":", ":", ",", ";", ""]);
            let list = if r.chance(50) { vec!["one.yaml", "two.yml"] } else { vec!["one.yaml"] };
            names.extend(list.iter().map(|name| format!("{}/{name}", case.cwd)));
            let joined = list.join(if separator.is_empty() { ":" } else { separator });
            if separator != ":" {
                case.env.insert("COMPOSE_PATH_SEPARATOR".to_owned(), separator.to_owned());
            }
            case.env.insert("COMPOSE_FILE".to_owned(), joined);
        }
        _ => {
            names.push(at("compose.yaml"));
            names.push(at("over.yaml"));
            let lines = vec!["COMPOSE_FILE=compose.yaml:over.yaml".to_owned()];
            case.files.insert(format!("{}/.env", case.cwd), Text::Lines(lines, true));
        }
    }
    if r.fault(1) {
        names.clear();
    }
    if r.fault(1) {
        case.args.push(("--file".to_owned(), "missing.yaml".to_owned()));
    }
    names
}

/// Environment, options, `.env` and the other files that compose files name.
fn surroundings(r: &mut Rng, case: &mut Case, home: &str) {
    for name in SET {
        if r.chance(25) {
            let value =
                if name == "EMPTY" { "" } else { r.pick(&["shell", "", "1", "$B", "a b", "true"]) };
            case.env.insert(name.to_owned(), value.to_owned());
        }
    }
    if r.chance(6) {
        let name = r.form(&["envname", "✗Bad Name", "", "✗_x", "x-1"]);
        case.env.insert("COMPOSE_PROJECT_NAME".to_owned(), name.to_owned());
    }
    if r.chance(4) {
        let word = r.form(&["1", "true", "0", "✗", "T", "✗yes", "false"]);
        case.env.insert("COMPOSE_DISABLE_ENV_FILE".to_owned(), word.to_owned());
    }
    if r.chance(20) {
        let list = r.pick(&["p1", "p1,p2", "*", "", "none", " p1 , p2", "p1,"]);
        case.env.insert("COMPOSE_PROFILES".to_owned(), list.to_owned());
    }
    if r.chance(15) {
        let profile = r.pick(&["p1", "p2", "*", "none"]);
        case.args.push(("--profile".to_owned(), profile.to_owned()));
    }
    if r.chance(6) {
        let name = r.form(&["flagname", "✗Bad", "", "x_y", "✗-x"]);
        case.args.push(("--project-name".to_owned(), name.to_owned()));
    }
    if r.chance(5) {
        let directory = r.pick(&[".", "sub", "..", "inc"]);
        case.args.push(("--project-directory".to_owned(), directory.to_owned()));
    }
    let mut named = Vec::new();
    match r.below(20) {
        0 => named.extend(["p.env"]),
        1 => named.extend(["p.env", "q.env"]),
        2 => {
            case.env.insert("COMPOSE_ENV_FILES".to_owned(), "p.env,q.env".to_owned());
        }
        3 if r.fault(20) => named.extend(["missing.env"]),
        _ => {}
    }
    for name in named {
        case.args.push(("--env-file".to_owned(), name.to_owned()));
    }
    let names = ["A", "B", "C", "EMPTY", "TAG", "a_b", "LOG", "COMPOSE_PROJECT_NAME"];
    let names = if r.chance(10) { &names[..] } else { &names[..7] };
    let cwd = case.cwd.clone();
    let mut texts = vec![format!("{cwd}/p.env"), format!("{cwd}/q.env")];
    if r.chance(60) {
        texts.push(format!("{home}/.env"));
    }
    if r.chance(10) {
        texts.push(format!("{cwd}/.env"));
    }
    for at in [home, &format!("{home}/inc"), &format!("{home}/sub")] {
        if at == home || r.chance(60) {
            for file in ["a.env", "b.env", "sub/c.env", "c.env", "l.labels", "m.labels"] {
                texts.push(format!("{at}/{file}"));
            }
        }
    }
    if r.chance(50) {
        texts.push(format!("{home}/inc/.env"));
    }
    for path in texts {
        let (mut lines, ended) = dotenv(r, names);
        if let Some(Text::Lines(first, _)) = case.files.get(&path) {
            lines.splice(0..0, first.iter().cloned());
        }
        case.files.insert(path, Text::Lines(lines, ended));
    }
    for (path, level) in
        [("sub/base.yaml", 1), ("inc/compose.yaml", 2), ("inc/more.yaml", 3), ("base.yaml", 1)]
    {
        let document = file(r, true, level);
        case.files.insert(format!("{home}/{path}"), Text::Yaml(vec![document]));
    }
}

fn volume(r: &mut Rng) -> Y {
    raw(r.form(&[
        "", "null", "{}", "{name: other}", "{name: '${U1:-named}'}", "{external: true}",
        "{external: true, name: o}", "{external: {name: old}}", "{driver: local}",
        "{driver: nfs, driver_opts: {a: b, n: 1}}", "{external: false}",
        "{driver: local, driver_opts: {type: none, o: bind, device: ./d}}", "{labels: {a: b}}",
        "{labels: [a=b, c]}", "✗{external: true, driver: x}", "{external: '${U1:-true}'}",
        "{driver_opts: {o: bind, device: ./d}}", "{name: ''}", "{external: {}}",
        "✗{external: {name: old}, name: new}", "✗{foo: 1}", "{labels: {a: 1, b: null, c: true}}", "✗[]",
        "✗{external: true, labels: {a: b}}", "{driver_opts: {a: 1.50, b: 0123}}", "{x-a: 1}", "{driver: ''}",
    ]))
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

/// A compose file: the first one, an override, or one that others extend from (`level` 1) or include
/// (2 and 3).
fn file(r: &mut Rng, whole: bool, level: usize) -> Y {
    let mut top: Vec<(String, Y)> = Vec::new();
    if r.chance(8) {
        top.push(("version".to_owned(), raw(r.form(&["'3'", "\"3.8\"", "✗3", "''"]))));
    }
    if r.chance(15) {
        let name =
            r.form(&["named", "Named.X", "${U1:-dflt}", "${A}", "", "a b", "✗null", "✗0123"]);
        top.push(("name".to_owned(), if r.chance(80) { text(r, name) } else { raw(name) }));
    }
    let shared = r.chance(12);
    if shared {
        let node = service(r, false);
        top.push((
            "x-common".to_owned(),
            Y::Tagged("&common".to_owned(), Box::new(untagged(node))),
        ));
    }
    if level != 1 && level < 3 && r.chance(if level == 0 { 12 } else { 4 }) {
        top.push(("include".to_owned(), include(r, level)));
    }
    let mut services: Vec<(String, Y)> = Vec::new();
    let wanted = if whole { 1 + r.below(3) } else { r.below(3) };
    for _ in 0..wanted {
        let name = match level {
            0 => r.pick(&SERVICES),
            1 => r.pick(&["a", "b", "web", "inc1"]),
            _ => r.pick(&["inc1", "inc2", "inc3", "inc1", "inc2", "inc3", "b"]),
        };
        if services.iter().any(|(known, _)| known == name) {
            continue;
        }
        let mut node = service(r, whole);
        if let Y::Map(entries) = &mut node {
            if r.chance(if level == 0 { 12 } else { 5 }) {
                let files = ["base.yaml", "sub/base.yaml", "./inc/compose.yaml", "base.yaml"];
                entries.push((
                    "extends".to_owned(),
                    extends(r, if level == 0 { &files } else { &[] }),
                ));
            }
            if shared && r.chance(60) {
                let merged = r.pick(&["*common", "[*common]", "*common"]);
                entries.insert(0, ("<<".to_owned(), raw(merged)));
            }
        }
        if !whole && r.chance(4) {
            node = Y::Tagged(r.pick(&["!reset", "!override"]).to_owned(), Box::new(node));
        }
        services.push((name.to_owned(), node));
    }
    // What services refer to is mostly there.
    if whole && level < 2 && !r.fault(2) {
        for name in SERVICES {
            if !services.iter().any(|(known, _)| known == name) {
                services.push((name.to_owned(), map([("image", raw("x"))])));
            }
        }
    }
    if !services.is_empty() || r.chance(10) {
        top.push(("services".to_owned(), Y::Map(services)));
    }
    if level == 0 && whole || r.chance(40) {
        let keys = ["data", "data", "logs", "ext", "data.x"];
        let mut volumes = keyed(r, 3, &keys, volume);
        if whole && r.chance(80) {
            volumes =
                map([("data", volume(r)), ("logs", raw("{}")), ("ext", raw("{external: true}"))]);
        }
        top.push(("volumes".to_owned(), volumes));
    }
    if level == 0 && whole || r.chance(20) {
        let networks = if r.chance(80) {
            map([("front", network(r)), ("back", raw("{}"))])
        } else {
            keyed(r, 2, &["front", "back", "default"], network)
        };
        top.push(("networks".to_owned(), networks));
    }
    if level == 0 && whole || r.chance(4) {
        let secret = r.form(&[
            "{file: ./s.txt}", "{environment: A}", "{external: true}", "{}", "{file: ~/s, environment: B}",
            "{external: true, file: x}", "{driver: x}", "{file: ''}",
        ]);
        let secret = if r.chance(90) { "{file: ./s.txt}" } else { secret };
        top.push(("secrets".to_owned(), map([("s1", raw(secret))])));
        let config = r.form(&[
            "{file: ./c.txt}", "{content: 'a ${A}'}", "{environment: A}", "{external: true, name: o}",
            "✗{content: x, file: y}",
        ]);
        let config = if r.chance(90) { "{content: x}" } else { config };
        top.push(("configs".to_owned(), map([("c1", raw(config))])));
    }
    if r.chance(5) {
        let model = r.form(&[
            "{model: x}", "{}", "{model: x, context_size: 5, runtime_flags: [a]}", "{foo: 1}", "null",
            "{model: 3}",
        ]);
        top.push(("models".to_owned(), map([("m1", raw(model))])));
    }
    if r.chance(3) {
        top.push(("x-any".to_owned(), scalar(r, "1_000")));
    }
    if top.is_empty() {
        top.push(("services".to_owned(), raw(r.form(&["{}", "✗null", "✗"]))));
    }
    if r.chance(10) {
        let last = top.len() - 1;
        let at = r.below(top.len());
        // Not before the anchor that it may need.
        if !shared {
            top.swap(at, last);
        }
    }
    Y::Map(top)
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
    let file = if level == 0 { "inc/compose.yaml" } else { "more.yaml" };
    let file = if r.fault(4) { "missing.yaml" } else { file };
    let item = match r.below(6) {
        0 => map([("path", text(r, file))]),
        1 => map([
            ("path", raw(format!("[{file}, inc/more.yaml]"))),
            (
                "env_file",
                raw(r.form(&["a.env", "[a.env, b.env]", "[]", "/dev/null", "✗missing.env", "✗''"])),
            ),
        ]),
        2 => map([
            ("path", text(r, file)),
            ("project_directory", raw(r.pick(&[".", "sub", "inc", "''"]))),
        ]),
        3 => map([
            ("path", raw(format!("[{file}]"))),
            ("env_file", text(r, "b.env")),
            ("project_directory", raw(".")),
        ]),
        _ => text(r, file),
    };
    let list = Y::List(vec![item]);
    styled(r, list)
}
