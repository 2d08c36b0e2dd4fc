//! What a compose project is reduced to: the places of values, the variables that are not set, and
//! names that depend on the project's.

use std::collections::BTreeMap;

use crate::collect::Request;
use crate::collect::texts::FileTexts;
use crate::evidence::compose::{BackendService, ComposeFacts, EntryValue};

/// The facts of a project with these files, read in a shell with these variables.
fn facts(files: &[(&str, &str)], shell: &[(&str, &str)]) -> ComposeFacts {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment: BTreeMap<String, String> = shell.iter().map(owned).collect();
    facts_as(&Request::default(), &directory, &environment)
}

fn facts_as(
    request: &Request,
    directory: &tempfile::TempDir,
    environment: &BTreeMap<String, String>,
) -> ComposeFacts {
    let texts = FileTexts::default();
    let read = super::read(request, directory.path(), environment, &texts, None);
    read.facts.seen().unwrap().clone().unwrap()
}

/// A project whose backend has these lines below its image.
fn project(lines: &str) -> String {
    let image = "ghcr.io/get-convex/convex-backend:latest";
    format!("services:\n  backend:\n    image: {image}\n{lines}")
}

fn backend(facts: &ComposeFacts) -> &BackendService {
    assert!(facts.errors.is_empty(), "{:?}", facts.errors);
    facts.backend().unwrap()
}

#[test]
fn a_value_is_in_the_env_file_only_if_it_is_one_variable_and_nothing_else() {
    let dotenv = "PORT=3210\nNAME=app\nHOST=db\nEMPTY=\nURL=http://h:$PORT\n";
    let shell = [("SHELL_SET", "s")];
    for (text, place, variable) in [
        ("x", "compose.yaml:5", None),
        ("${NAME}", ".env:2", Some("NAME")),
        ("$NAME", ".env:2", Some("NAME")),
        ("${NAME:-x}", ".env:2", Some("NAME")),
        ("${NAME:?needed}", ".env:2", Some("NAME")),
        ("${NONE:-x}", "compose.yaml:5", Some("NONE")),
        ("${NONE:-${NAME}}", ".env:2", Some("NAME")),
        ("${EMPTY:-${NAME}}", ".env:2", Some("NAME")),
        ("${URL}", ".env:5", Some("URL")),
        ("${SHELL_SET}", "none", Some("SHELL_SET")),
        // The official file's line, with the port in `.env`.
        ("${ORIGIN:-http://127.0.0.1:${PORT:-3210}}", "compose.yaml:5", Some("ORIGIN")),
        ("http://127.0.0.1:${PORT}", "compose.yaml:5", None),
        ("${HOST}${PORT}", "compose.yaml:5", None),
        ("${NAME}-1", "compose.yaml:5", None),
        ("postgresql://u:${NAME}@${HOST}:5432", "compose.yaml:5", None),
    ] {
        for form in ["      - X={}", "      X: {}"] {
            let line = form.replace("{}", text);
            let compose = project(&format!("    environment:\n{line}\n"));
            let facts = facts(&[("compose.yaml", &compose), (".env", dotenv)], &shell);
            let entry = backend(&facts).variable("X").unwrap();
            let found = entry.value_at.as_ref().map_or("none".to_owned(), ToString::to_string);
            assert_eq!((found.as_str(), entry.variable.as_deref()), (place, variable), "{line}");
        }
    }
}

#[test]
fn the_url_of_a_database_is_at_the_compose_line_that_puts_it_together() {
    let line = "    environment:\n      POSTGRES_URL: ${URL:-postgresql://u:${PASSWORD}@db:5432}\n";
    let compose = project(line);
    for (dotenv, place) in [
        ("PASSWORD=hunter2\n", "compose.yaml:5"),
        ("PASSWORD=hunter2\nURL=postgresql://u:p@db:5432\n", ".env:2"),
    ] {
        let facts = facts(&[("compose.yaml", &compose), (".env", dotenv)], &[]);
        assert_eq!(facts.sql_urls[0].at.to_string(), place, "{dotenv}");
    }
}

