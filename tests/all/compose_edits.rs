//! The edits of `fix::compose_file` on other people's files and on files of every style: each is
//! refused, or changes the lines that are meant and no other, and the project that Compose would
//! make of the file differs in that alone.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::panic,
    reason = "this test is the reader of files, and says what it tried"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::support::compose::{Disk, request};
use convex_doctor::compose::{self, Errors, FileError, Files, Project};
use convex_doctor::fix::compose_file::{
    NoSafeEdit, declare_volume, interpolate_variable, mount_volume, pass_variable, remove_variable,
};
use convex_doctor::fix::lines;
use convex_doctor::report::Edit;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The disk with another text for one file.
struct Changed<'t> {
    path: &'t Path,
    text: &'t str,
}

impl Files for Changed<'_> {
    fn read(&self, path: &Path) -> Result<String, FileError> {
        if path == self.path { Ok(self.text.to_owned()) } else { Disk.read(path) }
    }

    fn exists(&self, path: &Path) -> bool {
        path == self.path || Disk.exists(path)
    }

    fn is_dir(&self, path: &Path) -> bool {
        Disk.is_dir(path)
    }
}

fn load(path: &Path, text: &str) -> Result<Project, Errors> {
    let mut request = request(path.parent().unwrap(), &[], &json!({}));
    request.files = vec![path.to_path_buf()];
    request.profiles = vec!["*".to_owned()];
    compose::load(&request, &Changed { path, text })
}

fn shown(project: &Project) -> Value {
    let mut shown = compose::to_json(project, &|_, value| value.into());
    for (name, service) in &project.services {
        shown["sources"][name] = json!({});
        for (variable, it) in &service.environment {
            let source = format!("{:?}", it.source);
            let source = source.split_once(" {").map_or(source.as_str(), |(kind, _)| kind);
            shown["sources"][name][variable] = source.into();
        }
    }
    shown["unused"] = json!({});
    for (key, volume) in &project.unused_volumes {
        let more = [&volume.driver_opts, &volume.labels];
        shown["unused"][key] = json!([volume.name.value, volume.external, volume.driver, more]);
    }
    shown
}

/// The paths at which two projects differ.
fn differing(place: &str, old: &Value, new: &Value, found: &mut BTreeSet<String>) {
    if old == new {
        return;
    }
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        found.insert(place.to_owned());
        return;
    };
    let null = Value::Null;
    for key in before.keys().chain(after.keys()) {
        let at = |map: &'_ serde_json::Map<String, Value>| map.get(key).cloned();
        let (before, after) = (at(before), at(after));
        let (before, after) = (before.as_ref().unwrap_or(&null), after.as_ref().unwrap_or(&null));
        differing(&format!("{place}/{key}"), before, after, found);
    }
}

/// What one edit did to the lines: those replaced or deleted, and those that came.
fn touched(old: &str, new: &str) -> (Vec<String>, Vec<String>) {
    let edits = lines::edits("f", old, new);
    let keep = |_: &Edit, placeholder: &str| Some(format!("{{{placeholder}}}"));
    assert_eq!(lines::apply(old, &edits, &keep).as_deref(), Ok(new));
    let olds: Vec<&str> = old.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let gone = edits.iter().filter(|edit| edit.line_hash.is_some());
    let gone = gone.map(|edit| olds[edit.line - 1].to_owned()).collect();
    let come = edits.iter().filter_map(|edit| edit.new.clone()).collect();
    (gone, come)
}

/// One edit that may be tried.
struct Trial {
    what: String,
    made: Result<String, NoSafeEdit>,
    /// The paths of the project that may change, by their beginnings.
    may: Vec<String>,
    /// Each line that goes must hold one of these.
    gone: Vec<String>,
    /// How many lines may come at most.
    come: usize,
}

