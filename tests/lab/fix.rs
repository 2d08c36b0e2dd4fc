//! `convex-doctor fix --apply` on a real engine with the real CLI: refused before, past
//! authentication after, and nothing lost on the way: the old key is accepted again, the old volume
//! is as it was, the files differ in the intended lines alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::{COMPOSE, Project, run, succeed, text, wait_for, without_volume};

/// What `fix --apply` said: its exit code and its story.
struct FixRun {
    code: i32,
    story: Value,
}

impl FixRun {
    fn states(&self) -> Vec<String> {
        let fixes = self.story["fixes"].as_array().unwrap().iter();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        fixes
            .map(|fix| format!("{} {}", word(&fix["id"]), word(&fix["outcome"]["state"])))
            .collect()
    }
}

/// The project's files, by name.
fn files(project: &Project) -> BTreeMap<String, String> {
    let names = [".env", ".env.local", ".gitignore", "docker-compose.yml"];
    let read = |name: &str| Some((name.to_owned(), fs::read_to_string(project.file(name)).ok()?));
    names.into_iter().filter_map(read).collect()
}

/// The lines that go and those that come, of each file: no other line may differ, nor any order.
fn differing(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (old, new) = (lines(before), lines(after));
    let gone: Vec<_> = old.iter().filter(|line| !new.contains(line)).cloned().collect();
    let come: Vec<_> = new.iter().filter(|line| !old.contains(line)).cloned().collect();
    let kept_of = |all: &[String], changed: &[String]| -> Vec<String> {
        all.iter().filter(|line| !changed.contains(line)).cloned().collect()
    };
    assert_eq!(kept_of(&old, &gone), kept_of(&new, &come), "the other lines, in their order");
    (gone, come)
}

impl Project {
    /// An app beside the compose file, with the real CLI.
    fn with_cli(self) -> Self {
        let modules =
            std::env::var_os("CONVEX_CLI").expect("CONVEX_CLI: a node_modules with convex");
        std::os::unix::fs::symlink(modules, self.file("node_modules")).unwrap();
        fs::create_dir(self.file("convex")).unwrap();
        self
    }

    /// What the real CLI prints until it is plain what comes of it. It tries a failed push again
    /// and again.
    fn cli(&self, environment: &[(&str, &str)]) -> String {
        const PLAIN: [&str; 4] =
            ["start_push 500", "BadAdminKey", "fetch failed", "must not be set"];
        let mut child = Command::new("timeout")
            .args(["30", "npx", "convex", "dev", "--once"])
            .current_dir(&self.directory)
            .env_clear()
            .envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("CI", "1")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            said.push_str(&line.unwrap());
            said.push('\n');
            if PLAIN.iter().any(|words| said.contains(words)) {
                break;
            }
        }
        // `timeout` passes the signal on to all that it started.
        drop(Command::new("kill").arg(child.id().to_string()).status());
        child.wait().unwrap();
        said
    }

    /// The CLI is past authentication: what fails in the lab is the push, behind the door.
    #[track_caller]
    fn is_let_in(&self) {
        let said = self.cli(&[]);
        assert!(said.contains("start_push 500"), "{said}");
    }

    #[track_caller]
    fn is_kept_out(&self) {
        let said = self.cli(&[]);
        assert!(!said.contains("start_push 500"), "{said}");
    }

    fn fix(&self, arguments: &[&str]) -> FixRun {
        let program = env!("CARGO_BIN_EXE_convex-doctor");
        let before = self.secrets();
        let all = [&[program, "fix", "--apply", "--format", "json"], arguments].concat();
        let output: Output = run(&self.directory, &all);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        for secret in before.into_iter().chain(self.secrets()) {
            assert!(!stdout.contains(&secret) && !stderr.contains(&secret), "a secret is shown");
        }
        let story = serde_json::from_str(&stdout)
            .unwrap_or_else(|error| panic!("{error}\n{stdout}\n{stderr}"));
        FixRun { code: output.status.code().unwrap(), story }
    }

    /// Mends it, by exactly these fixes, to the end.
    #[track_caller]
    fn is_fixed(&self, by: &[&str], arguments: &[&str]) -> FixRun {
        let fixed = self.fix(arguments);
        let expected: Vec<_> = by.iter().map(|id| format!("{id} applied")).collect();
        assert_eq!(fixed.states(), expected, "{:#}", fixed.story);
        assert_eq!(fixed.code, 0, "{:#}", fixed.story);
        assert_eq!(fixed.story["after"]["verdict"], "healthy", "{:#}", fixed.story);
        let left: Vec<_> = fs::read_dir(&self.directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("convex-doctor"))
            .collect();
        assert!(left.is_empty(), "nothing is left beside the files: {left:?}");
        let containers = run(&self.directory, &["docker", "ps", "-a", "--format", "{{.Names}}"]);
        let containers = text(&containers.stdout);
        let ours = |line: &&str| line.contains(&self.name) && line.contains("convex-doctor");
        assert!(!containers.lines().any(|line| ours(&line)), "{containers}");
        fixed
    }

    /// The volume that holds the data directory now.
    pub(super) fn data_volume(&self) -> String {
        let format =
            "{{range .Mounts}}{{if eq .Destination \"/convex/data\"}}{{.Name}}{{end}}{{end}}";
        let inspect = ["docker", "inspect", "--format", format, &self.container()];
        text(&run(&self.directory, &inspect).stdout).trim().to_owned()
    }

    pub(super) fn volume_exists(&self, volume: &str) -> bool {
        run(&self.directory, &["docker", "volume", "inspect", volume]).status.success()
    }

    /// What Compose itself makes of it: it starts as the doctor left it, with nothing to say about
    /// volumes.
    #[track_caller]
    fn compose_agrees(&self, key: &str) {
        let volume = self.data_volume();
        let up = self.compose(&["up", "-d", "backend"]);
        succeed(&up);
        let said = text(&up.stderr);
        assert!(!said.contains("level=warning") && !said.contains("already exists"), "{said}");
        wait_for(|| self.get("/api/check_admin_key", key).contains(" 200 "));
        assert_eq!(self.data_volume(), volume);
        succeed(&self.compose(&["down", "-t", "2"]));
        self.up();
        wait_for(|| self.get("/api/check_admin_key", key).contains(" 200 "));
        assert_eq!(self.data_volume(), volume, "it is there after `down` and `up`");
    }
}

