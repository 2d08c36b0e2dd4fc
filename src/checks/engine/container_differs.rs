//! The container was created from these compose files, and they have changed since: it still runs
//! with their old settings.
//!
//! Only what matters for keys and reachability is compared (docs/facts.md, rule-empty-value):
//! image, data mount, API and site ports, name and secret, origins, SQL, S3. An empty value, and a
//! default for a variable that is not set here, are not compared: a panel, sops or direnv may set
//! the variable at the real start.

use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::container::{container_location, inspected};
use crate::deployment::data::{MissingVolume, missing_volume};
use crate::deployment::endpoint::{convex_answers, is_engine_host, selected_endpoint};
use crate::deployment::log_lines::explanation_of;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::compose::{At, BackendService, EntryValue};
use crate::evidence::docker::{Container, SecretState};
use crate::evidence::{ComposeFacts, Evidence, Unseen};
use crate::names::API_PORT;
use crate::remedies::command::{doctor, up_service};
use crate::report::{Certainty, ChainLink, Finding, Level, Remedy, Rule, RuleLink, Text};

static CONTAINER_DIFFERS_FROM_COMPOSE: Rule = rule!(
    "container-differs-from-compose",
    Warning,
    "the container does not match the compose file"
)
.cause(&["url-port-not-published"])
.link(RuleLink::UnlessUnpublished(ChainLink::Url, ChainLink::Port));

pub(super) static CHECK: Check = Check { rules: &[&CONTAINER_DIFFERS_FROM_COMPOSE], run };

/// The port of the HTTP actions inside the container.
const SITE_PORT: u16 = 3211;

