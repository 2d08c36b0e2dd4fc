//! The rotation of an instance's secret: what it ends, what has to be done before and after it, and
//! where else the old key and the old secret are.

use std::path::{Component, Path, PathBuf};

use crate::deployment::compose::declared_backend;
use crate::evidence::Evidence;
use crate::evidence::places::{Held, HeldAt, InGit, NamedVariable};
use crate::evidence::selection::ValueSource;
use crate::names::{ADMIN_KEY, INSTANCE_SECRET};
use crate::remedies::command::up;
use crate::remedies::mint::after_new_secret;
use crate::remedies::secret::{env_file, ignored, pass};
use crate::remedies::volumes::with;
use crate::report::{Action, Command, Errand, Order, Price, Remedy, Safety, shell_word};

/// More places of one kind are only counted.
const SHOWN: usize = 30;

/// Gives the instance another secret, and saves a key made with it in the CLI's file. From then on
/// every older key is rejected.
fn rotate(evidence: &Evidence, id: &str) -> Option<Remedy> {
    let (compose, service) = declared_backend(evidence).ok()??;
    let docker = evidence.docker.seen().ok()?;
    let container = docker.expected().filter(|container| container.is_running())?;
    let file = env_file(evidence, compose);
    let key_file = key_file(evidence)?;
    let mut actions = ignored(evidence, &[&file, &key_file]);
    actions.extend([
        pass(service),
        Action::NewSecret { file: file.clone() },
        Action::Replace {
            container: container.name.clone(),
            mount: None,
            secret_from: Some(file.clone()),
            without: vec![],
        },
        Action::MintKey { file: key_file.clone() },
    ]);
    let copies = copies(evidence, &key_file);
    actions.extend(
        copies.iter().map(|copy| Action::CopyKey { file: copy.clone(), from: key_file.clone() }),
    );
    let keys = [std::slice::from_ref(&key_file), copies.as_slice()].concat().join(", ");
    let title = format!("Rotate the secret: a new one in {file}, a new key in {keys}");
    let mut remedy = with(evidence, id, actions, &title);
    // A new key must never get into the repository, so this comes first.
    let mut files = vec![&file, &key_file];
    files.dedup();
    let untracked: Vec<String> =
        files.into_iter().flat_map(|file| untrack(evidence, file)).collect();
    let left = tasks_left(evidence, !untracked.is_empty());
    remedy.commands.splice(0..0, untracked.into_iter().map(Command::from));
    let price = Price {
        dies: "every admin key, and the cursors and tokens in use".to_owned(),
        stays: "documents, files, functions, variables and the instance name".to_owned(),
    };
    Some(Remedy { safety: Safety::Destructive, price: Some(price), ..remedy }.then(left))
}

/// Rotates the secret without `convex-doctor fix`: three steps, after which `left` is left to do.
pub(crate) fn by_hand(evidence: &Evidence, left: Vec<Errand>) -> [Remedy; 3] {
    let generate = "Generate a new instance secret (all admin keys will stop working)";
    let set = "Set INSTANCE_SECRET in .env to that line, and recreate the backend";
    [
        Remedy::careful(generate).run("openssl rand -hex 32"),
        Remedy::careful(set).run(up(evidence)).in_variables(),
        after_new_secret(evidence).then(left),
    ]
}

/// Rotates the secret with `convex-doctor fix` if it can, else in steps that begin with `first`.
pub(crate) fn rotations(evidence: &Evidence, id: &str, first: Option<Remedy>) -> Vec<Remedy> {
    let rotate = rotate(evidence, id);
    let left = if rotate.is_none() { tasks_left(evidence, false) } else { vec![] };
    let steps = first.into_iter().chain(by_hand(evidence, left)).map(Remedy::step);
    let mut steps: Vec<Remedy> = steps.collect();
    if rotate.is_some() {
        steps[0].order = Order::Alternative;
    }
    rotate.into_iter().chain(steps).collect()
}

