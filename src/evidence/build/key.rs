//! Small, valid evidence for the tests of checks: a healthy deployment, of which each case changes
//! one thing.

use crate::admin_key::{Claims, shape};
use crate::evidence::compose::{
    At, BackendService, ComposeFacts, DeclaredMount, DeclaredVolume, EntryValue, EnvironmentEntry,
};
use crate::evidence::docker::{
    Answering, BackendImage, Container, ContainerLabels, ContainerLife, ContainerNetwork,
    ContainerStorage, DockerFacts, LogFacts, LoggedRefusal, Mount, MountKind, NamePlaces, Port,
    SecretPlaces, SecretState, Volume, VolumeBacking,
};
use crate::evidence::endpoint::{
    Answer, Body, EndpointFacts, EndpointTarget, KeyProbes, ServerAnswers,
};
use crate::evidence::key::{SecretPlace, Trial};
use crate::evidence::selection::ValueSource;
use crate::evidence::{Evidence, KeyFacts, Observation};
use crate::report::Certainty;
use crate::secret::{Fingerprint, Secret};

pub(crate) use Observation::Seen;

/// The directory of the project.
pub(crate) const DIRECTORY: &str = "/home/u/app";

/// The fingerprint of a secret that is known by a short name only.
pub(crate) fn secret(name: &str) -> Fingerprint {
    Fingerprint::of_text(name)
}

/// That secret as it stands in a place.
pub(crate) fn valid(name: &str) -> SecretState {
    SecretState::Valid(secret(name))
}

/// A place that could not be checked.
pub(crate) fn unseen<T>() -> Observation<T> {
    Observation::unavailable("not seen in this test")
}

/// A line of the compose file.
pub(crate) fn at(line: usize) -> At {
    At { file: "docker-compose.yml".to_owned(), line, column: 1 }
}

/// A mount of that kind.
pub(crate) fn mount(kind: MountKind, source: Option<&str>, target: &str) -> Mount {
    Mount { kind, target: target.to_owned(), source: source.map(str::to_owned), writable: true }
}

/// A volume line of the compose file.
pub(crate) fn declared(kind: &str, source: Option<&str>, target: &str) -> DeclaredMount {
    DeclaredMount {
        kind: kind.into(),
        source: source.map(str::to_owned),
        target: target.to_owned(),
        read_only: false,
        relative: false,
        by_project: None,
        create_host_path: kind == "bind",
        at: at(7),
    }
}

/// A volume of that compose project.
pub(crate) fn volume(name: &str, project: &str, attached_to: &[&str]) -> Volume {
    Volume {
        name: name.to_owned(),
        project: Some(project.to_owned()),
        key: Some("data".to_owned()),
        changed_at: Some(1_780_000_000),
        attached_to: attached_to.iter().map(|&name| name.to_owned()).collect(),
        anonymous: false,
        prunable: false,
        copy_of: None,
        backing: VolumeBacking::Engine,
        content: unseen(),
    }
}

/// A variable of the backend service.
pub(crate) fn entry(name: &str, value: EntryValue) -> EnvironmentEntry {
    EnvironmentEntry { name: name.to_owned(), at: at(9), value_at: None, variable: None, value }
}

/// A running backend `<project>-backend-1` with the secret of that name in a named volume
/// `<project>_data`.
pub(crate) fn container(project: &str, secret: &str) -> Container {
    Container {
        name: format!("{project}-backend-1"),
        id: "0123456789ab".to_owned(),
        secret: SecretPlaces {
            process: Seen(Some(valid(secret))),
            environment: Seen(None),
            file: Seen(Some(valid(secret))),
        },
        instance_name: NamePlaces {
            process: Seen(Some("convex-self-hosted".to_owned())),
            environment: Seen(None),
            file: Seen(Some("convex-self-hosted".to_owned())),
        },
        log: unseen(),
        labels: ContainerLabels {
            project: Some(project.to_owned()),
            service: Some("backend".to_owned()),
            working_dir: Some(format!("/home/u/{project}")),
            config_files: vec![format!("/home/u/{project}/docker-compose.yml")],
            ..ContainerLabels::default()
        },
        software: BackendImage {
            image: "ghcr.io/get-convex/convex-backend:latest".to_owned(),
            recognised_by: "its image".to_owned(),
            upstream_entrypoint: true,
            ..BackendImage::default()
        },
        life: ContainerLife {
            state: "running".into(),
            created_at: Some(1_780_000_000),
            ..ContainerLife::default()
        },
        net: ContainerNetwork {
            ports: vec![Port { container: 3210, host: Some(3210), host_ip: String::new() }],
            ..ContainerNetwork::default()
        },
        storage: ContainerStorage {
            mounts: vec![mount(MountKind::Named, Some(&format!("{project}_data")), "/convex/data")],
            data_dir: "/convex/data".to_owned(),
            credentials_dir: "/convex/data/credentials".to_owned(),
            ..ContainerStorage::default()
        },
        ..Container::default()
    }
}

