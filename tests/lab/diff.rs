//! `convex-doctor diff` of two looks at one deployment: the first line names what was done between
//! them.

use std::fs;
use std::path::PathBuf;

use super::{COMPOSE, Project, append, run, succeed, text, wait_for};

/// A project with the bundles of what it was.
struct Looks {
    project: Project,
    last: PathBuf,
    count: u8,
    /// A name of the backend's image that goes with it.
    image: String,
}

impl Drop for Looks {
    fn drop(&mut self) {
        run(self.project.home.path(), &["docker", "rmi", "-f", &self.image]);
    }
}

impl Looks {
    fn new(project: Project) -> Self {
        let image = format!("ghcr.io/get-convex/convex-backend:{}", project.name);
        let mut looks = Self { project, last: PathBuf::new(), count: 0, image };
        looks.look();
        looks
    }

    fn look(&mut self) -> PathBuf {
        self.count += 1;
        let path = self.project.home.path().join(format!("{}.json", self.count));
        let file = path.to_str().unwrap();
        let program = env!("CARGO_BIN_EXE_convex-doctor");
        succeed(&run(&self.project.directory, &[program, "bundle", "-o", file]));
        std::mem::replace(&mut self.last, path)
    }

    /// What changed since the last look: the exit code and the page.
    fn changed(&mut self) -> (Option<i32>, String) {
        let old = self.look();
        let program = env!("CARGO_BIN_EXE_convex-doctor");
        let (old, new) = (old.to_str().unwrap(), self.last.to_str().unwrap());
        let output = run(&self.project.directory, &[program, "diff", old, new]);
        (output.status.code(), text(&output.stdout))
    }

    /// Fails unless this is the beginning of the first line, or of the first two where the values
    /// stand below the name.
    #[track_caller]
    fn expect(&mut self, what: &str, beginning: &str) {
        let (code, page) = self.changed();
        assert_eq!(code, Some(1), "{what}: {page}");
        let page = page.replace("\n  was  ", " ").replace("\n  is   ", " → ");
        assert!(page.starts_with(beginning), "{what}: not {beginning:?} first:\n{page}");
    }

    fn up(&self) {
        self.project.up();
        self.project.write_key(&self.project.mint());
    }
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_first_line_names_what_was_done() {
    let mut looks = Looks::new(Project::healthy("diff"));
    let name = looks.project.name.clone();
    let [named, variable, option] =
        ["named", "variable", "option"].map(|end| format!("{name}{end}"));
    for name in [&name, &named, &variable, &option] {
        looks.project.earlier.push((looks.project.directory.clone(), name.clone()));
    }
    let (code, page) = looks.changed();
    assert_eq!(code, Some(0), "{page}");
    assert!(page.starts_with("Nothing changed"), "{page}");

    // The engine's events have a second, and what is of the same one may have been before the look.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    succeed(&looks.project.compose(&["down", "-v", "-t", "2"]));
    looks.project.up();
    looks.expect("down -v", &format!("volume {name}_data: created earlier → created 20"));
    looks.project.write_key(&looks.project.mint());
    looks.expect("a new key", "admin key: key ");

    append(&looks.project.file(".env"), "RUST_LOG=debug\n");
    looks.project.up();
    looks.expect("a line of .env", "RUST_LOG in the compose file: info → debug");

    let other = looks.image.clone();
    let tag = ["docker", "tag", "ghcr.io/get-convex/convex-backend:latest", &other];
    succeed(&run(&looks.project.directory, &tag));
    let compose = COMPOSE.replace("convex-backend:latest", &format!("convex-backend:{name}"));
    fs::write(looks.project.file("docker-compose.yml"), &compose).unwrap();
    looks.project.up();
    looks.expect("an image", &format!("image: ghcr.io/get-convex/convex-backend:latest → {other}"));

    succeed(&looks.project.compose(&["down", "-t", "2"]));
    fs::write(looks.project.file("docker-compose.yml"), format!("name: {named}\n{compose}"))
        .unwrap();
    looks.up();
    looks.expect("name:", &format!("compose project: {name} → {named}"));

    succeed(&looks.project.compose(&["down", "-v", "-t", "2"]));
    fs::write(looks.project.file("docker-compose.yml"), &compose).unwrap();
    append(&looks.project.file(".env"), &format!("COMPOSE_PROJECT_NAME={variable}\n"));
    looks.up();
    looks.expect("COMPOSE_PROJECT_NAME", &format!("compose project: {named} → {variable}"));

    succeed(&looks.project.compose(&["down", "-t", "2"]));
    succeed(&looks.project.compose(&["-p", &option, "up", "-d", "backend"]));
    wait_for(|| looks.project.get("/version", "").contains(" 200 "));
    looks.expect("-p", &format!("project of the container: {variable} → {option}"));
    succeed(&looks.project.compose(&["-p", &option, "down", "-v", "-t", "2"]));
}
