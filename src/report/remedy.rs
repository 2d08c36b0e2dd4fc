//! What fixes a finding: words and commands for a person, edits and actions for `convex-doctor
//! fix`.

use super::{Command, Text};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What carrying out a remedy can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// Loses nothing and can be undone.
    Safe,
    /// Changes behaviour or stops something; loses nothing.
    Unsafe,
    /// Gives something up.
    Destructive,
}

/// What of the deployment a remedy changes beyond its commands: a platform has its own way to do it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing that a platform does otherwise.
    #[default]
    Anything,
    /// The backend's variables.
    Variables,
    /// The volumes of the backend.
    Volumes,
}

/// How a remedy relates to those before it in the list of its finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// One of several steps: all of them are needed, in the order of the list.
    Step,
    /// Fixes the finding instead of those before it.
    #[default]
    Alternative,
}

/// One way to fix a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Remedy {
    /// What it does, in a few words.
    #[cfg_attr(test, schemars(with = "String"))]
    pub title: Text,
    /// Commands that may be run as they stand, in order.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub commands: Vec<Command>,
    /// Changes of files.
    pub edits: Vec<Edit>,
    /// What `convex-doctor fix` does for it behind the edits, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// What carrying it out can do.
    pub safety: Safety,
    /// Whether it is one of several steps, or an alternative to the remedies before it.
    #[serde(default)]
    pub order: Order,
    /// What it ends, and what it leaves; only where both have to be known before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What is left to a person once it is done, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errands: Vec<Errand>,
    /// What of the deployment it changes.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub scope: Scope,
    /// Where to read more.
    pub docs: Option<String>,
}

impl Remedy {
    /// A remedy that loses nothing.
    pub fn safe(title: impl Into<Text>) -> Self {
        Self {
            title: title.into(),
            commands: Vec::new(),
            edits: Vec::new(),
            actions: Vec::new(),
            safety: Safety::Safe,
            order: Order::Alternative,
            price: None,
            errands: Vec::new(),
            scope: Scope::default(),
            docs: None,
        }
    }

    /// A remedy that stops or changes something.
    pub fn careful(title: impl Into<Text>) -> Self {
        Self { safety: Safety::Unsafe, ..Self::safe(title) }
    }

    /// Makes it a step: needed together with the other steps of its finding, in their order.
    pub fn step(mut self) -> Self {
        self.order = Order::Step;
        self
    }

    /// Says that it changes the backend's variables.
    pub fn in_variables(mut self) -> Self {
        self.scope = Scope::Variables;
        self
    }

    /// Says that it changes the backend's volumes.
    pub fn in_volumes(mut self) -> Self {
        self.scope = Scope::Volumes;
        self
    }

    /// Whether `convex-doctor fix` can carry it out.
    pub fn is_for_the_doctor(&self) -> bool {
        !self.edits.is_empty() || !self.actions.is_empty()
    }

    /// Adds a command.
    pub fn run(mut self, command: impl Into<Command>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// Adds what is left to a person behind it.
    pub fn then(mut self, errands: impl IntoIterator<Item = Errand>) -> Self {
        self.errands.extend(errands);
        self
    }

    /// Adds edits.
    pub fn edit(mut self, edits: impl IntoIterator<Item = Edit>) -> Self {
        self.edits.extend(edits);
        self
    }

    /// Adds something that `convex-doctor fix` does.
    pub fn act(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }
}

/// What a remedy ends, and what it leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Price {
    /// What is gone by it.
    pub dies: String,
    /// What stays as it is.
    pub stays: String,
}

impl Price {
    /// Both, as they stand before the command.
    pub fn sentence(&self) -> String {
        format!("Stops working: {}. Is kept: {}.", self.dies, self.stays)
    }
}

/// Something that a person has to do, once or at several places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Errand {
    /// What, in words.
    pub title: String,
    /// Where, one place each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// Commands that may be run as they stand, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// The change of one whole line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Edit {
    /// The file, relative to the project's directory.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The fingerprint-like hash of the line to replace (first 16 hex digits of its SHA-256);
    /// `null` inserts before it.
    pub line_hash: Option<String>,
    /// The new line; `null` deletes the line. What no report may hold stands in it as a
    /// placeholder, which applying fills in from the old line: `{key ab12cd34}` the key with that
    /// fingerprint, freed of what was captured along with it; `{hex ab12cd34}` what stands behind
    /// its `|`; `{rest}` all that stands behind the `=`; `{value}` the URL or the key that a
    /// misread line means; `{comment}` the comment at the end; `{line}` the whole line.
    pub new: Option<String>,
}

