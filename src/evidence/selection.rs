//! What the Convex CLI would use here, and where each value came from: facts without a secret, for
//! checks and bundles.
//!
//! `selection` reads the texts and makes these; nothing here knows how.
use serde::{Deserialize, Serialize};

use crate::secret::Fingerprint;

/// What `npx convex` would talk to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SelectionKind {
    /// The pair of URL and admin key, from variables or from both flags.
    SelfHosted,
    /// CONVEX_DEPLOY_KEY or CONVEX_DEPLOYMENT_TOKEN: Convex Cloud, whatever else is set.
    CloudDeployKey,
    /// CONVEX_DEPLOYMENT names a cloud deployment.
    CloudDeployment,
    /// CONVEX_DEPLOYMENT names a local or anonymous deployment.
    Local,
    /// Nothing, or half a pair: the CLI starts a login or an anonymous local backend.
    #[default]
    None,
    /// The CLI refuses to start.
    Error,
}

impl SelectionKind {
    /// The public name, as in `inspect selection --format json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfHosted => "self-hosted",
            Self::CloudDeployKey => "cloud-deploy-key",
            Self::CloudDeployment => "cloud-deployment",
            Self::Local => "local",
            Self::None => "none",
            Self::Error => "error",
        }
    }
}

/// Why the CLI refuses to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SelectionError {
    /// The file of `--env-file` is not there.
    EnvFileMissing,
    /// The file of `--env-file` names no deployment.
    EnvFileWithoutDeployment,
    /// No package.json in the directory.
    PackageJsonMissing,
    /// The package.json is no JSON, or cannot be read.
    PackageJsonUnreadable,
    /// CONVEX_DEPLOYMENT is set together with URL and key.
    DeploymentBesidePair,
    /// CONVEX_DEPLOYMENT is set together with one of URL and key.
    DeploymentBesideHalf,
    /// A deploy key without `|`.
    DeployKeyMalformed,
    /// The sentinel `<missing_deploy_key:MSG>`.
    DeployKeyMissing,
    /// Vercel, Netlify or Cloudflare, and nothing that names a deployment.
    BuildEnvironment,
}

/// Where a value came from. In JSON: `{"file", "line"}`, `{"env": NAME}` or `{"flag": NAME}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ValueSource {
    /// A line of a file; the path as typed, relative to the project's directory.
    File {
        /// The path.
        file: String,
        /// The line of the name, from 1.
        line: usize,
    },
    /// The environment of the process.
    Env {
        /// The variable's name.
        env: String,
    },
    /// An option of the command line.
    Flag {
        /// The option, as `--url`.
        flag: String,
    },
}

impl std::fmt::Display for ValueSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Env { env } => write!(f, "${env} of the shell"),
            Self::Flag { flag } => f.write_str(flag),
        }
    }
}

impl ValueSource {
    /// Whether both are the same file, or both the environment, or both the command line.
    pub fn same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { file, .. }, Self::File { file: other, .. }) => file == other,
            (Self::Env { .. }, Self::Env { .. }) | (Self::Flag { .. }, Self::Flag { .. }) => true,
            _ => false,
        }
    }
}

/// A URL and its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UrlFacts {
    /// As typed, but for a password or a key in it, which is `***`.
    pub text: String,
    /// Where it is written.
    pub source: ValueSource,
}

/// What may be said about the text that is written as a key, without trying it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyText {
    /// Only for a text that has the shape of a key.
    pub fingerprint: Option<Fingerprint>,
    /// In characters, as sent: without spaces and line ends at the end.
    pub length: usize,
    /// Nothing in it.
    pub empty: bool,
}

/// How an assignment is written in its file: what changing it needs, and nothing of its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Written {
    /// The hash of each of its lines ([`crate::report::line_hash`]), the one with the name first.
    /// Only of lines that hold a whole key or no secret: the hash of a password can be guessed at.
    pub hashes: Vec<String>,
    /// Whether `export` is before the name.
    pub export: bool,
    /// Whether a comment follows on its last line.
    pub comment: bool,
}

/// One place that defines a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DefinitionFacts {
    /// Where.
    pub source: ValueSource,
    /// Whether the value is empty: the CLI takes that for unset, and it still hides the definitions
    /// below.
    pub empty: bool,
    /// Whether this is the one that counts.
    pub wins: bool,
    /// Whether its value is equal to the one that counts.
    pub same_as_winner: bool,
    /// The text, for variables that are not secret; a password or a key in it is `***`.
    pub text: Option<String>,
    /// For variables that hold a key.
    pub key: Option<KeyText>,
    /// Its lines, where they may be named; of a file only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Written>,
}

/// A variable and all its definitions, the one that counts first, then what it hides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VariableFacts {
    /// The variable's name.
    pub name: String,
    /// In order of precedence; of one file, the last line comes first.
    pub definitions: Vec<DefinitionFacts>,
}

