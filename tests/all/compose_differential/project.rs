//! A project: which files there are, how Compose is called.

use std::collections::BTreeMap;

use super::case::{Case, Text};
use super::faults;
use super::file::{Known, file};
use super::forms::some;
use super::rng::Rng;
use super::words::{SET, dotenv, raw_env};
use super::yaml::Y;

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
    let Found { names, bases, home, in_env } = compose_files(r, &mut case, home);
    let mut known = Known::new();
    for (index, name) in names.iter().enumerate() {
        let mut documents = vec![file(r, index < bases, 0, &mut known)];
        if r.chance(3) {
            documents.push(file(r, false, 0, &mut known));
        }
        case.files.insert(name.clone(), dressed(r, documents));
    }
    options(r, &mut case, in_env);
    surroundings(r, &mut case, &home);
    if !r.settled && r.chance(if r.wild { 20 } else { 90 }) {
        faults::inject(r, &mut case);
    }
    case
}

/// The compose files.
struct Found {
    /// Their paths.
    names: Vec<String>,
    /// How many of the first ones are no overrides.
    bases: usize,
    /// The project directory.
    home: String,
    /// Whether `.env` names them.
    in_env: bool,
}

/// How the compose files are found.
fn compose_files(r: &mut Rng, case: &mut Case, home: &str) -> Found {
    let at = |name: &str| format!("{home}/{name}");
    let found = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
    let over = [
        "compose.override.yml", "compose.override.yaml", "docker-compose.override.yml",
        "docker-compose.override.yaml",
    ];
    let mut names = Vec::new();
    let mut bases = 1;
    let mut named = true;
    let mut in_env = false;
    match r.below(11) {
        0..5 => {
            names.push(at(r.pick(&found)));
            if r.chance(65) {
                names.push(at(r.pick(&over)));
            }
            named = false;
        }
        5 => {
            names.push(at(r.pick(&found)));
            names.extend(some(r, 2, |r| at(r.pick(&found))));
            bases = names.len();
            names.extend(some(r, 2, |r| at(r.pick(&over))));
            named = false;
        }
        6 | 7 => {
            for name in ["one.yaml", "two.yml", "sub/three.yaml"].iter().take(1 + r.below(3)) {
                let path = if r.chance(50) { (*name).to_owned() } else { format!("./{name}") };
                case.args.push(("--file".to_owned(), path));
                names.push(format!("{}/{name}", case.cwd));
            }
        }
        8 | 9 => {
            let separator = r.pick(&[":", ":", ",", ";", "", "::"]);
            let list = if r.chance(70) { vec!["one.yaml", "two.yml"] } else { vec!["one.yaml"] };
            names.extend(list.iter().map(|name| format!("{}/{name}", case.cwd)));
            let joined = list.join(if separator.is_empty() { ":" } else { separator });
            let mut set = vec![("COMPOSE_FILE", joined)];
            if separator != ":" {
                set.push(("COMPOSE_PATH_SEPARATOR", separator.to_owned()));
            }
            if r.chance(40) {
                in_env = true;
                let lines = set.iter().map(|(name, value)| format!("{name}={value}")).collect();
                case.files.insert(format!("{}/.env", case.cwd), Text::Lines(lines, true));
            } else {
                case.env.extend(set.into_iter().map(|(name, value)| (name.to_owned(), value)));
            }
        }
        _ => {
            names.push(format!("{}/sub/one.yaml", case.cwd));
            names.push(format!("{}/two.yml", case.cwd));
            case.args.push(("--file".to_owned(), "sub/one.yaml".to_owned()));
            case.args.push(("--file".to_owned(), "two.yml".to_owned()));
        }
    }
    let mut home = match names.first() {
        Some(first) if named => first.rsplit_once('/').map(|(directory, _)| directory.to_owned()),
        _ => None,
    }
    .unwrap_or_else(|| home.to_owned());
    if named && !in_env && r.chance(20) || r.fault(3) {
        let (directory, place) = match r.below(4) {
            0 => (".", case.cwd.clone()),
            1 => ("sub", format!("{}/sub", case.cwd)),
            2 => ("./inc/../other", format!("{}/other", case.cwd)),
            _ => ("..", case.cwd.rsplit_once('/').map_or(String::new(), |(up, _)| up.to_owned())),
        };
        if !place.is_empty() || r.fault(50) {
            case.args.push(("--project-directory".to_owned(), directory.to_owned()));
            home = if place.is_empty() { "..".to_owned() } else { place };
        }
    }
    if r.fault(1) {
        names.clear();
    }
    if r.fault(1) {
        case.args.push(("--file".to_owned(), "missing.yaml".to_owned()));
    }
    Found { names, bases, home, in_env }
}