#[test]
fn of_an_unset_variable_the_backend_s_place_is_known() {
    let app = "  app:\n    image: app\n    environment:\n      - ${BOTH}${APP}\n";
    let own = "    environment:\n      - X=${BOTH}\n      - Y=${FROM_ENV}\n    ports:\n      \
               - \"${PORT}:3210\"\n    env_file: own.env\n    volumes:\n      - data:/convex/data\n";
    let volumes = "volumes:\n  data: {name: \"${VOLUME}x\"}\n  e: {name: \"${OTHER}y\"}\n";
    let compose = project(&format!("{own}{app}{volumes}"));
    let files = [
        ("compose.yaml", compose.as_str()),
        (".env", "FROM_ENV=${INSIDE}\nUNUSED=${OUTSIDE}\n"),
        ("own.env", "Z=${IN_ENV_FILE}\n"),
    ];
    let facts = facts(&files, &[]);
    let found: BTreeMap<String, (String, bool)> = facts
        .warnings
        .iter()
        .filter_map(|it| {
            let place = it.at.as_ref()?.to_string();
            Some((it.variable.clone()?, (place, it.of_backend)))
        })
        .collect();
    let expected = [
        ("APP", "compose.yaml:15", false),
        ("BOTH", "compose.yaml:5", true),
        ("INSIDE", ".env:1", true),
        ("IN_ENV_FILE", "own.env:1", true),
        ("OTHER", "compose.yaml:18", false),
        ("OUTSIDE", ".env:2", false),
        ("PORT", "compose.yaml:8", true),
        ("VOLUME", "compose.yaml:17", true),
    ];
    let expected = expected.map(|(name, at, own)| (name.to_owned(), (at.to_owned(), own)));
    assert_eq!(found, BTreeMap::from(expected));
}

#[test]
fn names_that_are_made_of_the_project_s_name_are_known_as_such() {
    let lines = |volumes: &str, mount: &str| {
        project(&format!("    volumes:\n      - {mount}\nvolumes: {{d: {volumes}}}\n"))
    };
    let dotenv = "COMPOSE_PROJECT_NAME=app\n";
    for (volume, by_project, fixed) in [
        ("{}", None, false),
        ("{name: fixed}", None, true),
        ("{name: \"${COMPOSE_PROJECT_NAME:-x}_d\"}", Some("{project}_d"), false),
        ("{name: \"$COMPOSE_PROJECT_NAME\"}", Some("{project}"), false),
        ("{name: \"${OTHER:-app}_d\"}", None, true),
        ("{name: \"${COMPOSE_PROJECT_NAME:+y}_d\"}", None, true),
        ("{external: true, name: \"a-${COMPOSE_PROJECT_NAME}\"}", Some("a-{project}"), true),
    ] {
        let compose = lines(volume, "d:/convex/data");
        let facts = facts(&[("compose.yaml", &compose), (".env", dotenv)], &[]);
        assert!(facts.errors.is_empty(), "{:?}", facts.errors);
        let found = &facts.volumes[0];
        let found = (found.by_project.as_deref(), found.fixed_name);
        assert_eq!(found, (by_project, fixed), "{volume}");
    }
    for (mount, end) in [
        ("./data:/convex/data", None),
        ("./${COMPOSE_PROJECT_NAME}/d:/convex/data", Some("/{project}/d")),
        ("/srv/${COMPOSE_PROJECT_NAME}:/convex/data:rw", Some("/srv/{project}")),
        (
            "{type: bind, source: \"/srv/${COMPOSE_PROJECT_NAME}\", target: /convex/data}",
            Some("/srv/{project}"),
        ),
        ("d:/convex/${COMPOSE_PROJECT_NAME}", None),
    ] {
        let facts = facts(&[("compose.yaml", &lines("{}", mount)), (".env", dotenv)], &[]);
        let found = backend(&facts).mounts[0].by_project.clone();
        let fits = match (&found, end) {
            (Some(found), Some(end)) => found.ends_with(end),
            (found, end) => found.is_none() == end.is_none(),
        };
        assert!(fits, "{mount}: {found:?}");
    }
}

