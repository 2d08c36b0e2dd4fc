//! The SQL server has no database with the name that the backend derives from its instance name.

use crate::checks::{BACKEND_DOWN, Check};
use crate::deployment::compose::project;
use crate::deployment::container::run_container;
use crate::deployment::endpoint::{convex_answers, selected_endpoint};
use crate::deployment::log_lines::{explanation_of, log_match};
use crate::deployment::variable::entry_if_set;
use crate::evidence::compose::{BackendService, DatabaseService, EntryValue, SqlKind};
use crate::evidence::docker::Container;
use crate::evidence::{ComposeFacts, Evidence, Unseen};
use crate::remedies::command::{compose, restart, up};
use crate::report::{Certainty, ComposeVerb, Finding, Level, Remedy, Rule};

static SQL_DATABASE_MISSING: Rule =
    rule!("sql-database-missing", Error, "the database for this instance does not exist")
        .cause(BACKEND_DOWN);

pub(super) static CHECK: Check = Check { rules: &[&SQL_DATABASE_MISSING], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let project = project(evidence);
    let pair = project.as_ref().ok().and_then(|project| backend_and_database((*project)?));
    let logged = log_match(evidence, SQL_DATABASE_MISSING.id);
    if let Ok(Some(found)) = &logged {
        let finding = found.finding(&SQL_DATABASE_MISSING);
        let Some(name) = quoted(found.line) else { return Ok(vec![finding]) };
        let server = pair.map(|(_, database)| database);
        return Ok(vec![finding.remedy(create(evidence, server, name)).remedy(Remedy::careful(
            "Set the old INSTANCE_NAME again, if the database has that name",
        ))]);
    }
    let Some((service, database)) = pair else {
        logged?;
        project?;
        return Ok(vec![]);
    };
    let (Some((created, at)), false) = (&database.database, database.has_scripts) else {
        logged?;
        return Ok(vec![]);
    };
    let Some(wanted) = name(service, run_container(evidence)).map(|name| name.replace('-', "_"))
    else {
        logged?;
        return Ok(vec![]);
    };
    // A backend that answers has found its database; one that crashed because of something known
    // has another problem.
    let answers = match selected_endpoint(evidence)? {
        Some(endpoint) => convex_answers(endpoint)?,
        None => run_container(evidence).is_some_and(Container::is_running),
    };
    let other_crash = run_container(evidence).and_then(explanation_of).is_some();
    if *created == wanted || answers || other_crash {
        return Ok(vec![]);
    }
    Ok(vec![
        SQL_DATABASE_MISSING
            .finding(
                Certainty::Possible,
                format!(
                    "The backend may not find its database {wanted}, because {} created {created} \
                     at its first start.",
                    database.name
                ),
            )
            .level(Level::Warning)
            .because(format!("Creates {created}"), at.location().to_string())
            .because(
                format!("Uses {wanted}, from its INSTANCE_NAME"),
                service.at.location().to_string(),
            )
            .at(at.location())
            .remedy(create(evidence, Some(database), &wanted)),
    ])
}

/// The backend and the SQL server of the same project that its URL leads to.
fn backend_and_database(project: &ComposeFacts) -> Option<(&BackendService, &DatabaseService)> {
    let service = project.backend()?;
    let url = project.sql_urls.iter().find(|it| it.service == service.name)?;
    let host = url.url.host.as_deref()?;
    Some((service, project.databases.iter().find(|it| it.name == host)?))
}

/// The instance name that the backend would run with; `None` if that cannot be known.
fn name(service: &BackendService, container: Option<&Container>) -> Option<String> {
    if let Some(EntryValue::Plain(name)) =
        entry_if_set(service, "INSTANCE_NAME").map(|entry| &entry.value)
    {
        return Some(name.clone());
    }
    let names = container.map(|it| &it.instance_name);
    names
        .and_then(|names| {
            [&names.environment, &names.file].into_iter().find_map(|it| it.seen().ok()?.clone())
        })
        .or_else(|| {
            let never_named = service.variable("INSTANCE_NAME").is_none() && container.is_none();
            never_named.then(|| "convex-self-hosted".to_owned())
        })
}