/// An answer with that status and body.
pub(crate) fn answer(status: u16, body: Body) -> Observation<Answer> {
    let answer = Answer { status, content_type: None, server: None, location: None, body, ms: 3 };
    Seen(answer)
}

/// The refusal of a key.
pub(crate) fn bad_admin_key() -> Observation<Answer> {
    refusal(401, "BadAdminKey")
}

/// An answer of the backend's own kind of error.
pub(crate) fn refusal(status: u16, code: &str) -> Observation<Answer> {
    answer(status, Body::ConvexError { code: code.to_owned(), message: String::new() })
}

/// What the log says to our probe, adjacent both times.
pub(crate) fn logged(refusal: LoggedRefusal) -> Observation<LogFacts> {
    Seen(LogFacts { refusal: Some(refusal), refusal_adjacent: true, ..LogFacts::default() })
}

/// A deployment in order: `app-backend-1` answers, its named volume is declared and attached, the
/// key is accepted.
pub(crate) fn healthy() -> Evidence {
    Evidence {
        collected_at: 1_790_000_000,
        keys: vec![key(vec![opened("ours", vec![process("app-backend-1")])])],
        compose: Seen(Some(ComposeFacts {
            project: "app".to_owned(),
            directory: DIRECTORY.to_owned(),
            files: vec![format!("{DIRECTORY}/docker-compose.yml")],
            services: vec!["backend".to_owned()],
            backends: vec![BackendService {
                name: "backend".to_owned(),
                at: at(2),
                recognised_by: "its image".to_owned(),
                image: Some("ghcr.io/get-convex/convex-backend:latest".to_owned()),
                entrypoint_overridden: false,
                network_mode: None,
                ports: Vec::new(),
                mounts: vec![declared("volume", Some("data"), "/convex/data")],
                volumes_at: Some(at(6)),
                environment: vec![
                    entry("INSTANCE_SECRET", EntryValue::Unset),
                    entry("INSTANCE_NAME", EntryValue::Unset),
                ],
                data_dir: "/convex/data".to_owned(),
                credentials_dir: "/convex/data/credentials".to_owned(),
            }],
            chosen: Some("backend".to_owned()),
            volumes: vec![DeclaredVolume {
                key: "data".to_owned(),
                name: "app_data".to_owned(),
                external: false,
                used: true,
                by_project: None,
                fixed_name: false,
                backing: VolumeBacking::Engine,
                at: at(20),
            }],
            ..ComposeFacts::default()
        })),
        docker: Seen(DockerFacts {
            address: "unix:///var/run/docker.sock".to_owned(),
            local: true,
            backends: vec![container("app", "ours")],
            expected: Some("app-backend-1".to_owned()),
            answering: Some(Answering {
                container: "app-backend-1".to_owned(),
                certainty: Certainty::Proven,
                how: "its access log holds our nonce".to_owned(),
            }),
            volumes: Seen(vec![volume("app_data", "app", &["app-backend-1"])]),
            ..DockerFacts::default()
        }),
        endpoint: Seen(Some(EndpointFacts {
            target: EndpointTarget {
                url: "http://127.0.0.1:3210".to_owned(),
                scheme: "http".to_owned(),
                host: "127.0.0.1".to_owned(),
                port: 3210,
                ..EndpointTarget::default()
            },
            server: ServerAnswers {
                instance_name: answer(
                    200,
                    Body::InstanceName { name: "convex-self-hosted".to_owned() },
                ),
                ..ServerAnswers::default()
            },
            key: KeyProbes {
                check_admin_key: answer(200, Body::KeyAccepted { read_only: Some(false) }),
                ..KeyProbes::default()
            },
            ..EndpointFacts::default()
        })),
        ..Evidence::default()
    }
}

