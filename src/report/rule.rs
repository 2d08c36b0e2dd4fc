//! A rule: one id of the catalogue with everything that is true of it wherever it is met.
use serde::{Deserialize, Serialize};

use crate::docs;

use super::{Certainty, Finding, FixPolicy, Level, Text};

/// One id: public and stable.
#[derive(Debug)]
pub struct Rule {
    /// Kebab-case; says the fault, not the check.
    pub id: &'static str,
    /// The level, unless a finding says otherwise.
    pub level: Level,
    /// One line of at most 60 characters, in lower case.
    pub title: &'static str,
    /// The Markdown text of `<id>.md`.
    pub explain: &'static str,
    /// Whether it can be the answer to "why does my key fail, why does the CLI not reach my
    /// backend".
    pub is_cause: bool,
    /// Ids that follow from this one: the edges of the ranking graph.
    pub causes: &'static [&'static str],
    /// The link of the chain of custody that it breaks; `None` for that of its family.
    pub link: Option<RuleLink>,
    /// Whether waiting can help.
    pub waiting: Waiting,
    /// What `convex-doctor fix` does about it.
    pub fix: FixPolicy,
    /// The failures of the CLI that it explains, besides those of its family.
    pub explains: &'static [CliFailure],
    /// What to think of before its fix is applied.
    pub caution: Option<&'static str>,
    /// Whether it says that another backend answers instead of this project's.
    pub another_answers: bool,
    /// Whether it says that something was not checked.
    pub not_checked: bool,
    /// Whether it is about what a later start or command does: the CLI does not fail because of it
    /// now.
    pub is_risk: bool,
    /// Whether every finding of it keeps `docker compose` from working: a risk, also as a warning.
    pub stops_compose: bool,
    /// The version that first had it.
    pub since: &'static str,
}

/// A link of the chain of custody, from the key to the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainLink {
    /// The key matches the secret.
    Key,
    /// The secret is in the credentials file.
    Secret,
    /// The file is in what is mounted.
    File,
    /// The mount brings the volume in.
    Volume,
    /// The container has the mount.
    Mount,
    /// The port of the host leads to the container.
    Port,
    /// The URL leads to the port.
    Url,
    /// `npx convex` takes the URL from its source.
    Source,
}

/// Which link a rule breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleLink {
    /// Always this one.
    Always(ChainLink),
    /// None.
    None,
    /// The second if the container publishes its API nowhere, else the first.
    UnlessUnpublished(ChainLink, ChainLink),
    /// The first if the URL leads to another port than the container's, else the second.
    IfElsewhere(ChainLink, ChainLink),
    /// The second if only the URL is missing, else the first.
    UnlessOnlyUrlMissing(ChainLink, ChainLink),
}

/// Whether waiting can help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// As its family says.
    #[default]
    Family,
    /// It stays as it is.
    Never,
    /// It is in the nature of a start.
    Passes,
    /// It passes if the restart policy starts the backend again.
    IfRestarted,
    /// It passes if the container is new, or is started again.
    IfNewOrRestarted,
}

