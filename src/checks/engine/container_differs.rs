//! The container was made by these compose files, and they have changed since: it still runs with
//! what they said before.
//!
//! Only what decides about keys and reachability is compared (docs/facts.md, rule-empty-value):
//! image, data mount, API and site ports, name and secret, origins, SQL, S3. A blank, and a default
//! that stands in for a variable which is set nowhere here, is no opinion: a panel, sops or direnv
//! may have set it where the deployment really starts.

use crate::checks::Check;
use crate::checks::persistence::not_attached;
use crate::deployment::compose::project;
use crate::deployment::container::container_location;
use crate::deployment::data::declared_mount_over;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::is_engine_host;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::log_lines::explanation;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::compose::{At, BackendService, EntryValue};
use crate::evidence::docker::{Container, SecretState};
use crate::evidence::{ComposeFacts, Evidence, Unseen};
use crate::names::API_PORT;
use crate::remedies::command::compose_command;
use crate::report::shell_word;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

static CONTAINER_DIFFERS_FROM_COMPOSE: Rule = Rule {
    id: "container-differs-from-compose",
    level: Level::Warning,
    title: "the container is not what the compose file says now",
    explain: include_str!("container-differs-from-compose.md"),
    is_cause: true,
    // Of what the log says the backend died of, it is no root: only likely, and the line says more.
    causes: &["url-port-not-published"],
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&CONTAINER_DIFFERS_FROM_COMPOSE], run };

/// The port of the HTTP actions inside the container.
const SITE_PORT: u16 = 3211;

/// One thing in which they differ.
struct Difference {
    /// What the file says.
    declared: String,
    at: At,
    /// What the container has.
    held: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The API port; the host's side of it.
    ApiPort(u16),
    /// The image, or the environment: what the program is and is told.
    Program,
    /// Anything else.
    Other,
}

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(service) = project.backend() else { return Ok(vec![]) };
    let Some(container) = evidence.docker.seen()?.expected() else { return Ok(vec![]) };
    let names_these = |file: &String| project.files.contains(file);
    if container.config_files.is_empty() || !container.config_files.iter().all(names_these) {
        return Ok(vec![]);
    }
    let mut differences = compared(project, service, container);
    let lacks_volume = (not_attached::CHECK.run)(evidence)?;
    if !lacks_volume.is_empty()
        && let Some(line) = declared_mount_over(service, &service.data_dir)
    {
        let held = container.mount_over(&container.data_dir).and_then(|it| it.source.clone());
        differences.push(Difference {
            declared: format!(
                "mounts {} at {}",
                line.source.as_deref().unwrap_or("a volume"),
                line.target
            ),
            at: line.at.clone(),
            held: format!("has {} there", held.as_deref().unwrap_or("nothing")),
            kind: Kind::Other,
        });
    }
    let Some(first) = differences.first() else { return Ok(vec![]) };
    let (level, certainty) = weigh(evidence, container, &differences)?;
    let mut finding = CONTAINER_DIFFERS_FROM_COMPOSE
        .finding(
            certainty,
            format!(
                "{} was made before the file was changed: `docker compose up -d` will make it anew, `restart` will not.",
                container.name
            ),
        )
        .level(level)
        .at(first.at.location())
        .at(container_location(container));
    for difference in &differences {
        finding = finding
            .because(difference.declared.clone(), difference.at.location().to_string())
            .because(difference.held.clone(), container.name.clone());
    }
    let up = compose_command(evidence, &format!("up -d {}", shell_word(&service.name)));
    let remedy = if lacks_volume.is_empty() {
        Remedy::careful(
            "if the file is right, let Compose make the container anew; its volumes stay",
        )
        .run(up)
    } else {
        // `data-volume-not-attached` says what to copy out first.
        Remedy::careful(format!("after the data is copied out of the container: {up}"))
    };
    Ok(vec![cap_if_cli_works(evidence, finding.remedy(remedy))])
}

/// A warning; an error where it explains what is wrong now.
fn weigh(
    evidence: &Evidence,
    container: &Container,
    differences: &[Difference],
) -> Result<(Level, Certainty), Unseen> {
    let proven = Certainty::Proven;
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok((Level::Warning, proven)) };
    if endpoint.invalid.is_some() || convex_answers(endpoint)? {
        return Ok((Level::Warning, proven));
    }
    // The URL is the one of the file, and the container listens elsewhere.
    let missed = |it: &Difference| it.kind == Kind::ApiPort(endpoint.port);
    if container.is_running()
        && is_engine_host(evidence, endpoint)?
        && differences.iter().any(missed)
    {
        return Ok((Level::Error, proven));
    }
    // It died of something that the file may have mended.
    let died = container.log.seen().is_ok_and(|log| explanation(&log.tail).is_some());
    if died && differences.iter().any(|it| it.kind == Kind::Program) {
        return Ok((Level::Error, Certainty::Likely));
    }
    Ok((Level::Warning, proven))
}

