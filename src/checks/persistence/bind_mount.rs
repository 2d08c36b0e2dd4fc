//! The data is in a directory of the host that is not suitable: the functions folder, one on
//! another machine, or one that depends on where Compose was called.

use crate::checks::Check;
use crate::deployment::compose::declared_backend;
use crate::deployment::data::declared_mount_over;
use crate::evidence::compose::DeclaredMount;
use crate::evidence::docker::MountKind;
use crate::evidence::surroundings::PackageJson;
use crate::evidence::{ComposeFacts, Evidence, Unseen};
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

/// The data directory is in an unsuitable place.
pub static BIND_MOUNT_SUSPECT: Rule =
    rule!("bind-mount-suspect", Warning, "the data directory is in an unsuitable place");

/// Checks the source of the data directory's mount.
pub static CHECK: Check = Check { rules: &[&BIND_MOUNT_SUSPECT], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some((compose, service)) = declared_backend(evidence)? else { return Ok(vec![]) };
    let Some(line) = declared_mount_over(service, &service.data_dir) else { return Ok(vec![]) };
    let Some(source) = line.source.as_deref() else { return Ok(vec![]) };
    let mut findings = Vec::new();
    // A directory was looked up in this machine's mounts; those of a remote engine are others.
    let certainty = match evidence.docker.seen() {
        _ if !line.is_bind() => Some(Certainty::Proven),
        Ok(docker) => docker.local.then_some(Certainty::Proven),
        Err(_) => Some(Certainty::Likely),
    };
    let mount = compose.network_mounts.iter().find(|mount| mount.source == source);
    if let (Some(mount), Some(certainty)) = (mount, certainty) {
        findings.push(
            suspect(
                line,
                certainty,
                format!(
                    "The database can be corrupted: {source} is on a network file system ({}), \
                     where SQLite's locks are not reliable.",
                    mount.filesystem
                ),
            )
            .because(format!("File system: {}", mount.filesystem), source.to_owned())
            .remedy(
                Remedy::careful(format!("Stop the backend and copy the data out of {source}"))
                    .step(),
            )
            .remedy(
                Remedy::careful(format!(
                    "Mount a named volume on a local disk at {} instead, with that data",
                    line.target
                ))
                .step(),
            ),
        );
    }
    if line.is_bind() {
        findings.extend(in_functions(evidence, compose, line, source));
        findings.extend(moved(evidence, line, source));
        if findings.is_empty() {
            evidence.docker.seen()?;
        }
    }
    Ok(findings)
}

/// Inside the folder that `npx convex` pushes: `convex/` next to package.json, unless convex.json
/// names another one.
fn in_functions(
    evidence: &Evidence,
    compose: &ComposeFacts,
    line: &DeclaredMount,
    source: &str,
) -> Option<Finding> {
    let is_app = matches!(evidence.surroundings.package_json.seen(), Ok(PackageJson::Here { .. }));
    let below = |directory: &str| {
        let functions = format!("{}/convex", directory.trim_end_matches('/'));
        source.strip_prefix(&functions).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (certainty, is) = if is_app && below(&evidence.surroundings.directory) {
        (Certainty::Proven, "is")
    } else if below(&compose.directory) {
        (Certainty::Likely, "is probably")
    } else {
        return None;
    };
    Some(
        suspect(
            line,
            certainty,
            format!(
                "{source} {is} in the functions folder: database and secret can be pushed or \
                 committed, and the backend's files get in the way of `npx convex dev`."
            ),
        )
        .remedy(
            Remedy::careful(
                "Stop the backend and move db.sqlite3, storage and credentials elsewhere",
            )
            .step(),
        )
        .remedy(
            Remedy::careful(format!(
                "Mount that directory at {} instead ({})",
                line.target, line.at
            ))
            .step(),
        ),
    )
}

/// The container has a directory from another place: a relative path that was resolved from there.
fn moved(evidence: &Evidence, line: &DeclaredMount, source: &str) -> Option<Finding> {
    let docker = evidence.docker.seen().ok()?;
    let container = docker.expected()?;
    let held = container
        .mount_over(&container.storage.data_dir)
        .filter(|it| it.kind == MountKind::Bind)?;
    let held = held.source.as_deref()?;
    // Docker Desktop puts its own path before that of the host, and links are other spellings.
    let same_end = held.ends_with(source) || source.ends_with(held);
    let (one, other) = (source.rsplit('/').next()?, held.rsplit('/').next()?);
    if !docker.local || same_end || one != other {
        return None;
    }
    Some(
        suspect(
            line,
            Certainty::Likely,
            format!(
                "The next `docker compose up` from here probably starts an empty database: it \
                 mounts {source}. The container's data is in {held}."
            ),
        )
        .because(format!("Has {held} there"), container.name.clone())
        .at(Location::container(&container.name))
        .remedy(Remedy::safe(format!("Write the absolute path {held} in {}", line.at)))
        .remedy(Remedy::safe("Use a named volume instead, and copy the data into it first")),
    )
}

fn suspect(line: &DeclaredMount, certainty: Certainty, detail: String) -> Finding {
    let source = line.source.as_deref().unwrap_or_default();
    BIND_MOUNT_SUSPECT
        .finding(certainty, detail)
        .because(format!("Mounts {source} at {}", line.target), line.at.to_string())
        .at(line.at.location())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key::{self as build, Seen, declared, mount};
    use crate::evidence::compose::NetworkMount;

    #[test]
    fn unsuitable_directories() {
        use Certainty::{Likely, Proven};
        let app = build::DIRECTORY;
        for (case, source, held, expected) in [
            ("a directory of its own", format!("{app}/convex-data"), None, vec![]),
            ("the functions", format!("{app}/convex"), None, vec![Proven]),
            ("inside the functions", format!("{app}/convex/data"), None, vec![Proven]),
            ("no functions", "/srv/convex".to_owned(), None, vec![]),
            ("as mounted", format!("{app}/data"), Some(format!("{app}/data")), vec![]),
            ("Docker Desktop", format!("{app}/data"), Some(format!("/host_mnt{app}/data")), vec![]),
            (
                "from elsewhere",
                format!("{app}/data"),
                Some("/home/u/old/data".to_owned()),
                vec![Likely],
            ),
            ("another on purpose", format!("{app}/data"), Some("/srv/precious".to_owned()), vec![]),
        ] {
            let mut evidence = build::healthy();
            evidence.surroundings.directory = app.to_owned();
            evidence.surroundings.package_json =
                Seen(PackageJson::Here { depends_on_convex: true });
            build::service(&mut evidence).mounts =
                vec![declared("bind", Some(&source), "/convex/data")];
            build::backend(&mut evidence).storage.mounts = held
                .iter()
                .map(|held| mount(MountKind::Bind, Some(held), "/convex/data"))
                .collect();
            let found = run(&evidence).unwrap();
            let certainties: Vec<_> = found.iter().map(|finding| finding.certainty).collect();
            assert_eq!(certainties, expected, "{case}");
        }
    }

    #[test]
    fn a_volume_over_the_network_is_unsuitable_too() {
        let mut evidence = build::healthy();
        assert_eq!(run(&evidence), Ok(vec![]));
        build::compose(&mut evidence).network_mounts =
            vec![NetworkMount { source: "data".to_owned(), filesystem: "nfs".to_owned() }];
        assert_eq!(run(&evidence).unwrap().len(), 1);
        evidence.compose = build::unseen();
        assert!(run(&evidence).is_err());
    }
}
