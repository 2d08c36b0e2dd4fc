//! What the doctor says: the [`Report`] that every renderer reads, and what it is made of.
//!
//! Nothing here decides or looks at anything. A [`Finding`] can only be made from a [`Rule`], so
//! that an id that is not in the registry cannot be said.

mod command;
mod fix_policy;
mod remedy;
mod rule;
mod text;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Component, Path, PathBuf};

pub use command::{Command, ComposeCommand, ComposeFlags, ComposeVerb};
pub use fix_policy::FixPolicy;
pub use remedy::{
    Action, Edit, Errand, MountAt, Order, Price, Remedy, Safety, Scope, line_hash, shell_word,
};
pub use rule::{ChainLink, CliFailure, Rule, RuleLink, Waiting};
pub use text::Text;

/// With a capital letter, to begin a sentence.
pub(crate) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Works now and will break, or is unsafe.
    Warning,
    /// The Convex CLI cannot work now, or one routine command loses keys or data, or a master
    /// secret is public.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// How surely a finding is known. Ordered: `Possible < Likely < Proven`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The evidence fits, and fits other readings as well.
    Possible,
    /// Other readings are left, and none of them is as good.
    Likely,
    /// The evidence admits no other reading.
    Proven,
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Proven => "proven",
        })
    }
}

/// One fault that was found, with where, how surely, why, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// The id of its rule.
    pub id: String,
    /// How bad it is here.
    pub level: Level,
    /// How surely it is known.
    pub certainty: Certainty,
    /// The rule's title.
    pub title: String,
    /// What is the case here.
    #[cfg_attr(test, schemars(with = "String"))]
    pub detail: Text,
    /// What was seen, and where.
    pub evidence: Vec<Proof>,
    /// What to look at.
    pub locations: Vec<Location>,
    /// What fixes it, best first.
    pub remedies: Vec<Remedy>,
    /// Ids of findings that follow from this one; set by the ranking.
    pub explains: Vec<String>,
    /// The address of its page.
    #[serde(default)]
    pub docs: String,
    /// What `convex-doctor fix` does about it.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub fix: FixPolicy,
    /// Whether it says that something was not checked.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub not_checked: bool,
    /// Whether no `docker compose` command works because of it: a risk, also as a warning.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub stops_compose: bool,
    /// The flags without which `convex-doctor` would look at another compose project.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub flags: Vec<String>,
}

impl Finding {
    /// Sets another level than the rule's.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Adds something that was seen; `source` says where (a file and line, a container, a URL).
    pub fn because(mut self, text: impl Into<Text>, source: impl Into<String>) -> Self {
        self.evidence.push(Proof { text: text.into(), source: source.into(), essential: false });
        self
    }

    /// The same for something that says more than the detail does, such as a line of a log: the
    /// first screen shows it, too.
    pub fn showing(mut self, text: impl Into<Text>, source: impl Into<String>) -> Self {
        self.evidence.push(Proof { text: text.into(), source: source.into(), essential: true });
        self
    }

    /// Adds a place to look at.
    pub fn at(mut self, location: Location) -> Self {
        if !self.locations.contains(&location) {
            self.locations.push(location);
        }
        self
    }

    /// The command that carries its first remedy out.
    pub fn fix_command(&self) -> Command {
        let words = ["fix", &self.id, "--apply"].map(str::to_owned);
        Command::Doctor(words.into_iter().chain(self.flags.iter().cloned()).collect())
    }

    /// Adds a way to fix it.
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedies.push(remedy);
        self
    }
}

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Proof {
    /// What was seen.
    #[cfg_attr(test, schemars(with = "String"))]
    pub text: Text,
    /// Where: a file and line, a container, a URL.
    pub source: String,
    /// Whether it says something that the detail does not: then the first screen shows it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
}

/// A place that a finding points to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Location {
    /// A line of a file.
    File {
        /// The path, relative to the project's directory where it lies inside.
        file: String,
        /// From 1.
        line: usize,
        /// From 1, in characters; 1 when only the line is known.
        column: usize,
        /// The line's text without values that could be secret.
        text: Option<String>,
        /// What is at fault in `text`, which may be shorter or longer than the line itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<Columns>,
    },
    /// A container by name.
    Container {
        /// Its name, without the leading slash.
        container: String,
    },
    /// A volume by name.
    Volume {
        /// Its name.
        volume: String,
    },
    /// A URL.
    Url {
        /// As typed, a password masked.
        url: String,
    },
    /// A variable of the process environment.
    Environment {
        /// The variable's name.
        env: String,
    },
}

