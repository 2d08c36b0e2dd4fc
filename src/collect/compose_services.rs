//! What of a compose project is no backend and still matters to one: SQL servers, dashboards, the
//! URLs that lead to the former; and which of its texts hang on a variable that nobody has set
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::compose_project::place;
use super::docker::recognise;
use super::files::{self, FileText};
use super::sql_url;
use crate::compose::{self, Project, Service};
use crate::evidence::compose::{
    At, ComposeFacts, DashboardService, DatabaseService, DeclaredSqlUrl,
};
use crate::secret::sanitize;

/// `$NAME` and `${NAME…`; a doubled `$$` is taken out before.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)").expect("a pattern of this file is valid")
});

/// The URLs of SQL servers that the services of `facts` get.
pub(super) fn sql_urls(
    project: &Project,
    backends: &[&str],
    directory: &Path,
) -> Vec<DeclaredSqlUrl> {
    let mut found = Vec::new();
    for name in backends {
        let Some(service) = project.services.get(*name) else { continue };
        for variable in ["POSTGRES_URL", "MYSQL_URL", "DATABASE_URL"] {
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
                    ("postgres", &["POSTGRES_DB", "POSTGRESQL_DATABASE"])
                }
                "mysql" | "mariadb" | "mysql-server" | "percona-server" => {
                    ("mysql", &["MYSQL_DATABASE", "MARIADB_DATABASE"])
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
                kind: kind.to_owned(),
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
            Some(DashboardService { name: name.clone(), at, image: sanitize(&image) })
        })
        .collect()
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
    facts: &ComposeFacts,
    directory: &Path,
    environment: &BTreeMap<String, String>,
) -> Vec<At> {
    let mut texts = Texts::default();
    let mut set: BTreeSet<String> = environment.keys().cloned().collect();
    for file in &project.env_files {
        let FileText::Text(text) = files::read(file) else { continue };
        let names = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name.trim().trim_start_matches("export ").trim().to_owned());
        set.extend(names);
    }
    let mut found = Vec::new();
    for backend in &facts.backends {
        let Some(service) = project.services.get(&backend.name) else { continue };
        let image = service.image.as_ref().and_then(|image| image.at.as_ref()).map(|at| (at, 1));
        // The long form of a port has its host side some lines below.
        let ports = service.ports.iter().map(|port| (&port.at, 5));
        let variables = service.environment.values().map(|one| (&one.at, 1));
        for (at, lines) in image.into_iter().chain(ports).chain(variables) {
            if texts.names(at, lines).iter().any(|name| !set.contains(name)) {
                // The facts name a mapping's service, not its `image:` line.
                let is_image = service.image.as_ref().is_some_and(|it| it.at.as_ref() == Some(at));
                let at = if is_image { backend.at.clone() } else { place(at, directory) };
                found.push(at);
            }
        }
    }
    found
}

/// The lines of files, read once.
#[derive(Default)]
struct Texts(BTreeMap<std::sync::Arc<Path>, Vec<String>>);

impl Texts {
    /// The variables in the entry that begins at `at`: at most so many lines, up to the next entry
    /// of a list.
    fn names(&mut self, at: &compose::At, most: usize) -> Vec<String> {
        let lines = self.0.entry(at.file.clone()).or_insert_with(|| match files::read(&at.file) {
            FileText::Text(text) => text.lines().map(str::to_owned).collect(),
            FileText::Missing | FileText::Unreadable(_) => Vec::new(),
        });
        let from = at.line.saturating_sub(1);
        let entry = lines
            .iter()
            .skip(from)
            .take(most)
            .enumerate()
            .take_while(|(below, line)| *below == 0 || !line.trim_start().starts_with("- "));
        entry
            .flat_map(|(_, line)| {
                let line = line.replace("$$", "");
                let names = VARIABLE.captures_iter(&line).map(|found| found[1].to_owned());
                names.collect::<Vec<_>>()
            })
            .collect()
    }
}
