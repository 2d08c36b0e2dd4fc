//! No persistent mount at the data directory: the next `down` and `up` starts an empty instance.
//!
//! One judgement with four causes: no line at all, an anonymous volume, a volume at another path,
//! memory.

use super::run_by_hand;
use crate::checks::Check;
use crate::deployment::compose::declared_backend;
use crate::deployment::container::inspected;
use crate::deployment::data::{
    StoredElsewhere, declared_mount_over, is_kept_by_file, is_persistent, may_have_data,
};
use crate::deployment::key_judgement::is_of_unused_volume;
use crate::deployment::platform::{Platform, of_project};
use crate::deployment::weight::for_temporary_instance;
use crate::evidence::compose::{BackendService, DeclaredMount};
use crate::evidence::docker::{Container, MountKind};
use crate::evidence::{Evidence, Unseen};
use crate::names::DATA_DIR;
use crate::remedies::command::{doctor, up};
use crate::remedies::mint::also_new_key;
use crate::remedies::rescue::{copy_out, move_in};
use crate::remedies::secret::pin;
use crate::remedies::volumes::keep_own;
use crate::report::{Certainty, Finding, FixPolicy, Location, Remedy, Rule, Text};

/// What follows from a data directory that is not persistent: a new secret, or, with the documents
/// in SQL, a secret that does not outlive them.
const LOSES_SECRET: &[&str] = &["sql-without-secret-persistence", "key-foreign", "key-rejected"];

/// No line of the compose file mounts anything over the data directory.
pub static DATA_VOLUME_MISSING: Rule =
    rule!("data-volume-missing", Error, "no persistent volume for the data directory")
        .cause(LOSES_SECRET)
        .fix(FixPolicy::NoVolume);

/// The line names a path only, so Docker creates an anonymous volume.
pub static DATA_VOLUME_ANONYMOUS: Rule =
    rule!("data-volume-anonymous", Error, "the data is in an anonymous volume")
        .cause(LOSES_SECRET)
        .fix(FixPolicy::NoVolume);

/// There is a volume, but the backend does not write to it.
pub static DATA_MOUNT_WRONG_PATH: Rule =
    rule!("data-mount-wrong-path", Error, "the volume is mounted at the wrong path")
        .cause(LOSES_SECRET)
        .fix(FixPolicy::NoVolume);

/// The data directory is in memory.
pub static DATA_ON_TMPFS: Rule =
    rule!("data-on-tmpfs", Error, "the data is in memory (tmpfs) and lost at every stop")
        .cause(LOSES_SECRET)
        .fix(FixPolicy::Stays);

/// Where the data directory is stored.
pub static CHECK: Check = Check {
    rules: &[&DATA_VOLUME_MISSING, &DATA_VOLUME_ANONYMOUS, &DATA_MOUNT_WRONG_PATH, &DATA_ON_TMPFS],
    run,
};

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some((_, service)) = declared_backend(evidence)? else {
        return Ok(run_by_hand::judge(evidence)?.into_iter().collect());
    };
    let over = declared_mount_over(service, &service.data_dir);
    if over.is_some_and(is_kept_by_file) {
        return Ok(vec![]);
    }
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let container = container.filter(|container| inspected(container).is_ok());
    let elsewhere = StoredElsewhere::of(service, container);
    // A DATA_DIR outside of every mount is `credentials-outside-volume`.
    let chosen_elsewhere = !service.data_dir.starts_with(DATA_DIR) && over.is_none();
    if elsewhere.everything() || chosen_elsewhere {
        return Ok(vec![]);
    }
    let certainty = match container {
        Some(container)
            if !container.mount_over(&container.storage.data_dir).is_some_and(is_persistent) =>
        {
            Certainty::Proven
        }
        // Compose carries an old volume into a recreated container and drops it at the next `down`
        // (docs/facts.md, docker-carry-over): "mounted now" does not prove "mounted tomorrow".
        Some(_) | None => Certainty::Likely,
    };
    let Judgement { rule, line, edits } = judge(service, over);
    let detail = detail(rule, line, service, elsewhere, certainty);
    let mut finding =
        rule.finding(certainty, detail).at((line.map_or(&service.at, |m| &m.at)).location());
    finding = match line {
        Some(line) => finding.because(
            format!(
                "Mounts {} at {}",
                line.source.as_deref().unwrap_or(if line.is_tmpfs() {
                    "memory (tmpfs)"
                } else {
                    "an anonymous volume"
                }),
                line.target
            ),
            line.at.to_string(),
        ),
        None => finding.because(
            format!("Mounts nothing at {}", service.data_dir),
            (service.volumes_at.as_ref().unwrap_or(&service.at)).to_string(),
        ),
    };
    if let Some(container) = container {
        finding = finding
            .because(mounted(container), container.name.clone())
            .at(Location::container(&container.name));
        finding.remedies.extend(by_own_command(evidence, container, rule));
    }
    finding.remedies.extend(by_hand(evidence, service, container, edits));
    let finding = for_temporary_instance(evidence, container, finding);
    Ok(vec![also_new_key(evidence, finding)])
}

