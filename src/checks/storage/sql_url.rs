//! The URL of the SQL server: it includes a database name, which the backend rejects; or a SQL
//! server is running, but the backend does not get its URL.

use crate::checks::{BACKEND_DOWN, Check};
use crate::deployment::compose::{backend_service, project};
use crate::deployment::container::{container_location, expected_inspected, run_container};
use crate::deployment::key::cli_works;
use crate::deployment::log_lines::{log_match, remark};
use crate::deployment::variable::entry_if_set;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::compose::{SqlKind, SqlUrl};
use crate::evidence::{Evidence, Unseen};
use crate::names::SQL_URLS;
use crate::remedies::command::up;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

static SQL_URL_HAS_PATH: Rule =
    rule!("sql-url-has-path", Error, "the database URL must not include a database name")
        .cause(BACKEND_DOWN);

static SQL_URL_NOT_PASSED: Rule =
    rule!("sql-url-not-passed", Warning, "a SQL server is running, but the backend uses SQLite");

pub(super) static HAS_PATH: Check = Check { rules: &[&SQL_URL_HAS_PATH], run: has_path };
pub(super) static NOT_PASSED: Check = Check { rules: &[&SQL_URL_NOT_PASSED], run: not_passed };

fn has_path(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let with_remedies = |finding: Finding| {
        finding
            .remedy(Remedy::careful("End the URL after the port, without a database name").step())
            .remedy(Remedy::careful("Recreate the container").run(up(evidence)).step())
    };
    let logged = log_match(evidence, SQL_URL_HAS_PATH.id);
    let project = project(evidence);
    let chosen = project.as_ref().ok().and_then(|it| *it).and_then(|it| it.chosen.as_ref());
    let line = project.as_ref().ok().and_then(|project| {
        let urls = &project.as_ref()?.sql_urls;
        urls.iter().find(|it| Some(&it.service) == chosen && it.url.has_path)
    });
    if let Ok(Some(found)) = &logged {
        let mut finding = found.finding(&SQL_URL_HAS_PATH);
        if let Some(line) = line {
            finding = finding.because(has_name(&line.url), line.at.location().to_string());
            // It is fixed there.
            finding.locations.insert(0, line.at.location());
        }
        return Ok(vec![with_remedies(finding)]);
    }
    let held = run_container(evidence).and_then(|it| Some((it, it.storage.sql_url.as_ref()?)));
    let finding = match (line, held.filter(|(_, url)| url.has_path)) {
        (Some(line), _) => SQL_URL_HAS_PATH
            .finding(certainty(&line.url), rejects("The backend", &line.url))
            .because(has_name(&line.url), line.at.location().to_string())
            .at(line.at.location()),
        (None, Some((container, url))) => SQL_URL_HAS_PATH
            .finding(certainty(url), rejects(&container.name, url))
            .because(has_name(url), format!("the environment of {}", container.name))
            .at(container_location(container)),
        (None, None) => {
            logged?;
            project?;
            return Ok(vec![]);
        }
    };
    // Whether a MySQL URL is rejected before the backend connects was not tested.
    let finding = if finding.certainty == Certainty::Possible {
        finding.level(Level::Warning)
    } else {
        finding
    };
    Ok(vec![cap_if_cli_works(evidence, with_remedies(finding))])
}

fn has_name(url: &SqlUrl) -> String {
    format!("{} includes a database name after the host", url.variable)
}

fn rejects(backend: &str, url: &SqlUrl) -> String {
    let stops = match certainty(url) {
        Certainty::Possible => "may stop",
        Certainty::Proven | Certainty::Likely => "probably stops",
    };
    format!("{backend} {stops} at every start: it rejects a database URL with a database name.")
}

fn certainty(url: &SqlUrl) -> Certainty {
    if url.variable == "MYSQL_URL" { Certainty::Possible } else { Certainty::Likely }
}

