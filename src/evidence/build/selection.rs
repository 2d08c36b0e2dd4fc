//! Evidence for the tests of this family and of `key_shape`, made from the texts of env files as a
//! live run would make it.

use crate::admin_key::{fingerprint, repaired, shape};
use crate::evidence::compose::{At, BackendService, ComposeFacts};
use crate::evidence::docker::DockerFacts;
use crate::evidence::endpoint::{Answer, Body, EndpointFacts, EndpointTarget};
use crate::evidence::selection::{PackageJsonState, SelectionFacts};
use crate::evidence::surroundings::{PackageJson, Surroundings};
use crate::evidence::{Evidence, KeyFacts, Observation, Unseen};
use crate::report::Finding;
use crate::secret::Secret;
use crate::selection::choose::{FileText, Sources, select};
use crate::selection::facts::facts;

pub(crate) use Observation::Seen;

/// The directory of the project.
pub(crate) const DIRECTORY: &str = "/home/u/app";

/// A well-shaped key of 37 bytes.
pub(crate) const KEY: &str =
    "app|01ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa";

/// Both lines, in order.
pub(crate) const PAIR: &str = "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY=app|01ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa\n";

/// An app that depends on `convex`, with these variables, this `.env.local` and this `.env`; no
/// compose file, an engine without backends, nothing asked of the URL.
pub(crate) fn evidence(env: &[(&str, &str)], local: &str, dotenv: &str) -> Evidence {
    of(&sources(env, local, dotenv))
}

/// The sources of [`evidence`].
pub(crate) fn sources(env: &[(&str, &str)], local: &str, dotenv: &str) -> Sources {
    Sources {
        process_env: env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        env_local: Some(FileText::new(".env.local", local)),
        env: Some(FileText::new(".env", dotenv)),
        ..Sources::default()
    }
}

/// The same from any sources.
pub(crate) fn of(sources: &Sources) -> Evidence {
    let selection = select(sources);
    let mut keys: Vec<KeyFacts> = selection
        .variables
        .iter()
        .filter(|variable| variable.name == crate::names::ADMIN_KEY)
        .flat_map(|variable| &variable.definitions)
        .filter(|definition| !definition.value.is_empty())
        .map(|definition| {
            let text = Secret::new(definition.value.expose());
            KeyFacts {
                source: definition.source.clone(),
                selected: definition.wins,
                fingerprint: fingerprint(&text),
                shape: shape(&text),
                repaired: repaired(&text).as_ref().and_then(fingerprint),
                equals_secret_of: None,
                trials: Vec::new(),
            }
        })
        .collect();
    keys.sort_by_key(|key| !key.selected);
    let facts: SelectionFacts = facts(&selection, &|key| fingerprint(key));
    let url = facts.url.as_ref().map(|url| {
        let target = EndpointTarget { url: url.text.clone(), ..EndpointTarget::default() };
        EndpointFacts { target, ..EndpointFacts::default() }
    });
    let package_json = match facts.package_json {
        PackageJsonState::WithConvex => Seen(PackageJson::Here { depends_on_convex: true }),
        PackageJsonState::WithoutConvex => Seen(PackageJson::Here { depends_on_convex: false }),
        PackageJsonState::Missing => Seen(PackageJson::Missing { nearest: Some("..".to_owned()) }),
        PackageJsonState::Unreadable => Observation::unavailable("package.json: not readable"),
    };
    Evidence {
        selection: facts,
        keys,
        surroundings: Surroundings {
            directory: DIRECTORY.to_owned(),
            package_json,
            git: Seen(None),
            ..Surroundings::default()
        },
        compose: Seen(None),
        docker: Seen(DockerFacts { local: true, ..DockerFacts::default() }),
        endpoint: Seen(url),
        ..Evidence::default()
    }
}

/// The compose file has a backend.
pub(crate) fn add_backend(evidence: &mut Evidence) {
    let at = At { file: "docker-compose.yml".to_owned(), line: 2, column: 3 };
    evidence.compose = Seen(Some(ComposeFacts {
        directory: DIRECTORY.to_owned(),
        files: vec![format!("{DIRECTORY}/docker-compose.yml")],
        services: vec!["backend".to_owned()],
        backends: vec![BackendService {
            name: "backend".to_owned(),
            at,
            recognised_by: "its image".to_owned(),
            image: Some("ghcr.io/get-convex/convex-backend:latest".to_owned()),
            entrypoint_overridden: false,
            network_mode: None,
            ports: Vec::new(),
            mounts: Vec::new(),
            volumes_at: None,
            environment: Vec::new(),
            data_dir: "/convex/data".to_owned(),
            credentials_dir: "/convex/data/credentials".to_owned(),
        }],
        chosen: Some("backend".to_owned()),
        ..ComposeFacts::default()
    }));
}

/// An answer with that status and body.
pub(crate) fn answer(status: u16, body: Body) -> Observation<Answer> {
    Seen(Answer { status, content_type: None, server: None, location: None, body, ms: 3 })
}

/// The selected URL's answers, to change them.
pub(crate) fn endpoint(evidence: &mut Evidence) -> &mut EndpointFacts {
    match &mut evidence.endpoint {
        Seen(Some(endpoint)) => endpoint,
        other => panic!("no endpoint: {other:?}"),
    }
}

/// Both calls of the 200 rule are answered so.
pub(crate) fn accept(evidence: &mut Evidence) {
    let endpoint = endpoint(evidence);
    endpoint.key.check_admin_key = answer(200, Body::KeyAccepted { read_only: Some(false) });
    endpoint.key.first_call = answer(200, Body::Json);
}

/// The key is refused.
pub(crate) fn refuse(evidence: &mut Evidence) {
    let error = || Body::ConvexError { code: "BadAdminKey".to_owned(), message: String::new() };
    let endpoint = endpoint(evidence);
    endpoint.key.check_admin_key = answer(401, error());
    endpoint.key.first_call = answer(401, error());
}

/// `id level certainty place` of each finding, the first place only.
pub(crate) fn told(result: Result<Vec<Finding>, Unseen>) -> Vec<String> {
    let Ok(findings) = result else { return vec!["unknown".to_owned()] };
    let line = |finding: &Finding| {
        let place = finding.locations.first().map_or("-".to_owned(), ToString::to_string);
        format!("{} {} {} {place}", finding.id, finding.level, finding.certainty)
    };
    findings.iter().map(line).collect()
}