/// The effect first, and then what is odd about the line.
fn detail(
    rule: &Rule,
    line: Option<&DeclaredMount>,
    service: &BackendService,
    elsewhere: StoredElsewhere,
    certainty: Certainty,
) -> String {
    let probably = if certainty == Certainty::Proven { "" } else { "probably " };
    let (does, follows) = elsewhere.next_start();
    let next = format!("The next `docker compose down` and `up` {probably}{does}.");
    match (rule.id, line) {
        (id, Some(line)) if id == DATA_VOLUME_ANONYMOUS.id => format!(
            "{} gives the volume no name. After `docker compose down`, `up` {probably}creates a \
             new one: {}.",
            line.at,
            elsewhere.next_start_in_brief()
        ),
        (id, Some(line)) if id == DATA_MOUNT_WRONG_PATH.id => format!(
            "{next} The volume is mounted at {}, but the backend writes to {}.",
            line.target, service.data_dir
        ),
        (id, _) if id == DATA_ON_TMPFS.id => format!(
            "The next restart of service {} {probably}{does}. Data from before its last start \
             cannot be recovered.",
            service.name
        ),
        _ => format!("{next} {follows}"),
    }
}

/// What the container has at its data directory.
fn mounted(container: &Container) -> Text {
    match container.mount_over(&container.storage.data_dir) {
        None => "Has no mount there: the data is in the container itself".into(),
        Some(mount) => {
            let source = mount.source.as_deref().unwrap_or("a mount");
            let text = match mount.kind {
                MountKind::Named | MountKind::Bind => {
                    format!("Still has {source}, until the next `docker compose down`")
                }
                MountKind::Anonymous => format!("Has anonymous volume {source} there"),
                MountKind::Tmpfs => "Has memory (tmpfs) there".to_owned(),
            };
            Text::from(text).volume(source)
        }
    }
}

/// What `convex-doctor fix` can do: save the secret if the data is in memory, else copy the data
/// into a volume. If the key belongs to an unused volume, that volume is the one to use, and its
/// own finding says how.
fn by_own_command(evidence: &Evidence, container: &Container, rule: &Rule) -> Option<Remedy> {
    if rule.id == DATA_ON_TMPFS.id {
        return pin(evidence, container);
    }
    if is_of_unused_volume(evidence) {
        return None;
    }
    keep_own(evidence, container, rule.id)
}

/// The steps by hand: the data out, the lines, the data in. A container that was not checked may
/// have data, so no command is named that would replace it.
fn by_hand(
    evidence: &Evidence,
    service: &BackendService,
    container: Option<&Container>,
    edits: Vec<String>,
) -> Vec<Remedy> {
    let may_have_data = may_have_data(evidence);
    let last = edits.len().saturating_sub(1);
    let edits = edits.into_iter().enumerate().map(|(index, title)| {
        let edit = Remedy::careful(title).step();
        if index == last { edit.in_volumes() } else { edit }
    });
    let first = match container {
        Some(container) => Some(copy_out(container)),
        None if may_have_data => {
            let by_compose = of_project(evidence).is_none_or(|it| it == Platform::Compose);
            let not_yet =
                if by_compose { "run `docker compose up -d` or `down`" } else { "redeploy" };
            let title = format!(
                "Run this where Docker is reachable: the data must be copied first. Do not \
                 {not_yet} before that"
            );
            Some(Remedy::careful(title).run(doctor(evidence, [])).step())
        }
        None => None,
    };
    let last = match container {
        Some(container) => Some(move_in(
            evidence,
            format!("Recreate {} and copy the data in before it starts", container.name),
            &service.name,
            container,
        )),
        None if !may_have_data => {
            Some(Remedy::careful("Create the container").run(up(evidence)).step())
        }
        None => None,
    };
    first.into_iter().chain(edits).chain(last).collect()
}

/// The rule, the line that is the cause, and the edits of the compose file that fix it.
struct Judgement<'a> {
    rule: &'static Rule,
    line: Option<&'a DeclaredMount>,
    edits: Vec<String>,
}