/// All that can be tried on a file.
fn trials(text: &str, project: &Project) -> Vec<Trial> {
    let mut trials = Vec::new();
    let owned =
        |words: &[&str]| -> Vec<String> { words.iter().map(|word| (*word).to_owned()).collect() };
    for adopt in [None, Some("old_data")] {
        trials.push(Trial {
            what: format!("declare {adopt:?}"),
            made: declare_volume(text, "doctor-data", adopt),
            may: owned(&["/unused/doctor-data"]),
            // `volumes: {}` is opened.
            gone: owned(&["{"]),
            come: 5,
        });
    }
    for key in project.volumes.keys().chain(project.unused_volumes.keys()) {
        trials.push(Trial {
            what: format!("adopt {key}"),
            made: declare_volume(text, key, Some("old_data")),
            may: owned(&[&format!("/volumes/{key}"), &format!("/unused/{key}")]),
            gone: owned(&[""]),
            come: 2,
        });
    }
    for (name, service) in &project.services {
        let place = format!("/services/{name}/volumes");
        trials.push(Trial {
            what: format!("{name}: mount"),
            // The file is whole with the declaration.
            made: mount_volume(text, name, "doctor-data", "/convex/data").and_then(|text| {
                let once = mount_volume(&text, name, "doctor-data", "/convex/data")?;
                assert_eq!(once, text, "a second time");
                declare_volume(&text, "doctor-data", None)
            }),
            may: owned(&[&place, "/volumes", "/unused"]),
            gone: owned(&[""]),
            come: 5,
        });
        let variables = service.environment.keys().map(String::as_str);
        for variable in variables.chain(["DOCTOR_NEW"]) {
            let may: Vec<String> = vec![
                format!("/services/{name}/environment/{variable}"),
                format!("/sources/{name}/{variable}"),
            ];
            let whole: Vec<String> =
                vec![format!("/services/{name}/environment"), format!("/sources/{name}")];
            let of_new = |may: &[String], whole: &[String]| {
                if service.environment.is_empty() { whole.to_vec() } else { may.to_vec() }
            };
            for (what, made) in [
                ("pass", pass_variable(text, name, variable)),
                ("interpolate", interpolate_variable(text, name, variable)),
            ] {
                trials.push(Trial {
                    what: format!("{name}: {what} {variable}"),
                    made,
                    may: of_new(&may, &whole),
                    gone: owned(&[variable, "environment: {", "environment: ["]),
                    come: 2,
                });
            }
            let last = service.environment.len() == 1;
            trials.push(Trial {
                what: format!("{name}: remove {variable}"),
                made: remove_variable(text, name, variable),
                may: if last { whole } else { may },
                gone: owned(&[if last { "" } else { variable }]),
                come: 1,
            });
        }
    }
    trials
}

/// Compose files below a directory.
fn compose_files(root: &Path, found: &mut Vec<PathBuf>) {
    let Ok(directory) = std::fs::read_dir(root) else { return };
    for entry in directory {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            compose_files(&path, found);
        } else if name.contains("compose")
            && path.extension().is_some_and(|it| it == "yml" || it == "yaml")
        {
            found.push(path);
        }
    }
}

