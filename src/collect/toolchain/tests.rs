//! Projects as the package managers lay them out (npm 10, pnpm 9, Yarn 4, Bun), cut down to what is
//! read.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

/// A directory with files in it.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
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
        symlink(target, link).unwrap();
        self
    }

    /// A package with its program.
    fn package(self, directory: &str, version: &str) -> Self {
        let text = format!(r#"{{"name":"convex","version":"{version}"}}"#);
        self.with(&format!("{directory}/package.json"), &text)
            .with(&format!("{directory}/bin/main.js"), "#!/usr/bin/env node\n")
    }

    /// What is found from a directory in it, with nothing on PATH.
    #[track_caller]
    fn expect(&self, directory: &str, version: Option<&str>, place: Option<&str>) {
        std::fs::create_dir_all(self.path(directory)).unwrap();
        let found = cli(&self.path(directory), &BTreeMap::new());
        assert_eq!(found.version.as_deref(), version);
        assert_eq!(found.found, Observation::Seen(place.map(str::to_owned)));
    }
}

#[test]
fn npm_and_yarn_and_bun_link_the_program() {
    let tree = Tree::new()
        .package("node_modules/convex", "1.48.0")
        .linked("node_modules/.bin/convex", "../convex/bin/main.js");
    tree.expect(".", Some("1.48.0"), Some("node_modules/convex/package.json"));
    // A workspace: hoisted to the top.
    tree.expect("apps/web", Some("1.48.0"), Some("../../node_modules/convex/package.json"));
    // Nearer wins.
    let tree = tree
        .package("apps/web/node_modules/convex", "1.31.0")
        .linked("apps/web/node_modules/.bin/convex", "../convex/bin/main.js");
    tree.expect("apps/web", Some("1.31.0"), Some("node_modules/convex/package.json"));
}

#[test]
fn pnpm_keeps_packages_in_a_store() {
    let store = "node_modules/.pnpm/convex@1.49.0/node_modules/convex";
    let shim = format!(
        "#!/bin/sh\nbasedir=$(dirname \"$(echo \"$0\" | sed -e 's,\\\\,/,g')\")\n\n\
         if [ -x \"$basedir/node\" ]; then\n  exec \"$basedir/node\"  \"$basedir/../../../../{store}/bin/main.js\" \"$@\"\n\
         else\n  exec node  \"$basedir/../../../../{store}/bin/main.js\" \"$@\"\nfi\n"
    );
    let tree = Tree::new()
        .package(store, "1.49.0")
        .with("apps/web/node_modules/.bin/convex", &shim)
        .linked("apps/web/node_modules/convex", &format!("../../../{store}"));
    tree.expect("apps/web", Some("1.49.0"), Some("node_modules/convex/package.json"));
    // Without the link only the script leads there.
    std::fs::remove_file(tree.path("apps/web/node_modules/convex")).unwrap();
    let place = tree.path(&format!("{store}/package.json"));
    let place = std::fs::canonicalize(place).unwrap();
    tree.expect("apps/web", Some("1.49.0"), place.to_str());
}

#[test]
fn a_link_that_leads_out_of_node_modules_is_followed() {
    let tree = Tree::new()
        .package("packages/convex", "1.40.0")
        .linked("node_modules/.bin/convex", "../../packages/convex/bin/main.js");
    tree.expect("apps/web", Some("1.40.0"), Some("../../packages/convex/package.json"));
}

