//! The URL of the SQL server names `localhost`: in the backend's container, that is the container
//! itself.

use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::container::{container_location, inspected, run_subject};
use crate::deployment::endpoint::{is_loopback, selected_endpoint};
use crate::deployment::log_lines::explanation_of;
use crate::deployment::weight::{cap_if_cli_works, of_backend_fault};
use crate::evidence::compose::{DeclaredSqlUrl, SqlKind, SqlUrl};
use crate::evidence::docker::Container;
use crate::evidence::{ComposeFacts, EndpointFacts, Evidence, Unseen};
use crate::remedies::command::up;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

static SQL_URL_LOOPBACK: Rule =
    rule!("sql-url-loopback", Error, "the database URL points to the backend's own container")
        .cause(&["backend-crash-explained"]);

pub(super) static CHECK: Check = Check { rules: &[&SQL_URL_LOOPBACK], run };

/// What both clients say if nothing listens there.
const REFUSED: &str = "Connection refused (os error 111)";

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let project = project(evidence);
    let declared = project.as_ref().ok().and_then(|project| in_the_file((*project)?));
    let subject = match evidence.docker.seen() {
        Ok(docker) => run_subject(evidence, docker)?,
        Err(unseen) if declared.is_none() => return Err(unseen),
        Err(_) => None,
    };
    let Some((container, sure)) = subject else {
        let Some(declared) = declared else {
            project?;
            return Ok(vec![]);
        };
        let finding = SQL_URL_LOOPBACK
            .finding(Certainty::Likely, detail("The backend", &declared.url, Certainty::Likely))
            .because(names(&declared.url), declared.at.to_string())
            .at(declared.at.location());
        let finding = finding.level(of_backend_fault(evidence).0.max(Level::Warning));
        return Ok(vec![with_remedies(
            evidence,
            &declared.url,
            cap_if_cli_works(evidence, finding),
        )]);
    };
    let url = inspected(container)?.storage.sql_url.as_ref().filter(|url| is_own(url));
    let Some(url) = url.filter(|_| !shares_a_network(container)) else { return Ok(vec![]) };
    let refused = match explanation_of(container) {
        Some(found) if found.line.contains(REFUSED) => Some(found.line),
        // A server answered, or it never came so far.
        Some(_) => return Ok(vec![]),
        None => None,
    };
    // A backend that answers has reached its database.
    let answers = selected_endpoint(evidence)?.is_some_and(EndpointFacts::is_convex_api);
    if container.is_running() && answers && refused.is_none() {
        return Ok(vec![]);
    }
    let (level, weighed) = of_backend_fault(evidence);
    // In another image, a server may run next to the backend.
    let official = container.software.image.contains("get-convex/convex-backend")
        && container.software.upstream_entrypoint;
    let certainty = if refused.is_some() && official {
        sure.min(weighed)
    } else {
        sure.min(weighed).min(Certainty::Likely)
    };
    let mut finding = SQL_URL_LOOPBACK
        .finding(certainty, detail(&container.name, url, certainty))
        .level(level)
        .because(names(url), format!("the environment of {}", container.name));
    if let Some(line) = refused {
        finding = finding.showing(line.to_owned(), format!("the log of {}", container.name));
    }
    if let Some(declared) = declared {
        finding = finding.at(declared.at.location());
    }
    let finding = finding.at(container_location(container));
    Ok(vec![with_remedies(evidence, url, finding)])
}

/// The URL in the compose file that names the container itself.
fn in_the_file(project: &ComposeFacts) -> Option<&DeclaredSqlUrl> {
    let service = project.backend()?;
    let apart = service.network_mode.as_deref().is_none_or(|mode| !is_shared(mode));
    let mut urls = project.sql_urls.iter().filter(|one| one.service == service.name);
    urls.find(|one| apart && is_own(&one.url))
}

fn is_own(url: &SqlUrl) -> bool {
    url.host.as_deref().is_some_and(is_loopback)
}

/// Whether `localhost` is more than the container: the host, a pod, another container.
fn shares_a_network(container: &Container) -> bool {
    container.net.network_mode.as_deref().is_some_and(is_shared)
        || container.labels.managed_by.keys().any(|label| label.starts_with("io.kubernetes."))
}

fn is_shared(mode: &str) -> bool {
    mode == "host" || mode.starts_with("container:") || mode.starts_with("service:")
}

fn names(url: &SqlUrl) -> String {
    format!("{} names {}", url.variable, url.host.as_deref().unwrap_or("localhost"))
}

fn detail(backend: &str, url: &SqlUrl, certainty: Certainty) -> String {
    let cannot = if certainty == Certainty::Proven { "cannot" } else { "probably cannot" };
    let host = url.host.as_deref().unwrap_or("localhost");
    format!(
        "{backend} {cannot} reach its database: in a container, {host} is the container itself, \
         where no database runs."
    )
}

