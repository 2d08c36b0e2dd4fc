//! Selection: what `npx convex` would use here, and what keeps it from using what was meant (catalogue §1).

mod build_world;
mod files;
mod misread;
mod pair;
mod precedence;
mod surroundings;

use super::Check;
use crate::evidence::Evidence;
use crate::evidence::selection::{SelectionKind, ValueSource};
use crate::evidence::surroundings::PackageJson;
use crate::report::Location;

/// The pair's URL.
pub(crate) const URL: &str = "CONVEX_SELF_HOSTED_URL";
/// The pair's key.
pub(crate) const KEY: &str = "CONVEX_SELF_HOSTED_ADMIN_KEY";

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &pair::CHECK,
    &precedence::EMPTY,
    &precedence::SHELL,
    &precedence::SPLIT,
    &precedence::DUPLICATE,
    &precedence::CLOUD,
    &misread::MISNAMED,
    &misread::MISREAD,
    &files::ELSEWHERE,
    &files::UNREADABLE,
    &files::PACKAGE_JSON,
    &surroundings::NOT_IGNORED,
    &surroundings::SECRET_IN_GIT,
    &surroundings::APP_URL,
];

/// Whether half of the pair, or the whole, is written anywhere the CLI reads, empty or not.
pub(crate) fn pair_is_meant(evidence: &Evidence) -> bool {
    [URL, KEY].iter().any(|name| !evidence.selection.definitions(name).is_empty())
        || !evidence.selection.near_misses.is_empty()
}

/// Whether a self-hosted backend was seen: in the compose file, on the engine, or behind a URL.
pub(crate) fn backend_in_sight(evidence: &Evidence) -> bool {
    let compose = evidence.compose.seen().ok().and_then(Option::as_ref);
    let docker = evidence.docker.seen().ok();
    compose.is_some_and(|compose| !compose.backends.is_empty())
        || docker.is_some_and(|docker| docker.expected.is_some())
}

/// A cloud project, in which nothing is self-hosted: another world, not a broken one (catalogue §0.5).
pub(crate) fn is_another_world(evidence: &Evidence) -> bool {
    let selection = &evidence.selection;
    let cloud = matches!(
        selection.kind,
        SelectionKind::CloudDeployKey | SelectionKind::CloudDeployment | SelectionKind::Local
    ) || ["CONVEX_DEPLOYMENT", "CONVEX_DEPLOY_KEY", "CONVEX_DEPLOYMENT_TOKEN"]
        .iter()
        .any(|name| selection.is_set(name));
    cloud && !pair_is_meant(evidence) && !backend_in_sight(evidence)
}

/// Whether an app that uses Convex lives in this directory; `None` where package.json could not be read.
pub(crate) fn has_app(evidence: &Evidence) -> Option<bool> {
    match evidence.surroundings.package_json.seen().ok()? {
        PackageJson::Here { depends_on_convex } => Some(*depends_on_convex),
        PackageJson::Missing { .. } => Some(false),
    }
}

/// The place of a value.
pub(crate) fn place(source: &ValueSource) -> Location {
    match source {
        ValueSource::File { file, line } => Location::line(file, *line),
        ValueSource::Env { env } => Location::Environment { env: env.clone() },
        ValueSource::Flag { flag } => Location::Environment { env: flag.clone() },
    }
}

/// Whether every name of the pair has a value that counts.
pub(crate) fn pair_is_complete(evidence: &Evidence) -> bool {
    [URL, KEY].iter().all(|name| evidence.selection.is_set(name))
}

#[cfg(test)]
pub(crate) mod build {
    //! Evidence made by the real choice over small files, so that the facts are never out of step with it.

    use crate::admin_key;
    use crate::checks::key::build::{answer, endpoint, healthy};
    use crate::evidence::endpoint::Body;
    use crate::evidence::surroundings::PackageJson;
    use crate::evidence::{Evidence, KeyFacts, Observation};
    use crate::secret::Secret;
    use crate::selection::choose::{self, FileText, Sources};
    use crate::selection::facts;

    /// The healthy deployment with this `.env.local`, `.env` and shell instead of its own.
    pub(crate) fn selected(env_local: &str, env: Option<&str>, shell: &[(&str, &str)]) -> Evidence {
        let sources = Sources {
            process_env: shell.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            env_local: Some(FileText::new(".env.local", env_local)),
            env: env.map(|text| FileText::new(".env", text)),
            ..Sources::default()
        };
        let selection = choose::select(&sources);
        let mut evidence = healthy();
        evidence.surroundings.package_json =
            Observation::Seen(PackageJson::Here { depends_on_convex: true });
        let urls = Body::CanonicalUrls { cloud: String::new(), site: String::new() };
        endpoint(&mut evidence).first_call = answer(200, urls);
        evidence.selection = facts::facts(&selection, &admin_key::fingerprint);
        evidence.keys.clear();
        for variable in selection.variables.iter().filter(|it| it.name == super::KEY) {
            for one in variable.definitions.iter().filter(|one| !one.value.is_empty()) {
                let key = Secret::new(one.value.expose());
                evidence.keys.push(KeyFacts {
                    source: one.source.clone(),
                    selected: one.wins && selection.admin_key.is_some(),
                    fingerprint: admin_key::fingerprint(&key),
                    shape: admin_key::shape(&key),
                    equals_secret_of: None,
                    trials: Vec::new(),
                });
            }
        }
        evidence
    }

    /// Ids with their level, certainty and first place.
    pub(crate) fn told(
        result: Result<Vec<crate::report::Finding>, crate::evidence::Unseen>,
    ) -> Vec<String> {
        match result {
            Err(_) => vec!["unknown".to_owned()],
            Ok(findings) => findings
                .iter()
                .map(|one| {
                    let place = one.locations.first().map(ToString::to_string);
                    let place = place.unwrap_or_default();
                    format!("{} {} {} {place}", one.id, one.level, one.certainty).trim().to_owned()
                })
                .collect(),
        }
    }
}
