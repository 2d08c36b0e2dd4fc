//! The variables that a CI, a host or a build keeps and that the project's files name: which of
//! them hold the admin key or the instance secret. By the line, as these files are written by
//! people: no reader of YAML knows what a step's shell does.

use std::sync::LazyLock;

use regex::Regex;

use crate::evidence::places::{Held, NamedVariable};
use crate::selection::names::ADMIN_KEY;

/// How a file names the variables of its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoreStyle {
    /// `${{ secrets.NAME }}`, `${{ vars.NAME }}`: nothing reaches a job unnamed.
    Expression,
    /// `$NAME`, `${NAME}`, `$(NAME)`, `from_secret: NAME`, `credentials('NAME')`; a variable of the
    /// store reaches the job by itself.
    Shell,
    /// `ARG NAME`.
    Build,
    /// `NAME: ${OTHER}` or `- NAME` of a service.
    Compose,
}

/// The stores by their files: what the path (with a `/` before it) holds or ends in, the variable's
/// kind, the style.
const STORES: &[(&str, &str, StoreStyle)] = &[
    ("/.github/workflows/", "GitHub Actions secret", StoreStyle::Expression),
    ("/.github/actions/", "GitHub Actions secret", StoreStyle::Expression),
    ("/.gitea/workflows/", "Gitea Actions secret", StoreStyle::Expression),
    ("/.forgejo/workflows/", "Forgejo Actions secret", StoreStyle::Expression),
    (".gitlab-ci.yml", "GitLab CI/CD variable", StoreStyle::Shell),
    ("/.gitlab/", "GitLab CI/CD variable", StoreStyle::Shell),
    ("/.circleci/", "CircleCI variable", StoreStyle::Shell),
    ("/bitbucket-pipelines.yml", "Bitbucket Pipelines variable", StoreStyle::Shell),
    ("/azure-pipelines.yml", "Azure Pipelines variable", StoreStyle::Shell),
    ("/.travis.yml", "Travis CI variable", StoreStyle::Shell),
    ("/.buildkite/", "Buildkite variable", StoreStyle::Shell),
    ("/.woodpecker", "Woodpecker secret", StoreStyle::Shell),
    ("/.drone.yml", "Drone secret", StoreStyle::Shell),
    ("/jenkinsfile", "Jenkins credential", StoreStyle::Shell),
    ("/cloudbuild.yaml", "Cloud Build variable", StoreStyle::Shell),
    ("/vercel.json", "Vercel environment variable", StoreStyle::Shell),
    ("/netlify.toml", "Netlify environment variable", StoreStyle::Shell),
    ("/fly.toml", "Fly secret", StoreStyle::Shell),
    ("/render.yaml", "Render environment variable", StoreStyle::Shell),
    ("/railway.json", "Railway variable", StoreStyle::Shell),
    ("/railway.toml", "Railway variable", StoreStyle::Shell),
    ("/nixpacks.toml", "Nixpacks build variable", StoreStyle::Shell),
];

/// What holds the value, by the names it has in files.
const NAMES: &[(&str, Held)] =
    &[(ADMIN_KEY, Held::Key), ("--admin-key", Held::Key), ("INSTANCE_SECRET", Held::Secret)];

/// What is in an expression: `secrets.NAME`, `vars['NAME']`.
static STORED: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"\b(secrets|vars)(?:\.|\[\s*['"])([A-Za-z_][A-Za-z0-9_]*)"#));
/// The value that begins with an expression.
static EXPRESSION: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"^['"]?\s*(?:[:=]|\s)\s*['"]?\$\{\{(.*?)\}\}"#));
/// The value that is another variable.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"^['"]?\s*(?:[:=]|\s)\s*['"]?(?:\$\{\s*|\$\(\s*|\$+|credentials\(\s*['"]|\{\s*from_secret:\s*)([A-Za-z_][A-Za-z0-9_-]*)"#,
    )
});
/// The name of a secret on the line below.
static FROM_SECRET: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"^\s*from_secret:\s*['"]?([A-Za-z_][A-Za-z0-9_-]*)"#));
/// The CLI at work on a deployment.
static RUNS_CLI: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\bconvex\s+(?:deploy|dev|run|env|import|export)\b"));

#[allow(clippy::expect_used, reason = "the patterns are constants, and a test uses each")]
fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

/// Whether the file is one whose variables are kept elsewhere, by its path from the top of the
/// project.
pub(super) fn is_of_interest(path: &str) -> bool {
    store(path).is_some()
}

fn store(path: &str) -> Option<(&'static str, StoreStyle)> {
    let path = format!("/{}", path.to_ascii_lowercase());
    let (_, name) = path.rsplit_once('/')?;
    let is_yaml = has_extension(name, &["yml", "yaml"]);
    if name.starts_with("dockerfile")
        || name.starts_with("containerfile")
        || has_extension(name, &["dockerfile"])
    {
        return Some(("build argument", StoreStyle::Build));
    }
    if is_yaml && (name.starts_with("docker-compose") || name.starts_with("compose")) {
        return Some(("variable of a Compose service", StoreStyle::Compose));
    }
    STORES
        .iter()
        .find(|(part, _, _)| {
            if part.ends_with('/') {
                path.contains(part)
            } else {
                path.ends_with(part) || *part == "/.woodpecker" && path.contains(part)
            }
        })
        .map(|(_, store, style)| (*store, *style))
}