/// A change of the key's line, of the URL's: the file as it is broken, and the fix.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn what_a_line_of_a_file_breaks() {
    let project = Project::healthy("lines").with_cli();
    let good = fs::read_to_string(project.file(".env.local")).unwrap();
    let key = good.split_once("ADMIN_KEY=").unwrap().1.trim_end().to_owned();
    let env = fs::read_to_string(project.file(".env")).unwrap();
    let site = env.lines().find_map(|line| line.strip_prefix("SITE_PROXY_PORT=")).unwrap();
    let port = project.port.to_string();
    let quoted = good.replace(&key, &format!("'{key}'"));
    let url = |url: &str| good.replace(&format!("http://127.0.0.1:{port}"), url);
    let cases: [(&str, String, String, &[&str]); 7] = [
        (
            "a wrong name before the |",
            good.replace("convex-self-hosted|", "convex-selfhosted|"),
            quoted.clone(),
            &["key-name-mismatch"],
        ),
        (
            "a mangled line",
            good.replace(&key, &format!("\"Admin key:\\n{key}\"")),
            quoted.clone(),
            &["key-mangled"],
        ),
        (
            "CONVEX_DEPLOYMENT left set",
            format!("# before\nCONVEX_DEPLOYMENT=dev:happy-animal-123 # old\n{good}"),
            format!("# before\n# CONVEX_DEPLOYMENT=dev:happy-animal-123 # old\n{good}"),
            &["cloud-deployment-set"],
        ),
        (
            "the site's port in the URL",
            url(&format!("http://127.0.0.1:{site}")),
            good.clone(),
            &["url-is-site-proxy"],
        ),
        (
            "a slash behind the URL",
            url(&format!("http://127.0.0.1:{port}/")),
            good.clone(),
            &["url-has-path"],
        ),
        (
            "two at once, with CRLF",
            url(&format!("http://127.0.0.1:{port}/"))
                .replace("convex-self-hosted|", "other|")
                .replace('\n', "\r\n"),
            quoted.replace('\n', "\r\n"),
            &["key-name-mismatch", "url-has-path"],
        ),
        ("nothing", good.clone(), good.clone(), &[]),
    ];
    for (case, broken, expected, by) in cases {
        fs::write(project.file(".env.local"), &broken).unwrap();
        let before = files(&project);
        if !by.is_empty() {
            project.is_kept_out();
        }
        project.is_fixed(by, &[]);
        let after = files(&project);
        assert_eq!(after[".env.local"], expected, "{case}");
        assert_eq!(after["docker-compose.yml"], before["docker-compose.yml"], "{case}");
        project.is_let_in();
        // The CLI writes into the file; the next case begins with its own.
    }
}