/// A stretch of a line, in characters from 1; `end` is the first column after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Columns {
    /// The first column.
    pub start: usize,
    /// The first column that is not part of it.
    pub end: usize,
}

impl Location {
    /// A line of a file, nothing known of the column.
    pub fn line(file: impl Into<String>, line: usize) -> Self {
        Self::File { file: file.into(), line, column: 1, text: None, mark: None }
    }

    /// A container.
    pub fn container(name: impl Into<String>) -> Self {
        Self::Container { container: name.into() }
    }

    /// A volume.
    pub fn volume(name: impl Into<String>) -> Self {
        Self::Volume { volume: name.into() }
    }

    /// A URL.
    pub fn url(url: impl Into<String>) -> Self {
        Self::Url { url: url.into() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0, .. } => f.write_str(file),
            Self::File { file, line, .. } => write!(f, "{file}:{line}"),
            Self::Container { container } => f.write_str(container),
            Self::Volume { volume } => write!(f, "volume {volume}"),
            Self::Url { url } => f.write_str(url),
            Self::Environment { env } => write!(f, "${env} of the shell"),
        }
    }
}

/// The whole deployment in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Neither broken nor at risk; warnings may stand.
    Healthy,
    /// The CLI fails now.
    Broken,
    /// It works, yet an error-level finding exists.
    AtRisk,
    /// The key was never tried.
    Unknown,
}

/// A check that could not see what it needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnknownCheck {
    /// The id that could not be judged.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// A finding that is suppressed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Suppressed {
    /// Its id.
    pub id: String,
    /// The reason given.
    pub reason: Option<String>,
    /// The last day on which it is, `2027-01-31`.
    pub until: Option<String>,
    /// Where it was suppressed: an option, a file and line.
    pub source: String,
    /// Whether that is a comment in the very file, next to the line at fault.
    pub in_source: bool,
    /// The finding itself.
    pub finding: Finding,
}

/// What a link of the chain of custody stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// Seen, and it holds.
    Holds,
    /// Seen, and it does not.
    Broken,
    /// Not seen.
    Unknown,
}

/// One link of the chain from the key to the backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Link {
    /// Where it starts.
    pub from: String,
    /// Where it leads.
    pub to: String,
    /// What joins the two.
    pub relation: String,
    /// Whether it holds.
    pub state: LinkState,
    /// Why it is said to be so.
    pub why: String,
}

/// What becomes of something by an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// The backend goes on with it.
    Kept,
    /// The backend goes on without it; it is still there, and can be had back.
    Recoverable,
    /// It is nowhere any more.
    Lost,
    /// It was not seen, or the backend never starts.
    Unknown,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept",
            Self::Recoverable => "recoverable",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        })
    }
}

/// What an operation does to the keys and the data of this deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Operation {
    /// Stable, for example `down_v_up`.
    pub id: String,
    /// What is typed; behind a `#`, what was done before.
    pub command: String,
    /// Whether admin keys go on working: the instance secret and name.
    pub keys: Fate,
    /// Documents, stored files and deployed functions; the worst of them.
    pub data: Fate,
    /// Why.
    pub why: String,
}

/// What a command line would do to this deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Foresight {
    /// As it was understood.
    pub command: String,
    /// Whether admin keys would go on working.
    pub keys: Fate,
    /// Documents, stored files and deployed functions; the worst of them.
    pub data: Fate,
    /// Why.
    pub why: String,
    /// The volumes that would be deleted, in words.
    pub deletes: Vec<String>,
    /// What is to be known besides.
    pub notes: Vec<String>,
}

/// The chain of custody in one line, from the URL that is configured to the key that must match the
/// backend's secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShortChain {
    /// Where the URL is set.
    pub first: String,
    /// The state of a link, and what it leads to; the key's place is the last.
    pub steps: Vec<(LinkState, String)>,
}

/// A line of the first screen about something that is in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fact {
    /// What it is about.
    pub label: String,
    /// What was seen.
    pub text: String,
    /// Where; may be empty.
    pub source: String,
}

/// A step towards a deployment that works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NextStep {
    /// What to do.
    pub title: String,
    /// What to type for it.
    pub command: Option<String>,
}