/// The name between the quotes of the log's sentence, if it can be typed.
fn quoted(line: &str) -> Option<&str> {
    let rest = line.split_once("database \"").map(|(_, rest)| (rest, '"'));
    let (rest, quote) = rest.or_else(|| Some((line.split_once("Unknown database '")?.1, '\'')))?;
    let name = rest.split(quote).next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

fn create(evidence: &Evidence, server: Option<&DatabaseService>, name: &str) -> Remedy {
    let Some(server) = server else {
        return Remedy::careful(format!(
            "Create the database {name} on the SQL server (nothing is lost)"
        ));
    };
    let remedy = Remedy::careful(format!(
        "Create the database {name} (nothing is lost), and restart the backend"
    ));
    let command = match server.kind {
        SqlKind::Mysql => {
            format!("mysql -uroot -p\"$MYSQL_ROOT_PASSWORD\" -e \"CREATE DATABASE {name}\"")
        }
        SqlKind::Postgres => format!("createdb -U \"${{POSTGRES_USER:-postgres}}\" {name}"),
    };
    remedy
        .run(compose(evidence, ComposeVerb::Exec(server.name.clone(), command)))
        .run(run_container(evidence).map_or_else(|| up(evidence), restart))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::compose::{DeclaredSqlUrl, SqlUrl};
    use crate::evidence::endpoint::Reach;

    fn with(database: Option<&str>, name: Option<&str>, log: &[&str], dead: bool) -> Evidence {
        let mut evidence = build::healthy();
        if dead {
            build::unreachable(&mut evidence, Reach::Refused);
            build::expected(&mut evidence).life.state = "exited".into();
        }
        build::expected(&mut evidence).log = build::log(log);
        let compose = build::compose(&mut evidence);
        compose.sql_urls = vec![DeclaredSqlUrl {
            service: "backend".to_owned(),
            at: build::at(9),
            url: SqlUrl {
                variable: "POSTGRES_URL".to_owned(),
                host: Some("db".to_owned()),
                has_path: false,
            },
        }];
        compose.databases = vec![DatabaseService {
            name: "db".to_owned(),
            at: build::at(20),
            kind: SqlKind::Postgres,
            database: database.map(|name| (name.to_owned(), build::at(23))),
            has_scripts: false,
        }];
        if let Some(name) = name {
            compose.backends[0].environment =
                vec![build::variable("INSTANCE_NAME", EntryValue::Plain(name.to_owned()))];
        }
        evidence
    }

    #[test]
    fn the_log_is_a_proof_and_the_names_are_a_hint() {
        const LOG: &str =
            "Caught error error (x): db error: FATAL: database \"my_app\" does not exist";
        const OTHER: &str = "Caught error error (x): cluster url username must be set";
        let id = "sql-database-missing";
        let possible = "warning possible docker-compose.yml:23";
        for (case, database, name, log, dead, expected) in [
            ("logged", None, None, &[LOG][..], true, Some("error proven app-backend-1")),
            ("the names differ", Some("convex"), Some("my-app"), &[], true, Some(possible)),
            ("the names agree", Some("my_app"), Some("my-app"), &[], true, None),
            ("it answers", Some("convex"), Some("my-app"), &[], false, None),
            (
                "it crashed because of something else",
                Some("convex"),
                Some("my-app"),
                &[OTHER],
                true,
                None,
            ),
            ("the name is not known", Some("convex"), None, &[], true, None),
        ] {
            let expected: Vec<_> = expected.iter().map(|it| format!("{id} {it}")).collect();
            let found = build::told(run(&with(database, name, log, dead)));
            assert_eq!(found, expected, "{case}");
        }
        let found = run(&with(None, None, &[LOG], true)).unwrap();
        let commands: Vec<_> =
            found[0].remedies[0].commands.iter().map(ToString::to_string).collect();
        assert!(
            commands[0].contains("createdb") && commands[0].contains(" my_app"),
            "{commands:?}"
        );
    }

    #[test]
    fn only_a_plain_name_goes_into_a_command() {
        assert_eq!(quoted("database \"a_b\" does not exist"), Some("a_b"));
        assert_eq!(quoted("Unknown database 'a_b'"), Some("a_b"));
        assert_eq!(quoted("database \"a'; drop\" does not exist"), None);
        assert_eq!(quoted("database \"\" does not exist"), None);
    }
}
