use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// One change, ready to be kept or dropped.
fn replace(path: &Path, root: &Path, old: Option<&str>, new: &str) -> Result<Changes, EditError> {
    let mut changes = Changes::of(root);
    changes.replace(path, old, new).map(|()| changes)
}

#[test]
fn several_files_are_kept_or_taken_back_together() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let text = |name: &str| std::fs::read_to_string(at(name)).ok();
    let make = || {
        let mut changes = Changes::of(root.path());
        changes.replace(&at("a"), Some("1"), "2").unwrap();
        changes.replace(&at("b"), None, "new").unwrap();
        changes.replace(&at("a"), Some("2"), "3").unwrap();
        changes.replace(&at("b"), Some("new"), "newer").unwrap();
        changes
    };
    std::fs::write(at("a"), "1").unwrap();
    drop(make());
    assert_eq!((text("a").as_deref(), names(root.path())), (Some("1"), vec!["a".to_owned()]));
    make().keep();
    assert_eq!((text("a").as_deref(), text("b").as_deref()), (Some("3"), Some("newer")));
    assert_eq!(names(root.path()), ["a", "b"]);
}

#[test]
fn a_change_is_kept_or_taken_back_and_leaves_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(".env.local");
    let text = || std::fs::read_to_string(&path).ok();
    let edit = replace(&path, root.path(), None, "A=1\n").unwrap();
    assert_eq!(text().as_deref(), Some("A=1\n"));
    drop(edit);
    assert_eq!((text(), names(root.path())), (None, vec![]));

    replace(&path, root.path(), None, "A=1\n").unwrap().keep();
    let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    mode(0o640);
    let edit = replace(&path, root.path(), Some("A=1\n"), "A=2\n").unwrap();
    assert_eq!(names(root.path()), [".env.local", ".env.local.before-convex-doctor"]);
    drop(edit);
    assert_eq!(text().as_deref(), Some("A=1\n"));
    replace(&path, root.path(), Some("A=1\n"), "A=2\n").unwrap().keep();
    assert_eq!(text().as_deref(), Some("A=2\n"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(root.path()), [".env.local"]);
}

#[test]
fn what_another_program_changed_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a");
    std::fs::write(&path, "now").unwrap();
    let error = replace(&path, root.path(), Some("then"), "new").unwrap_err();
    assert!(matches!(error, EditError::Changed(_)), "{error}");
    let error = replace(&path, root.path(), None, "new").unwrap_err();
    assert!(matches!(error, EditError::Changed(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "now");
    let first = replace(&path, root.path(), Some("now"), "one").unwrap();
    let error = replace(&path, root.path(), Some("one"), "two").unwrap_err();
    assert!(matches!(error, EditError::Busy(_)), "{error}");
    first.keep();
}

/// Another program writes to the file after its change: neither keeping nor rolling back may lose
/// a word of it.
#[test]
fn what_another_program_writes_meanwhile_is_never_lost() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a");
    let second = root.path().join("a.before-convex-doctor");
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    std::fs::write(&path, "old").unwrap();
    let changes = replace(&path, root.path(), Some("old"), "new").unwrap();
    std::fs::write(&path, "theirs").unwrap();
    let said = changes.take_back();
    assert!(said.len() == 1 && said[0].contains("another program") && said[0].contains("a.before"));
    assert_eq!((text(&path), text(&second)), ("theirs".to_owned(), "old".to_owned()));
    std::fs::remove_file(&second).unwrap();

    // By a name that it was opened under before.
    let mut open = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let changes = replace(&path, root.path(), Some("theirs"), "new").unwrap();
    open.write_all(b", late").unwrap();
    let said = changes.keep();
    assert!(said.len() == 1 && said[0].contains("a.before"), "{said:?}");
    assert_eq!((text(&path), text(&second)), ("new".to_owned(), "theirs, late".to_owned()));
    std::fs::remove_file(&second).unwrap();

    let new = root.path().join("b");
    let changes = replace(&new, root.path(), None, "ours").unwrap();
    std::fs::write(&new, "theirs").unwrap();
    assert_eq!(changes.take_back().len(), 1);
    assert_eq!(text(&new), "theirs");
}