fn compared(
    project: &ComposeFacts,
    service: &BackendService,
    container: &Container,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let decided = |at: &At| !project.undecided.contains(at);
    if let Some(image) = service.image.as_deref().filter(|_| decided(&service.at))
        && !container.image.is_empty()
        && !container.image.starts_with("sha256:")
        && full(image) != full(&container.image)
    {
        found.push(Difference {
            declared: format!("image {image}"),
            at: service.at.clone(),
            held: format!("image {}", container.image),
            kind: Kind::Program,
        });
    }
    if service.network_mode.is_none() && container.network_mode.as_deref() != Some("host") {
        found.extend(ports(project, service, container));
    }
    let text = |name: &str| {
        let entry = service.variable(name).filter(|entry| decided(&entry.at))?;
        match &entry.value {
            EntryValue::Plain(text) if !text.is_empty() => Some((entry, text.as_str())),
            _ => None,
        }
    };
    let held_name = container.instance_name.environment.seen().ok();
    for (name, held) in [
        ("INSTANCE_NAME", held_name.and_then(Option::as_deref)),
        ("CONVEX_CLOUD_ORIGIN", container.cloud_origin.as_deref()),
        ("CONVEX_SITE_ORIGIN", container.site_origin.as_deref()),
    ] {
        // What the container was made without may come from its credentials file.
        if let (Some((entry, text)), Some(held)) = (text(name), held)
            && text != held
        {
            found.push(Difference {
                declared: format!("{name}={text}"),
                at: entry.at.clone(),
                held: format!("{name}={held}"),
                kind: Kind::Program,
            });
        }
    }
    if let Some(entry) = service.variable("INSTANCE_SECRET").filter(|entry| decided(&entry.at))
        && let EntryValue::Secret(declared) = &entry.value
        && let Ok(Some(held)) = container.secret.environment.seen()
        && declared.fingerprint() != held.fingerprint()
    {
        let said = |state: &SecretState| {
            state.fingerprint().map_or_else(|| "unusable".to_owned(), ToString::to_string)
        };
        found.push(Difference {
            declared: format!("INSTANCE_SECRET is {}", said(declared)),
            at: entry.at.clone(),
            held: format!("INSTANCE_SECRET is {}", said(held)),
            kind: Kind::Program,
        });
    }
    for entry in &service.environment {
        let is_storage = ["POSTGRES_URL", "MYSQL_URL", "DATABASE_URL"]
            .contains(&entry.name.as_str())
            || entry.name.starts_with("S3_STORAGE_") && entry.name.ends_with("_BUCKET");
        let is_set = entry.value == EntryValue::Hidden;
        if is_storage && is_set && !container.storage_variables.contains(&entry.name) {
            found.push(Difference {
                declared: format!("sets {}", entry.name),
                at: entry.at.clone(),
                held: format!("does not have {}", entry.name),
                kind: Kind::Program,
            });
        }
    }
    found
}

fn ports(
    project: &ComposeFacts,
    service: &BackendService,
    container: &Container,
) -> Vec<Difference> {
    let mut found = Vec::new();
    for inside in [API_PORT, SITE_PORT] {
        let declared: Vec<_> =
            service.ports.iter().filter(|port| port.container == inside).collect();
        let hosts: Vec<u16> = container
            .ports
            .iter()
            .filter(|port| port.container == inside)
            .filter_map(|port| port.host)
            .collect();
        // A range, or a port that the engine chooses, is no one port.
        let [only] = declared.as_slice() else { continue };
        let Some(wanted) = only.published.as_deref().and_then(|port| port.parse::<u16>().ok())
        else {
            continue;
        };
        if project.undecided.contains(&only.at) || hosts.contains(&wanted) {
            continue;
        }
        let held = match hosts.first() {
            Some(host) => format!("publishes {host}:{inside}"),
            None => format!("does not publish {inside}"),
        };
        found.push(Difference {
            declared: format!("publishes {wanted}:{inside}"),
            at: only.at.clone(),
            held,
            kind: if inside == API_PORT { Kind::ApiPort(wanted) } else { Kind::Other },
        });
    }
    found
}

