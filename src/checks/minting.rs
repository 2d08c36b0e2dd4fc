//! The remedy that half of all findings about keys share: a new key for the backend that answers,
//! and where to put it.

use super::{compose, place};
use crate::evidence::Evidence;
use crate::evidence::docker::Container;
use crate::evidence::selection::ValueSource;
use crate::report::{Action, Remedy};

const ADMIN_KEY: &str = "CONVEX_SELF_HOSTED_ADMIN_KEY";
const SCRIPT: &str = "./generate_admin_key.sh 2>/dev/null";

/// How to mint in `container`. Where nobody knows which container that is, no command is named: a
/// key minted in another instance is one more foreign key (docs/facts.md, rule-containers).
pub(crate) fn remedy(evidence: &Evidence, title: &str, container: Option<&Container>) -> Remedy {
    let Some(container) = container else {
        if let Some(remedy) = place::mint_behind_url(evidence, title) {
            return remedy;
        }
        let backend = evidence.compose.seen().ok().and_then(|it| it.as_ref()?.backend());
        let service = backend.map_or("backend", |service| service.name.as_str());
        return Remedy::safe(format!(
            "{title}, beside the compose file of the backend that the URL leads to: `docker compose exec -T {} {SCRIPT}`; \
             without Compose, in the backend's terminal: `{SCRIPT}`",
            compose::shell_word(service)
        ));
    };
    match own_file(evidence, container) {
        Some(file) => {
            let into = match file {
                ".env.local" => String::new(),
                file => format!("={}", compose::shell_word(file)),
            };
            let files = compose::file_flags(evidence);
            Remedy::safe(title)
                .run(format!("convex-doctor key mint --write{into}{files}"))
                .act(Action::MintKey { file: file.to_owned() })
        }
        None => Remedy::safe(title).run(by_hand(evidence, container)),
    }
}

/// The file into which the doctor itself may write a key, for a container of this very project and
/// a key that stands in a file or nowhere: it mints, writes, tries, and takes back what is refused.
fn own_file<'a>(evidence: &'a Evidence, container: &Container) -> Option<&'a str> {
    if !is_expected(evidence, container) || !container.is_running() {
        return None;
    }
    let definitions = evidence.selection.definitions(ADMIN_KEY);
    match definitions.iter().find(|one| one.wins).map(|one| &one.source) {
        None => Some(".env.local"),
        Some(ValueSource::File { file, .. }) => Some(file),
        // What a shell exports comes before every file.
        Some(ValueSource::Env { .. } | ValueSource::Flag { .. }) => None,
    }
}

/// The script that every self-hosted backend's image carries: `docker compose exec` for a container
/// of this very project, else `docker exec`.
pub(crate) fn by_hand(evidence: &Evidence, container: &Container) -> String {
    match &container.service {
        Some(service) if is_expected(evidence, container) && place::is_compose_s(container) => {
            compose::command(
                evidence,
                &format!("exec -T {} {SCRIPT}", compose::shell_word(service)),
            )
        }
        _ => format!("docker exec {} {SCRIPT}", compose::shell_word(&container.name)),
    }
}

fn is_expected(evidence: &Evidence, container: &Container) -> bool {
    let expected = evidence.docker.seen().ok().and_then(|docker| docker.expected.as_deref());
    expected == Some(container.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::key::build;
    use crate::evidence::selection::{DefinitionFacts, VariableFacts};

    #[test]
    fn the_doctor_mints_where_it_may_write_and_else_the_hand_does() {
        let mut evidence = build::healthy();
        let container = evidence.docker.seen().unwrap().expected().unwrap().clone();
        let commands = |evidence: &Evidence| remedy(evidence, "mint", Some(&container)).commands;
        assert_eq!(commands(&evidence), ["convex-doctor key mint --write"]);
        let mut defined = |source: ValueSource| {
            let definition = DefinitionFacts {
                source,
                empty: false,
                wins: true,
                same_as_winner: true,
                text: None,
                key: None,
                lines: None,
            };
            evidence.selection.variables =
                vec![VariableFacts { name: ADMIN_KEY.to_owned(), definitions: vec![definition] }];
            commands(&evidence)
        };
        let file = ValueSource::File { file: ".env".to_owned(), line: 1 };
        assert_eq!(defined(file), ["convex-doctor key mint --write=.env"]);
        let shell = ValueSource::Env { env: ADMIN_KEY.to_owned() };
        assert_eq!(
            defined(shell),
            ["docker compose exec -T backend ./generate_admin_key.sh 2>/dev/null"]
        );
        let stranger = Container { name: "other".to_owned(), service: None, ..container };
        let by_hand = remedy(&build::healthy(), "mint", Some(&stranger)).commands;
        assert_eq!(by_hand, ["docker exec other ./generate_admin_key.sh 2>/dev/null"]);
        assert!(remedy(&build::healthy(), "mint", None).commands.is_empty());
    }
}