fn has_extension(name: &str, known: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| known.contains(&extension))
}

/// The variables that the file at `path` (from the top of the project) names for the key or the
/// secret; `shown` is what it is called.
pub(super) fn named(path: &str, shown: &str, text: &str) -> Vec<NamedVariable> {
    let Some((store, style)) = store(path) else { return vec![] };
    let mut found: Vec<NamedVariable> = vec![];
    let mut add = |store: String, name: &str, what: Held, line: usize, is_named: bool| {
        if found.iter().all(|one| (&one.store, one.name.as_str()) != (&store, name)) {
            let (name, file) = (name.to_owned(), shown.to_owned());
            found.push(NamedVariable { store, name, what, file, line, is_named });
        }
    };
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if is_comment(line) {
            continue;
        }
        for (name, what) in NAMES {
            // A backend's own secret in a compose file is the rotation's to see to.
            if style == StoreStyle::Compose && *what == Held::Secret {
                continue;
            }
            for (before, after) in occurrences(line, name) {
                match style {
                    StoreStyle::Expression => {
                        for (kind, stored) in expression(name, before, after) {
                            let store = match kind {
                                "vars" => store.replace("secret", "variable"),
                                _ => store.to_owned(),
                            };
                            add(store, stored, *what, index + 1, true);
                        }
                    }
                    StoreStyle::Shell | StoreStyle::Compose => {
                        let below =
                            lines.get(index + 1).and_then(|below| FROM_SECRET.captures(below));
                        let stored = match (REFERENCE.captures(after), below) {
                            (Some(found), _) | (None, Some(found)) => {
                                found.get(1).map(|name| name.as_str())
                            }
                            (None, None) => bare(name, before, after),
                        };
                        if let Some(stored) = stored {
                            add(store.to_owned(), stored, *what, index + 1, true);
                        }
                    }
                    StoreStyle::Build => {
                        let word = before.trim().to_ascii_uppercase();
                        if matches!(word.as_str(), "ARG" | "ENV") {
                            add(store.to_owned(), name, *what, index + 1, true);
                        }
                    }
                }
            }
        }
    }
    if style == StoreStyle::Shell && found.iter().all(|one| one.what != Held::Key) {
        let runs = |line: &&&str| !is_comment(line) && RUNS_CLI.is_match(line);
        if let Some(line) = lines.iter().find(runs) {
            let at = lines.iter().position(|one| one == line).map_or(0, |index| index + 1);
            found.push(NamedVariable {
                store: store.to_owned(),
                name: ADMIN_KEY.to_owned(),
                what: Held::Key,
                file: shown.to_owned(),
                line: at,
                is_named: false,
            });
        }
    }
    found
}

/// Whether the line says nothing to anybody but a person.
pub(super) fn is_comment(line: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}').trim_start();
    line.starts_with('#') || line.starts_with("//")
}

/// What is before and after each place of `name` as a word of its own.
fn occurrences<'l>(line: &'l str, name: &'l str) -> impl Iterator<Item = (&'l str, &'l str)> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    line.match_indices(name).filter_map(move |(at, _)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        (!before.ends_with(word) && !after.starts_with(word)).then_some((before, after))
    })
}

/// The stored variables that the name gets, or that it is itself.
fn expression<'l>(name: &'l str, before: &'l str, after: &'l str) -> Vec<(&'l str, &'l str)> {
    for kind in ["secrets", "vars"] {
        let prefixes = [format!("{kind}."), format!("{kind}['"), format!("{kind}[\"")];
        if prefixes.iter().any(|prefix| before.ends_with(prefix)) {
            return vec![(kind, name)];
        }
    }
    let Some(inside) = EXPRESSION.captures(after).and_then(|found| found.get(1)) else {
        return vec![];
    };
    let pair = |found: regex::Captures<'l>| Some((found.get(1)?.as_str(), found.get(2)?.as_str()));
    STORED.captures_iter(inside.as_str()).filter_map(pair).collect()
}

