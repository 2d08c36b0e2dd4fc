//! What in a compose project is not a backend and still matters to one: SQL servers, dashboards,
//! the URLs that lead to the former; and which of its texts depend on a variable that is not set
//! here.

use std::collections::BTreeSet;
use std::path::Path;

use super::place::place;

use crate::collect::docker::recognise;
use crate::collect::sql_url;
use crate::compose::{self, Project, Service, Variable};
use crate::evidence::compose::{
    At, BackendService, DashboardService, DatabaseService, DeclaredSqlUrl, EntryValue,
    EnvironmentEntry, SqlKind,
};
use crate::names::SQL_URLS;
use crate::secret::sanitize;

/// The URLs of SQL servers that the services of `facts` get.
pub(super) fn sql_urls(
    project: &Project,
    backends: &[&str],
    directory: &Path,
) -> Vec<DeclaredSqlUrl> {
    let mut found = Vec::new();
    for name in backends {
        let Some(service) = project.services.get(*name) else { continue };
        for variable in SQL_URLS {
            let Some(entry) = service.environment.get(variable) else { continue };
            let Some(value) = entry.value.as_deref().filter(|value| !value.is_empty()) else {
                continue;
            };
            let at = place(entry.origin.as_ref().unwrap_or(&entry.at), directory);
            let url = sql_url::read(variable, value);
            found.push(DeclaredSqlUrl { service: (*name).to_owned(), at, url });
        }
    }
    found
}

/// The SQL servers, by their images.
pub(super) fn databases(project: &Project, directory: &Path) -> Vec<DatabaseService> {
    project
        .services
        .iter()
        .filter_map(|(name, service)| {
            let image = service.image.as_ref()?;
            let (kind, variables): (_, &[&str]) = match recognise::repository(&image.value) {
                "postgres" | "postgresql" | "pgvector" | "timescaledb" | "postgis" => {
                    (SqlKind::Postgres, &["POSTGRES_DB", "POSTGRESQL_DATABASE"])
                }
                "mysql" | "mariadb" | "mysql-server" | "percona-server" => {
                    (SqlKind::Mysql, &["MYSQL_DATABASE", "MARIADB_DATABASE"])
                }
                _ => return None,
            };
            let database = variables.iter().find_map(|variable| {
                let entry = service.environment.get(*variable)?;
                let value = entry.value.as_deref().filter(|value| !value.is_empty())?;
                let at = entry.origin.as_ref().unwrap_or(&entry.at);
                Some((sanitize(value), place(at, directory)))
            });
            Some(DatabaseService {
                name: name.clone(),
                at: place(&service.at, directory),
                kind,
                database,
                has_scripts: service
                    .volumes
                    .iter()
                    .any(|mount| mount.target.starts_with("/docker-entrypoint-initdb.d")),
            })
        })
        .collect()
}

/// The dashboards, by their images.
pub(super) fn dashboards(project: &Project, directory: &Path) -> Vec<DashboardService> {
    let image = |service: &Service| service.image.as_ref().map(|image| image.value.clone());
    project
        .services
        .iter()
        .filter_map(|(name, service)| {
            let image = image(service).filter(|image| recognise::is_dashboard_image(image))?;
            let at = place(&service.at, directory);
            let variables = service.environment.iter();
            let environment = variables.map(|(name, it)| hidden(name, it, directory)).collect();
            Some(DashboardService { name: name.clone(), at, image: sanitize(&image), environment })
        })
        .collect()
}

/// A variable without its value.
fn hidden(name: &str, variable: &Variable, directory: &Path) -> EnvironmentEntry {
    EnvironmentEntry {
        name: name.to_owned(),
        at: place(&variable.at, directory),
        value_at: None,
        variable: None,
        value: match variable.value.as_deref() {
            None => EntryValue::Unset,
            Some("") => EntryValue::Blank,
            Some(_) => EntryValue::Hidden,
        },
    }
}

/// The services that start only once the chosen backend is healthy.
pub(super) fn wait_for_healthy(project: &Project, chosen: Option<&str>) -> Vec<String> {
    let Some(chosen) = chosen else { return Vec::new() };
    let waits = |service: &Service| {
        let on = service.depends_on.get(chosen);
        on.is_some_and(|on| on.condition == "service_healthy")
    };
    let waiting = project.services.iter().filter(|(_, service)| waits(service));
    waiting.map(|(name, _)| name.clone()).collect()
}

