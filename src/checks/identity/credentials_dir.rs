//! DATA_DIR or CREDENTIALS_DIR is outside of every mount: the secret is in the container's own
//! layer, and each new container generates another one.

use crate::checks::Check;
use crate::deployment::compose::backend_service;
use crate::deployment::container::inspected;
use crate::deployment::data::{
    StoredElsewhere, declared_mount_over, is_kept_by_file, is_persistent,
};
use crate::deployment::variable::{value_location, value_source};
use crate::deployment::weight::for_temporary_instance;
use crate::evidence::{Evidence, Unseen};
use crate::names::DATA_DIR;
use crate::remedies::mint::also_new_key;
use crate::remedies::rescue::{RESCUE, copy_from};
use crate::report::{Certainty, ChainLink, Finding, Location, Remedy, Rule};

/// The credentials are outside of every mount.
pub static CREDENTIALS_OUTSIDE_VOLUME: Rule = rule!(
    "credentials-outside-volume",
    Error,
    "DATA_DIR or CREDENTIALS_DIR is outside every mount"
)
.cause(&["sql-without-secret-persistence", "key-foreign", "key-rejected"])
.breaks(ChainLink::File)
.risk();

/// Where the directories are.
pub static CHECK: Check = Check { rules: &[&CREDENTIALS_OUTSIDE_VOLUME], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(service) = backend_service(evidence)? else { return Ok(vec![]) };
    let chosen = [("DATA_DIR", &service.data_dir), ("CREDENTIALS_DIR", &service.credentials_dir)]
        .into_iter()
        .find(|(_, path)| {
            // In the image's own volume it is `data-volume-missing` or one like it.
            !is_inside(path, DATA_DIR)
                && !declared_mount_over(service, path).is_some_and(is_kept_by_file)
        });
    let Some((variable, path)) = chosen else { return Ok(vec![]) };
    let container = evidence.docker.seen().ok().and_then(|docker| docker.expected());
    let container = container.filter(|container| inspected(container).is_ok());
    let elsewhere = StoredElsewhere::of(service, container);
    let credentials_only = variable == "CREDENTIALS_DIR";
    if elsewhere.everything() || (credentials_only && elsewhere.secret) {
        return Ok(vec![]);
    }
    let certainty = match container {
        Some(container) if !container.mount_over(path).is_some_and(is_persistent) => {
            Certainty::Proven
        }
        Some(_) | None => Certainty::Likely,
    };
    let lost = if credentials_only {
        "the instance secret, and with it every admin key"
    } else {
        elsewhere.lost()
    };
    let entry = service.variable(variable);
    let deletes = if certainty == Certainty::Proven { "deletes" } else { "probably deletes" };
    let finding = CREDENTIALS_OUTSIDE_VOLUME
        .finding(
            certainty,
            format!(
                "Recreating the container {deletes} {lost}: {variable} is {path}, where nothing \
                 persistent is mounted."
            ),
        )
        .because(
            format!("{variable} is {path}"),
            entry.map_or_else(|| service.at.to_string(), value_source),
        )
        .at(entry.map_or_else(|| service.at.location(), value_location));
    let finding = match container {
        Some(container) => finding.at(Location::container(&container.name)).remedy(
            Remedy::careful("Copy the directory out of the container").step().run(copy_from(
                container,
                &format!("{path}/."),
                RESCUE,
            )),
        ),
        None => finding,
    };
    let finding = for_temporary_instance(evidence, container, finding);
    // Git Bash turns /convex/data into C:/Program Files/Git/convex/data.
    let finding = if is_converted(path) {
        let title = format!("Set {variable} again without path conversion (Git Bash changed it)");
        let off = "export MSYS_NO_PATHCONV=1 MSYS2_ENV_CONV_EXCL='*'";
        finding.remedy(Remedy::safe(title).run(off).step())
    } else {
        let mount =
            format!("Mount a named volume at {path}, or remove {variable} and use {DATA_DIR}");
        finding.remedy(Remedy::safe(mount).step())
    };
    let finding = match container {
        Some(_) => finding.remedy(
            Remedy::safe("Copy the directory into the volume before the backend starts").step(),
        ),
        None => finding,
    };
    Ok(vec![also_new_key(evidence, finding)])
}

/// Whether the path is this directory or below it.
fn is_inside(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the path has a drive of Windows in it, which a Linux container cannot mean.
fn is_converted(path: &str) -> bool {
    path.split(['/', '\\']).any(|part| {
        let mut chars = part.chars();
        let drive = (chars.next(), chars.next(), chars.next());
        matches!(drive, (Some(letter), Some(':'), None) if letter.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::{Seen, declared, unseen, valid};
    use Certainty::{Likely, Proven};

    #[test]
    fn directories_outside_of_every_mount() {
        type Change = fn(&mut Evidence);
        let cases: [(&str, Change, Option<Certainty>); 5] = [
            ("DATA_DIR elsewhere, the volume at its usual place", |_| {}, Some(Proven)),
            ("the engine was not asked", |e| e.docker = unseen(), Some(Likely)),
            (
                "mounted there",
                |e| build::service(e).mounts = vec![declared("volume", Some("data"), "/srv")],
                None,
            ),
            (
                "credentials only",
                |e| "/convex/data".clone_into(&mut build::service(e).data_dir),
                Some(Proven),
            ),
            (
                "credentials only, pinned",
                |e| {
                    "/convex/data".clone_into(&mut build::service(e).data_dir);
                    build::backend(e).secret.environment = Seen(Some(valid("ours")));
                },
                None,
            ),
        ];
        for (case, change, expected) in cases {
            let mut evidence = build::healthy();
            let service = build::service(&mut evidence);
            "/srv/cx".clone_into(&mut service.data_dir);
            "/srv/cx/credentials".clone_into(&mut service.credentials_dir);
            change(&mut evidence);
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
        assert_eq!(run(&build::healthy()), Ok(vec![]));
    }

    #[test]
    fn a_path_that_git_bash_changed_is_recognised() {
        for (path, expected) in [
            ("/convex/C:/Program Files/Git/convex/data", true),
            ("/c:/x", true),
            ("/convex/C:\\Program Files\\Git\\convex\\data", true),
            ("/srv/a:b", false),
            ("/convex/data", false),
            ("/srv/:/x", false),
        ] {
            assert_eq!(is_converted(path), expected, "{path}");
        }
        assert!(is_inside("/convex/data/x", DATA_DIR) && !is_inside("/convex/database", DATA_DIR));
    }
}