/// The name itself, where it is used or listed and gets no literal value on this line.
fn bare<'l>(name: &'l str, before: &str, after: &str) -> Option<&'l str> {
    if name.starts_with('-') {
        return None;
    }
    let used = before.ends_with(['$', '{', '(']);
    let rest = after.trim_start_matches(['"', '\'']).trim();
    let assigned = rest.starts_with([':', '=']) && rest.trim_start_matches([':', '=']).trim() != "";
    (used || !assigned).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, text: &str) -> Vec<String> {
        let shown = |one: &NamedVariable| {
            let named = if one.is_named { "" } else { " by its use" };
            let what = if one.what == Held::Secret { " secret" } else { "" };
            format!("{} {}:{}{what}{named}", one.store, one.name, one.line)
        };
        named(path, path, text).iter().map(shown).collect()
    }

    #[test]
    fn what_a_file_names() {
        let workflow = ".github/workflows/deploy.yml";
        for (path, text, expected) in [
            (
                workflow,
                "env:\n  CONVEX_SELF_HOSTED_ADMIN_KEY: ${{ secrets.CONVEX_KEY }}",
                &["GitHub Actions secret CONVEX_KEY:2"][..],
            ),
            (
                workflow,
                "  'CONVEX_SELF_HOSTED_ADMIN_KEY': \"${{secrets['K']}}\"",
                &["GitHub Actions secret K:1"],
            ),
            (
                workflow,
                "- run: CONVEX_SELF_HOSTED_URL=${{ secrets.U }} CONVEX_SELF_HOSTED_ADMIN_KEY=${{ secrets.K }} npx convex deploy",
                &["GitHub Actions secret K:1"],
            ),
            (
                workflow,
                "- run: npx convex deploy --url ${{ vars.U }} --admin-key ${{ vars.K }}",
                &["GitHub Actions variable K:1"],
            ),
            (
                workflow,
                "    KEY: ${{ secrets.CONVEX_SELF_HOSTED_ADMIN_KEY }}",
                &["GitHub Actions secret CONVEX_SELF_HOSTED_ADMIN_KEY:1"],
            ),
            (
                workflow,
                "CONVEX_SELF_HOSTED_ADMIN_KEY: ${{ github.ref == 'x' && secrets.A || secrets.B }}",
                &["GitHub Actions secret A:1", "GitHub Actions secret B:1"],
            ),
            (workflow, "INSTANCE_SECRET: ${{ secrets.S }}", &["GitHub Actions secret S:1 secret"]),
            (
                workflow,
                "# CONVEX_SELF_HOSTED_ADMIN_KEY: ${{ secrets.K }}\nMY_CONVEX_SELF_HOSTED_ADMIN_KEY: ${{ secrets.K }}",
                &[],
            ),
            (workflow, "- run: npx convex deploy\n- run: echo $CONVEX_SELF_HOSTED_ADMIN_KEY", &[]),
            (workflow, "CONVEX_SELF_HOSTED_ADMIN_KEY: a-literal", &[]),
            (
                ".gitlab-ci.yml",
                "script:\n - test -n \"$CONVEX_SELF_HOSTED_ADMIN_KEY\"",
                &["GitLab CI/CD variable CONVEX_SELF_HOSTED_ADMIN_KEY:2"],
            ),
            (
                ".gitlab-ci.yml",
                "  CONVEX_SELF_HOSTED_ADMIN_KEY: ${PROD_KEY}",
                &["GitLab CI/CD variable PROD_KEY:1"],
            ),
            (
                ".gitlab-ci.yml",
                "  CONVEX_SELF_HOSTED_ADMIN_KEY: $PROD_KEY",
                &["GitLab CI/CD variable PROD_KEY:1"],
            ),
            (
                ".gitlab-ci.yml",
                "  - npx convex deploy -y",
                &["GitLab CI/CD variable CONVEX_SELF_HOSTED_ADMIN_KEY:1 by its use"],
            ),
            (".gitlab-ci.yml", "  CONVEX_SELF_HOSTED_ADMIN_KEY: literal", &[]),
            (
                "azure-pipelines.yml",
                "CONVEX_SELF_HOSTED_ADMIN_KEY: $(key)",
                &["Azure Pipelines variable key:1"],
            ),
            (
                ".woodpecker/deploy.yml",
                "CONVEX_SELF_HOSTED_ADMIN_KEY:\n  from_secret: convex_key",
                &["Woodpecker secret convex_key:1"],
            ),
            (
                "Jenkinsfile",
                "CONVEX_SELF_HOSTED_ADMIN_KEY = credentials('convex-key')",
                &["Jenkins credential convex-key:1"],
            ),
            (
                "apps/web/vercel.json",
                "{ \"buildCommand\": \"npx convex deploy --cmd 'npm run build'\" }",
                &["Vercel environment variable CONVEX_SELF_HOSTED_ADMIN_KEY:1 by its use"],
            ),
            ("netlify.toml", "# CONVEX_SELF_HOSTED_ADMIN_KEY\n[build]", &[]),
            (
                "Dockerfile",
                "FROM node\nARG CONVEX_SELF_HOSTED_ADMIN_KEY\nENV CONVEX_SELF_HOSTED_ADMIN_KEY=$CONVEX_SELF_HOSTED_ADMIN_KEY",
                &["build argument CONVEX_SELF_HOSTED_ADMIN_KEY:2"],
            ),
            (
                "docker-compose.prod.yml",
                "environment:\n  - CONVEX_SELF_HOSTED_ADMIN_KEY\n  - INSTANCE_SECRET",
                &["variable of a Compose service CONVEX_SELF_HOSTED_ADMIN_KEY:2"],
            ),
            (
                "docker-compose.yml",
                "  - CONVEX_SELF_HOSTED_ADMIN_KEY=${KEY:-}",
                &["variable of a Compose service KEY:1"],
            ),
            ("src/deploy.ts", "process.env.CONVEX_SELF_HOSTED_ADMIN_KEY", &[]),
        ] {
            assert_eq!(told(path, text), expected, "{path}: {text}");
        }
    }
}
