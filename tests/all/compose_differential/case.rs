//! A project in a directory, and how Compose is called there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::yaml::Y;
use crate::support::compose::{self as support, Difference, Disk, unescaped};
use convex_doctor::compose;

/// A project, all of it.
#[derive(Clone, PartialEq)]
pub(crate) struct Case {
    /// Where Compose is called, below the root.
    pub(crate) cwd: String,
    /// Options with their values.
    pub(crate) args: Vec<(String, String)>,
    pub(crate) env: BTreeMap<String, String>,
    /// By path below the root.
    pub(crate) files: BTreeMap<String, Text>,
}

/// A file.
#[derive(Clone, PartialEq)]
pub(crate) enum Text {
    /// YAML documents.
    Yaml(Vec<Y>),
    /// Lines; a line may hold line ends. The flag says whether the last one is ended.
    Lines(Vec<String>, bool),
}

impl Text {
    pub(crate) fn print(&self) -> String {
        match self {
            Self::Yaml(documents) => {
                documents.iter().map(Y::print).collect::<Vec<_>>().join("---\n")
            }
            Self::Lines(lines, ended) => {
                let text = lines.join("\n");
                if *ended && !text.is_empty() { text + "\n" } else { text }
            }
        }
    }
}

/// What Compose says to a case.
pub(crate) struct Said {
    pub(crate) stdout: Option<String>,
    pub(crate) stderr: String,
}

impl Case {
    fn args(&self) -> Vec<&str> {
        self.args.iter().flat_map(|(flag, value)| [flag.as_str(), value.as_str()]).collect()
    }

    /// Writes all files below a root.
    pub(crate) fn write(&self, root: &Path) {
        std::fs::create_dir_all(root.join(&self.cwd)).unwrap();
        for (path, text) in &self.files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text.print()).unwrap();
        }
    }

    /// Has Compose read what was written.
    pub(crate) fn ask(&self, compose: &Path, root: &Path) -> Said {
        let output = Command::new(compose)
            // Apart from the plugin's `docker` it takes some values for the command.
            .args(self.args.iter().map(|(flag, value)| format!("{flag}={value}")))
            .args(["config", "--format", "json"])
            .current_dir(root.join(&self.cwd))
            .env_clear()
            .env("HOME", "/root")
            .env("PWD", root.join(&self.cwd))
            .envs(&self.env)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            stdout: output.status.success().then(|| text(&output.stdout)),
            stderr: text(&output.stderr),
        }
    }

    /// How we differ from what Compose said.
    pub(crate) fn difference(&self, root: &Path, said: &Said) -> Option<Difference> {
        let request = support::request(&root.join(&self.cwd), &self.args(), &json!(self.env));
        let loaded = compose::load(&request, &Disk);
        let shown = said.stdout.as_ref().map(|text| serde_json::from_str(text).unwrap());
        support::difference(&loaded, shown.map(unescaped).as_ref(), &said.stderr, root)
    }

    /// Writes it in the form of `fixtures/compose-cases/`.
    pub(crate) fn keep(&self, compose: &Path, directory: &Path, title: &str) {
        drop(std::fs::remove_dir_all(directory));
        std::fs::create_dir_all(directory).unwrap();
        let directory = std::fs::canonicalize(directory).unwrap();
        self.write(&directory);
        let said = self.ask(compose, &directory);
        let placed = |text: &str| text.replace(&directory.display().to_string(), "@DIR@");
        let case: Value = json!({
            "title": title, "args": self.args(), "env": self.env, "cwd": self.cwd,
            "rc": i32::from(said.stdout.is_none()),
        });
        let case = serde_json::to_string_pretty(&case).unwrap();
        std::fs::write(directory.join("case.json"), case + "\n").unwrap();
        std::fs::write(directory.join("expected.stderr"), placed(&said.stderr)).unwrap();
        if let Some(shown) = &said.stdout {
            std::fs::write(directory.join("expected.json"), placed(shown)).unwrap();
        }
    }
}
