//! The documents are in Postgres or MySQL, and the instance secret is not stored permanently: the
//! data is kept, and all keys stop working.

use crate::checks::Check;
use crate::deployment::compose::declared_backend;
use crate::deployment::container::inspected;
use crate::deployment::data::{
    StoredElsewhere, declared_mount_over, is_kept_by_file, is_persistent,
};
use crate::deployment::weight::for_temporary_instance;
use crate::evidence::compose::EntryValue;
use crate::evidence::docker::MountKind;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::rescue::copy_from;
use crate::remedies::secret::pin;
use crate::report::{Certainty, ChainLink, Finding, Location, Remedy, Rule};

/// SQL, no pinned secret, no persistent credentials directory.
pub static SQL_WITHOUT_SECRET_PERSISTENCE: Rule =
    rule!("sql-without-secret-persistence", Error, "the instance secret is not stored permanently")
        .cause(&[])
        .breaks(ChainLink::File);

/// Whether the secret outlives the container, as the data does.
pub static CHECK: Check = Check { rules: &[&SQL_WITHOUT_SECRET_PERSISTENCE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some((_, service)) = declared_backend(evidence)? else { return Ok(vec![]) };
    if declared_mount_over(service, &service.credentials_dir).is_some_and(is_kept_by_file) {
        return Ok(vec![]);
    }
    let engine = evidence.docker.seen();
    let container = engine.as_ref().ok().and_then(|docker| docker.expected());
    let container = container.filter(|container| inspected(container).is_ok());
    let elsewhere = StoredElsewhere::of(service, container);
    if elsewhere.secret {
        return Ok(vec![]);
    }
    if !elsewhere.documents {
        // A variable that is passed through and empty here may be set where the deployment is
        // really started.
        let passed_through = ["POSTGRES_URL", "MYSQL_URL", "DATABASE_URL"].iter().any(|name| {
            service
                .variable(name)
                .is_some_and(|entry| matches!(entry.value, EntryValue::Unset | EntryValue::Blank))
        });
        return match engine {
            Err(unseen) if passed_through => Err(unseen),
            _ => Ok(vec![]),
        };
    }
    let certainty = match container {
        Some(container)
            if !container
                .mount_over(&container.storage.credentials_dir)
                .is_some_and(is_persistent) =>
        {
            Certainty::Proven
        }
        Some(_) | None => Certainty::Likely,
    };
    let probably = if certainty == Certainty::Proven { "" } else { "probably " };
    let mut finding = SQL_WITHOUT_SECRET_PERSISTENCE
        .finding(
            certainty,
            format!(
                "After the next `docker compose down` and `up`, the backend {probably}rejects all \
                 admin keys. The documents in SQL are kept, but it gets a new instance secret."
            ),
        )
        .because("INSTANCE_SECRET is not set", service.at.to_string())
        .because(
            format!("Mounts nothing persistent at {}", service.credentials_dir),
            (service.volumes_at.as_ref().unwrap_or(&service.at)).to_string(),
        )
        .at(service.at.location());
    if let Some(container) = container {
        let dir = &container.storage.credentials_dir;
        let secret = format!("{dir}/instance_secret");
        let in_memory = container.mount_over(dir).is_some_and(|m| m.kind == MountKind::Tmpfs);
        // `docker cp` cannot read memory.
        let read = if in_memory {
            Remedy::safe(format!("Read {secret} inside {}", container.name))
        } else {
            Remedy::safe(format!("Copy the secret out of {}", container.name)).run(copy_from(
                container,
                &secret,
                "./instance_secret",
            ))
        };
        finding.remedies.extend(pin(evidence, container));
        finding = finding
            .at(Location::container(&container.name))
            .remedy(read.step())
            .remedy(
                Remedy::safe("Save it in .env as INSTANCE_SECRET (git must ignore that file)")
                    .step(),
            )
            .remedy(
                Remedy::safe(format!("Pass INSTANCE_SECRET to service {}", service.name))
                    .in_variables()
                    .step(),
            );
    } else {
        finding = finding
            .remedy(
                Remedy::safe(
                    "Set INSTANCE_SECRET in .env to the current secret, or to 64 new hex digits",
                )
                .in_variables(),
            )
            .remedy(
                Remedy::safe(format!("Mount a named volume at {}", service.data_dir)).in_volumes(),
            );
    }
    Ok(vec![for_temporary_instance(evidence, container, finding)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key::{self as build, entry, unseen, valid};

    #[test]
    fn sql_needs_a_persistent_secret() {
        type Change = fn(&mut Evidence);
        let cases: [(&str, Change, Option<Certainty>); 6] = [
            ("SQL, nothing persistent", |_| {}, Some(Certainty::Proven)),
            (
                "pinned in the container",
                |e| build::backend(e).secret.environment = build::Seen(Some(valid("ours"))),
                None,
            ),
            (
                "pinned in the file",
                |e| {
                    build::service(e).environment =
                        vec![entry("INSTANCE_SECRET", EntryValue::Secret(valid("ours")))];
                },
                None,
            ),
            (
                "the credentials are mounted",
                |e| {
                    build::service(e).mounts.push(build::declared(
                        "volume",
                        Some("data"),
                        "/convex/data/credentials",
                    ));
                },
                None,
            ),
            ("no SQL", |e| build::backend(e).storage.uses_sql = false, None),
            (
                "the file alone",
                |e| {
                    e.docker = unseen();
                    build::service(e).environment = vec![entry("POSTGRES_URL", EntryValue::Hidden)];
                },
                Some(Certainty::Likely),
            ),
        ];
        for (case, change, expected) in cases {
            let mut evidence = build::healthy();
            build::service(&mut evidence).mounts.clear();
            let container = build::backend(&mut evidence);
            container.storage.uses_sql = true;
            container.storage.mounts.clear();
            change(&mut evidence);
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
        assert_eq!(run(&build::healthy()), Ok(vec![]));
    }

    #[test]
    fn an_empty_pass_through_without_docker_is_unknown() {
        let mut evidence = build::healthy();
        build::service(&mut evidence).mounts.clear();
        build::service(&mut evidence).environment = vec![entry("POSTGRES_URL", EntryValue::Unset)];
        evidence.docker = unseen();
        assert!(run(&evidence).is_err());
    }
}
