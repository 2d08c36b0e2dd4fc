//! Nothing durable is mounted over the data directory: the next `down` and `up` starts an empty
//! instance.
//!
//! One judgement, four ways to come there: no line at all, an anonymous one, one at another path,
//! memory.

use crate::checks::Check;
use crate::deployment::compose::declared_backend;
use crate::deployment::data::StoredElsewhere;
use crate::deployment::data::declared_mount_over;
use crate::deployment::data::is_kept_by_file;
use crate::deployment::data::is_persistent;
use crate::deployment::key_judgement::is_of_unused_volume;
use crate::deployment::weight::for_temporary_instance;
use crate::evidence::compose::{BackendService, DeclaredMount};
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::names::DATA_DIR;
use crate::remedies::mint::also_new_key;
use crate::remedies::rescue::copy_out;
use crate::remedies::rescue::move_in;
use crate::remedies::secret::pin;
use crate::remedies::volumes::keep_own;
use crate::report::FixPolicy;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

/// What follows from a data directory that does not last: a new secret, and where the documents are
/// in SQL, a secret that they outlive.
const LOSES_SECRET: &[&str] = &["sql-without-secret-persistence", "key-foreign", "key-rejected"];

/// No line of the compose file mounts anything over the data directory.
pub static DATA_VOLUME_MISSING: Rule = Rule::new(
    "data-volume-missing",
    Level::Error,
    "no persistent volume for the data directory",
    include_str!("data-volume-missing.md"),
)
.cause(LOSES_SECRET)
.fix(FixPolicy::NoVolume);

/// The line names a path only, so that Docker makes a nameless volume.
pub static DATA_VOLUME_ANONYMOUS: Rule = Rule::new(
    "data-volume-anonymous",
    Level::Error,
    "the data is in an anonymous volume",
    include_str!("data-volume-anonymous.md"),
)
.cause(LOSES_SECRET)
.fix(FixPolicy::NoVolume);

/// A volume is there, and the backend does not write to it.
pub static DATA_MOUNT_WRONG_PATH: Rule = Rule::new(
    "data-mount-wrong-path",
    Level::Error,
    "the volume is mounted at the wrong path",
    include_str!("data-mount-wrong-path.md"),
)
.cause(LOSES_SECRET)
.fix(FixPolicy::NoVolume);

/// The data directory lies in memory.
pub static DATA_ON_TMPFS: Rule = Rule::new(
    "data-on-tmpfs",
    Level::Error,
    "the data is in memory (tmpfs) and lost at every stop",
    include_str!("data-on-tmpfs.md"),
)
.cause(LOSES_SECRET)
.fix(FixPolicy::Stays);

/// What holds the data directory.
pub static CHECK: Check = Check {
    rules: &[&DATA_VOLUME_MISSING, &DATA_VOLUME_ANONYMOUS, &DATA_MOUNT_WRONG_PATH, &DATA_ON_TMPFS],
    run,
};

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some((_, service)) = declared_backend(evidence)? else { return Ok(vec![]) };
    let over = declared_mount_over(service, &service.data_dir);
    if over.is_some_and(is_kept_by_file) {
        return Ok(vec![]);
    }
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let elsewhere = StoredElsewhere::of(service, container);
    // A data directory of one's own choosing outside of every mount is
    // `credentials-outside-volume`.
    let chosen_elsewhere = !service.data_dir.starts_with(DATA_DIR) && over.is_none();
    if elsewhere.everything() || chosen_elsewhere {
        return Ok(vec![]);
    }
    let certainty = match container {
        Some(container)
            if !container.mount_over(&container.data_dir).is_some_and(is_persistent) =>
        {
            Certainty::Proven
        }
        // Compose carries an old volume into a recreated container and drops it at the next `down`
        // (docs/facts.md, docker-carry-over): "mounted now" does not prove "mounted tomorrow".
        Some(_) | None => Certainty::Likely,
    };
    let (rule, line, lines) = judge(service, over);
    let detail = format!(
        "Service {} is one `docker compose down` away from losing {}.",
        service.name,
        elsewhere.lost()
    );
    let detail = if rule.id == DATA_ON_TMPFS.id {
        format!("{detail} What it held before its last start is gone: nothing brings that back.")
    } else {
        detail
    };
    let mut finding =
        rule.finding(certainty, detail).at((line.map_or(&service.at, |m| &m.at)).location());
    finding = match line {
        Some(line) => finding.because(
            format!(
                "mounts {} at {}",
                line.source.as_deref().unwrap_or(line.kind.as_str()),
                line.target
            ),
            line.at.to_string(),
        ),
        None => finding.because(
            format!("mounts nothing over {}", service.data_dir),
            (service.volumes_at.as_ref().unwrap_or(&service.at)).to_string(),
        ),
    };
    if let Some(container) = container {
        let attached = container.mount_over(&container.data_dir);
        let text = match attached.map(|mount| (is_persistent(mount), &mount.source)) {
            None => {
                "nothing is attached there: the data lies in the container's own layer".to_owned()
            }
            Some((true, source)) => format!(
                "{} is still attached, carried over from the container before; the next `down` lets \
                 go of it",
                source.as_deref().unwrap_or("a mount")
            ),
            Some((false, source)) => {
                format!("{} is attached there", source.as_deref().unwrap_or("memory"))
            }
        };
        finding = finding
            .because(text, container.name.clone())
            .at(crate::report::Location::container(&container.name));
        finding.remedies.extend(by_the_doctor(evidence, container, rule));
        finding = finding.remedy(copy_out(container));
    }
    let finding = for_temporary_instance(evidence, container, finding).remedy(move_in(
        evidence,
        lines,
        &service.name,
        container,
    ));
    Ok(vec![also_new_key(evidence, finding)])
}