#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_port_that_nobody_publishes() {
    let project = Project::healthy("port").with_cli();
    let good = fs::read_to_string(project.file(".env.local")).unwrap();
    let [nobody, ..] = super::free_ports();
    let port = project.port.to_string();
    fs::write(project.file(".env.local"), good.replace(&port, &nobody.to_string())).unwrap();
    project.is_kept_out();
    project.is_fixed(&["url-port-not-published"], &[]);
    assert_eq!(fs::read_to_string(project.file(".env.local")).unwrap(), good);
    project.is_let_in();
}

#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_stale_key() {
    let project = Project::healthy("stalefix").with_cli();
    let old = files(&project);
    succeed(&project.compose(&["down", "-v", "-t", "2"]));
    project.up();
    project.is_kept_out();
    project.is_fixed(&["key-foreign"], &[]);
    let (gone, come) = differing(&old[".env.local"], &files(&project)[".env.local"]);
    // Where volumes of others lie about, the old line stays as a comment, by which they can be told
    // apart.
    let kept = come.iter().filter(|line| **line == format!("# {}", gone[0])).count();
    assert_eq!((gone.len(), come.len() - kept), (1, 1), "{gone:?} {come:?}");
    let new = come.last().unwrap();
    assert!(new.starts_with("CONVEX_SELF_HOSTED_ADMIN_KEY='convex-self-hosted|01"), "{new}");
    project.is_let_in();
}

/// No line for the volume, then `down` and `up`: a new instance, and the old data in a volume
/// without a name.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn no_volume_entry_and_then_down_and_up() {
    let project = Project::created("rescued", &without_volume(), "").with_cli();
    project.up();
    let key = project.mint();
    project.write_key(&key);
    let old = project.data_volume();
    assert_eq!(old.len(), 64);
    succeed(&project.compose(&["down", "-t", "2"]));
    project.up();
    let new = project.data_volume();
    project.is_kept_out();
    let before = files(&project);
    project.is_fixed(&["key-from-detached-volume"], &[]);
    let after = files(&project);
    let (gone, come) = differing(&before["docker-compose.yml"], &after["docker-compose.yml"]);
    assert!(gone.is_empty(), "{gone:?}");
    assert_eq!(come, ["    volumes:", "      - data:/convex/data", "volumes:", "  data:"]);
    assert_eq!(before[".env.local"], after[".env.local"], "the old key is the right one");
    assert_eq!(project.data_volume(), format!("{}_data", project.name));
    assert!(
        project.volume_exists(&old) && project.volume_exists(&new),
        "both are left as they were"
    );
    project.is_let_in();
    project.compose_agrees(&key);
    for volume in [old, new] {
        run(&project.directory, &["docker", "volume", "rm", &volume]);
    }
}

/// The same before anything is lost: what the container has goes where it lasts.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn no_volume_entry_while_all_is_well() {
    for (name, compose, id, come) in [
        (
            "early",
            without_volume(),
            "data-volume-missing",
            vec!["    volumes:", "      - data:/convex/data", "volumes:", "  data:"],
        ),
        (
            "wrongpath",
            COMPOSE.replace("data:/convex/data", "data:/data"),
            "data-mount-wrong-path",
            vec!["      - convex-data:/convex/data", "  convex-data:"],
        ),
    ] {
        let project = Project::created(name, &compose, "").with_cli();
        project.up();
        let key = project.mint();
        project.write_key(&key);
        let old = project.data_volume();
        let before = files(&project);
        project.is_fixed(&[id], &[]);
        let after = files(&project);
        let (gone, came) = differing(&before["docker-compose.yml"], &after["docker-compose.yml"]);
        assert!(gone.is_empty(), "{gone:?}");
        assert_eq!(came, come);
        assert_eq!(before[".env.local"], after[".env.local"]);
        assert!(project.data_volume().starts_with(&project.name));
        assert!(project.volume_exists(&old));
        project.is_let_in();
        project.compose_agrees(&key);
        run(&project.directory, &["docker", "volume", "rm", &old]);
    }
}

