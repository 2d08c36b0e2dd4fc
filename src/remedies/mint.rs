//! The remedy that half of all findings about keys share: a new key for the backend that answers,
//! and where to put it.

use crate::deployment::candidates::candidates;
use crate::deployment::container::key_subject;
use crate::deployment::key::{KeyAnswer, is_not_a_key, key_answer, selected_key};
use crate::deployment::platform::is_run_by_compose;
use crate::deployment::selection::{fits_the_url, source_in_words};
use crate::evidence::docker::Container;
use crate::evidence::selection::ValueSource;
use crate::evidence::{Evidence, Observation};
use crate::names::ADMIN_KEY;
use crate::remedies::command::compose_command;
use crate::remedies::command::file_flags;
use crate::remedies::platform::mint_behind_url;
use crate::report::{Action, Finding, Remedy, shell_word};

const SCRIPT: &str = "./generate_admin_key.sh 2>/dev/null";

/// How to mint in `container`. Where nobody knows which container that is, no command is named: a
/// key minted in another instance is one more foreign key (docs/facts.md, rule-containers).
pub(crate) fn remedy(evidence: &Evidence, title: &str, container: Option<&Container>) -> Remedy {
    let Some(container) = container else {
        if let Some(remedy) = mint_behind_url(evidence, title) {
            return remedy;
        }
        let backend = evidence.compose.seen().ok().and_then(|it| it.as_ref()?.backend());
        let service = backend.map_or("backend", |service| service.name.as_str());
        return Remedy::safe(format!(
            "{title}, beside the compose file of the backend that the URL leads to: `docker compose exec -T {} {SCRIPT}`; \
             without Compose, in the backend's terminal: `{SCRIPT}`",
            shell_word(service)
        ));
    };
    match own_file(evidence, container) {
        Some(file) => {
            let into = match file {
                ".env.local" => String::new(),
                file => format!("={}", shell_word(file)),
            };
            let files = file_flags(evidence);
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
        Some(service) if is_expected(evidence, container) && is_run_by_compose(container) => {
            compose_command(evidence, &format!("exec -T {} {SCRIPT}", shell_word(service)))
        }
        _ => format!("docker exec {} {SCRIPT}", shell_word(&container.name)),
    }
}

fn is_expected(evidence: &Evidence, container: &Container) -> bool {
    let expected = evidence.docker.seen().ok().and_then(|docker| docker.expected.as_deref());
    expected == Some(container.name.as_str())
}

/// Mints a key in the container that answers, and says where to put it. Where nobody knows which
/// container that is, it names no command: a key minted in another instance is one more foreign
/// key.
pub(crate) fn for_answering(evidence: &Evidence, title: &str) -> Remedy {
    let put = selected_key(evidence).map_or_else(
        || "in .env.local".to_owned(),
        |key| match &key.source {
            ValueSource::File { file, line } => format!("at {file}:{line}"),
            other => format!("in place of {}", source_in_words(other)),
        },
    );
    let title = format!("{title}, and write it as CONVEX_SELF_HOSTED_ADMIN_KEY {put}");
    let subject = key_subject(evidence).filter(|subject| !subject.assumed);
    remedy(evidence, &title, subject.map(|subject| subject.container))
}

/// A volume brings back no key: where the one in use is refused and opens nothing here, says that
/// it is to be minted as well. The finding about the key is folded under this one, and its remedy
/// with it.
pub(crate) fn also_new_key(evidence: &Evidence, finding: Finding) -> Finding {
    let opens_nothing = selected_key(evidence).is_some_and(|key| {
        !is_not_a_key(key) && key.trials.iter().all(|trial| trial.opened.is_none())
    });
    if !opens_nothing || key_answer(evidence) != KeyAnswer::Rejected {
        return finding;
    }
    let title = match candidates(evidence).first() {
        Some(first) => format!(
            "The key stays refused: to start afresh ({} is kept), mint another",
            first.volume.name
        ),
        None => "The key stays refused: mint another".to_owned(),
    };
    finding.remedy(for_answering(evidence, &title))
}

/// How to mint a key: in the container behind the URL, or, while no URL is chosen, in the one of
/// this project. Where nobody knows which that is there is no command (docs/facts.md,
/// rule-containers).
pub(crate) fn for_selection(evidence: &Evidence, title: &str) -> Remedy {
    let container = evidence.docker.seen().ok().and_then(|docker| match evidence.endpoint {
        Observation::Seen(None) => docker.expected().filter(|it| fits_the_url(evidence, it)),
        _ => docker.answering().map(|(container, _)| container),
    });
    remedy(evidence, title, container.filter(|container| container.is_running()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::DockerFacts;
    use crate::evidence::build::{key as build, selection};
    use crate::evidence::docker::{ContainerState, Port};
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

    #[test]
    fn minting_needs_a_container_that_the_url_does_not_contradict() {
        let in_compose = ["convex-doctor key mint --write"];
        let none: [&str; 0] = [];
        for (local, expected) in [
            ("", &in_compose[..]),
            ("CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210", &in_compose[..]),
            ("CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3999", &none[..]),
            ("CONVEX_SELF_HOSTED_URL=https://api.example.com", &none[..]),
            (selection::PAIR, &none[..]), // nobody knows who answers
        ] {
            let mut evidence = selection::evidence(&[], local, "");
            selection::add_backend(&mut evidence);
            let port = Port { container: 3210, host: Some(3210), host_ip: String::new() };
            let container = Container {
                name: "app-backend-1".to_owned(),
                service: Some("backend".to_owned()),
                state: ContainerState::Running,
                ports: vec![port],
                ..Container::default()
            };
            evidence.docker = Observation::Seen(DockerFacts {
                expected: Some("app-backend-1".to_owned()),
                backends: vec![container],
                ..DockerFacts::default()
            });
            assert_eq!(for_selection(&evidence, "mint").commands, expected, "{local}");
        }
    }
}