#[test]
fn other_peoples_files_change_where_they_are_meant_to() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    // The corpus is not in this repository: it is read where it lies beside it.
    for root in ["fixtures", "../shared/corpus", "../shared/compose-cases"] {
        compose_files(&here.join(root), &mut files);
    }
    files.sort();
    assert!(files.len() > 100, "the fixtures are where they were");
    let (mut changed, mut same) = (0, 0);
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for path in &files {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let path = std::fs::canonicalize(path).unwrap();
        // Many fixtures hold the same file.
        let Ok(before) = load(&path, &text) else { continue };
        if !seen.insert(text.clone()) {
            continue;
        }
        for Trial { what, made, may, gone, come } in trials(&text, &before) {
            let what = format!("{}: {what}", path.display());
            let new = match made {
                Ok(new) if new == text => {
                    same += 1;
                    continue;
                }
                Ok(new) => new,
                Err(why) => {
                    assert!(why.line >= 1 && why.line <= text.split('\n').count(), "{what}: {why}");
                    let words = why.why.split(' ').filter(|word| *word == word.to_lowercase());
                    let short = words.collect::<Vec<_>>().join(" ");
                    *refusals.entry(short).or_default() += 1;
                    continue;
                }
            };
            changed += 1;
            let (lines_gone, lines_come) = touched(&text, &new);
            let shown_diff = || lines::unified("f", &text, &new, &|_, _, line| line.to_owned());
            for line in &lines_gone {
                let is_meant = gone.iter().any(|word| line.contains(word));
                assert!(is_meant, "{what}\n{}", shown_diff());
            }
            assert!(lines_come.len() <= come, "{what}\n{}", shown_diff());
            let after = load(&path, &new).unwrap_or_else(|errors| {
                panic!("{what}: {errors}\n{}", shown_diff());
            });
            let mut differences = BTreeSet::new();
            differing("", &shown(&before), &shown(&after), &mut differences);
            // A `.env` may set another name.
            let is_name = may.iter().any(|place| place == "/name");
            assert!(is_name || !differences.is_empty(), "{what}\n{}", shown_diff());
            for difference in &differences {
                let is_meant = may.iter().any(|place| difference.starts_with(place.as_str()));
                assert!(is_meant, "{what}: {difference}\n{}", shown_diff());
            }
        }
    }
    println!("{} files: {changed} changed, {same} as they should be", seen.len());
    for (why, count) in &refusals {
        println!("  {count} refused: {why}");
    }
    // Three times as many where the corpus lies beside the repository.
    assert!(changed > 400, "{changed}");
}

/// How somebody writes a compose file.
#[derive(Clone, Debug)]
struct Style {
    step: usize,
    /// Lists stand at the column of their key.
    flush: bool,
    crlf: bool,
    quote: &'static str,
    environment: &'static str,
    volumes: &'static str,
    declared: &'static str,
    comments: bool,
    blank: bool,
    last_end: bool,
    top: &'static str,
    tail: &'static str,
}

fn styles() -> impl Strategy<Value = Style> {
    let words = (
        prop::sample::select(vec!["", "\"", "'"]),
        prop::sample::select(vec![
            "none",
            "bare",
            "list",
            "map",
            "nulls",
            "flow list",
            "flow map",
            "empty",
        ]),
        prop::sample::select(vec!["none", "short", "long", "flow", "empty"]),
        prop::sample::select(vec!["none", "null", "map", "driver", "flow", "empty"]),
        prop::sample::select(vec![
            "",
            "# a file\n",
            "---\n",
            "version: '3.8'\n\n",
            "name: old\n",
            "x-a: &a\n  k: v\n\n",
        ]),
        prop::sample::select(vec!["", "# end\n", "\n", "\n\n# end\n", "x-b: 1\n", "...\n"]),
    );
    let flags = (2..5_usize, any::<[bool; 5]>());
    (flags, words).prop_map(|((step, [flush, crlf, comments, blank, last_end]), words)| {
        let (quote, environment, volumes, declared, top, tail) = words;
        Style {
            step,
            flush,
            crlf,
            quote,
            environment,
            volumes,
            declared,
            comments,
            blank,
            last_end,
            top,
            tail,
        }
    })
}