/// A variable defined more than once in one file: the last line counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DuplicateFacts {
    /// The variable's name.
    pub name: String,
    /// The file, as typed.
    pub file: String,
    /// All lines, in order.
    pub lines: Vec<usize>,
    /// Whether the values are equal, so that it does no harm.
    pub equal: bool,
}

/// A name that looks like one of the pair's and is not read by the CLI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NearMissFacts {
    /// The name, as typed.
    pub written: String,
    /// The name that was probably meant.
    pub meant: String,
    /// Where.
    pub source: ValueSource,
    /// Whether nothing is assigned to it.
    pub empty: bool,
    /// Whether the value has the form of what belongs under the right name, damaged or not: an
    /// instance secret is not an admin key.
    #[serde(default = "yes")]
    pub fits: bool,
    /// Its lines, as of a definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Written>,
}

/// What a bundle says that does not have the field yet.
fn yes() -> bool {
    true
}

/// In which way a line is read otherwise than it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MisreadingKind {
    /// A quote that nothing closes stays in the value.
    UnclosedQuote,
    /// Text behind the closing quote: the quotes stay in the value.
    TextAfterQuote,
    /// `#` directly behind unquoted text cuts the value.
    HashCuts,
    /// Quotes inside quotes stay in the value.
    NestedQuotes,
    /// `$NAME` or `${NAME}` stays as it is.
    DollarNotExpanded,
    /// `\"` stays as it is, with its backslash.
    EscapedQuote,
    /// The value goes on over several lines.
    SpansLines,
    /// The line is inside the quotes of another variable's value, so it assigns nothing.
    Swallowed,
    /// The line assigns nothing: `set K=v`, `./K=v`, `K v`, `K:v`.
    NotAssigned,
    /// `K==v`: the second `=` is part of the value.
    DoubledEquals,
    /// Stricter readers of such files make another value of it.
    ReadersDiffer,
}

/// A line that does not say what it seems to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MisreadingFacts {
    /// The file, as typed.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The variable that the line is about.
    pub name: String,
    /// In which way.
    pub kind: MisreadingKind,
    /// The line as it should be, without its value.
    pub corrected: String,
    /// The line, where it is sure what was meant by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Written>,
}

/// What was seen of package.json.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PackageJsonState {
    /// It depends on `convex`.
    #[default]
    WithConvex,
    /// It is there and does not depend on `convex`.
    WithoutConvex,
    /// There is none in the directory.
    Missing,
    /// It is no JSON object, or cannot be read.
    Unreadable,
}

/// Everything about the selection that checks read and that goes into a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SelectionFacts {
    /// What the CLI would use.
    pub kind: SelectionKind,
    /// Why it refuses; only with kind `error`.
    pub error: Option<SelectionError>,
    /// One line about the outcome.
    pub message: Option<String>,
    /// What the CLI itself prints (1.48.0), where it prints anything and it is known.
    pub cli_says: Option<String>,
    /// The URL in use. Also set when only package.json is missing: then it is what the CLI would
    /// use in the right directory.
    pub url: Option<UrlFacts>,
    /// The admin key in use, as [`Self::url`].
    pub admin_key: Option<KeyText>,
    /// Where the admin key in use is written.
    pub admin_key_source: Option<ValueSource>,
    /// Whether URL and key in use come from different places.
    pub split_sources: bool,
    /// The one flag of `--url`, `--admin-key` that was given alone and therefore ignored.
    pub ignored_flag: Option<String>,
    /// The file of `--env-file`, which then is the only source.
    pub env_file: Option<String>,
    /// What was seen of package.json.
    pub package_json: PackageJsonState,
    /// Whether the installed CLI does not read CONVEX_DEPLOYMENT_TOKEN yet (before 1.38).
    #[serde(default)]
    pub ignores_token: bool,
    /// All definitions of every variable that matters, the app's URL names included.
    pub variables: Vec<VariableFacts>,
    /// Variables defined twice in one file.
    pub duplicates: Vec<DuplicateFacts>,
    /// Names that the CLI does not read, in the sources that count; none with both flags, when it
    /// reads no file.
    pub near_misses: Vec<NearMissFacts>,
    /// Lines that do not say what they seem to say, in the files that count.
    pub misreadings: Vec<MisreadingFacts>,
}

impl SelectionFacts {
    /// The definitions of `name`, the one that counts first; empty when it is not defined.
    pub fn definitions(&self, name: &str) -> &[DefinitionFacts] {
        self.variables
            .iter()
            .find(|variable| variable.name == name)
            .map_or(&[], |variable| variable.definitions.as_slice())
    }

    /// Whether a non-empty definition of `name` counts.
    pub fn is_set(&self, name: &str) -> bool {
        self.definitions(name).iter().any(|definition| definition.wins && !definition.empty)
    }
}