/// The commands that remove a file from git's index and leave it where it is; none if git does not
/// track it.
pub(crate) fn untrack(evidence: &Evidence, file: &str) -> Vec<String> {
    let git = evidence.surroundings.git.seen().ok().and_then(Option::as_ref);
    let Some(git) = git.filter(|git| git.tracked.iter().any(|tracked| tracked == file)) else {
        return vec![];
    };
    let word = shell_word(file);
    let ignore = git.not_ignored.iter().any(|open| open == file);
    let ignore = ignore.then(|| format!("echo {word} >> .gitignore"));
    ignore.into_iter().chain([format!("git rm --cached {word}")]).collect()
}

/// What is left to do once the instance has the new secret: where else the old one and the old keys
/// are.
fn tasks_left(evidence: &Evidence, was_untracked: bool) -> Vec<Errand> {
    let Some(places) = &evidence.surroundings.other_places else { return vec![] };
    let own_copies = key_file(evidence).map(|file| copies(evidence, &file)).unwrap_or_default();
    let left: Vec<&HeldAt> =
        places.lines.iter().filter(|at| !is_rewritten(evidence, at, &own_copies)).collect();
    let held = |what: Held| -> Vec<String> {
        let lines = left.iter().filter(|at| at.what == what).map(|at| line(at));
        let variables = places.variables.iter().filter(|one| one.what == what).map(variable);
        lines.chain(variables).collect()
    };
    let mut tasks = vec![
        task("Save the new key here, too", held(Held::Key)),
        task(
            "Replace these keys, too: they stop working with the old secret",
            held(Held::OtherKey),
        ),
        task("Replace or delete the old secret here, too", held(Held::Secret)),
        task("Check these places yourself: they were not searched", places.left_out.clone()),
    ];
    let changed = compose_file_with_secret(evidence);
    if was_untracked || changed.is_some() {
        let add = changed.map(|file| format!("git add {}", shell_word(&file)));
        let commit = "git commit -m 'Keep secrets out of the repository'".to_owned();
        tasks.push(Some(Errand {
            title: "Commit what is staged; the old secret in the history no longer works"
                .to_owned(),
            places: vec![],
            commands: add.into_iter().chain([commit]).collect(),
        }));
    }
    tasks.into_iter().flatten().collect()
}

fn task(title: &str, mut places: Vec<String>) -> Option<Errand> {
    let more = places.len().saturating_sub(SHOWN);
    places.truncate(SHOWN);
    if more > 0 {
        places.push(format!("and {more} more"));
    }
    let commands = vec![];
    (!places.is_empty()).then(|| Errand { title: title.to_owned(), places, commands })
}

fn line(at: &HeldAt) -> String {
    let place = format!("{}:{}", at.file, at.line);
    let place = match &at.variable {
        Some(variable) => format!("{place} ({variable})"),
        None => place,
    };
    if at.git == Some(InGit::Tracked) {
        return format!("{place}: git tracks the file; move the value to one that git ignores");
    }
    place
}

fn variable(one: &NamedVariable) -> String {
    let (store, name) = (&one.store, &one.name);
    let place = format!("{}:{}", one.file, one.line);
    if one.is_named {
        format!("{store} {name} ({place})")
    } else {
        format!("{store} {name}, if it is set ({place} runs the CLI)")
    }
}

/// The env file for the new key; `None` if the old key is not in a file and would override it.
fn key_file(evidence: &Evidence) -> Option<String> {
    let definitions = evidence.selection.definitions(ADMIN_KEY);
    match definitions.iter().find(|one| one.wins).map(|one| &one.source) {
        Some(ValueSource::File { file, .. }) => Some(file.clone()),
        Some(ValueSource::Env { .. } | ValueSource::Flag { .. }) => None,
        None => Some(".env.local".to_owned()),
    }
}

/// The other env files of the project that set the same key under the same name, and that git
/// ignores: only this machine has them, and nothing else can be meant.
fn copies(evidence: &Evidence, key_file: &str) -> Vec<String> {
    let places = evidence.surroundings.other_places.iter().flat_map(|places| &places.lines);
    let same = |at: &&HeldAt| {
        at.what == Held::Key
            && at.is_plain
            && at.variable.as_deref() == Some(ADMIN_KEY)
            && at.git == Some(InGit::Ignored)
            && !at.file.starts_with("../")
            && !Path::new(&at.file).is_absolute()
            && !is_same(evidence, &at.file, key_file)
    };
    places.filter(same).map(|at| at.file.clone()).collect()
}