fn judge<'a>(service: &'a BackendService, over: Option<&'a DeclaredMount>) -> Judgement<'a> {
    let data = &service.data_dir;
    let add = format!("Add `- data:{data}` to the volumes of service {}", service.name);
    let replace =
        |line: &DeclaredMount, key: &str| format!("Replace {} with `- {key}:{data}`", line.at);
    let declare = || "Add `data:` to the top-level `volumes:`".to_owned();
    match over {
        Some(mount) if mount.is_tmpfs() => {
            // Compose refuses two mounts at one path.
            let delete = format!("Delete the tmpfs entry of {data} ({})", mount.at);
            Judgement { rule: &DATA_ON_TMPFS, line: over, edits: vec![delete, add, declare()] }
        }
        Some(mount) => Judgement {
            rule: &DATA_VOLUME_ANONYMOUS,
            line: over,
            edits: vec![replace(mount, "data"), declare()],
        },
        None => match service.mounts.iter().find(|mount| looks_meant_for_data(mount)) {
            Some(mount) => Judgement {
                rule: &DATA_MOUNT_WRONG_PATH,
                line: Some(mount),
                edits: vec![replace(mount, mount.source.as_deref().unwrap_or("data"))],
            },
            None => {
                Judgement { rule: &DATA_VOLUME_MISSING, line: None, edits: vec![add, declare()] }
            }
        },
    }
}

