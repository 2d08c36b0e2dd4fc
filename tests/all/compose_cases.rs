//! The project that `compose::load` resolves is the one that `docker compose config --format json`
//! (v2.40.3) shows.
//!
//! `fixtures/compose-cases/` holds small cases with what Compose said to them. The corpus is other
//! people's compose files, which are not in this repository: it is read where it lies beside it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::panic,
    reason = "this test is the reader of files, and says what it compared"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::support::compose::{Difference, Disk, difference, request, unescaped};
use convex_doctor::compose::{self, Errors, FileError, Files, Project};
use serde_json::{Value, json};

/// What Compose showed, with the case's own paths, and `$` for `$$`.
fn localised(text: &str, directory: &Path) -> Value {
    let parent = directory.parent().unwrap();
    let text = text
        .replace("@DIR@", &directory.display().to_string())
        .replace("@PARENT@", &parent.display().to_string());
    unescaped(serde_json::from_str(&text).unwrap())
}

fn directories(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

#[test]
fn every_case_comes_out_as_compose_shows_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/compose-cases");
    let mut failed = Vec::new();
    let directories = directories(&root);
    for directory in &directories {
        let case: Value =
            serde_json::from_str(&std::fs::read_to_string(directory.join("case.json")).unwrap())
                .unwrap();
        let args: Vec<&str> =
            case["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        let cwd = directory.join(case["cwd"].as_str().unwrap());
        let cwd = std::fs::canonicalize(cwd).unwrap();
        let expected = std::fs::read_to_string(directory.join("expected.json")).ok();
        let expected = expected.map(|text| localised(&text, directory));
        let stderr = std::fs::read_to_string(directory.join("expected.stderr")).unwrap_or_default();
        let loaded = compose::load(&request(&cwd, &args, &case["env"]), &Disk);
        if let Err(errors) = &loaded {
            println!("{}: {errors}", directory.display());
        }
        if let Some(why) = difference(&loaded, expected.as_ref(), &stderr, directory) {
            failed.push(format!("{} ({}): {why}", directory.display(), case["title"]));
        }
    }
    assert!(!directories.is_empty());
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), directories.len(), failed.join("\n"));
}

#[test]
fn the_corpus_comes_out_as_compose_shows_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(root) = std::fs::canonicalize(root) else {
        println!("no corpus beside the repository: nothing compared");
        return;
    };
    let mut failed = Vec::new();
    let directories = directories(&root);
    for directory in &directories {
        let text = std::fs::read_to_string(directory.join("expected.json")).unwrap();
        // Compose ran two levels below /tmp, which one file mounts by `../..`.
        let above = directory.ancestors().nth(2).unwrap();
        let text =
            text.replace("\"source\": \"/tmp\"", &format!("\"source\": \"{}\"", above.display()));
        let outcome = localised(&text, directory);
        let expected = outcome.get("expected");
        let stderr = outcome["stderr"].as_str().unwrap_or("");
        let loaded = compose::load(&request(directory, &[], &json!({})), &Disk);
        // What Compose warned about was not recorded with the corpus.
        let found = difference(&loaded, expected, stderr, directory);
        if let Some(why) = found.filter(|it| !matches!(it, Difference::Warnings(_))) {
            failed.push(format!("{}: {why}", directory.display()));
        }
    }
    println!("{} files of the corpus compared", directories.len());
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), directories.len(), failed.join("\n"));
}

/// A file system of texts.
struct Texts(BTreeMap<PathBuf, String>);

impl Texts {
    fn of(files: &[(&str, &str)]) -> Self {
        let files =
            files.iter().map(|(name, text)| (Path::new("/p").join(name), (*text).to_owned()));
        Self(files.collect())
    }
}