/// Documents as they are printed, or with what makes no difference to their meaning.
fn dressed(r: &mut Rng, documents: Vec<Y>) -> Text {
    let text = Text::Yaml(documents);
    if !r.chance(12) {
        return text;
    }
    let mut lines: Vec<String> = text.print().lines().map(str::to_owned).collect();
    match r.below(6) {
        0 => lines.iter_mut().for_each(|line| line.push('\r')),
        1 => lines[0].insert(0, '\u{feff}'),
        2 => lines.insert(0, "---".to_owned()),
        3 => lines.push("...".to_owned()),
        4 => {
            let at = r.below(lines.len() + 1);
            lines.insert(at, "# a comment: {".to_owned());
        }
        _ => {
            let at = r.below(lines.len() + 1);
            lines.insert(at, String::new());
        }
    }
    let ended = r.chance(70);
    Text::Lines(lines, ended)
}

/// Which `.env` files there are instead of the one that is looked for.
fn options(r: &mut Rng, case: &mut Case, in_env: bool) {
    if in_env && !r.fault(10) {
        return;
    }
    if r.chance(4) {
        let word = r.form(&["1", "true", "0", "✗", "T", "✗yes", "false"]);
        case.env.insert("COMPOSE_DISABLE_ENV_FILE".to_owned(), word.to_owned());
    }
    let mut named = Vec::new();
    match r.below(20) {
        0 => named.extend(["p.env"]),
        1 => named.extend(["p.env", "q.env"]),
        2 => {
            case.env.insert("COMPOSE_ENV_FILES".to_owned(), "p.env,q.env".to_owned());
        }
        _ if r.fault(1) => named.extend(["missing.env"]),
        _ => {}
    }
    for name in named {
        case.args.push(("--env-file".to_owned(), name.to_owned()));
    }
}

/// Environment, `.env` and the other files that compose files name.
fn surroundings(r: &mut Rng, case: &mut Case, home: &str) {
    let mut own = Vec::new();
    for name in SET {
        if r.chance(25) {
            let value =
                if name == "EMPTY" { "" } else { r.pick(&["shell", "", "1", "$B", "a b", "true"]) };
            case.env.insert(name.to_owned(), value.to_owned());
        }
    }
    // In the shell, or in `.env`.
    let mut set = |r: &mut Rng, case: &mut Case, name: &str, value: &str| {
        if r.chance(35) {
            own.push(format!("{name}={value}"));
        } else {
            case.env.insert(name.to_owned(), value.to_owned());
        }
    };
    if r.chance(10) {
        let name = r.form(&["envname", "✗Bad Name", "", "✗_x", "x-1"]);
        set(r, case, "COMPOSE_PROJECT_NAME", name);
    }
    if r.chance(25) {
        let list = r.pick(&["p1", "p1,p2", "*", "", "none", " p1 , p2", "p1,"]);
        set(r, case, "COMPOSE_PROFILES", list);
    }
    if r.chance(15) {
        let profile = r.pick(&["p1", "p2", "*", "none"]);
        case.args.push(("--profile".to_owned(), profile.to_owned()));
        if r.chance(30) {
            case.args.push(("--profile".to_owned(), "p3".to_owned()));
        }
    }
    if r.chance(8) {
        let name = r.form(&["flagname", "✗Bad", "", "x_y", "✗-x"]);
        case.args.push(("--project-name".to_owned(), name.to_owned()));
    }
    let names = ["A", "B", "C", "EMPTY", "TAG", "a_b", "LOG", "COMPOSE_PROJECT_NAME"];
    let names = if r.fault(10) { &names[..] } else { &names[..7] };
    let cwd = case.cwd.clone();
    let mut texts = vec![format!("{cwd}/p.env"), format!("{cwd}/q.env")];
    if r.chance(60) || !own.is_empty() {
        texts.push(format!("{home}/.env"));
    }
    if r.chance(10) {
        texts.push(format!("{cwd}/.env"));
    }
    // What a file names is looked for beside it, or in the directory that an include has.
    for at in [home, &format!("{home}/inc"), &format!("{home}/sub")] {
        for file in ["a.env", "b.env", "sub/c.env", "c.env", "l.labels", "m.labels"] {
            if at == home || !r.fault(1) {
                texts.push(format!("{at}/{file}"));
            }
        }
        case.files.insert(format!("{at}/r.env"), Text::Lines(raw_env(r), true));
    }
    if r.chance(50) {
        texts.push(format!("{home}/inc/.env"));
    }
    for path in texts {
        let (mut lines, ended) = dotenv(r, names);
        if let Some(Text::Lines(first, _)) = case.files.get(&path) {
            lines.splice(0..0, first.iter().cloned());
        }
        if path == format!("{home}/.env") {
            lines.splice(0..0, own.iter().cloned());
        }
        case.files.insert(path, Text::Lines(lines, ended));
    }
    for (path, level) in
        [("sub/base.yaml", 1), ("inc/compose.yaml", 2), ("inc/more.yaml", 3), ("base.yaml", 1)]
    {
        let document = file(r, true, level, &mut Known::new());
        case.files.insert(format!("{home}/{path}"), Text::Yaml(vec![document]));
    }
}