/// Whether the rotation itself replaces it.
fn is_rewritten(evidence: &Evidence, at: &HeldAt, copies: &[String]) -> bool {
    let Ok(Some((compose, service))) = declared_backend(evidence) else { return false };
    let is = |file: &str| is_same(evidence, &at.file, file);
    match at.what {
        Held::Key => {
            at.is_plain
                && (key_file(evidence).is_some_and(|file| is(&file)) || copies.contains(&at.file))
        }
        Held::OtherKey => false,
        Held::Secret => {
            let own = |variable: &str| at.variable.as_deref() == Some(variable);
            let entry = service.environment.iter().find(|entry| entry.name == INSTANCE_SECRET);
            let literal = entry.and_then(|entry| entry.value_at.as_ref());
            own(INSTANCE_SECRET) && is(&env_file(evidence, compose))
                || literal.is_some_and(|literal| is(&literal.file) && literal.line == at.line)
        }
    }
}

/// The compose file that git tracks and from which the rotation removes the literal secret.
fn compose_file_with_secret(evidence: &Evidence) -> Option<String> {
    let (_, service) = declared_backend(evidence).ok()??;
    let entry = service.environment.iter().find(|entry| entry.name == INSTANCE_SECRET)?;
    let at = entry.value_at.as_ref().filter(|at| at.file == entry.at.file)?;
    let git = evidence.surroundings.git.seen().ok()?.as_ref()?;
    git.tracked.contains(&at.file).then(|| at.file.clone())
}