/// A named volume is always for data; a directory of the host only if its target suggests it (that
/// of a config file or of the functions does not).
fn looks_meant_for_data(mount: &DeclaredMount) -> bool {
    let target = mount.target.trim_end_matches('/');
    let is_named_data = target.ends_with("/data")
        || target.ends_with("convex-data")
        || target == "/convex"
        || target.starts_with("/convex/data/");
    is_kept_by_file(mount) && !mount.read_only && (mount.is_volume() || is_named_data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key::{
        self as build, Seen, closed, declared, entry, mount, opened, process, valid,
    };
    use crate::evidence::compose::EntryValue;
    use crate::evidence::docker::OtherContext;
    use crate::evidence::endpoint::Body;
    use crate::report::Level;
    use crate::report::{Action, Order};
    use Certainty::{Likely, Proven};

    fn found(evidence: &Evidence) -> Option<(String, Certainty)> {
        let found = run(evidence).unwrap();
        assert!(found.len() <= 1);
        found.into_iter().next().map(|finding| (finding.id, finding.certainty))
    }

    #[test]
    fn weighs_the_file_against_the_container() {
        let hex = "a".repeat(64);
        let anonymous = || vec![mount(MountKind::Anonymous, Some(&hex), "/convex/data")];
        let named = || vec![mount(MountKind::Named, Some("app_data"), "/convex/data")];
        let missing = "data-volume-missing";
        for (case, lines, attached, expected) in [
            ("healthy", vec![("volume", Some("data"), "/convex/data")], Some(named()), None),
            ("bind", vec![("bind", Some("/srv/x"), "/convex/data")], None, None),
            ("no line, anonymous", vec![], Some(anonymous()), Some((missing, Proven))),
            ("no line, nothing", vec![], Some(vec![]), Some((missing, Proven))),
            ("line deleted, carried over", vec![], Some(named()), Some((missing, Likely))),
            ("no line, no engine", vec![], None, Some((missing, Likely))),
            (
                "a path only",
                vec![("volume", None, "/convex/data")],
                Some(anonymous()),
                Some(("data-volume-anonymous", Proven)),
            ),
            (
                "/data",
                vec![("volume", Some("data"), "/data")],
                Some(anonymous()),
                Some(("data-mount-wrong-path", Proven)),
            ),
            (
                "a parent: the image's volume is on top",
                vec![("volume", Some("data"), "/convex")],
                Some(anonymous()),
                Some(("data-mount-wrong-path", Proven)),
            ),
            (
                "a part of it",
                vec![("volume", Some("data"), "/convex/data/storage")],
                Some(anonymous()),
                Some(("data-mount-wrong-path", Proven)),
            ),
            (
                "the functions are not data",
                vec![("bind", Some("/home/u/app/convex"), "/app/convex")],
                Some(anonymous()),
                Some((missing, Proven)),
            ),
            (
                "memory",
                vec![("tmpfs", None, "/convex/data")],
                Some(vec![mount(MountKind::Tmpfs, None, "/convex/data")]),
                Some(("data-on-tmpfs", Proven)),
            ),
        ] {
            let mut evidence = build::healthy();
            build::service(&mut evidence).mounts = lines
                .into_iter()
                .map(|(kind, source, target)| declared(kind, source, target))
                .collect();
            match attached {
                Some(mounts) => build::backend(&mut evidence).storage.mounts = mounts,
                None => evidence.docker = build::unseen(),
            }
            assert_eq!(found(&evidence), expected.map(|(id, c)| (id.to_owned(), c)), "{case}");
        }
    }

    /// Compose refuses a file with two mounts at one path.
    #[test]
    fn a_volume_takes_the_place_of_memory() {
        let mut evidence = build::healthy();
        build::service(&mut evidence).mounts = vec![declared("tmpfs", None, "/convex/data")];
        evidence.docker = build::unseen();
        let found = run(&evidence).unwrap().remove(0);
        let deletes = |remedy: &Remedy| remedy.title.starts_with("Delete the tmpfs entry");
        let adds = |remedy: &Remedy| remedy.title.starts_with("Add `- data:");
        let at = |is: &dyn Fn(&Remedy) -> bool| found.remedies.iter().position(is);
        assert!(at(&deletes).is_some() && at(&deletes) < at(&adds), "{:?}", found.remedies);
    }

    #[test]
    fn nothing_to_lose_passes_and_a_temporary_instance_is_info() {
        let mut evidence = build::healthy();
        build::service(&mut evidence).mounts.clear();
        evidence.asked.ephemeral = true;
        assert_eq!(run(&evidence).unwrap()[0].level, Level::Info);
        let container = build::backend(&mut evidence);
        (container.storage.uses_sql, container.storage.uses_s3) = (true, true);
        assert!(found(&evidence).is_some(), "the secret is still in the volume");
        build::service(&mut evidence).environment =
            vec![entry("INSTANCE_SECRET", EntryValue::Secret(valid("ours")))];
        assert_eq!(found(&evidence), None);
    }

    #[test]
    fn an_unreadable_project_is_unknown_and_an_absent_one_does_not_apply() {
        let mut evidence = build::healthy();
        evidence.compose = build::unseen();
        assert!(run(&evidence).is_err());
        evidence.compose = Seen(None);
        assert_eq!(run(&evidence), Ok(vec![]));
    }

    /// What would replace the container is printed only if there is one whose data was copied
    /// before, or none at all.
    #[test]
    fn no_command_comes_before_the_data_is_copied() {
        let steps = |evidence: &Evidence| -> Vec<Vec<String>> {
            let found = run(evidence).unwrap().remove(0);
            let steps = found.remedies.iter().filter(|it| it.order == Order::Step);
            steps.map(|it| it.commands.iter().map(ToString::to_string).collect()).collect()
        };
        let mut evidence = build::healthy();
        build::service(&mut evidence).mounts.clear();
        build::backend(&mut evidence).storage.mounts.clear();
        let copy = "docker cp app-backend-1:/convex/data/. ./convex-data-rescue";
        let all = steps(&evidence);
        assert_eq!(all[0], ["docker stop app-backend-1", copy]);
        assert_eq!(all[1..3], [[""; 0], [""; 0]], "the edits");
        assert_eq!(all[3].last().unwrap(), "docker compose up -d");
        build::docker(&mut evidence).expected = None;
        assert_eq!(steps(&evidence).concat(), ["docker compose up -d"]);
        build::docker(&mut evidence).other_contexts = Some(vec![OtherContext {
            name: "colima".to_owned(),
            address: "unix:///x".to_owned(),
            containers: Seen(vec!["app-backend-1".to_owned()]),
        }]);
        assert_eq!(steps(&evidence).concat(), ["convex-doctor"], "in another context");
        evidence.docker = build::unseen();
        assert_eq!(steps(&evidence).concat(), ["convex-doctor"]);
        let mut evidence = build::healthy();
        build::service(&mut evidence).mounts.clear();
        build::backend(&mut evidence).secret.environment = build::unseen();
        assert_eq!(steps(&evidence).concat(), ["convex-doctor"], "listed, and not inspected");
        assert_eq!(found(&evidence).map(|(_, certainty)| certainty), Some(Likely));
    }

    #[test]
    fn a_volume_does_not_restore_a_key() {
        let is_key = |action: &Action| matches!(action, Action::MintKey { .. });
        let generates = |evidence: &Evidence| {
            let found = run(evidence).unwrap();
            found[0].remedies.iter().any(|remedy| remedy.actions.iter().any(is_key))
        };
        let mut evidence = build::refused(&[]);
        build::service(&mut evidence).mounts.clear();
        build::backend(&mut evidence).storage.mounts.clear();
        assert!(generates(&evidence));
        // A key that matches some secret belongs to another backend, which other findings are
        // about.
        evidence.keys[0].trials.push(opened("theirs", vec![process("other-backend-1")]));
        assert!(!generates(&evidence));
        evidence.keys[0].trials = vec![closed("ours", vec![process("app-backend-1")])];
        build::endpoint(&mut evidence).key.check_admin_key =
            build::answer(200, Body::KeyAccepted { read_only: Some(false) });
        assert!(!generates(&evidence), "it is accepted");
    }
}
