//! A command of a remedy, by its parts: it becomes a line only when it is shown, so that a platform
//! without Compose can be told something else instead.

use serde::{Deserialize, Serialize};
use std::fmt;

use super::shell_word;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Command {
    /// `docker compose …`, in the project's directory.
    Compose(ComposeCommand),
    /// `docker …`, word by word.
    Docker(Vec<String>),
    /// `convex-doctor …`, word by word.
    Doctor(Vec<String>),
    /// Any other line, as it is typed.
    Shell(String),
}

/// What `docker compose` has to be told to run a project from the directory of this run; empty
/// where it finds all by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ComposeFlags {
    /// `-f`: the files that Compose would not find by itself.
    pub files: Vec<String>,
    /// `-p`.
    pub project: Option<String>,
    /// `--project-directory`.
    pub directory: Option<String>,
    /// `--env-file`.
    pub env_files: Vec<String>,
    /// `--profile`.
    pub profiles: Vec<String>,
}

impl ComposeFlags {
    /// As words behind `docker compose`.
    pub fn words(&self) -> Vec<String> {
        self.named("--env-file")
    }

    /// As words behind `convex-doctor`, whose own `--env-file` is the Convex CLI's.
    pub fn doctor_words(&self) -> Vec<String> {
        self.named("--compose-env-file")
    }

    /// The option, besides `-f` and `-p`, in which another set of flags differs.
    pub fn other_option(&self, other: &Self) -> Option<&'static str> {
        let same = [
            ("--profile", self.profiles == other.profiles),
            ("--env-file", self.env_files == other.env_files),
            ("--project-directory", self.directory == other.directory),
        ];
        same.into_iter().find(|(_, same)| !same).map(|(option, _)| option)
    }

    fn named(&self, env_file: &str) -> Vec<String> {
        let groups: [(&str, Vec<&String>); 5] = [
            ("-f", self.files.iter().collect()),
            ("-p", self.project.iter().collect()),
            ("--project-directory", self.directory.iter().collect()),
            (env_file, self.env_files.iter().collect()),
            ("--profile", self.profiles.iter().collect()),
        ];
        let pairs = groups.into_iter().flat_map(|(flag, values)| {
            values.into_iter().flat_map(move |value| [flag.to_owned(), value.clone()])
        });
        pairs.collect()
    }
}

/// A command for Compose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposeCommand {
    /// How this run's project is named.
    pub flags: ComposeFlags,
    /// Another project, which is meant instead.
    pub project: Option<String>,
    /// What it does.
    pub verb: ComposeVerb,
}

/// What a command for Compose does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComposeVerb {
    /// Creates or recreates the containers, of one service or of all, and starts them.
    Up(Option<String>),
    /// Creates the container of a service without starting it.
    Create(String),
    /// Stops and removes the containers.
    Down,
    /// Stops the containers.
    Stop,
    /// Fetches the images.
    Pull,
    /// The end of the logs.
    Logs,
    /// The state of the containers.
    Ps,
    /// Checks the compose file.
    Config,
    /// Generates an admin key in a service's container.
    GenerateKey(String),
    /// Runs a shell command in a service's container.
    Exec(String, String),
}

impl Command {
    /// `docker …` with these words.
    pub fn docker<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Docker(words.into_iter().map(str::to_owned).collect())
    }

    /// `convex-doctor …` with these words.
    pub fn doctor<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Doctor(words.into_iter().map(str::to_owned).collect())
    }
}

impl From<String> for Command {
    fn from(line: String) -> Self {
        Self::Shell(line)
    }
}

impl From<&str> for Command {
    fn from(line: &str) -> Self {
        Self::Shell(line.to_owned())
    }
}

impl From<Command> for String {
    fn from(command: Command) -> Self {
        command.to_string()
    }
}

impl PartialEq<&str> for Command {
    fn eq(&self, line: &&str) -> bool {
        let written = self.to_string();
        written == **line
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |f: &mut fmt::Formatter<'_>, program: &str, words: &[String]| {
            f.write_str(program)?;
            words.iter().try_for_each(|word| write!(f, " {}", shell_word(word)))
        };
        match self {
            Self::Compose(command) => command.fmt(f),
            Self::Docker(arguments) => words(f, "docker", arguments),
            Self::Doctor(arguments) => words(f, "convex-doctor", arguments),
            Self::Shell(line) => f.write_str(line),
        }
    }
}

impl fmt::Display for ComposeCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut flags = self.flags.clone();
        flags.project = self.project.clone().or(flags.project);
        f.write_str("docker compose")?;
        flags.words().iter().try_for_each(|word| write!(f, " {}", shell_word(word)))?;
        write!(f, " {}", self.verb)
    }
}

impl fmt::Display for ComposeVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(None) => f.write_str("up -d"),
            Self::Up(Some(service)) => write!(f, "up -d {}", shell_word(service)),
            Self::Create(service) => write!(f, "up --no-start {}", shell_word(service)),
            Self::Down => f.write_str("down"),
            Self::Stop => f.write_str("stop"),
            Self::Pull => f.write_str("pull"),
            Self::Logs => f.write_str("logs --tail 50"),
            Self::Ps => f.write_str("ps"),
            Self::Config => f.write_str("config --quiet"),
            Self::GenerateKey(service) => {
                write!(f, "exec -T {} ./generate_admin_key.sh 2>/dev/null", shell_word(service))
            }
            Self::Exec(service, command) => {
                write!(f, "exec {} sh -c {}", shell_word(service), shell_word(command))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::remedy::quoted;
    use super::*;

    #[test]
    fn a_name_cannot_become_a_command() {
        assert_eq!(shell_word("backend-1.x"), "backend-1.x");
        assert_eq!(shell_word("a$(id)"), "'a$(id)'");
        assert_eq!(shell_word("a'b"), r"'a'\''b'");
        for (text, word) in [
            (r"C:\app\x.yml", r"C:\app\x.yml"),
            ("a'b c", "'a''b c'"),
            ("@args", "'@args'"),
            ("$(id)", "'$(id)'"),
        ] {
            assert_eq!(quoted(text, true), word);
        }
        let stop = Command::docker(["stop", "a; rm -rf /"]);
        assert_eq!(stop, "docker stop 'a; rm -rf /'");
        let up = ComposeVerb::Up(Some("$(id)".to_owned()));
        let flags = ComposeFlags { files: vec!["a b.yml".to_owned()], ..ComposeFlags::default() };
        let command = ComposeCommand { flags, project: None, verb: up };
        assert_eq!(command.to_string(), "docker compose -f 'a b.yml' up -d '$(id)'");
    }
}
