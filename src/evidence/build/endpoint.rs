//! Small, valid evidence for unit tests: one healthy deployment, to be broken in one place.

use crate::evidence::compose::{At, BackendService, DeclaredPort, EntryValue, EnvironmentEntry};
use crate::evidence::docker::{
    Answering, BackendImage, Container, ContainerLabels, ContainerLife, ContainerNetwork,
    EngineFailure, LogFacts, NamePlaces, Port, Published, SecretPlaces,
};
use crate::evidence::endpoint::{
    Answer, AskedOrigin, Body, EndpointTarget, KeyProbes, Reach, Route, ServerAnswers,
};
use crate::evidence::selection::{SelectionFacts, SelectionKind};
use crate::evidence::{ComposeFacts, DockerFacts, EndpointFacts, Evidence, Observation, Unseen};
use crate::report::{Certainty, Finding};

/// An answer that was seen.
pub(crate) fn answer(status: u16, body: Body) -> Observation<Answer> {
    Observation::Seen(Answer {
        status,
        content_type: None,
        server: None,
        location: None,
        body,
        ms: 3,
    })
}

/// `{"code": …}` as Convex words it.
pub(crate) fn refusal(status: u16, code: &str) -> Observation<Answer> {
    answer(status, Body::ConvexError { code: code.to_owned(), message: String::new() })
}

/// A redirect.
pub(crate) fn redirect(location: &str) -> Observation<Answer> {
    let Observation::Seen(answer) = answer(302, Body::Empty) else { unreachable!() };
    Observation::Seen(Answer { location: Some(location.to_owned()), ..answer })
}

/// A page.
pub(crate) fn page(status: u16, title: &str) -> Observation<Answer> {
    answer(status, Body::Html { title: Some(title.to_owned()) })
}

/// A line of the compose file.
pub(crate) fn at(line: usize) -> At {
    At { file: "docker-compose.yml".to_owned(), line, column: 5 }
}

/// A running backend that publishes 3210.
pub(crate) fn container(name: &str, project: &str, host_port: u16) -> Container {
    Container {
        name: name.to_owned(),
        labels: ContainerLabels {
            project: Some(project.to_owned()),
            working_dir: Some(format!("/srv/{project}")),
            config_files: vec![format!("/srv/{project}/docker-compose.yml")],
            ..ContainerLabels::default()
        },
        software: BackendImage {
            image: "ghcr.io/get-convex/convex-backend:5d3b6e2".to_owned(),
            upstream_entrypoint: true,
            ..BackendImage::default()
        },
        life: ContainerLife {
            state: "running".into(),
            exit_code: Some(0),
            health: Some("healthy".into()),
            ..ContainerLife::default()
        },
        net: ContainerNetwork {
            ports: vec![Port { container: 3210, host: Some(host_port), host_ip: String::new() }],
            ..ContainerNetwork::default()
        },
        secret: SecretPlaces { environment: Observation::Seen(None), ..SecretPlaces::default() },
        instance_name: NamePlaces { environment: Observation::Seen(None), ..NamePlaces::default() },
        ..Container::default()
    }
}

/// A log that ends in these lines.
pub(crate) fn log(lines: &[&str]) -> Observation<LogFacts> {
    let tail = lines.iter().map(|line| (*line).to_owned()).collect();
    Observation::Seen(LogFacts { tail, ..LogFacts::default() })
}

/// The backend service of the compose file.
pub(crate) fn service(name: &str) -> BackendService {
    BackendService {
        name: name.to_owned(),
        at: at(2),
        recognised_by: "its image".to_owned(),
        image: Some("ghcr.io/get-convex/convex-backend:5d3b6e2".to_owned()),
        entrypoint_overridden: false,
        network_mode: None,
        ports: vec![DeclaredPort {
            container: 3210,
            published: Some("3210".to_owned()),
            host_ip: None,
            at: at(5),
        }],
        mounts: Vec::new(),
        volumes_at: None,
        environment: Vec::new(),
        data_dir: "/convex/data".to_owned(),
        credentials_dir: "/convex/data/credentials".to_owned(),
    }
}

/// A variable of the backend's environment.
pub(crate) fn variable(name: &str, value: EntryValue) -> EnvironmentEntry {
    EnvironmentEntry { name: name.to_owned(), at: at(9), value_at: None, variable: None, value }
}