/// A wrong path, then `down` and `up`.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_wrong_mount_path_and_then_down_and_up() {
    let compose = COMPOSE.replace("data:/convex/data", "data:/data");
    let project = Project::created("pathlost", &compose, "").with_cli();
    project.up();
    let key = project.mint();
    project.write_key(&key);
    let old = project.data_volume();
    succeed(&project.compose(&["down", "-t", "2"]));
    project.up();
    let new = project.data_volume();
    project.is_kept_out();
    project.is_fixed(&["key-from-detached-volume"], &[]);
    assert!(project.volume_exists(&old) && project.volume_exists(&new));
    project.is_let_in();
    project.compose_agrees(&key);
    for volume in [old, new] {
        run(&project.directory, &["docker", "volume", "rm", &volume]);
    }
}

/// The directory was renamed, and with it the project: the data is in the volume of the old name.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_renamed_project() {
    let mut project = Project::healthy("moved").with_cli();
    let key = fs::read_to_string(project.file(".env.local")).unwrap();
    let key = key.split_once("ADMIN_KEY=").unwrap().1.trim_end().to_owned();
    let old = format!("{}_data", project.name);
    succeed(&project.compose(&["down", "-t", "2"]));
    project.rename("b");
    project.up();
    let new = project.data_volume();
    project.is_kept_out();
    let before = files(&project);
    project.is_fixed(&["key-from-detached-volume"], &[]);
    let after = files(&project);
    let (gone, come) = differing(&before["docker-compose.yml"], &after["docker-compose.yml"]);
    assert!(gone.is_empty(), "{gone:?}");
    assert_eq!(come, ["    external: true".to_owned(), format!("    name: {old}")]);
    assert_eq!(project.data_volume(), old);
    assert!(project.volume_exists(&new), "what the new project had is left as it was");
    project.is_let_in();
    project.compose_agrees(&key);
    succeed(&project.compose(&["down", "-t", "2"]));
    for volume in [old, new] {
        run(&project.directory, &["docker", "volume", "rm", &volume]);
    }
}

/// No file can fix what a shell exports: it is reported, and nothing is changed.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_shadowing_export_is_told() {
    let project = Project::healthy("shadow").with_cli();
    let before = files(&project);
    let wrong = format!("convex-self-hosted|01{}", "ab".repeat(36));
    let export = format!("CONVEX_SELF_HOSTED_ADMIN_KEY='{wrong}'");
    let said = project.cli(&[("CONVEX_SELF_HOSTED_ADMIN_KEY", &wrong)]);
    assert!(said.contains("BadAdminKey"), "{said}");
    let ours = env!("CARGO_BIN_EXE_convex-doctor");
    let told = run(&project.directory, &["bash", "-c", &format!("{export} {ours} fix --apply")]);
    let said = text(&told.stdout);
    assert_eq!(told.status.code(), Some(1), "{said}");
    assert!(said.contains("unset CONVEX_SELF_HOSTED_ADMIN_KEY"), "{said}");
    assert!(!said.contains(&wrong[25..]), "{said}");
    assert_eq!(files(&project), before);
    project.is_let_in();
}

/// In memory: while it runs, the secret in force is pinned, and the key outlives the restart that
/// the data does not.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_data_directory_in_memory() {
    let compose = without_volume()
        .replace("    healthcheck:", "    tmpfs:\n      - /convex/data\n    healthcheck:");
    let project = Project::created("memory", &compose, "").with_cli();
    project.up();
    let key = project.mint();
    project.write_key(&key);
    let secret = project.secrets().pop().unwrap();
    let before = files(&project);
    let fixed = project.fix(&[]);
    assert_eq!(fixed.states(), ["data-on-tmpfs applied"], "{:#}", fixed.story);
    let after = files(&project);
    let (gone, come) = differing(&before[".env"], &after[".env"]);
    assert_eq!((gone, come), (vec![], vec![format!("INSTANCE_SECRET='{secret}'")]));
    assert_eq!(
        before["docker-compose.yml"], after["docker-compose.yml"],
        "it passes it on already"
    );
    // The data goes with the container, the key does not.
    succeed(&project.compose(&["down", "-t", "2"]));
    project.up();
    wait_for(|| project.get("/api/check_admin_key", &key).contains(" 200 "));
}