#[test]
fn a_relative_directory_starts_in_the_working_directory_of_the_script() {
    for (variables, workdir, data, credentials) in [
        ("", "", "/convex/data", "/convex/data/credentials"),
        ("DATA_DIR=./data", "", "/convex/data", "/convex/data/credentials"),
        ("DATA_DIR=data/", "", "/convex/data", "/convex/data/credentials"),
        ("DATA_DIR=../srv", "", "/srv", "/srv/credentials"),
        ("DATA_DIR=/convex/x/../data", "", "/convex/data", "/convex/data/credentials"),
        ("CREDENTIALS_DIR=data/keys", "", "/convex/data", "/convex/data/keys"),
        ("DATA_DIR=./data", "/srv", "/srv/data", "/srv/data/credentials"),
        (
            "DATA_DIR=C:/Program Files/Git/convex/data",
            "",
            "/convex/C:/Program Files/Git/convex/data",
            "/convex/C:/Program Files/Git/convex/data/credentials",
        ),
    ] {
        let mut lines = String::new();
        if !variables.is_empty() {
            lines.push_str(&format!("    environment:\n      - {variables}\n"));
        }
        if !workdir.is_empty() {
            lines.push_str(&format!("    working_dir: {workdir}\n"));
        }
        let facts = facts(&[("compose.yaml", &project(&lines))], &[]);
        let found = backend(&facts);
        let found = (found.data_dir.as_str(), found.credentials_dir.as_str());
        assert_eq!(found, (data, credentials), "{variables}");
    }
}

#[test]
fn the_dashboard_s_variables_are_known_without_their_values() {
    let compose = "services:\n  dashboard:\n    image: ghcr.io/get-convex/convex-dashboard\n    \
                   environment:\n      - BACKEND_URL=http://u:hunter2@h\n";
    let facts = facts(&[("compose.yaml", compose)], &[]);
    let entry = &facts.dashboards[0].environment[0];
    assert_eq!((entry.name.as_str(), &entry.value), ("BACKEND_URL", &EntryValue::Hidden));
    assert_eq!(entry.at.to_string(), "compose.yaml:5");
}

/// What a command without `-p` or `-f` means here.
#[test]
fn the_project_of_a_plain_command_is_known() {
    let named = project("").replacen("services:", "name: own\nservices:", 1);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("compose.yaml"), named).unwrap();
    for (typed, own) in [(None, None), (Some("own"), None), (Some("x"), Some("own"))] {
        let mut request = Request::default();
        request.project.project_name = typed.map(str::to_owned);
        let facts = facts_as(&request, &directory, &BTreeMap::new());
        assert_eq!(facts.own_name.as_deref(), own, "{typed:?}");
        assert_eq!(facts.plain_project, None);
    }
    let other = "name: db\nservices:\n  db:\n    image: postgres\n";
    let found = facts(&[("compose.yaml", other), ("docker-compose.stack.yml", &project(""))], &[]);
    assert!(found.found.is_some());
    assert_eq!(found.plain_project.as_deref(), Some("db"));
}