/// A deployment without a fault: compose project `app`, its backend behind `http://127.0.0.1:3210`,
/// the key accepted.
pub(crate) fn healthy() -> Evidence {
    let name = Body::InstanceName { name: "convex-self-hosted".to_owned() };
    let urls = Body::CanonicalUrls {
        cloud: "http://127.0.0.1:3210".to_owned(),
        site: "http://127.0.0.1:3211".to_owned(),
    };
    let line = Body::Text { line: "unknown".to_owned() };
    let site = AskedOrigin {
        url: "http://127.0.0.1:3211".to_owned(),
        reach: Reach::Answered,
        answer: answer(404, Body::SiteProxy),
    };
    let mut evidence = Evidence {
        origins: Observation::Seen(vec![site]),
        selection: SelectionFacts { kind: SelectionKind::SelfHosted, ..SelectionFacts::default() },
        compose: Observation::Seen(Some(ComposeFacts {
            project: "app".to_owned(),
            directory: "/srv/app".to_owned(),
            files: vec!["/srv/app/docker-compose.yml".to_owned()],
            services: vec!["backend".to_owned(), "dashboard".to_owned()],
            backends: vec![service("backend")],
            chosen: Some("backend".to_owned()),
            ..ComposeFacts::default()
        })),
        docker: Observation::Seen(DockerFacts {
            address: "unix:///var/run/docker.sock".to_owned(),
            local: true,
            backends: vec![container("app-backend-1", "app", 3210)],
            published: vec![published("app-backend-1", 3210)],
            expected: Some("app-backend-1".to_owned()),
            answering: Some(Answering {
                container: "app-backend-1".to_owned(),
                certainty: Certainty::Proven,
                how: "nonce".to_owned(),
            }),
            ..DockerFacts::default()
        }),
        endpoint: Observation::Seen(Some(EndpointFacts {
            target: EndpointTarget {
                url: "http://127.0.0.1:3210".to_owned(),
                scheme: "http".to_owned(),
                host: "127.0.0.1".to_owned(),
                port: 3210,
                ..EndpointTarget::default()
            },
            route: Route {
                addresses: Observation::Seen(vec!["127.0.0.1".to_owned()]),
                reach: Reach::Answered,
                ..Route::default()
            },
            server: ServerAnswers {
                root: answer(200, Body::ConvexRoot),
                version: answer(200, line),
                instance_name: answer(200, name),
                websocket: answer(101, Body::Empty),
                ..ServerAnswers::default()
            },
            key: KeyProbes {
                check_admin_key: answer(200, Body::KeyAccepted { read_only: Some(false) }),
                first_call: answer(200, urls),
                without_key: refusal(403, "BadDeployKey"),
                ..KeyProbes::default()
            },
        })),
        dashboards: Observation::Seen(Vec::new()),
        ..Evidence::default()
    };
    evidence.surroundings.cli_version = Some("1.48.0".to_owned());
    evidence.surroundings.cli_found =
        Observation::Seen(Some("node_modules/convex/package.json".to_owned()));
    evidence
}

/// A published port.
pub(crate) fn published(container: &str, host_port: u16) -> Published {
    Published {
        host_port,
        host_ip: "0.0.0.0".to_owned(),
        container_port: 3210,
        container: container.to_owned(),
    }
}

/// The endpoint's facts, to change.
pub(crate) fn endpoint(evidence: &mut Evidence) -> &mut EndpointFacts {
    match &mut evidence.endpoint {
        Observation::Seen(Some(endpoint)) => endpoint,
        _ => unreachable!("the healthy deployment has a URL"),
    }
}

/// The engine's facts, to change.
pub(crate) fn docker(evidence: &mut Evidence) -> &mut DockerFacts {
    match &mut evidence.docker {
        Observation::Seen(docker) => docker,
        Observation::Unavailable { .. } => unreachable!("the healthy deployment has an engine"),
    }
}

/// The expected container, to change.
pub(crate) fn expected(evidence: &mut Evidence) -> &mut Container {
    &mut docker(evidence).backends[0]
}

/// The compose project, to change.
pub(crate) fn compose(evidence: &mut Evidence) -> &mut ComposeFacts {
    match &mut evidence.compose {
        Observation::Seen(Some(compose)) => compose,
        _ => unreachable!("the healthy deployment has a compose file"),
    }
}

/// Nothing answers at the URL: `reach` says why.
pub(crate) fn unreachable(evidence: &mut Evidence, reach: Reach) {
    let endpoint = endpoint(evidence);
    endpoint.route.reach = reach;
    silence(endpoint);
}

/// Every answer gone.
pub(crate) fn silence(endpoint: &mut EndpointFacts) {
    set_all(endpoint, &Observation::unavailable("nothing answers"));
}

/// Every path answers `answer`.
pub(crate) fn everywhere(evidence: &mut Evidence, answer: &Observation<Answer>) {
    set_all(endpoint(evidence), answer);
}

fn set_all(endpoint: &mut EndpointFacts, answer: &Observation<Answer>) {
    let (server, key) = (&mut endpoint.server, &mut endpoint.key);
    for place in [
        &mut server.root,
        &mut server.version,
        &mut server.instance_name,
        &mut server.websocket,
        &mut key.check_admin_key,
        &mut key.first_call,
        &mut key.without_key,
    ] {
        place.clone_from(answer);
    }
}

/// The engine could not be asked.
pub(crate) fn engine_failed(evidence: &mut Evidence, kind: EngineFailure) {
    evidence.docker = Observation::unavailable("the engine could not be asked");
    evidence.engine_failure = Some(crate::evidence::docker::FailedEngine {
        kind,
        address: "unix:///var/run/docker.sock".to_owned(),
        context: None,
    });
}

/// The engine cannot be asked.
pub(crate) fn no_docker(evidence: &mut Evidence) {
    evidence.docker = Observation::unavailable("no Docker");
}

/// What a check came to, reduced to what a test may depend on: ids with their certainty and first
/// place.
pub(crate) fn told(result: Result<Vec<Finding>, Unseen>) -> Vec<String> {
    match result {
        Ok(findings) => findings
            .iter()
            .map(|finding| {
                let place = finding.locations.first().map(ToString::to_string);
                let place = place.unwrap_or_default();
                format!("{} {} {} {place}", finding.id, finding.level, finding.certainty)
            })
            .collect(),
        Err(_) => vec!["unknown".to_owned()],
    }
}