/// Another secret, and with it another key: the old one is refused from then on, the data stays.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_public_secret_is_rotated() {
    let public = "4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974";
    let project =
        Project::created("rotated", COMPOSE, &format!("INSTANCE_SECRET={public}\n")).with_cli();
    project.up();
    let old = project.mint();
    project.write_key(&old);
    run(&project.directory, &["git", "init", "-q"]);
    fs::write(project.file(".gitignore"), ".env.local\n.env.production\n").unwrap();
    // Other places: one that the fix writes itself, two that it only names.
    let production = format!("# mine\nCONVEX_SELF_HOSTED_ADMIN_KEY=\"{old}\" # the same\nA=1\n");
    fs::write(project.file(".env.production"), &production).unwrap();
    fs::create_dir_all(project.file(".github/workflows")).unwrap();
    let workflow = "env:\n  CONVEX_SELF_HOSTED_ADMIN_KEY: ${{ secrets.CONVEX_KEY }}\n";
    fs::write(project.file(".github/workflows/deploy.yml"), workflow).unwrap();
    let script = format!("npx convex run seed --admin-key '{old}'\n");
    fs::write(project.file("seed.sh"), &script).unwrap();
    // Not without being named.
    let unasked = project.fix(&[]);
    assert!(!unasked.states().iter().any(|state| state.starts_with("secret-public")));
    // Not into a file that git tracks.
    fs::write(project.file(".gitignore"), "").unwrap();
    succeed(&run(&project.directory, &["git", "add", ".env.local"]));
    let before = files(&project);
    let refused = project.fix(&["secret-public"]);
    assert!(refused.states().is_empty(), "{:#}", refused.story);
    let why = refused.story["by_hand"][0]["why"].as_str().unwrap();
    assert!(why.contains("git rm --cached .env.local"), "{why}");
    assert_eq!(files(&project), before);
    succeed(&run(&project.directory, &["git", "rm", "-q", "--cached", ".env.local"]));
    fs::write(project.file(".gitignore"), ".env.local\n.env.production\n").unwrap();

    let volume = project.data_volume();
    let before = files(&project);
    let fixed = project.is_fixed(&["secret-public"], &["secret-public"]);
    let fix = &fixed.story["fixes"][0];
    assert_eq!(fix["outcome"]["verified"], "the old key is rejected: 401 BadAdminKey", "{fix:#}");
    let places = serde_json::json!([
        "seed.sh:1",
        "GitHub Actions secret CONVEX_KEY (.github/workflows/deploy.yml:2)",
    ]);
    assert_eq!(fix["errands"][0]["places"], places, "{fix:#}");
    let after = files(&project);
    let (gone, come) = differing(&before[".env"], &after[".env"]);
    assert_eq!((gone, come.len()), (vec![format!("INSTANCE_SECRET={public}")], 1));
    assert!(come[0].starts_with("INSTANCE_SECRET='") && !come[0].contains(public));
    assert_eq!(differing(&before[".gitignore"], &after[".gitignore"]).1, [".env"]);
    assert!(project.get("/api/check_admin_key", &old).contains(" 401 "), "the old key is dead");
    assert_eq!(project.data_volume(), volume, "the data stays");
    let key = fs::read_to_string(project.file(".env.local")).unwrap();
    let key = key.split_once("ADMIN_KEY='").unwrap().1.split_once('\'').unwrap().0;
    assert_eq!(
        fs::read_to_string(project.file(".env.production")).unwrap(),
        production.replace(&format!("\"{old}\""), &format!("'{key}'"))
    );
    assert_eq!(fs::read_to_string(project.file("seed.sh")).unwrap(), script, "only named");
    project.is_let_in();
    project.compose_agrees(key);
}