/// What Compose v2.40.3 was seen to do with each of these.
#[test]
fn bytes_that_are_not_text_are_read_as_compose_reads_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let read = || {
        let (request, texts) = (Request::default(), FileTexts::default());
        let read = super::read(&request, directory.path(), &BTreeMap::new(), &texts, None);
        let facts = read.facts.seen().unwrap().clone();
        facts.map(|facts| facts.errors.iter().map(|it| it.message.clone()).collect::<Vec<_>>())
    };
    let env: [(&[u8], Option<&str>); 13] = [
        (b"# caf\xe9\nNAME=foo\n", None),
        (b"A=\xf0\x9f\n", None),
        (b"A=\"\xe9\"\n", None),
        (b"A=\0b\n", None),
        (b"NAME=foo\xe9", None),
        (b"# \0\nB=2\n", None),
        (b"A='caf\xe9\0x'\n", None),
        (b"\xe9A=1\n", Some("unexpected character")),
        (b"A\xe9=1\n", Some("unexpected character")),
        (b"A\0=1\n", Some("unexpected character")),
        (b"A=${B\xe9}\n", Some("Invalid template")),
        (b"\xff\xfeA\0=\x001\0", Some("unexpected character")),
        (b"A\0=\x001\0\n\0", Some("unexpected character")),
    ];
    for (bytes, _) in env {
        std::fs::write(path(".env"), bytes).unwrap();
        assert_eq!(read(), None, "no compose file, {bytes:?}");
    }
    let yaml = project("    environment:\n      A: ${NAME:-x}\n    env_file: .env\n");
    std::fs::write(path("compose.yaml"), &yaml).unwrap();
    for (bytes, refused) in env {
        std::fs::write(path(".env"), bytes).unwrap();
        let errors = read().unwrap();
        let first = errors.first().map_or("", String::as_str);
        let expected = refused.unwrap_or("");
        assert!(first.contains(expected), "{bytes:?}: {first}");
        assert_eq!(errors.is_empty(), refused.is_none(), "{bytes:?}: {first}");
    }
    std::fs::remove_file(path(".env")).unwrap();
    let raw = project("    env_file: [{path: e, format: raw}]\n");
    std::fs::write(path("compose.yaml"), raw).unwrap();
    for (bytes, count) in [(&b"A=caf\xe9\n"[..], 1), (b"A=\0b\n", 0)] {
        std::fs::write(path("e"), bytes).unwrap();
        assert_eq!(read().unwrap().len(), count, "{bytes:?}");
    }
    let own = project("");
    let behind = |bytes: &[u8]| [own.as_bytes(), bytes].concat();
    let utf16: Vec<u8> =
        format!("\u{feff}{own}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, refused) in [
        (behind(b"    # caf\xe9\n"), Some("incomplete UTF-8 octet sequence")),
        (behind(b"    # \0\n"), Some("control characters are not allowed")),
        (behind(b"    # \x07\n"), Some("control characters are not allowed")),
        (behind(b"    # \x7f\n"), Some("control characters are not allowed")),
        (behind(b"    # \xc2\x80\n"), Some("control characters are not allowed")),
        (behind(b"    # \xef\xbf\xbe\n"), Some("control characters are not allowed")),
        (behind(b"    # \xc2\x85\n"), None),
        (behind(b"    # caf\xc3\xa9\t\n"), None),
        (utf16.clone(), None),
        (utf16[2..].to_vec(), Some("control characters are not allowed")),
    ] {
        std::fs::write(path("compose.yaml"), &bytes).unwrap();
        let errors = read().unwrap();
        assert_eq!(errors.is_empty(), refused.is_none(), "{bytes:?}: {errors:?}");
        assert!(errors.iter().all(|it| it.contains(refused.unwrap_or(""))), "{errors:?}");
    }
}

#[test]
fn what_is_too_large_is_unknown_and_no_fault_of_the_file() {
    let variables: String = (0..20_001).map(|number| format!("      V{number}: x\n")).collect();
    let deep = format!("x-a: {}{}\nservices: {{}}\n", "[".repeat(200), "]".repeat(200));
    for (text, reason) in [
        (deep, "docker-compose.yml:1: too large: nested deeper than 128 levels"),
        (
            format!(
                "services:\n  backend:\n    image: ghcr.io/get-convex/convex-backend\n    \
                 environment:\n{variables}"
            ),
            "too large: its backends have more than 20000 variables, ports and mounts",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("docker-compose.yml"), text).unwrap();
        let (request, texts) = (Request::default(), FileTexts::default());
        let read = super::read(&request, directory.path(), &BTreeMap::new(), &texts, None);
        assert_eq!(read.facts.seen().err().unwrap().reason, reason);
    }
}

#[test]
fn of_many_errors_the_first_are_shown_with_their_lines() {
    let directory = tempfile::tempdir().unwrap();
    let keys: String = (0..50).map(|number| format!("wrong{number}: x\n")).collect();
    std::fs::write(directory.path().join("docker-compose.yml"), keys).unwrap();
    let (request, texts) = (Request::default(), FileTexts::default());
    let read = super::read(&request, directory.path(), &BTreeMap::new(), &texts, None);
    let facts = read.facts.seen().unwrap().clone().unwrap();
    let shown = facts.errors.iter().filter(|issue| issue.line.is_some()).count();
    assert_eq!((facts.errors.len(), shown), (50, 10));
}