/// The hash of a line without its end, by which [`Edit::line_hash`] knows it again.
pub fn line_hash(line: &str) -> String {
    hex::encode(&Sha256::digest(line.as_bytes())[..8])
}

/// What `convex-doctor fix` can do beside the change of single lines: intents, from which the plan
/// makes diffs and calls of the engine. None of them deletes a volume, and each can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Makes an admin key for this deployment's own instance and writes it into an env file, the
    /// URL too where there is none.
    MintKey {
        /// The env file.
        file: String,
    },
    /// Writes the key that another env file has by then into one that holds the old one under the
    /// same name.
    CopyKey {
        /// The env file that gets it.
        file: String,
        /// The one that has it.
        from: String,
    },
    /// Writes the secret that a container runs with into Compose's `.env`, as INSTANCE_SECRET: keys
    /// then outlive volumes.
    PinSecret {
        /// The container.
        container: String,
        /// The `.env` file.
        file: String,
    },
    /// Writes a fresh INSTANCE_SECRET into Compose's `.env`: all keys so far are refused from the
    /// next start on.
    NewSecret {
        /// The `.env` file.
        file: String,
    },
    /// Writes a variable that is no secret into an env file, where its assignment that counts
    /// stands, else at the end.
    SetVariable {
        /// The env file; it is created where there is none.
        file: String,
        /// The variable.
        name: String,
        /// Its value.
        value: String,
    },
    /// Has git ignore a file.
    Ignore {
        /// The file, relative to the project's directory.
        file: String,
    },
    /// Has a service of the compose file pass a variable on.
    PassVariable {
        /// The compose file.
        file: String,
        /// The service.
        service: String,
        /// The variable.
        name: String,
    },
    /// Takes a variable out of a service's environment in the compose file.
    RemoveVariable {
        /// The compose file.
        file: String,
        /// The service.
        service: String,
        /// The variable.
        name: String,
    },
    /// Has a service of the compose file mount a top-level volume.
    MountVolume {
        /// The compose file.
        file: String,
        /// The service.
        service: String,
        /// The volume's key.
        key: String,
        /// The path in the container.
        target: String,
    },
    /// Declares a top-level volume in the compose file.
    DeclareVolume {
        /// The compose file.
        file: String,
        /// The volume's key.
        key: String,
        /// The existing volume that it is to be, as an external one; without, the project's own.
        adopt: Option<String>,
    },
    /// Stops a container, so that its files are at rest.
    Stop {
        /// The container.
        container: String,
    },
    /// Starts a container that is stopped or paused.
    Start {
        /// The container.
        container: String,
    },
    /// Copies a volume, byte for byte, into a new one of the compose project. The old one stays as
    /// it is.
    CopyVolume {
        /// The volume to copy.
        from: String,
        /// The name of the new one.
        to: String,
        /// The compose project that gets it.
        project: String,
        /// Its key in the compose file.
        key: String,
    },
    /// Puts in a container's place one made alike, with another volume at a path, with the
    /// INSTANCE_SECRET of a `.env`, or without some of its variables.
    Replace {
        /// The container.
        container: String,
        /// The volume, and the path where it is mounted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mount: Option<MountAt>,
        /// The `.env` file whose INSTANCE_SECRET it gets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret_from: Option<String>,
        /// The variables that it does not get, not even from its image.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        without: Vec<String>,
    },
}

/// A volume at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MountAt {
    /// The volume's name.
    pub volume: String,
    /// The path in the container.
    pub target: String,
}

/// `text` as one word of the shell of this system: names and hosts come from files that anyone may
/// have written.
pub fn shell_word(text: &str) -> String {
    quoted(text, cfg!(windows))
}

/// `text` as one word of PowerShell, or of a POSIX shell.
pub(super) fn quoted(text: &str, powershell: bool) -> String {
    // For PowerShell `@` begins something else, and `\\` means itself.
    let (signs, apostrophe) =
        if powershell { ("._-:/[]=\\", "''") } else { ("._-:/[]@=", "'\\''") };
    let plain = |c: char| c.is_ascii_alphanumeric() || signs.contains(c);
    // zsh looks up a command for a word that begins with `=`.
    if !text.is_empty() && !text.starts_with('=') && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', apostrophe))
}