fn not_passed(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(service) = backend_service(evidence)? else { return Ok(vec![]) };
    // A database may be for another service: only one that the project has for the backend alone,
    // or whose URL was meant for it.
    let others = project.services.len().saturating_sub(
        project.backends.len() + project.databases.len() + project.dashboards.len(),
    );
    let Some(database) = project.databases.first() else { return Ok(vec![]) };
    if SQL_URLS.iter().any(|name| entry_if_set(service, name).is_some())
        || service.entrypoint_overridden
    {
        return Ok(vec![]);
    }
    let empty = SQL_URLS.iter().find_map(|name| service.variable(name));
    expected_inspected(evidence)?;
    let container = run_container(evidence);
    // Set by a panel, sops or direnv, but not in this shell.
    if container.is_some_and(|it| it.storage.uses_sql) {
        return Ok(vec![]);
    }
    let runs_on_sqlite = container.and_then(|it| {
        let tail = &it.log.seen().ok()?.tail;
        Some((it, remark(tail, SQL_URL_NOT_PASSED.id)?.line.to_owned()))
    });
    let certainty = match (&runs_on_sqlite, container, empty) {
        (None, None, Some(_)) => {
            // What the backend really gets could not be checked.
            evidence.docker.seen()?;
            Certainty::Likely
        }
        (None, None, None) if others > 0 => Certainty::Possible,
        (None, None, None) => Certainty::Likely,
        _ if others > 0 && empty.is_none() => Certainty::Possible,
        _ => Certainty::Proven,
    };
    let variable = if database.kind == SqlKind::Mysql { "MYSQL_URL" } else { "POSTGRES_URL" };
    let scheme = if database.kind == SqlKind::Mysql { "mysql" } else { "postgres" };
    let port = if database.kind == SqlKind::Mysql { 3306 } else { 5432 };
    let stores = match certainty {
        Certainty::Proven => "stores its documents in SQLite and does not use",
        Certainty::Likely => "probably stores its documents in SQLite and does not use",
        Certainty::Possible => "may store its documents in SQLite instead of",
    };
    let mut finding = SQL_URL_NOT_PASSED
        .finding(
            certainty,
            format!(
                "Service {} {stores} {}, because it does not get {variable}.",
                service.name, database.name
            ),
        )
        // The database may be for another service.
        .level(if certainty == Certainty::Possible { Level::Info } else { Level::Warning });
    finding = match empty {
        Some(entry) => finding
            .because(
                format!("{} resolves to an empty value", entry.name),
                entry.at.location().to_string(),
            )
            .at(entry.at.location()),
        None => finding
            .because(format!("Does not set {variable}"), service.at.location().to_string())
            .at(service.at.location()),
    };
    finding = finding.because(
        format!("Service {} is a SQL server", database.name),
        database.at.location().to_string(),
    );
    if let Some((container, line)) = runs_on_sqlite {
        finding = finding.showing(line, format!("the log of {}", container.name));
    }
    // It starts empty: what is in SQLite has to be exported first.
    let moves = cli_works(evidence);
    if moves {
        finding = finding.remedy(
            Remedy::safe(format!("Export the data, if the backend should use {}", database.name))
                .run("npx convex export --path ./convex-export.zip")
                .step(),
        );
    }
    finding = finding
        .remedy(
            Remedy::careful(format!(
                "Set {variable}={scheme}://USER:PASSWORD@{}:{port} for the backend",
                database.name
            ))
            .step(),
        )
        .remedy(Remedy::careful("Recreate the container").run(up(evidence)).step());
    if moves {
        finding = finding.remedy(
            Remedy::careful("Import the data into the new database, which starts empty")
                .run("npx convex import ./convex-export.zip")
                .step(),
        );
    }
    Ok(vec![finding])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::compose::{DatabaseService, DeclaredSqlUrl, EntryValue};
    use crate::evidence::endpoint::Reach;

    fn url(variable: &str, has_path: bool) -> SqlUrl {
        SqlUrl { variable: variable.to_owned(), host: Some("db".to_owned()), has_path }
    }

    fn declared(variable: &str, has_path: bool) -> DeclaredSqlUrl {
        DeclaredSqlUrl {
            service: "backend".to_owned(),
            at: build::at(9),
            url: url(variable, has_path),
        }
    }

    #[test]
    fn a_path_is_likely_by_the_file_and_proven_by_the_log() {
        const LOG: &str = "Caught error error (x): cluster url already contains db name: /app";
        let found = |declared: Option<DeclaredSqlUrl>, held: Option<SqlUrl>, log: &[&str]| {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, Reach::Refused);
            build::compose(&mut evidence).sql_urls = declared.into_iter().collect();
            let container = build::expected(&mut evidence);
            container.life.state = "restarting".into();
            container.storage.sql_url = held;
            container.log = build::log(log);
            build::told(has_path(&evidence))
        };
        let id = "sql-url-has-path";
        let file = "docker-compose.yml:9";
        let postgres = |path| Some(declared("POSTGRES_URL", path));
        assert_eq!(found(postgres(true), None, &[]), [format!("{id} error likely {file}")]);
        assert_eq!(found(postgres(true), None, &[LOG]), [format!("{id} error proven {file}")]);
        assert_eq!(found(None, None, &[LOG]), [format!("{id} error proven app-backend-1")]);
        assert!(found(postgres(false), None, &[]).is_empty());
        let held = Some(url("DATABASE_URL", true));
        assert_eq!(found(None, held, &[]), [format!("{id} error likely app-backend-1")]);
        let mysql = Some(declared("MYSQL_URL", true));
        assert_eq!(found(mysql, None, &[]), [format!("{id} warning possible {file}")]);

        let mut works = build::healthy();
        build::compose(&mut works).sql_urls = postgres(true).into_iter().collect();
        assert_eq!(build::told(has_path(&works)), [format!("{id} warning likely {file}")]);
    }

    #[test]
    fn a_database_next_to_a_backend_on_sqlite() {
        let with = |change: fn(&mut Evidence)| {
            let mut evidence = build::healthy();
            let compose = build::compose(&mut evidence);
            compose.services = vec!["backend".to_owned(), "db".to_owned()];
            compose.databases = vec![DatabaseService {
                name: "db".to_owned(),
                at: build::at(20),
                kind: SqlKind::Postgres,
                database: None,
                has_scripts: false,
            }];
            change(&mut evidence);
            build::told(not_passed(&evidence))
        };
        let id = "sql-url-not-passed";
        assert_eq!(with(|_| {}), [format!("{id} warning proven docker-compose.yml:2")]);
        assert!(with(|it| build::expected(it).storage.uses_sql = true).is_empty(), "set elsewhere");
        let set = |value| build::variable("POSTGRES_URL", value);
        assert!(
            with(|it| build::compose(it).backends[0].environment =
                vec![build::variable("POSTGRES_URL", EntryValue::Hidden)])
            .is_empty()
        );
        let mut empty = build::healthy();
        build::compose(&mut empty).backends[0].environment = vec![set(EntryValue::Blank)];
        assert_eq!(not_passed(&empty), Ok(vec![]), "no database");
        assert_eq!(
            with(|it| {
                build::compose(it).backends[0].environment =
                    vec![build::variable("POSTGRES_URL", EntryValue::Blank)];
            }),
            [format!("{id} warning proven docker-compose.yml:9")]
        );
        assert_eq!(
            with(|it| build::compose(it).services.push("web".to_owned())),
            [format!("{id} info possible docker-compose.yml:2")]
        );
        assert_eq!(
            with(|it| {
                build::compose(it).backends[0].environment =
                    vec![build::variable("POSTGRES_URL", EntryValue::Blank)];
                build::no_docker(it);
            }),
            ["unknown"]
        );
    }
}