/// What the doctor itself can do: keep the keys where the data lies in memory, else bring the data
/// into a volume. Where the key belongs to a volume that is attached no more, that is the one to
/// bring back, and its own finding says how.
fn by_the_doctor(evidence: &Evidence, container: &Container, rule: &Rule) -> Option<Remedy> {
    if rule.id == DATA_ON_TMPFS.id {
        return pin(evidence, container);
    }
    if is_of_unused_volume(evidence) {
        return None;
    }
    keep_own(evidence, container, rule.id)
}

/// The rule, the line that is to blame, and the lines that mend it.
fn judge<'a>(
    service: &'a BackendService,
    over: Option<&'a DeclaredMount>,
) -> (&'static Rule, Option<&'a DeclaredMount>, String) {
    let data = &service.data_dir;
    let name = &service.name;
    let add = format!(
        "Then add `- data:{data}` to `volumes:` of service {name}, and `data:` to the top-level \
         `volumes:`, and move the data in"
    );
    match over {
        Some(mount) if mount.is_tmpfs() => (&DATA_ON_TMPFS, over, add),
        Some(_) => (
            &DATA_VOLUME_ANONYMOUS,
            over,
            format!(
                "Then write `- data:{data}` in its place, add `data:` to the top-level `volumes:`, \
                 and move the data in"
            ),
        ),
        None => match service.mounts.iter().find(|mount| looks_meant_for_data(mount)) {
            Some(mount) => (
                &DATA_MOUNT_WRONG_PATH,
                Some(mount),
                format!(
                    "Then write `- {}:{data}` in its place, and move the data in",
                    mount.source.as_deref().unwrap_or("data")
                ),
            ),
            None => (&DATA_VOLUME_MISSING, None, add),
        },
    }
}

/// A named volume is always for data; a directory of the host only if its target says so (a config
/// file or the functions are not).
fn looks_meant_for_data(mount: &DeclaredMount) -> bool {
    let target = mount.target.trim_end_matches('/');
    let speaks_of_data = target.ends_with("/data")
        || target.ends_with("convex-data")
        || target == "/convex"
        || target.starts_with("/convex/data/");
    is_kept_by_file(mount) && !mount.read_only && (mount.is_volume() || speaks_of_data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::Seen;
    use crate::evidence::build::key::closed;
    use crate::evidence::build::key::declared;

    use crate::evidence::build::key::entry;
    use crate::evidence::build::key::mount;
    use crate::evidence::build::key::opened;
    use crate::evidence::build::key::process;
    use crate::evidence::build::key::valid;
    use crate::evidence::compose::EntryValue;
    use crate::evidence::docker::MountKind;
    use crate::evidence::endpoint::Body;
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
                "a parent: the image's volume lies on top",
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
                "the functions are no data",
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
                Some(mounts) => build::backend(&mut evidence).mounts = mounts,
                None => evidence.docker = build::unseen(),
            }
            assert_eq!(found(&evidence), expected.map(|(id, c)| (id.to_owned(), c)), "{case}");
        }
    }

    #[test]
    fn nothing_to_lose_passes_and_a_throw_away_is_info() {
        let mut evidence = build::healthy();
        build::service(&mut evidence).mounts.clear();
        evidence.asked.ephemeral = true;
        assert_eq!(run(&evidence).unwrap()[0].level, Level::Info);
        let container = build::backend(&mut evidence);
        (container.uses_sql, container.uses_s3) = (true, true);
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

    #[test]
    fn a_volume_brings_no_key_back() {
        let mints = |evidence: &Evidence| {
            let found = run(evidence).unwrap();
            found[0].remedies.iter().any(|it| it.title.contains("Also generate a new key"))
        };
        let mut evidence = build::refused(&[]);
        build::service(&mut evidence).mounts.clear();
        build::backend(&mut evidence).mounts.clear();
        assert!(mints(&evidence));
        // A key that some secret opens has a home: that is another story.
        evidence.keys[0].trials.push(opened("theirs", vec![process("other-backend-1")]));
        assert!(!mints(&evidence));
        evidence.keys[0].trials = vec![closed("ours", vec![process("app-backend-1")])];
        build::endpoint(&mut evidence).check_admin_key =
            build::answer(200, Body::KeyAccepted { read_only: Some(false) });
        assert!(!mints(&evidence), "it is accepted");
    }
}