/// The image's reference with what the engine adds: `latest` where there is neither a tag nor a
/// digest, no `docker.io/` before it.
fn full(image: &str) -> String {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    let image = image.strip_prefix("library/").unwrap_or(image);
    let last = image.rsplit('/').next().unwrap_or_default();
    if last.contains(':') || last.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation::Seen;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::Reach;
    use crate::secret::Fingerprint;

    fn plain(text: &str) -> EntryValue {
        EntryValue::Plain(text.to_owned())
    }

    fn with(name: &str, value: EntryValue) -> Evidence {
        let mut evidence = build::healthy();
        build::compose(&mut evidence).backends[0].environment = vec![build::variable(name, value)];
        evidence
    }

    fn count(evidence: &Evidence) -> usize {
        run(evidence).unwrap().first().map_or(0, |finding| finding.evidence.len() / 2)
    }

    #[test]
    fn what_is_compared_and_what_is_no_opinion() {
        type Change = fn(&mut Evidence);
        let secret = |text: &str| SecretState::Valid(Fingerprint::of_text(text));
        let image: Change =
            |it| build::compose(it).backends[0].image = Some("x/convex-backend:2".to_owned());
        let cases: Vec<(&str, Evidence, Change, usize)> = vec![
            ("healthy", build::healthy(), |_| {}, 0),
            ("image", build::healthy(), image, 1),
            (
                "image, by its id",
                build::healthy(),
                |it| build::expected(it).image = "sha256:ab".to_owned(),
                0,
            ),
            (
                "image, a default",
                build::healthy(),
                |it| {
                    build::compose(it).backends[0].image = Some("x/convex-backend:2".to_owned());
                    build::compose(it).undecided = vec![build::at(2)];
                },
                0,
            ),
            (
                "labels of other files",
                build::healthy(),
                |it| {
                    build::compose(it).backends[0].image = Some("x/convex-backend:2".to_owned());
                    build::expected(it).config_files =
                        vec!["/elsewhere/docker-compose.yml".to_owned()];
                },
                0,
            ),
            (
                "name",
                with("INSTANCE_NAME", plain("b")),
                |it| build::expected(it).instance_name.environment = Seen(Some("a".to_owned())),
                1,
            ),
            (
                "name, blank",
                with("INSTANCE_NAME", EntryValue::Blank),
                |it| build::expected(it).instance_name.environment = Seen(Some("a".to_owned())),
                0,
            ),
            (
                "name, from its file",
                with("INSTANCE_NAME", plain("b")),
                |it| build::expected(it).instance_name.environment = Seen(None),
                0,
            ),
            (
                "origin",
                with("CONVEX_CLOUD_ORIGIN", plain("https://b")),
                |it| build::expected(it).cloud_origin = Some("https://a".to_owned()),
                1,
            ),
            (
                "secret",
                with("INSTANCE_SECRET", EntryValue::Secret(secret("b"))),
                |it| {
                    build::expected(it).secret.environment =
                        Seen(Some(SecretState::Valid(Fingerprint::of_text("a"))));
                },
                1,
            ),
            (
                "secret, the same",
                with("INSTANCE_SECRET", EntryValue::Secret(secret("a"))),
                |it| {
                    build::expected(it).secret.environment =
                        Seen(Some(SecretState::Valid(Fingerprint::of_text("a"))));
                },
                0,
            ),
            (
                "secret, unusable in both",
                with("INSTANCE_SECRET", EntryValue::Secret(SecretState::Invalid("a".to_owned()))),
                |it| {
                    build::expected(it).secret.environment =
                        Seen(Some(SecretState::Invalid("b".to_owned())));
                },
                0,
            ),
            ("SQL", with("POSTGRES_URL", EntryValue::Hidden), |_| {}, 1),
            (
                "SQL, had",
                with("POSTGRES_URL", EntryValue::Hidden),
                |it| build::expected(it).storage_variables = vec!["POSTGRES_URL".to_owned()],
                0,
            ),
            ("SQL, blank", with("POSTGRES_URL", EntryValue::Blank), |_| {}, 0),
            ("something else", with("RUST_LOG", plain("debug")), |_| {}, 0),
            ("no container", build::healthy(), |it| build::docker(it).expected = None, 0),
        ];
        for (case, mut evidence, change, expected) in cases {
            change(&mut evidence);
            assert_eq!(count(&evidence), expected, "{case}");
        }
    }

    #[test]
    fn an_error_where_it_explains_the_failure() {
        let id = "container-differs-from-compose";
        let mut moved = build::healthy();
        build::expected(&mut moved).ports[0].host = Some(3220);
        assert_eq!(build::told(run(&moved)), [format!("{id} warning proven docker-compose.yml:5")]);
        build::unreachable(&mut moved, Reach::Refused);
        assert_eq!(build::told(run(&moved)), [format!("{id} error proven docker-compose.yml:5")]);

        let mut dead = with("POSTGRES_URL", EntryValue::Hidden);
        build::unreachable(&mut dead, Reach::Refused);
        build::expected(&mut dead).state = "restarting".into();
        assert_eq!(build::told(run(&dead)), [format!("{id} warning proven docker-compose.yml:9")]);
        build::expected(&mut dead).log =
            build::log(&["Caught error error (x): cluster url username must be set"]);
        assert_eq!(build::told(run(&dead)), [format!("{id} error likely docker-compose.yml:9")]);
        build::no_docker(&mut dead);
        assert_eq!(build::told(run(&dead)), ["unknown"]);
    }

    #[test]
    fn references_that_mean_the_same_image() {
        for (one, other, same) in [
            ("convex-backend", "convex-backend:latest", true),
            ("docker.io/library/x", "x:latest", true),
            ("registry:5000/x", "registry:5000/x:latest", true),
            ("x:1", "x:2", false),
            ("x@sha256:ab", "x:latest", false),
        ] {
            assert_eq!(full(one) == full(other), same, "{one} {other}");
        }
    }
}