#[test]
fn what_is_no_file_or_is_write_protected_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    std::fs::create_dir(at("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    std::fs::write(at("protected"), "old").unwrap();
    std::fs::set_permissions(at("protected"), PermissionsExt::from_mode(0o444)).unwrap();
    let before = names(root.path());
    for (name, old, said) in [
        ("directory", Some("old"), "no regular file"),
        ("directory", None, "no regular file"),
        ("pipe", Some("old"), "no regular file"),
        ("protected", Some("old"), "write-protected"),
    ] {
        let error = replace(&at(name), root.path(), old, "new").unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
        assert_eq!(names(root.path()), before, "{name}");
    }
}

/// Who runs this as root must not take a file from the person it belongs to.
#[test]
fn a_file_keeps_its_owner() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a");
    std::fs::write(&path, "old").unwrap();
    // Only root can make this case.
    if chown(&path, Some(4321), Some(4322)).is_err() {
        return;
    }
    chown(root.path(), Some(4321), Some(4323)).unwrap();
    replace(&path, root.path(), Some("old"), "new").unwrap().keep();
    let made = root.path().join("b");
    replace(&made, root.path(), None, "new").unwrap().keep();
    for (path, group) in [(path, 4322), (made, 4323)] {
        let found = std::fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid()), (4321, group), "{path:?}");
    }
}

#[test]
fn a_link_is_followed_inside_of_the_project_alone() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("theirs"), "x").unwrap();
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("real"), "x").unwrap();
    symlink(root.path().join("real"), root.path().join("link")).unwrap();
    symlink(outside.path().join("theirs"), root.path().join("out")).unwrap();
    symlink(outside.path().join("none"), root.path().join("dangling")).unwrap();
    let link = root.path().join("link");
    replace(&link, root.path(), Some("x"), "y").unwrap().keep();
    assert!(link.is_symlink());
    assert_eq!(std::fs::read_to_string(root.path().join("real")).unwrap(), "y");
    let error = replace(&root.path().join("out"), root.path(), Some("x"), "y").unwrap_err();
    assert!(matches!(error, EditError::Outside { .. }), "{error}");
    let error = replace(&root.path().join("dangling"), root.path(), None, "y").unwrap_err();
    assert!(matches!(error, EditError::Dangling { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(outside.path().join("theirs")).unwrap(), "x");
    assert_eq!(names(outside.path()), ["theirs"]);
}

/// Where the child of the next test is to die.
const STEP: &str = "CONVEX_DOCTOR_TEST_STEP";
/// The directory in which it works.
const PLACE: &str = "CONVEX_DOCTOR_TEST_PLACE";

/// Dies as a kill would have it, with nothing put in order.
fn die(step: &str) {
    if std::env::var(STEP).is_ok_and(|wanted| wanted == step) {
        std::process::abort();
    }
}

/// Changes two files and makes one; keeps all of it or, on request, restores all of it.
#[test]
#[ignore = "only the child of the test below"]
fn child_that_is_killed() {
    let place = PathBuf::from(std::env::var(PLACE).unwrap());
    let mut changes = Changes::stepping(&place, die);
    changes.replace(&place.join("a"), Some("old a"), "new a").unwrap();
    changes.replace(&place.join("b"), Some("old b"), "new b").unwrap();
    changes.replace(&place.join("c"), None, "new c").unwrap();
    if std::env::var(STEP).unwrap() == "rolled back" {
        drop(changes);
    } else {
        changes.keep();
    }
}

#[test]
fn a_kill_at_any_step_leaves_the_old_or_the_new_file_whole() {
    let steps = [
        "locked",
        "written next to it",
        "the old one has a second name",
        "renamed",
        "made",
        "kept",
        "rolled back",
    ];
    for step in steps {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::write(at("a"), "old a").unwrap();
        std::fs::write(at("b"), "old b").unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "act::edit::tests::child_that_is_killed", "--ignored"])
            .env(STEP, step)
            .env(PLACE, place.path())
            .output()
            .unwrap();
        assert!(child.status.code().is_none(), "{step}: it was to be killed: {child:?}");
        for name in ["a", "b"] {
            let text = std::fs::read_to_string(at(name)).unwrap();
            assert!(
                text == format!("old {name}") || text == format!("new {name}"),
                "{step}: {text}"
            );
            // Where the new one is not known to be good, the old one can be had back.
            if text.starts_with("new") && !matches!(step, "kept" | "rolled back") {
                let second = std::fs::read_to_string(at(&format!("{name}.before-convex-doctor")));
                assert_eq!(second.ok().as_deref(), Some(format!("old {name}").as_str()), "{step}");
            }
        }
        let third = std::fs::read_to_string(at("c")).ok();
        assert!(third.is_none_or(|text| text == "new c"), "{step}");
        // What is left disturbs nothing and is kept: old versions that are no
        // longer the file's.
        let mut left = names(place.path());
        left.retain(|name| {
            let own = name.strip_suffix(SECOND_NAME);
            let text = |name: &str| std::fs::read_to_string(at(name)).unwrap();
            !name.ends_with(lock::NEW_SUFFIX) && own.is_none_or(|own| text(own) != text(name))
        });
        let now = std::fs::read_to_string(at("a")).unwrap();
        replace(&at("a"), place.path(), Some(&now), "next").unwrap().keep();
        assert_eq!(std::fs::read_to_string(at("a")).unwrap(), "next", "{step}");
        assert_eq!(names(place.path()), left, "{step}");
    }
}