fn with_remedies(evidence: &Evidence, url: &SqlUrl, finding: Finding) -> Finding {
    let project = project(evidence).ok().flatten();
    let is_mysql = url.variable == "MYSQL_URL";
    let service = project.and_then(|project| {
        project.databases.iter().find(|one| (one.kind == SqlKind::Mysql) == is_mysql)
    });
    let port = if is_mysql { 3306 } else { 5432 };
    let host = url.host.as_deref().unwrap_or("localhost");
    let finding = match service {
        // On the network of the project, a published port does not count.
        Some(service) => finding.remedy(
            Remedy::careful(format!(
                "Write {}:{port} for host and port in {}",
                service.name, url.variable
            ))
            .in_variables()
            .step(),
        ),
        None => finding
            .remedy(
                Remedy::careful(format!(
                    "Write host.docker.internal instead of {host} in {}",
                    url.variable
                ))
                .in_variables()
                .step(),
            )
            .remedy(
                Remedy::careful(
                    "Add `extra_hosts: [\"host.docker.internal:host-gateway\"]` to the service",
                )
                .step(),
            ),
    };
    finding.remedy(Remedy::careful("Recreate the container").run(up(evidence)).step())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::compose::DatabaseService;
    use crate::evidence::endpoint::Reach;

    const LOG: &str = "ERROR common::errors: Caught error error (x): error connecting to server: Connection refused (os error 111)";
    const TLS: &str = "ERROR common::errors: Caught error error (x): error performing TLS handshake: server does not support TLS";

    fn url(variable: &str, host: &str) -> SqlUrl {
        SqlUrl { variable: variable.to_owned(), host: Some(host.to_owned()), has_path: false }
    }

    fn world(host: &str, log: &[&str]) -> Evidence {
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::Refused);
        let container = build::expected(&mut evidence);
        container.life.state = "restarting".into();
        container.storage.sql_url = Some(url("POSTGRES_URL", host));
        container.secret.environment = Observation::Seen(None);
        container.log = build::log(log);
        evidence
    }

    #[test]
    fn a_container_is_not_its_host() {
        type Change = fn(&mut Evidence);
        let (proven, likely) = ("error proven", "error likely");
        let same: Change = |_| {};
        for (case, host, log, change, expected) in [
            ("refused", "localhost", &[LOG][..], same, Some(proven)),
            ("an address", "127.0.0.1", &[LOG], same, Some(proven)),
            ("IPv6", "::1", &[LOG], same, Some(proven)),
            ("the log does not say it", "localhost", &[], same, Some(likely)),
            ("a service", "db", &[LOG], same, None),
            ("a server answered", "localhost", &[TLS], same, None),
            (
                "another image",
                "localhost",
                &[LOG],
                |it| build::expected(it).software.image = "me/all-in-one".to_owned(),
                Some(likely),
            ),
            (
                "the network of the host",
                "localhost",
                &[LOG],
                |it| build::expected(it).net.network_mode = Some("host".to_owned()),
                None,
            ),
            (
                "the network of the database",
                "localhost",
                &[LOG],
                |it| build::expected(it).net.network_mode = Some("container:ab".to_owned()),
                None,
            ),
        ] {
            let mut evidence = world(host, log);
            change(&mut evidence);
            let expected = expected.map(|it| format!("sql-url-loopback {it} app-backend-1"));
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(build::told(run(&evidence)), expected, "{case}");
        }
        let mut works = build::healthy();
        build::expected(&mut works).storage.sql_url = Some(url("MYSQL_URL", "127.0.0.1"));
        build::expected(&mut works).secret.environment = Observation::Seen(None);
        assert_eq!(run(&works), Ok(vec![]), "it answers");
        let mut unseen = world("localhost", &[LOG]);
        build::expected(&mut unseen).secret.environment = Observation::unavailable("x");
        assert_eq!(build::told(run(&unseen)), ["unknown"], "not inspected");
    }

    #[test]
    fn without_docker_the_file_is_likely_and_the_service_is_named() {
        let mut evidence = world("localhost", &[]);
        build::no_docker(&mut evidence);
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
        let compose = build::compose(&mut evidence);
        compose.sql_urls = vec![DeclaredSqlUrl {
            service: "backend".to_owned(),
            at: build::at(9),
            url: url("MYSQL_URL", "127.0.0.1"),
        }];
        let id = "sql-url-loopback error likely docker-compose.yml:9";
        assert_eq!(build::told(run(&evidence)), [id]);
        let first = |evidence: &Evidence| run(evidence).unwrap()[0].remedies[0].title.to_string();
        assert!(first(&evidence).contains("host.docker.internal"), "{}", first(&evidence));
        build::compose(&mut evidence).databases = vec![DatabaseService {
            name: "db".to_owned(),
            at: build::at(20),
            kind: SqlKind::Mysql,
            database: None,
            has_scripts: false,
        }];
        assert!(first(&evidence).contains("db:3306"), "{}", first(&evidence));
        build::compose(&mut evidence).backends[0].network_mode = Some("host".to_owned());
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }
}