/// Where the old key goes on being accepted nothing was rotated, whatever became of the finding:
/// everything is as before.
#[test]
#[ignore = "needs a Docker engine"]
fn a_rotation_that_leaves_the_old_key_alive_is_taken_back() {
    let secret = "7b1c9e4fd2a85036be41f7c8d90a6e235f8c1b7d4e9a0362c5d8f1e7b4a90c36";
    // A start that knows better than the environment.
    let compose = COMPOSE
        .replace("      - INSTANCE_SECRET\n", &format!("      - INSTANCE_SECRET={secret}\n      - PINNED\n"))
        .replacen(
            "    environment:\n",
            "    entrypoint: [sh, -c, 'export INSTANCE_SECRET=$$PINNED; exec ./run_backend.sh']\n    environment:\n",
            1,
        );
    assert!(compose.contains("PINNED") && compose.contains("entrypoint"), "{compose}");
    let project = Project::created("alive", &compose, &format!("PINNED={secret}\n"));
    project.up();
    let old = project.mint();
    project.write_key(&old);
    run(&project.directory, &["git", "init", "-q"]);
    fs::write(project.file(".gitignore"), ".env\n.env.local\n").unwrap();
    succeed(&run(&project.directory, &["git", "add", "docker-compose.yml"]));
    let before = files(&project);
    let tried = project.fix(&["secret-in-git"]);
    assert_eq!(tried.states(), ["secret-in-git taken_back"], "{:#}", tried.story);
    let why = tried.story["fixes"][0]["outcome"]["why"].as_str().unwrap();
    assert!(why.starts_with("the old key is still accepted"), "{:#}", tried.story);
    assert_eq!(files(&project), before);
    wait_for(|| project.get("/api/check_admin_key", &old).contains(" 200 "));
}

/// A stopped backend is started, and a port that somebody else has leaves everything as it was.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_stopped_backend() {
    let project = Project::healthy("asleep").with_cli();
    succeed(&project.compose(&["stop", "-t", "2"]));
    let squatter = std::net::TcpListener::bind(("0.0.0.0", project.port)).unwrap();
    let failed = project.fix(&["backend-stopped"]);
    assert_eq!(failed.states(), ["backend-stopped failed"], "{:#}", failed.story);
    assert_eq!(failed.code, 1);
    drop(squatter);
    project.is_fixed(&["backend-stopped"], &[]);
    project.is_let_in();
}

/// A volume that is there already is nobody's to write to: the copy gets another name.
#[test]
#[ignore = "needs a Docker engine"]
fn a_name_that_is_taken() {
    let project = Project::created("taken", &without_volume(), "");
    project.up();
    let key = project.mint();
    project.write_key(&key);
    let old = project.data_volume();
    let taken = format!("{}_data", project.name);
    succeed(&run(&project.directory, &["docker", "volume", "create", &taken]));
    project.is_fixed(&["data-volume-missing"], &[]);
    assert_eq!(project.data_volume(), format!("{}_convex-data", project.name));
    project.compose_agrees(&key);
    run(&project.directory, &["docker", "volume", "rm", &taken, &old]);
}

/// A backend whose next start would use another secret is not stopped for a rescue: that would kill
/// its keys.
#[test]
#[ignore = "needs a Docker engine"]
fn a_backend_that_would_not_come_back_is_not_stopped() {
    let project = Project::created("fragile", &without_volume(), "");
    project.up();
    project.write_key(&project.mint());
    let started = |project: &Project| {
        let format =
            ["docker", "inspect", "--format", "{{.State.StartedAt}}", &project.container()];
        text(&run(&project.directory, &format).stdout)
    };
    let since = started(&project);
    let other = "printf %s 8f14e45fceea167a5a36dedd4bea2543f9bd5a6d9d5e2b1c0a4f7e3d2c1b0a99";
    let write = format!("{other} > /convex/data/credentials/instance_secret");
    succeed(&run(
        &project.directory,
        &["docker", "exec", &project.container(), "sh", "-c", &write],
    ));
    let before = files(&project);
    let told = project.fix(&[]);
    assert!(told.states().iter().all(|state| !state.contains("data-volume")), "{:#}", told.story);
    assert_eq!((files(&project), started(&project)), (before, since));
    assert_eq!(told.code, 1);
}

/// A frozen backend goes on.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_paused_backend() {
    let project = Project::healthy("frozen").with_cli();
    let before = files(&project);
    succeed(&run(&project.directory, &["docker", "pause", &project.container()]));
    project.is_fixed(&["backend-paused"], &[]);
    assert_eq!(files(&project), before);
    project.is_let_in();
}