/// What the child below is to find: no byte more may be written.
#[test]
#[ignore = "only the child of the test below"]
fn child_on_a_full_disk() {
    let place = PathBuf::from(std::env::var(PLACE).unwrap());
    let error = replace(&place.join("a"), &place, Some("old"), "new").unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    let mut changes = Changes::of(&place);
    let error = changes.replace(&place.join("b"), None, "new").unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
}

#[test]
fn a_disk_that_takes_nothing_more_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), "old").unwrap();
    // A limit on the size of files fails a write as a full disk does; ignored, its signal ends
    // no process.
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "act::edit::tests::child_on_a_full_disk", "--ignored"])
        .env(PLACE, place.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"), "{child:?}");
    assert_eq!(std::fs::read_to_string(place.path().join("a")).unwrap(), "old");
    assert_eq!(names(place.path()), ["a"]);
}

#[test]
fn a_directory_that_takes_no_file_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a");
    std::fs::write(&path, "old").unwrap();
    let directory = |mode| {
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(mode)).unwrap();
    };
    directory(0o555);
    // Root writes all the same: the lab has a disk that is mounted read-only.
    let is_root = std::fs::write(place.path().join("probe"), "").is_ok();
    if !is_root {
        let error = replace(&path, place.path(), Some("old"), "new").unwrap_err();
        assert!(error.to_string().contains("cannot write"), "{error}");
        assert_eq!(names(place.path()), ["a"]);
    }
    directory(0o755);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
}

#[test]
fn a_name_that_a_link_to_nowhere_takes_is_not_used() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    std::fs::write(&path, "1").unwrap();
    let stale = root.path().join("file.before-convex-doctor");
    symlink("gone", &stale).unwrap();
    replace(&path, root.path(), Some("1"), "2").unwrap().keep();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "2");
    assert!(stale.is_symlink() && !stale.exists());
    assert_eq!(names(root.path()), ["file", "file.before-convex-doctor"]);
}

#[test]
fn what_an_edit_cannot_keep_is_known_before() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    std::fs::write(&path, "1").unwrap();
    assert_eq!(lost(&path), Vec::<String>::new());
    std::fs::hard_link(&path, root.path().join("other")).unwrap();
    assert!(lost(&path)[0].contains("hard link"));
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(&path, "user.note", b"x", flags).is_ok() {
        assert!(lost(&path)[1].contains("user.note"));
    }
}
