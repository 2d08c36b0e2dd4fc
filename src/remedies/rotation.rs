//! The rotation of an instance's secret: what it ends, what has to be done before and after it, and
//! where the old key and the old secret stand besides.

use crate::report::Command;
use std::path::{Component, Path, PathBuf};

use crate::deployment::compose::declared_backend;
use crate::evidence::Evidence;
use crate::evidence::places::{Held, HeldAt, InGit, NamedVariable};
use crate::evidence::selection::ValueSource;
use crate::names::{ADMIN_KEY, INSTANCE_SECRET};
use crate::remedies::secret::{env_file, ignored, pass};
use crate::remedies::volumes::with;
use crate::report::{Action, Errand, Price, Remedy, Safety, shell_word};

/// So many places are told of one kind.
const TOLD: usize = 30;

/// Gives the instance another secret, and the file of the CLI a key made with it. Every key so far
/// is refused from then on.
pub(crate) fn rotate(evidence: &Evidence, id: &str) -> Option<Remedy> {
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
    let title = format!(
        "Rotate: a new secret in {file}, {} made anew with it, a new key in {keys}; every old key stops working, the \
         data stays",
        container.name
    );
    let mut remedy = with(evidence, id, actions, &title);
    // No new key may ever get into the repository, so this comes first.
    let mut files = vec![&file, &key_file];
    files.dedup();
    let untracked: Vec<String> =
        files.into_iter().flat_map(|file| untrack(evidence, file)).collect();
    let errands = errands(evidence, !untracked.is_empty());
    remedy.commands.splice(0..0, untracked.into_iter().map(Command::from));
    let price = Price {
        dies: "every admin key made so far, everywhere; cursors and tokens in use".to_owned(),
        stays: "documents, files, functions, variables, the instance's name".to_owned(),
    };
    Some(Remedy { safety: Safety::Destructive, price: Some(price), ..remedy }.then(errands))
}

/// The commands that take a file out of git's index and leave it where it is; none where git does
/// not track it.
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

/// What is left to do once the new secret is in force: where else the old one and the old keys
/// stand.
pub(crate) fn errands(evidence: &Evidence, was_untracked: bool) -> Vec<Errand> {
    let Some(places) = &evidence.surroundings.other_places else { return vec![] };
    let own_copies = key_file(evidence).map(|file| copies(evidence, &file)).unwrap_or_default();
    let left: Vec<&HeldAt> =
        places.lines.iter().filter(|at| !is_rewritten(evidence, at, &own_copies)).collect();
    let held = |what: Held| -> Vec<String> {
        let lines = left.iter().filter(|at| at.what == what).map(|at| line(at));
        let variables = places.variables.iter().filter(|one| one.what == what).map(variable);
        lines.chain(variables).collect()
    };
    let mut errands = vec![
        errand("Then put the new key there, too", held(Held::Key)),
        errand(
            "These are other keys of the same secret and end with it: make each anew",
            held(Held::OtherKey),
        ),
        errand(
            "The old secret stands there, too: have each take the new one, or none",
            held(Held::Secret),
        ),
        errand(
            "Not everything was looked through, so look there yourself",
            places.left_out.clone(),
        ),
    ];
    let changed = compose_file_with_secret(evidence);
    if was_untracked || changed.is_some() {
        let add = changed.map(|file| format!("git add {}", shell_word(&file)));
        let commit = "git commit -m 'Keep secrets out of the repository'".to_owned();
        errands.push(Some(Errand {
            title: "Then commit what git has staged; its history keeps the old one, which is worthless by then".to_owned(),
            places: vec![],
            commands: add.into_iter().chain([commit]).collect(),
        }));
    }
    errands.into_iter().flatten().collect()
}

fn errand(title: &str, mut places: Vec<String>) -> Option<Errand> {
    let more = places.len().saturating_sub(TOLD);
    places.truncate(TOLD);
    if more > 0 {
        places.push(format!("and {more} more"));
    }
    let commands = vec![];
    (!places.is_empty()).then(|| Errand { title: title.to_owned(), places, commands })
}

fn line(at: &HeldAt) -> String {
    let spot = format!("{}:{}", at.file, at.line);
    let spot = match &at.variable {
        Some(variable) => format!("{spot} ({variable})"),
        None => spot,
    };
    if at.git == Some(InGit::Tracked) {
        return format!(
            "{spot}: git tracks the file, so take it out there and keep it in one that git ignores"
        );
    }
    spot
}

fn variable(one: &NamedVariable) -> String {
    let (store, name) = (&one.store, &one.name);
    let spot = format!("{}:{}", one.file, one.line);
    if one.is_named {
        format!("{store} {name} ({spot})")
    } else {
        format!("{store} {name}, if it is set ({spot} runs the CLI)")
    }
}

/// The env file that the new key goes into; `None` where the old one comes from no file and would
/// hide it.
fn key_file(evidence: &Evidence) -> Option<String> {
    let definitions = evidence.selection.definitions(ADMIN_KEY);
    match definitions.iter().find(|one| one.wins).map(|one| &one.source) {
        Some(ValueSource::File { file, .. }) => Some(file.clone()),
        Some(ValueSource::Env { .. } | ValueSource::Flag { .. }) => None,
        None => Some(".env.local".to_owned()),
    }
}

/// The other env files that plainly hold the same key under the same name, inside the project,
/// where git ignores them: nobody but this machine has them, and nothing else can be meant.
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

/// Whether the rotation itself puts something else there.
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

/// The compose file that git tracks and from which the rotation takes the literal secret.
fn compose_file_with_secret(evidence: &Evidence) -> Option<String> {
    let (_, service) = declared_backend(evidence).ok()??;
    let entry = service.environment.iter().find(|entry| entry.name == INSTANCE_SECRET)?;
    let at = entry.value_at.as_ref().filter(|at| at.file == entry.at.file)?;
    let git = evidence.surroundings.git.seen().ok()?.as_ref()?;
    git.tracked.contains(&at.file).then(|| at.file.clone())
}

/// Whether two names are those of one file.
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
        for (case, line, copied, told) in [
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
                "one that git would take",
                at(".env.production", 2, Held::Key, key, Some(Neither)),
                false,
                true,
            ),
            (
                "one that git has",
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
            let spot = format!("{}:{}", line.file, line.line);
            let evidence = world(vec![line], vec![]);
            assert_eq!(!copies(&evidence, ".env.local").is_empty(), copied, "{case}");
            let errands = errands(&evidence, false);
            let places: Vec<_> = errands.iter().flat_map(|errand| &errand.places).collect();
            assert_eq!(
                places.iter().any(|place| place.starts_with(&spot)),
                told,
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
        let errands = errands(&evidence, true);
        let places: Vec<&[String]> =
            errands.iter().map(|errand| errand.places.as_slice()).collect();
        assert_eq!(
            places,
            [
                &[
                    "deploy.sh:3: git tracks the file, so take it out there and keep it in one that git ignores".to_owned(),
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
        assert_eq!(errands[3].commands, ["git commit -m 'Keep secrets out of the repository'"]);
    }

    #[test]
    fn a_tracked_file_is_taken_out_of_the_index_first() {
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
    fn a_key_that_a_shell_exports_is_no_file_s() {
        let mut evidence = world(vec![], vec![]);
        assert_eq!(key_file(&evidence).as_deref(), Some(".env.local"));
        evidence = build::evidence(&[(ADMIN_KEY, "x|01")], build::PAIR, "");
        assert_eq!(key_file(&evidence), None);
    }
}