/// `DISABLE_BEACON=` ends the backend at its start: the line goes, and the container is made anew
/// without it.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn an_empty_switch_that_ends_it() {
    let project = Project::healthy("beacon").with_cli();
    let key = fs::read_to_string(project.file(".env.local")).unwrap();
    let key = key.split_once("ADMIN_KEY=").unwrap().1.trim_end().to_owned();
    let volume = project.data_volume();
    let broken = COMPOSE.replace("      - DISABLE_BEACON\n", "      - DISABLE_BEACON=\n");
    fs::write(project.file("docker-compose.yml"), &broken).unwrap();
    succeed(&project.compose(&["up", "-d", "backend"]));
    let state = || {
        let format = ["docker", "inspect", "--format", "{{.State.Status}}", &project.container()];
        text(&run(&project.directory, &format).stdout).trim().to_owned()
    };
    wait_for(|| state() == "exited");
    project.is_kept_out();
    let before = files(&project);
    project.is_fixed(&["beacon-variable-empty"], &[]);
    let after = files(&project);
    let (gone, come) = differing(&broken, &after["docker-compose.yml"]);
    assert_eq!((gone, come), (vec!["      - DISABLE_BEACON=".to_owned()], vec![]));
    for file in [".env", ".env.local"] {
        assert_eq!(before[file], after[file]);
    }
    assert_eq!(project.data_volume(), volume, "the data stays");
    project.is_let_in();
    project.compose_agrees(&key);
}

/// `.env` says another secret than the one in force: the key of the CLI tells which of the two is
/// meant.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_secret_that_is_not_in_force() {
    let one = "8f14e45fceea167a5a36dedd4bea2543f9bd5a6d9d5e2b1c0a4f7e3d2c1b0a99";
    let other = "45c48cce2e2d7fbdea1afc51c7c6ad26a3f1e0b6d8c94725361f0a9b8c7d6e5f";
    let line = |secret: &str| format!("INSTANCE_SECRET={secret}\n");
    let project = Project::created("drifted", COMPOSE, &line(one)).with_cli();
    project.up();
    let key = project.mint();
    project.write_key(&key);
    let volume = project.data_volume();
    let with_one = fs::read_to_string(project.file(".env")).unwrap();
    let with_other = with_one.replace(one, other);

    fs::write(project.file(".env"), &with_other).unwrap();
    project.is_fixed(&["secret-drift"], &[]);
    let back = with_one.replace(&line(one), &format!("# {}INSTANCE_SECRET='{one}'\n", line(other)));
    assert_eq!(files(&project)[".env"], back);
    project.is_let_in();
    project.compose_agrees(&key);

    // A key for the other secret, which is in force no more.
    fs::write(project.file(".env"), &with_other).unwrap();
    project.up();
    let key = project.mint();
    fs::write(project.file(".env"), &with_one).unwrap();
    project.up();
    project.write_key(&key);
    fs::write(project.file(".env"), &with_other).unwrap();
    wait_for(|| project.get("/api/check_admin_key", &key).contains(" 401 "));
    let before = files(&project);
    project.is_fixed(&["secret-drift"], &[]);
    assert_eq!(files(&project), before, "the files are as they are meant");
    assert_eq!(project.data_volume(), volume, "the data stays");
    project.is_let_in();
    project.compose_agrees(&key);
}

/// A secret that stands in the compose file moves to `.env`, and Compose starts the same instance
/// with it.
#[test]
#[ignore = "needs a Docker engine and the npm package convex"]
fn a_secret_in_the_compose_file() {
    let secret = "8f14e45fceea167a5a36dedd4bea2543f9bd5a6d9d5e2b1c0a4f7e3d2c1b0a99";
    let literal = format!("      - INSTANCE_SECRET={secret}\n");
    let compose = COMPOSE.replace("      - INSTANCE_SECRET\n", &literal);
    let project = Project::created("literal", &compose, "").with_cli();
    project.up();
    let key = project.mint();
    project.write_key(&key);
    run(&project.directory, &["git", "init", "-q"]);
    fs::write(project.file(".gitignore"), ".env.local\nnode_modules\n").unwrap();
    let before = files(&project);
    let fixed = project.fix(&[]);
    assert_eq!(fixed.states(), ["secret-in-compose applied"], "{:#}", fixed.story);
    let after = files(&project);
    let passed = COMPOSE.replace("- INSTANCE_SECRET\n", "- INSTANCE_SECRET=${INSTANCE_SECRET}\n");
    assert_eq!(after["docker-compose.yml"], passed);
    assert_eq!(after[".env"], format!("{}INSTANCE_SECRET='{secret}'\n", before[".env"]));
    assert_eq!(after[".gitignore"], format!("{}.env\n", before[".gitignore"]));
    project.is_let_in();
    project.compose_agrees(&key);
}