/// One thing in which they differ.
struct Difference {
    /// What the file sets.
    declared: Text,
    at: At,
    /// What the container has.
    held: Text,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The API port; the host's side of it.
    ApiPort(u16),
    /// The image, or the environment of its program.
    Program,
    /// Anything else.
    Other,
}

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = project(evidence)? else { return Ok(vec![]) };
    let Some(service) = project.backend() else { return Ok(vec![]) };
    let Some(container) = evidence.docker.seen()?.expected() else { return Ok(vec![]) };
    let names_these = |file: &String| project.files.contains(file);
    if container.labels.config_files.is_empty()
        || !container.labels.config_files.iter().all(names_these)
    {
        return Ok(vec![]);
    }
    let mut differences = compared(project, service, inspected(container)?);
    let lacks_volume = missing_volume(evidence)?;
    if let Some(MissingVolume { line, .. }) = &lacks_volume {
        let held =
            container.mount_over(&container.storage.data_dir).and_then(|it| it.source.clone());
        let held = held.as_deref();
        differences.push(Difference {
            declared: format!(
                "Mounts {} at {}",
                line.source.as_deref().unwrap_or("a volume"),
                line.target
            )
            .into(),
            at: line.at.clone(),
            held: Text::from(format!("Has {} there", held.unwrap_or("nothing")))
                .volume(held.unwrap_or_default()),
            kind: Kind::Other,
        });
    }
    let Some(first) = differences.first() else {
        return container.instance_name.environment.seen().map(|_| vec![]);
    };
    let (level, certainty) = weigh(evidence, container, &differences)?;
    let mut finding = CONTAINER_DIFFERS_FROM_COMPOSE
        .finding(
            certainty,
            format!(
                "{} still has old settings: the compose file or its variables changed after it was \
                 created. A restart does not apply the change.",
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
    let remedy = if lacks_volume.is_none() {
        Remedy::careful(
            "Recreate the container (volumes are kept; keys too, unless INSTANCE_SECRET differs)",
        )
        .run(up_service(evidence, &service.name))
    } else {
        // Recreating it now would lose the data: no command until that is copied.
        Remedy::careful("Copy the data out of the container before you recreate it")
            .run(doctor(evidence, ["explain", "data-volume-not-attached"]))
    };
    Ok(vec![cap_if_cli_works(evidence, finding.remedy(remedy))])
}

/// A warning; an error if it explains what fails now.
fn weigh(
    evidence: &Evidence,
    container: &Container,
    differences: &[Difference],
) -> Result<(Level, Certainty), Unseen> {
    let proven = Certainty::Proven;
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok((Level::Warning, proven)) };
    if endpoint.target.invalid.is_some() || convex_answers(endpoint)? {
        return Ok((Level::Warning, proven));
    }
    // The URL has the port of the file, and the container publishes another one.
    let missed = |it: &Difference| it.kind == Kind::ApiPort(endpoint.target.port);
    if container.is_running()
        && is_engine_host(evidence, endpoint)?
        && differences.iter().any(missed)
    {
        return Ok((Level::Error, proven));
    }
    // It crashed because of something that the changed file may have fixed.
    let died = explanation_of(container).is_some();
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
        && !container.software.image.is_empty()
        && !container.software.image.starts_with("sha256:")
        && full(image) != full(&container.software.image)
    {
        found.push(Difference {
            declared: format!("Image {image}").into(),
            at: service.at.clone(),
            held: format!("Image {}", container.software.image).into(),
            kind: Kind::Program,
        });
    }
    if service.network_mode.is_none() && container.net.network_mode.as_deref() != Some("host") {
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
        // What the container was created without may come from its credentials file.
        if let (Some((entry, text)), Some(held)) = (text(name), held)
            && text != held
        {
            found.push(Difference {
                declared: format!("{name}={text}").into(),
                at: entry.at.clone(),
                held: format!("{name}={held}").into(),
                kind: Kind::Program,
            });
        }
    }
    if let Some(entry) = service.variable("INSTANCE_SECRET").filter(|entry| decided(&entry.at))
        && let EntryValue::Secret(declared) = &entry.value
        && let Ok(Some(held)) = container.secret.environment.seen()
        && declared.fingerprint() != held.fingerprint()
    {
        let secret = |state: &SecretState| -> Text {
            match state.fingerprint() {
                Some(fingerprint) => format!("INSTANCE_SECRET is secret {fingerprint}").into(),
                None => "INSTANCE_SECRET is not valid".into(),
            }
        };
        found.push(Difference {
            declared: secret(declared),
            at: entry.at.clone(),
            held: secret(held),
            kind: Kind::Program,
        });
    }
    for entry in &service.environment {
        let is_storage = ["POSTGRES_URL", "MYSQL_URL", "DATABASE_URL"]
            .contains(&entry.name.as_str())
            || entry.name.starts_with("S3_STORAGE_") && entry.name.ends_with("_BUCKET");
        let is_set = entry.value == EntryValue::Hidden;
        if is_storage && is_set && !container.storage.storage_variables.contains(&entry.name) {
            found.push(Difference {
                declared: format!("Sets {}", entry.name).into(),
                at: entry.at.clone(),
                held: format!("Does not have {}", entry.name).into(),
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
            .net
            .ports
            .iter()
            .filter(|port| port.container == inside)
            .filter_map(|port| port.host)
            .collect();
        // A range, and a port that Docker chooses, are not compared.
        let [only] = declared.as_slice() else { continue };
        let Some(wanted) = only.published.as_deref().and_then(|port| port.parse::<u16>().ok())
        else {
            continue;
        };
        if project.undecided.contains(&only.at) || hosts.contains(&wanted) {
            continue;
        }
        let held = match hosts.first() {
            Some(host) => format!("Publishes {host}:{inside}").into(),
            None => format!("Does not publish {inside}").into(),
        };
        found.push(Difference {
            declared: format!("Publishes {wanted}:{inside}").into(),
            at: only.at.clone(),
            held,
            kind: if inside == API_PORT { Kind::ApiPort(wanted) } else { Kind::Other },
        });
    }
    found
}

/// The image's reference as Docker completes it: the tag `latest` if it has neither a tag nor a
/// digest, and no `docker.io/` before it.
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
    fn what_is_compared_and_what_is_not() {
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
                |it| build::expected(it).software.image = "sha256:ab".to_owned(),
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
                    build::expected(it).labels.config_files =
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
                "name, empty",
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
                "secret, invalid in both",
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
                |it| {
                    build::expected(it).storage.storage_variables = vec!["POSTGRES_URL".to_owned()];
                },
                0,
            ),
            ("SQL, empty", with("POSTGRES_URL", EntryValue::Blank), |_| {}, 0),
            ("something else", with("RUST_LOG", plain("debug")), |_| {}, 0),
            ("no container", build::healthy(), |it| build::docker(it).expected = None, 0),
        ];
        for (case, mut evidence, change, expected) in cases {
            change(&mut evidence);
            assert_eq!(count(&evidence), expected, "{case}");
        }
    }

    #[test]
    fn an_error_if_it_explains_the_failure() {
        let id = "container-differs-from-compose";
        let mut moved = build::healthy();
        build::expected(&mut moved).net.ports[0].host = Some(3220);
        assert_eq!(build::told(run(&moved)), [format!("{id} warning proven docker-compose.yml:5")]);
        build::unreachable(&mut moved, Reach::Refused);
        assert_eq!(build::told(run(&moved)), [format!("{id} error proven docker-compose.yml:5")]);

        let mut crashed = with("POSTGRES_URL", EntryValue::Hidden);
        build::unreachable(&mut crashed, Reach::Refused);
        build::expected(&mut crashed).life.state = "restarting".into();
        assert_eq!(
            build::told(run(&crashed)),
            [format!("{id} warning proven docker-compose.yml:9")]
        );
        build::expected(&mut crashed).log =
            build::log(&["Caught error error (x): cluster url username must be set"]);
        assert_eq!(build::told(run(&crashed)), [format!("{id} error likely docker-compose.yml:9")]);
        build::no_docker(&mut crashed);
        assert_eq!(build::told(run(&crashed)), ["unknown"]);
    }

    #[test]
    fn references_to_the_same_image() {
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