/// Names in a project that only a panel fills. Coolify: `SERVICE_FQDN_BACKEND_3210` and its like,
/// used or passed through and set nowhere
/// (<https://coolify.io/docs/knowledge-base/docker/compose>); names that others use as well
/// (`SERVICE_USER_…`) do not count. Dokploy: the network of its proxy
/// (<https://docs.dokploy.com/docs/core/docker-compose/domains>).
pub(super) fn panel_marks(project: &Project) -> Vec<String> {
    let is_coolify = |name: &str| {
        let Some(rest) = name.strip_prefix("SERVICE_") else { return false };
        let ends_in_port = rest.rsplit('_').next().is_some_and(|end| end.parse::<u16>().is_ok());
        ["FQDN_", "BASE64_", "REALBASE64_", "HEX_"].iter().any(|kind| rest.starts_with(kind))
            || (rest.starts_with("URL_") && ends_in_port)
    };
    let unset = project.warnings.iter().filter_map(|warning| match &warning.kind {
        compose::WarningKind::UnsetVariable { name } => Some(name.as_str()),
        _ => None,
    });
    let passed = project.services.values().flat_map(|service| &service.environment);
    let passed = passed.filter(|(_, entry)| entry.value.as_deref().is_none_or(str::is_empty));
    let names: BTreeSet<&str> = unset
        .chain(passed.map(|(name, _)| name.as_str()))
        .filter(|name| is_coolify(name))
        .collect();
    let labels = project.services.values().flat_map(|service| &service.labels);
    let network = labels
        .filter(|(name, _)| name.starts_with("traefik."))
        .find(|(_, value)| value.value == "dokploy-network")
        .map(|(_, value)| value.value.as_str());
    names.into_iter().chain(network).map(sanitize).collect()
}

/// The places of images, ports and variables of the backends whose text holds a variable that is
/// set neither in the environment nor in a `.env` that was read.
pub(super) fn undecided(
    project: &Project,
    backends: &[BackendService],
    directory: &Path,
) -> Vec<At> {
    let is_open = |at: &&compose::At| project.undecided.contains(*at);
    let mut found = Vec::new();
    for backend in backends {
        let Some(service) = project.services.get(&backend.name) else { continue };
        // The facts name the service's place, not that of its `image:`.
        let image = service.image.as_ref().and_then(|image| image.at.as_ref()).filter(is_open);
        found.extend(image.map(|_| backend.at.clone()));
        let ports = service.ports.iter().map(|port| &port.at);
        let variables = service.environment.values().map(|variable| &variable.at);
        found.extend(ports.chain(variables).filter(is_open).map(|at| place(at, directory)));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::collect::Request;
    use crate::collect::texts::FileTexts;

    const PROJECT: &str = r#"services:
  backend:
    image: ghcr.io/get-convex/convex-backend:${TAG:-latest}
    env_file: backend.env
    ports:
      - "${PORT:-3210}:3210"
      - "${SET:-3211}:3211"
      - target: 6791
        published: "${OTHER:-6791}"
    environment:
      - FROM_SHELL=${SHELL_SET}
      - FROM_DOTENV=${SET}
      - OPEN=${NOWHERE:-x}
      - ESCAPED=$${NOWHERE}
      - PASSED
      # - ${IN_A_COMMENT}
      - PLAIN=1
"#;

    #[test]
    fn a_place_is_undecided_when_its_text_has_a_variable_that_is_set_nowhere() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("docker-compose.yml", PROJECT),
            // Compose's grammar: neither `:` nor quotes are part of a name.
            (".env", "export SET: \"4000\"\n"),
            ("backend.env", "LITERAL='${NOWHERE}'\nTEMPLATE=${NOWHERE:-y}\n"),
        ] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let environment = BTreeMap::from([("SHELL_SET".to_owned(), String::new())]);
        let (request, texts) = (Request::default(), FileTexts::default());
        let read = super::super::read(&request, directory.path(), &environment, &texts, None);
        let facts = read.facts.seen().unwrap().clone().unwrap();
        assert!(facts.errors.is_empty(), "{:?}", facts.errors);
        let mut places: Vec<String> =
            facts.undecided.iter().map(|at| format!("{}:{}", at.file, at.line)).collect();
        places.sort();
        // The service's own line stands for its image.
        let expected = ["backend.env:2", "docker-compose.yml:13", "docker-compose.yml:2"];
        let ports = ["docker-compose.yml:6", "docker-compose.yml:8"];
        assert_eq!(places, [&expected[..], &ports].concat());
    }
}