impl Files for Texts {
    fn read(&self, path: &Path) -> Result<String, FileError> {
        self.0.get(path).cloned().ok_or(FileError::NotFound)
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    fn is_dir(&self, _: &Path) -> bool {
        false
    }
}

fn load(files: &[(&str, &str)]) -> Result<Project, Errors> {
    compose::load(&request(Path::new("/p"), &[], &json!({})), &Texts::of(files))
}

#[test]
fn every_value_knows_its_place() {
    let file = "\
services:
  b:
    image: x
    environment:
      - A=1
      - B=${X}
      - C
    volumes:
      - data:/d
    ports: [80, '81:81']
    env_file: e.env
volumes:
  data:
";
    let project =
        load(&[("compose.yaml", file), (".env", "X=1\nC=2\n"), ("e.env", "\nE=5\n")]).unwrap();
    let service = &project.services["b"];
    let place = |at: &compose::At| {
        let name = at.file.file_name().unwrap().to_str().unwrap().to_owned();
        (name, at.line, at.column)
    };
    let here = |line, column| ("compose.yaml".to_owned(), line, column);
    let environment = |name: &str| &service.environment[name];
    assert_eq!(place(&service.at), here(2, 3));
    assert_eq!(place(service.image.as_ref().unwrap().at.as_ref().unwrap()), here(3, 12));
    assert_eq!(place(&environment("A").at), here(5, 9));
    assert_eq!(place(&environment("B").at), here(6, 9));
    assert_eq!(place(environment("B").origin.as_ref().unwrap()), (".env".to_owned(), 1, 3));
    assert_eq!(environment("C").source, compose::VariableSource::Passthrough);
    assert_eq!(place(environment("C").origin.as_ref().unwrap()), (".env".to_owned(), 2, 3));
    assert_eq!(environment("E").source, compose::VariableSource::EnvFile);
    assert_eq!(place(&environment("E").at), ("e.env".to_owned(), 2, 3));
    assert_eq!(place(&service.volumes[0].at), here(9, 9));
    assert_eq!(place(&service.ports[1].at), here(10, 17));
    assert_eq!(place(service.environment_block.as_ref().unwrap()), here(4, 5));
    assert_eq!(place(service.volumes_block.as_ref().unwrap()), here(8, 5));
    assert_eq!(place(project.volumes_block.as_ref().unwrap()), here(12, 1));
    assert_eq!(place(&project.volumes["data"].at), here(13, 3));
    assert!(!format!("{project:?}").contains("\"5\""));
}

#[test]
fn places_hold_through_includes_overrides_extends_anchors_and_env_files() {
    let main = "\
include: [sub/inc.yaml]
x-env: &env
  SHARED: one
services:
  b:
    image: x
    environment:
      <<: *env
      SECRET: ${FROM_ENV}
      KEPT: a
  e:
    extends: {file: sub/base.yaml, service: base}
";
    let over = "\
services:
  b:
    environment:
      SECRET: literal
    volumes: ['data:/d']
volumes:
  data: {name: d}
";
    let included = "\
services:
  i:
    image: y
    environment:
      - INNER=${DEEP}
    env_file: [inner.env]
";
    let base = "\
services:
  base:
    image: z
    env_file: inner.env
    environment: {OWN: 1}
";
    let project = load(&[
        ("compose.yaml", main),
        ("compose.override.yaml", over),
        (".env", "# c\nFROM_ENV=x\n"),
        ("sub/inc.yaml", included),
        ("sub/.env", "\n\nDEEP=y\n"),
        ("sub/base.yaml", base),
        ("sub/inner.env", "\nFILE_ONE=1\nFILE_TWO=${DEEP}\n"),
    ])
    .unwrap();
    let place = |at: &compose::At| {
        let name = at.file.strip_prefix("/p").unwrap().to_str().unwrap().to_owned();
        format!("{name}:{}:{}", at.line, at.column)
    };
    let variable = |service: &str, name: &str| &project.services[service].environment[name];
    let origin = |service: &str, name: &str| variable(service, name).origin.as_ref().map(place);
    assert_eq!(place(&variable("b", "SHARED").at), "compose.yaml:3:11");
    assert_eq!(place(&variable("b", "SECRET").at), "compose.override.yaml:4:15");
    assert_eq!(origin("b", "SECRET"), None);
    assert_eq!(place(&variable("b", "KEPT").at), "compose.yaml:10:13");
    assert_eq!(place(&project.services["b"].volumes[0].at), "compose.override.yaml:5:15");
    let name = project.volumes["data"].name.at.as_ref().map(place);
    assert_eq!(name.as_deref(), Some("compose.override.yaml:7:16"));
    assert_eq!(place(&variable("i", "INNER").at), "sub/inc.yaml:5:9");
    assert_eq!(origin("i", "INNER").as_deref(), Some("sub/.env:3:6"));
    assert_eq!(place(&variable("i", "FILE_ONE").at), "sub/inner.env:2:10");
    assert_eq!(place(&variable("e", "OWN").at), "sub/base.yaml:5:24");
    assert_eq!(place(&variable("e", "FILE_TWO").at), "sub/inner.env:3:10");
    let image = project.services["e"].image.as_ref().and_then(|image| image.at.as_ref());
    assert_eq!(image.map(place).as_deref(), Some("sub/base.yaml:3:12"));
}

#[test]
fn errors_come_together_and_hold_no_value() {
    let file = "\
services:
  b:
    image: x
    volumez: [hunter2]
    environment: {A: [hunter2]}
    healthcheck: {test: 3, foo: hunter2}
";
    let errors = load(&[("compose.yaml", file)]).unwrap_err();
    let lines: Vec<usize> = errors.iter().map(|error| error.at.as_ref().unwrap().line).collect();
    assert_eq!(lines, [5, 6, 6, 4]);
    assert!(!errors.to_string().contains("hunter2"), "{errors}");
    let file = "services:\n  b:\n    image: ${pass-hunter2\n    env_file: x\n";
    assert!(!load(&[("compose.yaml", file)]).unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn a_thousand_services_are_fast() {
    let mut file = "services:\n".to_owned();
    for number in 0..1000 {
        let _ = write!(file, "  s{number}:\n    image: x\n    environment:\n");
        for variable in 0..25 {
            let _ = writeln!(file, "      VARIABLE_{variable}: value ${{X:-{number}}}");
        }
        file.push_str("    volumes: ['data:/d']\n    ports: ['80']\n");
    }
    file.push_str("volumes: {data: }\n");
    let start = std::time::Instant::now();
    let project = load(&[("compose.yaml", &file)]).unwrap();
    let took = start.elapsed();
    println!("{} bytes: {took:?}", file.len());
    assert_eq!(project.services.len(), 1000);
    // Unoptimised and beside other tests: an order of magnitude, not a measurement.
    assert!(took.as_secs() < 30, "{took:?}");
}

#[test]
fn no_compose_file_is_told_apart_from_a_broken_one() {
    assert!(load(&[]).unwrap_err().is_not_found());
    assert!(!load(&[("compose.yaml", "")]).unwrap_err().is_not_found());
}

#[test]
fn hostile_files_end_early() {
    let mut env = "A0=xxxxxxxx\n".to_owned();
    for number in 0..60 {
        let _ = writeln!(env, "A{}=${{A{number}}}${{A{number}}}", number + 1);
    }
    let compose = "services: {b: {image: x}}\n";
    assert!(load(&[("compose.yaml", compose), (".env", &env)]).is_err());
    let one_line = "A=\"\" ".repeat(200_000);
    assert!(load(&[("compose.yaml", compose), (".env", &one_line)]).is_ok());
    let keys = "a: 1\n".repeat(200_000);
    let errors = load(&[("compose.yaml", &keys)]).unwrap_err();
    assert_eq!(errors.iter().count(), 100);
}

/// What moves along when the project's directory gets another name.
#[test]
fn a_relative_path_is_known_as_one_when_it_has_become_absolute() {
    let file = "\
include: [sub/inc.yml]
services:
  b:
    image: x
    extends: {file: sub/base.yml, service: base}
    volumes:
      - ./a:/a
      - /b:/b
      - ../c:/c
      - {type: bind, source: d, target: /d}
      - ${PLACE}/e:/e
      - data:/f
      - ./over:/over
volumes:
  data: {driver: local, driver_opts: {type: none, o: bind, device: ./store}}
  far: {driver: local, driver_opts: {type: none, o: bind, device: /store}}
";
    let base = "services: {base: {image: x, volumes: ['./g:/g', '/h:/h', '/under:/over']}}\n";
    let included = "services: {i: {image: x, volumes: ['./j:/j', '/k:/k', 'far:/l']}}\n\
                    volumes: {far: {driver: local, driver_opts: {type: none, o: bind, device: /store}}}\n";
    let files = [
        ("compose.yaml", file),
        ("sub/base.yml", base),
        ("sub/inc.yml", included),
        (".env", "PLACE=/place\n"),
    ];
    let project = load(&files).unwrap();
    let relative = |service: &str| -> Vec<String> {
        let mounts = project.services[service].volumes.iter().filter(|mount| mount.relative);
        let mut targets: Vec<_> = mounts.map(|mount| mount.target.clone()).collect();
        targets.sort();
        targets
    };
    assert_eq!(relative("b"), ["/a", "/c", "/d", "/g", "/over"]);
    assert_eq!(relative("i"), ["/j"]);
    assert!(project.volumes["data"].device_is_relative);
    assert!(!project.volumes["far"].device_is_relative);
}
