//! What only the backend's log shows about its storage: TLS to the SQL server, the lease of the
//! database, a file storage that was switched, a damaged database.

use crate::checks::{BACKEND_DOWN, Check};
use crate::deployment::log_lines::log_match;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::command::{restart, up};
use crate::remedies::rescue::{RESCUE, copy_from};
use crate::report::{Command, Finding, Order, Remedy, Rule};

static SQL_TLS: Rule =
    rule!("sql-tls", Error, "the TLS connection to the database fails").cause(BACKEND_DOWN);
static SQL_LEASE_CONTENDED: Rule =
    rule!("sql-lease-contended", Error, "two backends use the same database").cause(BACKEND_DOWN);
static STORAGE_SWITCHED: Rule =
    rule!("storage-switched", Error, "the file storage was switched on an existing database")
        .cause(BACKEND_DOWN);
static VOLUME_CORRUPT: Rule =
    rule!("volume-corrupt", Error, "the database is incomplete or damaged").cause(BACKEND_DOWN);

pub(super) static TLS: Check = Check { rules: &[&SQL_TLS], run: tls };
pub(super) static LEASE: Check = Check { rules: &[&SQL_LEASE_CONTENDED], run: lease };
pub(super) static SWITCHED: Check = Check { rules: &[&STORAGE_SWITCHED], run: switched };
pub(super) static CORRUPT: Check = Check { rules: &[&VOLUME_CORRUPT], run: corrupt };

fn tls(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(found) = log_match(evidence, SQL_TLS.id)? else { return Ok(vec![]) };
    let mut finding = found.finding(&SQL_TLS);
    if let Some(first) = finding.remedies.first_mut() {
        first.order = Order::Step;
        let recreate = Remedy::careful("Recreate the container").run(up(evidence)).step();
        finding.remedies.insert(1, recreate);
    }
    Ok(vec![finding])
}

fn lease(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(found) = log_match(evidence, SQL_LEASE_CONTENDED.id)? else { return Ok(vec![]) };
    let docker = evidence.docker.seen()?;
    let mut finding = found.finding(&SQL_LEASE_CONTENDED);
    // Not proven to use the same database: only where to look.
    let others: Vec<_> = docker
        .backends
        .iter()
        .filter(|it| it.name != found.container.name && it.is_running() && it.storage.uses_sql)
        .collect();
    for other in others.iter().take(3) {
        finding = finding.because("Uses a SQL server, too", other.name.clone());
    }
    Ok(vec![
        finding
            .remedy(
                Remedy::safe("Find the other backend with the same database URL and INSTANCE_NAME")
                    .step(),
            )
            .remedy(
                Remedy::careful("Stop it: only one backend can use a database at a time").step(),
            )
            .remedy(Remedy::careful("Restart this backend").run(restart(found.container)).step()),
    ])
}

fn switched(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(found) = log_match(evidence, STORAGE_SWITCHED.id)? else { return Ok(vec![]) };
    let to_s3 = found.line.contains("started up with S3");
    let (edit, recreate) = if to_s3 {
        (
            "Remove the S3 variables from the backend's environment",
            "Recreate the container: it starts with the files on disk",
        )
    } else {
        (
            "Set all S3 variables in the backend's environment again",
            "Recreate the container: it starts with the files in S3",
        )
    };
    Ok(vec![
        found
            .finding(&STORAGE_SWITCHED)
            .remedy(Remedy::careful(edit).step())
            .remedy(Remedy::careful(recreate).run(up(evidence)).step())
            .remedy(Remedy::safe("Move the files to the new storage with an export and an import")),
    ])
}

fn corrupt(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(found) = log_match(evidence, VOLUME_CORRUPT.id)? else { return Ok(vec![]) };
    let container = found.container;
    let mut keep = Remedy::careful("Copy the data directory before you change anything").step();
    if container.is_running() || container.is_restarting() {
        keep = keep.run(Command::docker(["stop", &container.name]));
    }
    let data = container.storage.data_dir.trim_end_matches('/');
    keep = keep.run(copy_from(container, &format!("{data}/."), RESCUE));
    Ok(vec![
        found
            .finding(&VOLUME_CORRUPT)
            .remedy(keep)
            .remedy(Remedy::safe("Return to the newer image tag, if you set an older one").step())
            .remedy(Remedy::safe("Restore a backup, if that does not help").step()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;

    #[test]
    fn each_line_has_its_id() {
        type Run = fn(&Evidence) -> Result<Vec<Finding>, Unseen>;
        let logged: [(Run, &str, &str); 5] = [
            (
                tls,
                "Caught error error (x): error performing TLS handshake: server does not support TLS",
                "sql-tls error proven",
            ),
            (lease, "Caught error error (x): Lease Lost", "sql-lease-contended error proven"),
            (
                lease,
                "INFO postgres: attempting to acquire lease",
                "sql-lease-contended error likely",
            ),
            (
                switched,
                "Caught error error (x): Database was initialized with Some(Local { dir: \"/x\" }), but backend started up with S3.",
                "storage-switched error proven",
            ),
            (
                corrupt,
                "Caught error error (x): missing _tables.by_id global",
                "volume-corrupt error proven",
            ),
        ];
        let checks: [Run; 4] = [tls, lease, switched, corrupt];
        for (run, line, expected) in logged {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, Reach::Refused);
            let container = build::expected(&mut evidence);
            container.life.state = "exited".into();
            container.log = build::log(&[line]);
            assert_eq!(build::told(run(&evidence)), [format!("{expected} app-backend-1")]);
            let found: usize = checks.iter().map(|run| run(&evidence).unwrap().len()).sum();
            assert_eq!(found, 1, "{line}");
            build::expected(&mut evidence).log = build::log(&[line, "INFO backend listening on x"]);
            assert_eq!(run(&evidence), Ok(vec![]), "{line}");
        }
        for run in checks {
            assert_eq!(run(&build::healthy()), Ok(vec![]));
        }
    }

    #[test]
    fn no_remedy_deletes_a_volume() {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        let container = build::expected(&mut evidence);
        container.life.state = "restarting".into();
        container.log = build::log(&["Caught error error (x): missing _index.by_id global"]);
        let found = corrupt(&evidence).unwrap();
        let commands: Vec<_> =
            found[0].remedies.iter().flat_map(|it| &it.commands).map(ToString::to_string).collect();
        assert!(commands.iter().all(|it| !it.contains("volume rm") && !it.contains("down -v")));
        assert!(commands[0].starts_with("docker stop"), "{commands:?}");
    }
}