#[test]
fn what_is_not_the_cli_is_passed_over() {
    // Another package under the name; a link into nothing.
    let tree = Tree::new()
        .with("node_modules/convex/package.json", r#"{"name":"convex-geometry","version":"9.0.0"}"#)
        .linked("a/node_modules/.bin/convex", "../gone/main.js");
    tree.expect("a", None, None);
    // A version that is not one.
    let tree = Tree::new().with("node_modules/convex/package.json", r#"{"name":"convex"}"#);
    tree.expect(".", None, Some("node_modules/convex/package.json"));
}

#[test]
fn what_cannot_be_read_is_said_and_no_error() {
    let tree = Tree::new().with("node_modules/convex/package.json", "{");
    let found = cli(&tree.path("."), &BTreeMap::new());
    let reason = "node_modules/convex/package.json: it is not JSON";
    assert_eq!(found.found, Observation::unavailable(reason));
    let tree = Tree::new();
    std::fs::create_dir_all(tree.path("node_modules/convex/package.json")).unwrap();
    assert!(cli(&tree.path("."), &BTreeMap::new()).found.seen().is_err());
    let tree = Tree::new().with(".pnp.cjs", "\0");
    assert!(cli(&tree.path("."), &BTreeMap::new()).found.seen().is_err());
}

/// As Yarn 4.6 writes it with the global cache, for a package with and without peers.
const MAP: &str = r#"const RAW_RUNTIME_STATE =
'{\
    ["convex", [\
      ["npm:1.49.0", {\
        "packageLocation": "../../../root/.yarn/berry/cache/convex-npm-1.49.0-991d207ce3-10c0.zip/node_modules/convex/",\
      }],\
      ["virtual:32b3#npm:1.49.0", {\
        "packageLocation": "./.yarn/__virtual__/convex-virtual-c43014b1fb/4/root/.yarn/berry/cache/convex-npm-1.49.0-991d207ce3-10c0.zip/node_modules/convex/",\
      }]\
    ]],\
'"#;

const LOCK: &str = r#"# This file is generated by running "yarn install" inside your project.

__metadata:
  version: 8
  cacheKey: 10c0

"convex-helpers@npm:^0.1.0":
  version: 0.1.0
  resolution: "convex-helpers@npm:0.1.0"

"convex@npm:^1.48.0, convex@npm:^1.49.0":
  version: 1.49.0
  resolution: "convex@npm:1.49.0"
"#;

#[test]
fn yarns_map_names_it_and_the_lockfile_its_version() {
    let package = r#"{"dependencies":{"convex":"^1.48.0"}}"#;
    let tree = Tree::new()
        .with(".pnp.cjs", MAP)
        .with("apps/web/package.json", package)
        .with("yarn.lock", LOCK);
    tree.expect("apps/web", Some("1.49.0"), Some("../../.pnp.cjs"));
    // Two versions: the one that this package asks for.
    let two = "\"convex@npm:1.20.0\":\n  version: 1.20.0\n";
    let tree = tree.with("yarn.lock", &format!("{LOCK}\n{two}"));
    tree.expect("apps/web", Some("1.49.0"), Some("../../.pnp.cjs"));
    tree.expect("apps/other", None, Some("../../.pnp.cjs"));
    let tree = tree.with("yarn.lock", "");
    tree.expect("apps/web", None, Some("../../.pnp.cjs"));
    // A map that does not name it.
    Tree::new().with(".pnp.cjs", "'{}'").expect(".", None, None);
}

#[test]
fn an_unplugged_package_is_read_itself() {
    let map = r#"[["convex",[["npm:1.30.0",{"packageLocation": "./.yarn/unplugged/convex-npm-1.30.0-ab/node_modules/convex/"}]]]]"#;
    let directory = ".yarn/unplugged/convex-npm-1.30.0-ab/node_modules/convex";
    let tree = Tree::new().with(".pnp.data.json", map).package(directory, "1.30.0");
    let place = format!("{directory}/package.json");
    tree.expect(".", Some("1.30.0"), Some(&place));
}

#[test]
fn yarn_1_writes_its_lockfile_otherwise() {
    let lock = "convex@^1.19.0, convex@^1.20.0:\n  version \"1.20.0\"\n  resolved \"https://…\"\n";
    assert_eq!(locked(lock, None).as_deref(), Some("1.20.0"));
    assert_eq!(locked("convex-x@1:\n  version \"2.0.0\"\n", None), None);
}

#[test]
fn at_last_path_is_looked_through() {
    let tree = Tree::new()
        .package("lib/node_modules/convex", "1.45.0")
        .linked("bin/convex", "../lib/node_modules/convex/bin/main.js")
        .with("other/node", "");
    let directory = tree.path("app");
    std::fs::create_dir(&directory).unwrap();
    let path = format!("relative:{}:{}", tree.path("other").display(), tree.path("bin").display());
    let environment = BTreeMap::from([("PATH".to_owned(), path)]);
    let found = cli(&directory, &environment);
    assert_eq!(found.version.as_deref(), Some("1.45.0"));
    let place = std::fs::canonicalize(tree.path("lib/node_modules/convex/package.json")).unwrap();
    assert_eq!(found.found, Observation::Seen(Some(place.display().to_string())));
    assert_eq!(on_path("node", &environment), Some(tree.path("other/node")));
    // A file that may not be run is not a program.
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(tree.path("other/node"), mode).unwrap();
    assert_eq!(on_path("node", &environment), None);
}

#[tokio::test]
async fn a_program_that_says_something_else_or_nothing_has_no_version() {
    for (script, expected) in [
        ("echo v20.20.2", Some("20.20.2")),
        ("echo 2.40.3-desktop.1", Some("2.40.3-desktop.1")),
        ("echo hello", None),
        ("exit 1", None),
        ("sleep 5", None),
    ] {
        let tree = Tree::new().with("node", &format!("#!/bin/sh\n{script}\n"));
        let path = format!("{}:/usr/bin:/bin", tree.path("").display());
        let environment = BTreeMap::from([("PATH".to_owned(), path)]);
        let node = Node::find(Path::new("/nowhere"), &environment);
        assert_eq!(node.version(&environment).await.as_deref(), expected, "{script}");
    }
}