/// Whether two names mean one file.
fn is_same(evidence: &Evidence, one: &str, other: &str) -> bool {
    let whole = |file: &str| {
        let mut path = PathBuf::new();
        for part in Path::new(&evidence.surroundings.directory).join(file).components() {
            match part {
                Component::ParentDir => {
                    path.pop();
                }
                Component::CurDir => {}
                part => path.push(part),
            }
        }
        path
    };
    whole(one) == whole(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation::Seen;
    use crate::evidence::build::selection as build;
    use crate::evidence::places::OtherPlaces;
    use crate::evidence::surroundings::Git;

    fn at(
        file: &str,
        line: usize,
        what: Held,
        variable: Option<&str>,
        git: Option<InGit>,
    ) -> HeldAt {
        let variable = variable.map(str::to_owned);
        HeldAt { file: file.to_owned(), line, what, is_plain: variable.is_some(), variable, git }
    }

    fn named(store: &str, name: &str, what: Held, is_named: bool) -> NamedVariable {
        let file = ".github/workflows/deploy.yml".to_owned();
        NamedVariable {
            store: store.to_owned(),
            name: name.to_owned(),
            what,
            file,
            line: 23,
            is_named,
        }
    }

    fn world(lines: Vec<HeldAt>, variables: Vec<NamedVariable>) -> Evidence {
        let mut evidence = build::evidence(&[], build::PAIR, "");
        build::add_backend(&mut evidence);
        let left_out = vec![];
        evidence.surroundings.other_places = Some(OtherPlaces { lines, variables, left_out });
        evidence
    }

    #[test]
    fn what_the_fix_writes_itself_and_what_it_leaves() {
        use InGit::{Ignored, Neither, Tracked};
        let key = Some(ADMIN_KEY);
        for (case, line, copied, listed) in [
            (
                "the CLI's own file",
                at(".env.local", 2, Held::Key, key, Some(Ignored)),
                false,
                false,
            ),
            (
                "the same by another name",
                at("./.env.local", 2, Held::Key, key, Some(Ignored)),
                false,
                false,
            ),
            (
                "another env file",
                at("apps/web/.env.local", 2, Held::Key, key, Some(Ignored)),
                true,
                false,
            ),
            (
                "one that git would add",
                at(".env.production", 2, Held::Key, key, Some(Neither)),
                false,
                true,
            ),
            (
                "one that git tracks",
                at(".env.production", 2, Held::Key, key, Some(Tracked)),
                false,
                true,
            ),
            ("git unknown", at(".env.production", 2, Held::Key, key, None), false, true),
            (
                "another variable",
                at(".env.production", 2, Held::Key, Some("KEY"), Some(Ignored)),
                false,
                true,
            ),
            (
                "outside of the project",
                at("../.env.local", 2, Held::Key, key, Some(Ignored)),
                false,
                true,
            ),
            ("a script", at("deploy.sh", 2, Held::Key, None, Some(Ignored)), false, true),
            ("another key", at(".env.ci", 2, Held::OtherKey, key, Some(Ignored)), false, true),
            (
                "the secret in Compose's file",
                at(".env", 1, Held::Secret, Some(INSTANCE_SECRET), Some(Ignored)),
                false,
                false,
            ),
            (
                "the secret elsewhere",
                at("backup/.env", 1, Held::Secret, Some(INSTANCE_SECRET), Some(Ignored)),
                false,
                true,
            ),
        ] {
            let source = format!("{}:{}", line.file, line.line);
            let evidence = world(vec![line], vec![]);
            assert_eq!(!copies(&evidence, ".env.local").is_empty(), copied, "{case}");
            let tasks = tasks_left(&evidence, false);
            let places: Vec<_> = tasks.iter().flat_map(|task| &task.places).collect();
            assert_eq!(
                places.iter().any(|place| place.starts_with(&source)),
                listed,
                "{case}: {places:?}"
            );
        }
    }

    #[test]
    fn each_place_comes_under_what_is_to_be_done_there() {
        let evidence = world(
            vec![
                at("deploy.sh", 3, Held::Key, None, Some(InGit::Tracked)),
                at(".env.ci", 1, Held::OtherKey, Some(ADMIN_KEY), Some(InGit::Ignored)),
                at("backup/.env", 1, Held::Secret, Some(INSTANCE_SECRET), None),
            ],
            vec![
                named("GitHub Actions secret", "CONVEX_KEY", Held::Key, true),
                named("Vercel environment variable", ADMIN_KEY, Held::Key, false),
                named("GitHub Actions secret", "S", Held::Secret, true),
            ],
        );
        let tasks = tasks_left(&evidence, true);
        let places: Vec<&[String]> = tasks.iter().map(|task| task.places.as_slice()).collect();
        assert_eq!(
            places,
            [
                &[
                    "deploy.sh:3: git tracks the file; move the value to one that git ignores"
                        .to_owned(),
                    "GitHub Actions secret CONVEX_KEY (.github/workflows/deploy.yml:23)".to_owned(),
                    format!(
                        "Vercel environment variable {ADMIN_KEY}, if it is set (.github/workflows/deploy.yml:23 runs the CLI)"
                    ),
                ][..],
                &[format!(".env.ci:1 ({ADMIN_KEY})")],
                &[
                    "backup/.env:1 (INSTANCE_SECRET)".to_owned(),
                    "GitHub Actions secret S (.github/workflows/deploy.yml:23)".to_owned(),
                ],
                &[],
            ]
        );
        assert_eq!(tasks[3].commands, ["git commit -m 'Keep secrets out of the repository'"]);
    }

    #[test]
    fn a_tracked_file_is_removed_from_the_index_first() {
        let mut evidence = build::evidence(&[], build::PAIR, "");
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        for (tracked, not_ignored, expected) in [
            (&[][..], &[".env.local"][..], &[][..]),
            (&[".env.local"], &[], &["git rm --cached .env.local"]),
            (
                &[".env.local"],
                &[".env.local"],
                &["echo .env.local >> .gitignore", "git rm --cached .env.local"],
            ),
            (&[".env"], &[".env"], &[]),
        ] {
            let git =
                Git { tracked: names(tracked), not_ignored: names(not_ignored), ..Git::default() };
            evidence.surroundings.git = Seen(Some(git));
            assert_eq!(untrack(&evidence, ".env.local"), expected, "{tracked:?}");
        }
    }

    #[test]
    fn a_key_that_a_shell_exports_has_no_file() {
        let mut evidence = world(vec![], vec![]);
        assert_eq!(key_file(&evidence).as_deref(), Some(".env.local"));
        evidence = build::evidence(&[(ADMIN_KEY, "x|01")], build::PAIR, "");
        assert_eq!(key_file(&evidence), None);
    }
}