/// A file of this style: two services, of which the second has what the style says.
fn file(style: &Style) -> String {
    let Style { step, quote: q, .. } = style;
    let pad = |levels: usize| " ".repeat(step * levels);
    let (two, three) = (pad(2), pad(3));
    let item = if style.flush { two.clone() } else { three.clone() };
    let (note, line) = if style.comments {
        (" # why", format!("{three}# a comment\n"))
    } else {
        ("", String::new())
    };
    let service = |name: &str, environment: &str, volumes: &str| {
        let environment = match environment {
            "none" => String::new(),
            "empty" => format!("{two}environment: {{}}{note}\n"),
            "bare" => format!(
                "{two}environment:{note}\n{item}- {q}A{q}\n{line}{item}- {q}S=one{q}{note}\n"
            ),
            "list" => format!(
                "{two}environment:\n{line}{item}- {q}A=${{A:-1}}{q}{note}\n{item}- {q}S=one{q}\n{line}"
            ),
            "map" => format!(
                "{two}environment:\n{three}A: {q}${{A}}{q}{note}\n{line}{three}S: {q}one{q}\n"
            ),
            "nulls" => {
                format!("{two}environment:\n{three}A:{note}\n{three}S: {q}one{q}{note}\n{line}")
            }
            "flow list" => format!("{two}environment: [ A, \"S=one\" ]{note}\n"),
            _ => format!("{two}environment: {{S: {q}one{q}, A: \"2\"}}{note}\n"),
        };
        let volumes = match volumes {
            "none" => String::new(),
            "empty" => format!("{two}volumes: []{note}\n"),
            "short" => format!(
                "{two}volumes:\n{line}{item}- {q}./o:/o:ro{q}{note}\n{item}- {q}old:/old:ro{q}\n"
            ),
            "long" => format!(
                "{two}volumes:\n{item}- type: volume{note}\n{item}  source: {q}old{q}\n{line}{item}  target: {q}/old{q}\n"
            ),
            _ => format!("{two}volumes: [ \"./o:/o\", \"old:/old\" ]{note}\n"),
        };
        let image = format!("{two}image: {q}x/{name}{q}{note}\n");
        let (one, gap) = (pad(1), if style.blank { "\n" } else { "" });
        format!("{one}{name}:\n{image}{volumes}{environment}{line}{gap}")
    };
    let volumes = match style.declared {
        "none" => String::new(),
        "null" => "volumes:\n".to_owned(),
        "empty" => format!("volumes: {{}}{note}\n"),
        "map" => format!("volumes:{note}\n{0}data:{note}\n{0}zoo: {{}}\n", pad(1)),
        "driver" => format!("volumes:\n{}data:\n{two}driver: local{note}\n", pad(1)),
        _ => "volumes: {data: {}, zoo: {}}\n".to_owned(),
    };
    // A mount of `old` needs its declaration: it lies in a mapping of its own.
    let networks = if style.blank { "\nnetworks:\n  n:\n\n" } else { "networks:\n  n:\n" };
    let (a, b) = (service("a", "map", "none"), service("b", style.environment, style.volumes));
    let c = service("c", "none", "none");
    let text = format!("{}services:\n{a}{b}{c}{networks}{volumes}{}", style.top, style.tail);
    let text = if style.last_end { text } else { text.trim_end_matches('\n').to_owned() };
    if style.crlf { text.replace('\n', "\r\n") } else { text }
}

const PATH: &str = "/nowhere/compose.yaml";

/// The project of a text to which the volumes that nothing declares are added.
fn project(text: &str) -> Project {
    let declare = |text: String, key| declare_volume(&text, key, None).unwrap();
    let declared = ["old", "data", "zoo"].into_iter().fold(text.to_owned(), declare);
    load(Path::new(PATH), &declared).unwrap_or_else(|errors| panic!("{errors}\n{declared}"))
}