/// What the first screen says besides the findings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// The one sentence after the verdict.
    pub headline: String,
    /// What works, where something does.
    pub facts: Vec<Fact>,
    /// Which everyday commands keep the keys and the data, and which do not.
    pub fates: Vec<Fact>,
    /// What has to be done before any fix.
    pub before: Option<NextStep>,
    /// How to fix several causes, in order; empty where there is only one.
    pub steps: Vec<NextStep>,
    /// What tests the key, where it was not tested.
    pub retry: Option<NextStep>,
    /// Whether what happened belongs on the first screen: not where a line is just wrong.
    pub tells_story: bool,
    /// What must not be done until the first finding is fixed.
    pub caution: Option<String>,
    /// What could not be checked, and why, in a few words each.
    pub not_checked: Vec<String>,
    /// The ids and families to which the report is confined; all when empty.
    pub only: Vec<String>,
    /// How many ids were judged.
    pub ran: usize,
    /// How many there are, of those asked for.
    pub total: usize,
    /// How many ids passed, by the heading of their family.
    pub passed: Vec<(String, usize)>,
    /// The chain of custody in one line; `None` where drawing it says nothing.
    pub chain: Option<ShortChain>,
    /// The fingerprints that the evidence holds.
    pub fingerprints: Vec<String>,
    /// How long the run took, in milliseconds.
    pub elapsed_ms: u64,
}

/// Where the files of a report lie: other programs know them by their paths from the repository's
/// root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The project's directory, absolute.
    pub directory: String,
    /// The root of the git work tree round it, absolute.
    pub root: Option<String>,
    /// The file that stands for a finding without one, where a format demands a file: the compose
    /// file, else the one that selects the deployment, else `.env.local`.
    pub main_file: String,
}

impl Tree {
    /// The path from the repository's root of a file named from the project's directory. A file
    /// outside of the repository keeps its absolute path; without a repository, paths start at the
    /// project's directory.
    pub fn path(&self, file: &str) -> String {
        let (path, root) = self.whole(file);
        written(path.strip_prefix(root).unwrap_or(&path))
    }

    /// The same; `None` for a file outside.
    pub fn path_inside(&self, file: &str) -> Option<String> {
        let (path, root) = self.whole(file);
        path.strip_prefix(root).ok().map(written)
    }

    /// The absolute path of a file, and where paths start.
    fn whole(&self, file: &str) -> (PathBuf, &Path) {
        let root = Path::new(self.root.as_ref().unwrap_or(&self.directory));
        let mut path = PathBuf::new();
        for part in Path::new(&self.directory).join(file).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    path.pop();
                }
                part => path.push(part),
            }
        }
        (path, root)
    }
}

/// A path as programs of every system read it.
fn written(path: &Path) -> String {
    let path = path.display().to_string();
    if cfg!(windows) { path.replace('\\', "/") } else { path }
}

/// Everything the doctor has to say about one deployment.
#[derive(Clone, Debug)]
pub struct Report {
    /// RFC 3339, UTC.
    pub generated_at: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What the first screen says.
    pub summary: Summary,
    /// The root causes, best first; each also in `findings`.
    pub causes: Vec<Finding>,
    /// All findings, the causes first.
    pub findings: Vec<Finding>,
    /// Ids that were judged and found in order.
    pub passed: Vec<String>,
    /// Ids that could not be judged.
    pub unknown: Vec<UnknownCheck>,
    /// What was suppressed.
    pub suppressed: Vec<Suppressed>,
    /// The rules of the ids met.
    pub rules: Vec<&'static Rule>,
    /// The chain of custody.
    pub chain: Vec<Link>,
    /// Where its files lie.
    pub tree: Tree,
    /// What survives which operation; empty where no backend was seen.
    pub persistence: Vec<Operation>,
    /// What happened, in order; empty where nothing is wrong.
    pub story: Vec<StoryEntry>,
    /// The evidence, as JSON.
    pub evidence: serde_json::Value,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StoryEntry {
    /// When; RFC 3339, UTC.
    pub at: String,
    /// What.
    pub what: String,
    /// What shows it.
    pub source: String,
}

impl Report {
    /// Whether there is a finding at or above `level`.
    pub fn reaches(&self, level: Level) -> bool {
        self.findings.iter().any(|finding| finding.level >= level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_the_root_of_the_repository() {
        let tree = |root: Option<&str>| Tree {
            directory: "/repo/apps/web".to_owned(),
            root: root.map(str::to_owned),
            main_file: String::new(),
        };
        for (root, file, expected) in [
            (Some("/repo"), ".env.local", "apps/web/.env.local"),
            (Some("/repo"), "../../docker-compose.yml", "docker-compose.yml"),
            (Some("/repo"), "/repo/./infra/compose.yml", "infra/compose.yml"),
            (Some("/repo"), "/etc/app/compose.yml", "/etc/app/compose.yml"),
            (None, ".env.local", ".env.local"),
            (None, "../.env", "/repo/apps/.env"),
        ] {
            assert_eq!(tree(root).path(file), expected, "{root:?}");
        }
    }
}
