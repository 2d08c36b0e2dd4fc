//! What a hostile project may cost: each way to make much of little ends at a limit, and the error
//! says which.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

/// Files in memory, and how often one was read.
struct Texts {
    files: BTreeMap<PathBuf, String>,
    reads: Cell<usize>,
}

impl Files for Texts {
    fn read(&self, path: &Path) -> Result<String, FileError> {
        self.reads.set(self.reads.get() + 1);
        self.files.get(path).cloned().ok_or(FileError::NotFound)
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    fn is_dir(&self, _: &Path) -> bool {
        false
    }
}

fn texts(files: &[(&str, &str)]) -> Texts {
    let files = files.iter().map(|(name, text)| (Path::new("/p").join(name), (*text).to_owned()));
    Texts { files: files.collect(), reads: Cell::new(0) }
}

fn request() -> Request {
    Request { directory: PathBuf::from("/p"), ..Request::default() }
}

fn read(files: &[(&str, &str)]) -> Result<Project, Errors> {
    load(&request(), &texts(files))
}

/// Reads a project that is too large, and gives what is said of it.
fn limit(files: &[(&str, &str)]) -> String {
    match read(files) {
        Ok(_) => panic!("no limit was met"),
        Err(errors) => {
            assert_eq!(errors.first().kind, ErrorKind::Limit, "{errors}");
            assert!(errors.first().at.is_some(), "{errors}");
            errors.first().message.clone()
        }
    }
}

const BACKEND: &str = "services: {backend: {image: a}}\n";

#[test]
fn an_alias_brings_its_depth() {
    let nest = |levels: usize, deep: usize, left: &str, right: &str| {
        let (left, right) = (left.repeat(deep), right.repeat(deep));
        let mut text = format!("{BACKEND}x-a0: &a0 {left}x{right}\n");
        for level in 1..levels {
            text += &format!("x-a{level}: &a{level} {left}*a{}{right}\n", level - 1);
        }
        text
    };
    for (left, right) in [("[", "]"), ("{a: ", "}")] {
        let said = limit(&[("compose.yaml", &nest(60, 110, left, right))]);
        assert!(said.contains("nested deeper"), "{said}");
        // With the mapping of the file itself.
        assert!(read(&[("compose.yaml", &nest(2, 63, left, right))]).is_ok());
        let said = limit(&[("compose.yaml", &nest(2, 64, left, right))]);
        assert!(said.contains("nested deeper"), "{said}");
    }
}

/// A file includes the next one twice, and so on.
fn tree(depth: usize) -> Vec<(String, String)> {
    let line = |next: usize| format!("include: [f{next}.yaml, f{next}.yaml]\n");
    let mut files = vec![("compose.yaml".to_owned(), line(1) + BACKEND)];
    files.extend((1..depth).map(|number| (format!("f{number}.yaml"), line(number + 1))));
    files.push((format!("f{depth}.yaml"), "services: {x: {image: a}}\n".to_owned()));
    files
}

#[test]
fn a_tree_of_includes_ends_at_a_number_of_files() {
    for (depth, reads) in [(4, Some(31)), (20, None)] {
        let files = tree(depth);
        let files: Vec<(&str, &str)> = files.iter().map(|it| (&*it.0, &*it.1)).collect();
        let texts = texts(&files);
        let read = load(&request(), &texts);
        match reads {
            Some(reads) => assert!(read.is_ok() && texts.reads.get() == reads),
            None => {
                let said = read.unwrap_err();
                assert!(said.first().message.contains("more than 2000 files"), "{said}");
                assert!(texts.reads.get() <= 2001, "{}", texts.reads.get());
            }
        }
    }
}

#[test]
fn what_variables_make_counts_wherever_it_is() {
    let mut doubled = "A0=0123456789abcdef\n".to_owned();
    for number in 1..=18 {
        doubled += &format!("A{number}=${{A{0}}}${{A{0}}}\n", number - 1);
    }
    let many = |name: &str| -> String {
        (0..50).map(|number| format!("{name}{number}=${{A18}}\n")).collect()
    };
    let env_file = "services: {backend: {image: a, env_file: e}}\n";
    let values: String = (0..50).map(|number| format!("      B{number}: ${{A18}}\n")).collect();
    let values = format!("services:\n  backend:\n    image: a\n    environment:\n{values}");
    let unused = format!("services: {{backend: {{image: 'a{}'}}}}\n", "${A1:+${A18}}".repeat(50));
    let bare = "services:\n".to_owned()
        + &(0..50)
            .map(|number| format!("  s{number}: {{image: a, environment: [A18]}}\n"))
            .collect::<String>();
    let env = doubled.clone() + &many("B");
    for files in [
        &[("compose.yaml", BACKEND), (".env", &env)][..],
        &[("compose.yaml", env_file), ("e", &env)],
        &[("compose.yaml", &values), (".env", &doubled)],
        &[("compose.yaml", &unused), (".env", &(doubled.clone() + "A1="))],
        &[("compose.yaml", &bare), (".env", &doubled)],
    ] {
        let said = limit(files);
        assert!(said.contains("variables"), "{said}");
    }
    assert!(read(&[("compose.yaml", BACKEND), (".env", &doubled)]).is_ok());
}

#[test]
fn what_aliases_make_counts_by_its_bytes() {
    let twice = |levels: usize, key: &str| {
        let mut text = format!("{BACKEND}x-a0: &a0 {{a: x, b: y}}\n");
        for level in 1..levels {
            let last = level - 1;
            text += &format!("x-a{level}: &a{level} {{{key}a: *a{last}, {key}b: *a{last}}}\n");
        }
        text
    };
    let long = format!("{BACKEND}x-a: &a {}\nx-b: [{}]\n", "t".repeat(100_000), "*a,".repeat(600));
    // Each is anchored with all that is in it.
    let nested: String = (0..100).map(|number| format!("&b{number} [")).collect();
    let nested = format!("{BACKEND}x-a: {nested}{}{}\n", "t,".repeat(10_000), "]".repeat(100));
    for text in [&twice(18, ""), &twice(15, &"k".repeat(900)), &long, &nested] {
        let said = limit(&[("compose.yaml", text)]);
        assert!(said.contains("aliases"), "{said}");
    }
    assert!(read(&[("compose.yaml", &twice(10, ""))]).is_ok());
    let said = limit(&[("compose.yaml", &format!("{BACKEND}x-a:\n  ? {}\n", "k".repeat(5000)))]);
    assert!(said.contains("a key is longer"), "{said}");
}

#[test]
fn what_services_extend_counts() {
    let base: String = (0..1000).map(|number| format!("      V{number}: x\n")).collect();
    let base = format!("services:\n  base:\n    image: a\n    environment:\n{base}");
    let all: String =
        (0..500).map(|number| format!("  s{number}: {{extends: {{service: base}}}}\n")).collect();
    let elsewhere = all.replace("service: base", "service: base, file: base.yaml");
    let elsewhere = format!("services:\n{elsewhere}");
    let chain: String = (0..1000)
        .map(|number| format!("  s{number}: {{extends: {{service: s{}}}}}\n", number + 1))
        .collect();
    for (files, what) in [
        (&[("compose.yaml", &*(base.clone() + &all))][..], "takes more than"),
        (&[("compose.yaml", &*elsewhere), ("base.yaml", &*base)], "takes more than"),
        (
            &[("compose.yaml", &*format!("services:\n{chain}  s1000: {{image: a}}\n"))],
            "services extend one after the other",
        ),
    ] {
        let said = limit(files);
        assert!(said.contains(what), "{said}");
    }
    // Not all services of a file are copied for each that extends one of them.
    let one = "  one: {image: a}\n";
    let elsewhere = elsewhere.replace("service: base,", "service: one,");
    assert!(read(&[("compose.yaml", &elsewhere), ("base.yaml", &(base + one))]).is_ok());
}

#[test]
fn ports_of_ranges_and_files_of_services_count() {
    let ports = "'1-60000', ".repeat(10);
    let ports = format!("services: {{backend: {{image: a, ports: [{ports}]}}}}\n");
    limit(&[("compose.yaml", &ports)]);
    let files = "e, ".repeat(100);
    let files = format!("services: {{backend: {{image: a, label_file: [{files}]}}}}\n");
    let said = limit(&[("compose.yaml", &files), ("e", &format!("# {}\n", "x".repeat(1 << 20)))]);
    assert!(said.contains("files are more than 16 MiB"), "{said}");
    let range = "services: {backend: {image: a, ports: ['10000-20000:10000-20000/udp']}}\n";
    assert!(read(&[("compose.yaml", range)]).is_ok());
}

#[test]
fn so_many_warnings_are_kept_and_the_variables_are_all_known() {
    let words: String = (0..5000).map(|number| format!("${{U{number}}}")).collect();
    let text = format!("services: {{backend: {{image: a, command: '{words}'}}}}\n");
    let project = read(&[("compose.yaml", &text)]).unwrap();
    assert_eq!((project.warnings.len(), project.unset.len()), (1000, 5000));
}

#[test]
fn documents_over_each_other_end() {
    let services: String = (0..2000).map(|number| format!("  s{number}: {{image: a}}\n")).collect();
    let text = format!("services:\n{services}{}", "---\n{}\n".repeat(1000));
    let said = limit(&[("compose.yaml", &text)]);
    assert!(said.contains("documents"), "{said}");
}

#[test]
fn a_real_project_of_many_services_is_far_from_every_limit() {
    let mut text = "services:\n".to_owned();
    for number in 0..1000 {
        text += &format!("  s{number}:\n    image: x\n    environment:\n");
        for variable in 0..20 {
            text += &format!("      VARIABLE_{variable}: value ${{X:-{number}}} of some length\n");
        }
        text += "    volumes: ['data:/d']\n    ports: ['80']\n    env_file: e\n";
    }
    text += "volumes: {data: }\n";
    let env: String = (0..20).map(|number| format!("E{number}=value of some length\n")).collect();
    let project = read(&[("compose.yaml", &text), ("e", &env)]).unwrap();
    assert_eq!(project.services.len(), 1000);
}

#[test]
fn the_deadline_is_seen() {
    let deadline = Deadline::after(std::time::Duration::ZERO);
    let request = Request { deadline, ..request() };
    let errors = load(&request, &texts(&[("compose.yaml", BACKEND)])).unwrap_err();
    assert_eq!(errors.first().kind, ErrorKind::Time);
    assert!(errors.is_limit() && errors.first().message.contains("took too long"), "{errors}");
}