/// An edit that must be possible, changes lines as it may, and leaves all else as it is.
fn changes(
    text: &str,
    made: Result<String, NoSafeEdit>,
    may: &[&str],
    gone: &[&str],
    come: usize,
) -> String {
    let new = made.unwrap_or_else(|why| panic!("{why}\n{text}"));
    let told = || format!("{text}\n=>\n{new}");
    let (lines_gone, lines_come) = touched(text, &new);
    assert!(lines_come.len() <= come, "{}", told());
    assert!(
        lines_gone.iter().all(|line| gone.iter().any(|word| line.contains(word))),
        "{}",
        told()
    );
    assert_eq!(new.ends_with('\n'), text.ends_with('\n'), "{}", told());
    assert_eq!(
        text.contains('\r'),
        !new.replace("\r\n", "").contains('\n') && new.contains('\r'),
        "{}",
        told()
    );
    let mut differences = BTreeSet::new();
    differing("", &shown(&project(text)), &shown(&project(&new)), &mut differences);
    for difference in differences {
        assert!(may.iter().any(|place| difference.starts_with(place)), "{difference}\n{}", told());
    }
    new
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn files_of_every_style_change_where_they_are_meant_to(style in styles()) {
        let text = file(&style);
        let mounts = ["/services/b/volumes", "/volumes", "/unused"];
        let flow = ["volumes: [", "environment: [", "environment: {"];

        let mounted = mount_volume(&text, "b", "data", "/convex/data");
        let mounted = changes(&text, mounted, &mounts, &flow[..1], 2);
        let whole = changes(&mounted, declare_volume(&mounted, "data", None), &mounts, &["volumes: {"], 3);
        let mount = project(&whole).services["b"].volumes.iter().any(|mount| {
            mount.target == "/convex/data" && mount.source.as_deref() == Some("data")
        });
        prop_assert!(mount, "{}", whole);
        let adopted = declare_volume(&whole, "data", Some("old_data"));
        let adopted = changes(&whole, adopted, &["/volumes/data"], &["driver: local", "{"], 3);
        let volume = project(&adopted).volumes["data"].clone();
        prop_assert!(volume.external && volume.name.value == "old_data", "{}", adopted);

        let replaced = mount_volume(&adopted, "b", "zoo", "/convex/data");
        changes(&adopted, replaced, &mounts, &["data"], 1);

        let environment = ["/services/b/environment", "/sources/b"];
        let new = pass_variable(&text, "b", "NEW");
        let new = changes(&text, new, &environment, &flow[1..], 2);
        let source = format!("{:?}", project(&new).services["b"].environment["NEW"].source);
        prop_assert!(source.starts_with("Pass") || source.contains("\"NEW\""), "{} {}", source, new);
        if !["none", "empty"].contains(&style.environment) {
            let only = ["/services/b/environment/S", "/sources/b/S"];
            prop_assert!(pass_variable(&text, "b", "S").is_err());
            let open = interpolate_variable(&text, "b", "S");
            let open = changes(&text, open, &only, &["S: ", "S="], 1);
            prop_assert!(!open[open.find("  b:").unwrap()..].contains("one"), "{}", open);
            let gone = changes(&open, remove_variable(&open, "b", "S"), &only, &["S"], 1);
            prop_assert!(!project(&gone).services["b"].environment.contains_key("S"));
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_text_is_too_strange(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "services:", "volumes:", "environment:", "  ", "    ", "b:", "- ", "\n", "\r\n", "\r", "\n  ", "\n    ", "\n      ", "a", "é", "\u{feff}",
            "data:/x", ": ", "{", "}", "[", "]", ", ", "#", " # c", "\"", "'", "|", ">", "&a ", "*a", "!x ", "? ", "---", "...", "\t", "${A}", "S=1",
            "services:\n  b:\n    image: x\n", "    environment:\n      - S=1\n", "    volumes:\n      - data:/x\n", "volumes:\n  data:\n", "<<: *a", "name: n\n",
        ]), 0..16),
    ) {
        let text = pieces.concat();
        for made in [
            mount_volume(&text, "b", "data", "/convex/data"),
            declare_volume(&text, "data", None),
            declare_volume(&text, "data", Some("old")),
            pass_variable(&text, "b", "S"),
            pass_variable(&text, "b", "NEW"),
            interpolate_variable(&text, "b", "S"),
            remove_variable(&text, "b", "S"),
        ] {
            match made {
                Ok(new) => {
                    touched(&text, &new);
                }
                Err(why) => prop_assert!(why.line >= 1 && !why.why.is_empty()),
            }
        }
    }
}