/// The compose project, to change it.
pub(crate) fn compose(evidence: &mut Evidence) -> &mut ComposeFacts {
    match &mut evidence.compose {
        Seen(Some(compose)) => compose,
        other => panic!("no compose project: {other:?}"),
    }
}

/// The backend service, to change it.
pub(crate) fn service(evidence: &mut Evidence) -> &mut BackendService {
    &mut compose(evidence).backends[0]
}

/// The engine, to change it.
pub(crate) fn docker(evidence: &mut Evidence) -> &mut DockerFacts {
    match &mut evidence.docker {
        Seen(docker) => docker,
        Observation::Unavailable { reason } => panic!("no engine: {reason}"),
    }
}

/// The first container, to change it.
pub(crate) fn backend(evidence: &mut Evidence) -> &mut Container {
    &mut docker(evidence).backends[0]
}

/// The URL's answers, to change them.
pub(crate) fn endpoint(evidence: &mut Evidence) -> &mut EndpointFacts {
    match &mut evidence.endpoint {
        Seen(Some(endpoint)) => endpoint,
        other => panic!("no endpoint: {other:?}"),
    }
}

/// Who answers, to change it.
pub(crate) fn answering(evidence: &mut Evidence) -> &mut Answering {
    docker(evidence).answering.as_mut().expect("a container answers")
}

/// What an ordinary key says when it opens.
pub(crate) fn claims() -> Claims {
    Claims::of_member_zero(1_770_000_000, false)
}

/// The selected key, well shaped, at .env.local:2.
pub(crate) fn key(trials: Vec<Trial>) -> KeyFacts {
    let text = format!("convex-self-hosted|01{}", "5".repeat(72));
    KeyFacts {
        source: ValueSource::File { file: ".env.local".to_owned(), line: 2 },
        selected: true,
        fingerprint: Some(secret("key")),
        shape: shape(&Secret::new(text)),
        repaired: None,
        equals_secret_of: None,
        trials,
    }
}

/// The secret of that name, which opens the key.
pub(crate) fn opened(name: &str, places: Vec<SecretPlace>) -> Trial {
    Trial { secret: secret(name), places, opened: Some(claims()) }
}

/// The secret of that name, which does not.
pub(crate) fn closed(name: &str, places: Vec<SecretPlace>) -> Trial {
    Trial { secret: secret(name), places, opened: None }
}

/// On the command line of that container's backend.
pub(crate) fn process(container: &str) -> SecretPlace {
    SecretPlace::Process { container: container.to_owned() }
}

/// In the credentials file that this container sees.
pub(crate) fn file(container: &str, volume: Option<&str>) -> SecretPlace {
    let volume = volume.map(str::to_owned);
    SecretPlace::File { container: container.to_owned(), volume }
}

/// The deployment of [`healthy`] with a key that is refused, and does not open with the secret in
/// force; what else was tried comes after that.
pub(crate) fn refused(others: &[Trial]) -> Evidence {
    let mut evidence = healthy();
    let own =
        closed("ours", vec![process("app-backend-1"), file("app-backend-1", Some("app_data"))]);
    evidence.keys = vec![key([&[own], others].concat())];
    endpoint(&mut evidence).key.check_admin_key = bad_admin_key();
    evidence
}

/// No secret of the answering container could be read.
pub(crate) fn hide_secrets(evidence: &mut Evidence) {
    backend(evidence).secret = SecretPlaces::default();
    evidence.keys[0].trials.clear();
}

/// The volumes of the engine, to change them.
pub(crate) fn volumes(evidence: &mut Evidence) -> &mut Vec<Volume> {
    match &mut docker(evidence).volumes {
        Seen(volumes) => volumes,
        Observation::Unavailable { reason } => panic!("no volumes: {reason}"),
    }
}