/// A kind of failure that lines of the Convex CLI speak of. Which lines: `transcript`; which rules
/// explain it: `Rule::explains` and the families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CliFailure {
    /// The backend rejects the key.
    KeyRejected,
    /// No admin key arrived at the backend.
    KeyLost,
    /// The key is read-only.
    KeyReadOnly,
    /// The header does not hold a key.
    KeyMissingInHeader,
    /// The key cannot be sent in a header.
    KeyUnsendable,
    /// A proxy variable is not a URL.
    ProxyInvalid,
    /// The URL is not valid.
    UrlInvalid,
    /// A cloud deployment is set next to the self-hosted settings.
    CloudConflict,
    /// A cloud deployment is set, and the self-hosted settings are incomplete.
    CloudConflictIncomplete,
    /// The CLI does not see both the URL and the key.
    NotSelected,
    /// A deploy key of the cloud is used.
    CloudKey,
    /// There is no package.json.
    NoPackageJson,
    /// The Node that runs the CLI is too old for it.
    NodeTooOld,
    /// CLI and backend are of versions that do not fit.
    Versions,
    /// Something else than a Convex API answers.
    WrongServer,
    /// A proxy rejects a large body.
    BodyTooLarge,
    /// A proxy cannot reach the backend.
    Proxy,
    /// The backend fails inside.
    Backend,
    /// Nothing answers.
    NoAnswer,
    /// The WebSocket connection fails.
    WebSocket,
    /// The WebSocket connection is closed again and again.
    WebSocketClosed,
    /// The WebSocket upgrade is not let through.
    WebSocketUpgrade,
    /// The file storage fails.
    FileStorage,
    /// The backend does not know the functions.
    EmptyBackend,
    /// Not the deployment's fault.
    Unrelated,
}

impl Rule {
    /// A rule that is not a cause, has the link of its family, and came with the first version.
    pub const fn new(
        id: &'static str,
        level: Level,
        title: &'static str,
        explain: &'static str,
    ) -> Self {
        Self {
            id,
            level,
            title,
            explain,
            is_cause: false,
            causes: &[],
            link: None,
            waiting: Waiting::Family,
            fix: FixPolicy::Unasked,
            explains: &[],
            caution: None,
            another_answers: false,
            not_checked: false,
            stops_compose: false,
            is_risk: false,
            since: "0.1.0",
        }
    }

    /// Makes it a cause, from which those ids follow.
    pub const fn cause(mut self, causes: &'static [&'static str]) -> Self {
        self.is_cause = true;
        self.causes = causes;
        self
    }

    /// Says which link of the chain it breaks.
    pub const fn link(mut self, link: RuleLink) -> Self {
        self.link = Some(link);
        self
    }

    /// Says which link of the chain it always breaks.
    pub const fn breaks(self, link: ChainLink) -> Self {
        self.link(RuleLink::Always(link))
    }

    /// Says whether waiting can help.
    pub const fn waiting(mut self, waiting: Waiting) -> Self {
        self.waiting = waiting;
        self
    }

    /// Says what `convex-doctor fix` does about it.
    pub const fn fix(mut self, fix: FixPolicy) -> Self {
        self.fix = fix;
        self
    }

    /// Says which failures of the CLI it explains.
    pub const fn explains(mut self, failures: &'static [CliFailure]) -> Self {
        self.explains = failures;
        self
    }

    /// Says what to think of before its fix is applied.
    pub const fn caution(mut self, caution: &'static str) -> Self {
        self.caution = Some(caution);
        self
    }

    /// Says that another backend answers instead of this project's.
    pub const fn another_answers(mut self) -> Self {
        self.another_answers = true;
        self
    }

    /// Says that something was not checked, which the report says in its own line, too.
    pub const fn not_checked(mut self) -> Self {
        self.not_checked = true;
        self
    }

    /// Says that it is about what a later start or command does.
    pub const fn risk(mut self) -> Self {
        self.is_risk = true;
        self
    }

    /// Says that no `docker compose` command works because of it.
    pub const fn stops_compose(mut self) -> Self {
        self.stops_compose = true;
        self.risk()
    }

    /// A finding of this rule at its usual level. `detail` says what is the case here, in one or
    /// two sentences.
    pub fn finding(&'static self, certainty: Certainty, detail: impl Into<Text>) -> Finding {
        Finding {
            id: self.id.to_owned(),
            level: self.level,
            certainty,
            title: self.title.to_owned(),
            detail: detail.into(),
            evidence: Vec::new(),
            locations: Vec::new(),
            remedies: Vec::new(),
            explains: Vec::new(),
            fix: self.fix,
            not_checked: self.not_checked,
            stops_compose: self.stops_compose,
            flags: Vec::new(),
            docs: docs::page(self.id),
        }
    }
}
