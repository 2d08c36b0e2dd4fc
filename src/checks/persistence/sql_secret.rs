//! The documents lie in Postgres or MySQL, and the instance secret lies nowhere that lasts: data
//! survives, every key dies.

use crate::checks::Check;
use crate::deployment::compose::declared_backend;
use crate::deployment::data::StoredElsewhere;
use crate::deployment::data::declared_mount_over;
use crate::deployment::data::is_kept_by_file;
use crate::deployment::data::is_persistent;
use crate::deployment::weight::for_temporary_instance;
use crate::evidence::compose::EntryValue;
use crate::evidence::docker::MountKind;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::rescue::path_in_container;
use crate::remedies::secret::pin;
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

/// SQL, no pinned secret, no durable credentials directory.
pub static SQL_WITHOUT_SECRET_PERSISTENCE: Rule = Rule {
    id: "sql-without-secret-persistence",
    level: Level::Error,
    title: "the data is in SQL, the instance secret nowhere that lasts",
    explain: include_str!("sql-without-secret-persistence.md"),
    is_cause: true,
    // What leaves no durable mount over the credentials is another id's, which explains the key as
    // well.
    causes: &[],
    since: "0.1.0",
};

/// Whether the secret outlives the container where the data does.
pub static CHECK: Check = Check { rules: &[&SQL_WITHOUT_SECRET_PERSISTENCE], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some((_, service)) = declared_backend(evidence)? else { return Ok(vec![]) };
    if declared_mount_over(service, &service.credentials_dir).is_some_and(is_kept_by_file) {
        return Ok(vec![]);
    }
    let engine = evidence.docker.seen();
    let container = engine.as_ref().ok().and_then(|docker| docker.expected());
    let elsewhere = StoredElsewhere::of(service, container);
    if elsewhere.secret {
        return Ok(vec![]);
    }
    if !elsewhere.documents {
        // A variable that is passed through and blank here may be set where the deployment really
        // starts.
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
            if !container.mount_over(&container.credentials_dir).is_some_and(is_persistent) =>
        {
            Certainty::Proven
        }
        Some(_) | None => Certainty::Likely,
    };
    let mut finding = SQL_WITHOUT_SECRET_PERSISTENCE
        .finding(
            certainty,
            format!(
                "Service {} is one `docker compose down` away from a new instance secret: the \
                 database stays, and refuses every admin key made so far.",
                service.name
            ),
        )
        .because("INSTANCE_SECRET is not set", service.at.to_string())
        .because(
            format!("mounts nothing durable over {}", service.credentials_dir),
            (service.volumes_at.as_ref().unwrap_or(&service.at)).to_string(),
        )
        .at(service.at.location());
    if let Some(container) = container {
        let dir = &container.credentials_dir;
        let copy = Remedy::safe(
            "Pin the secret that is in force: copy it out, write it to `.env` as INSTANCE_SECRET=… \
             (git must ignore that file), and pass INSTANCE_SECRET to the service",
        );
        let in_memory = container.mount_over(dir).is_some_and(|m| m.kind == MountKind::Tmpfs);
        finding.remedies.extend(pin(evidence, container));
        finding = finding.at(Location::container(&container.name)).remedy(if in_memory {
            copy
        } else {
            copy.run(format!(
                "docker cp {} ./instance_secret",
                path_in_container(container, &format!("{dir}/instance_secret"))
            ))
        });
    } else {
        finding = finding.remedy(Remedy::safe(format!(
            "Pin INSTANCE_SECRET (64 hex digits; the one in force, if there is one) in `.env`, or \
             mount a named volume over {}",
            service.data_dir
        )));
    }
    Ok(vec![for_temporary_instance(evidence, container, finding)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key as build;
    use crate::evidence::build::key::entry;
    use crate::evidence::build::key::unseen;
    use crate::evidence::build::key::valid;

    #[test]
    fn sql_needs_a_secret_that_lasts() {
        type Change = fn(&mut Evidence);
        let cases: [(&str, Change, Option<Certainty>); 6] = [
            ("SQL, nothing durable", |_| {}, Some(Certainty::Proven)),
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
            ("no SQL", |e| build::backend(e).uses_sql = false, None),
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
            container.uses_sql = true;
            container.mounts.clear();
            change(&mut evidence);
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
        assert_eq!(run(&build::healthy()), Ok(vec![]));
    }

    #[test]
    fn a_blank_pass_through_without_the_engine_is_unknown() {
        let mut evidence = build::healthy();
        build::service(&mut evidence).mounts.clear();
        build::service(&mut evidence).environment = vec![entry("POSTGRES_URL", EntryValue::Unset)];
        evidence.docker = unseen();
        assert!(run(&evidence).is_err());
    }
}
