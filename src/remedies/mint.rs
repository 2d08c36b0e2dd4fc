//! A new admin key for a backend, which fixes half of all findings about keys, and where to save
//! it.

use crate::deployment::candidates::candidates;
use crate::deployment::compose::declared_backend;
use crate::deployment::container::key_subject;
use crate::deployment::endpoint::{backend_url, published_url};
use crate::deployment::key::{KeyAnswer, is_not_a_key, key_answer, selected_key};
use crate::deployment::platform::is_run_by_compose;
use crate::deployment::selection::{fits_the_url, winner};
use crate::evidence::docker::Container;
use crate::evidence::selection::ValueSource;
use crate::evidence::{Evidence, Observation};
use crate::names::{ADMIN_KEY, API_PORT, URL};
use crate::remedies::command::{compose, doctor, up_service};
use crate::remedies::platform::mint_behind_url;
use crate::report::{
    Action, Command, ComposeCommand, ComposeFlags, ComposeVerb, Errand, Finding, Remedy, Text,
    shell_word,
};

const SCRIPT: &str = "./generate_admin_key.sh 2>/dev/null";
const ON_THE_HOST: &str = "Log in to the backend's host and generate a key there (see More)";

/// A key to generate and to save.
struct NewKey<'a> {
    /// What is generated: `a key`, `a new key`.
    what: &'a str,
    /// The title of the remedy, if it has one of its own.
    title: Option<Text>,
    /// Where the old key is set.
    source: Option<&'a ValueSource>,
    /// The env file for the key if none is set.
    file: &'a str,
    /// The URL to save as well.
    url: Option<String>,
}

impl NewKey<'_> {
    /// Generates the key in `container`. If that is not known, no command is named: a key of
    /// another instance is one more foreign key (docs/facts.md, rule-containers).
    fn remedy(self, evidence: &Evidence, container: Option<&Container>) -> Remedy {
        let Some(container) = container else {
            if let Some(remedy) = self.both_lines(evidence) {
                return remedy;
            }
            let title =
                self.title.clone().unwrap_or_else(|| format!("Generate {}", self.what).into());
            let on_the_host = || {
                Remedy::safe(self.title.clone().unwrap_or(ON_THE_HOST.into()))
                    .then([in_its_compose_project(evidence)])
            };
            let remedy = mint_behind_url(evidence, &title).unwrap_or_else(on_the_host);
            return remedy.then(self.to_save());
        };
        let Some(file) = own_file(evidence, container) else {
            let title = format!("Generate {} in {}", self.what, container.name);
            return Remedy::safe(self.title.clone().unwrap_or(title.into()))
                .run(by_hand(evidence, container))
                .then(self.to_save());
        };
        let place = self.source.map_or_else(|| file.to_owned(), ToString::to_string);
        let title = match &self.url {
            Some(_) => {
                format!("Save the URL and {} in {place} ({})", self.what, at_port(container))
            }
            None => format!("Generate {} and save it in {place}", self.what),
        };
        Remedy::safe(self.title.unwrap_or(title.into()))
            .run(doctor(evidence, ["key", "mint", &write_to(file)]))
            .act(Action::MintKey { file: file.to_owned() })
    }

    /// One command that generates the key in the backend of this compose file and saves both lines,
    /// where only the engine could not be asked; `None` if the key is for another backend, or a
    /// platform runs it.
    fn both_lines(&self, evidence: &Evidence) -> Option<Remedy> {
        evidence.docker.seen().err()?;
        let url = published_url(evidence).filter(|url| Some(url) == self.url.as_ref())?;
        if self.source.is_some() || mint_behind_url(evidence, "").is_some() {
            return None;
        }
        let (_, service) = declared_backend(evidence).ok()??;
        let script = compose(evidence, ComposeVerb::GenerateKey(service.name.clone()));
        let (lines, file) = (format!("\\n{URL}=%s\\n{ADMIN_KEY}='%s'\\n"), shell_word(self.file));
        let title = format!("Save the URL and {} in {} (this needs Docker)", self.what, self.file);
        let save = format!("printf \"{lines}\" {} \"$KEY\" >> {file}", shell_word(&url));
        Some(Remedy::safe(title).run(format!("KEY=$({script}) && {save}")))
    }

    /// What is left to do once the script has printed the key.
    fn to_save(&self) -> Vec<Errand> {
        let file = self.file;
        let url = self.url.as_ref().map(|url| format!("Save {URL}={url} in {file}"));
        let key = match self.source {
            Some(ValueSource::Env { env }) => {
                format!("Set {env} to the printed line where the shell exports it")
            }
            Some(ValueSource::Flag { flag }) => format!("Pass the printed line with {flag}"),
            Some(place @ ValueSource::File { .. }) => {
                format!("Save the printed line in {place} as {ADMIN_KEY}='KEY'")
            }
            None => format!("Save the printed line in {file} as {ADMIN_KEY}='KEY'"),
        };
        let task = |title| Errand { title, places: vec![], commands: vec![] };
        url.into_iter().chain([key]).map(task).collect()
    }
}

/// The script in the backend of the compose file that was read; without one, on a host that is not
/// known.
fn in_its_compose_project(evidence: &Evidence) -> Errand {
    let Ok(Some((_, service))) = declared_backend(evidence) else {
        let verb = ComposeVerb::GenerateKey("backend".to_owned());
        let command = ComposeCommand { flags: ComposeFlags::default(), project: None, verb };
        return Errand {
            title: "Generate the key in the directory of the backend's compose file".to_owned(),
            places: vec![],
            commands: vec![command.to_string()],
        };
    };
    // The script runs in a container.
    let has_none = evidence.docker.seen().is_ok_and(|docker| docker.expected.is_none());
    let start = has_none.then(|| up_service(evidence, &service.name));
    let generate = compose(evidence, ComposeVerb::GenerateKey(service.name.clone()));
    let title = match &start {
        Some(_) => "Start the backend of this compose file and generate the key",
        None => "Generate the key in the backend of this compose file",
    };
    Errand {
        title: title.to_owned(),
        places: vec![],
        commands: start.into_iter().chain([generate]).map(|one| one.to_string()).collect(),
    }
}

/// The container, and the port of this machine at which its API is.
fn at_port(container: &Container) -> String {
    let port = container.net.ports.iter().find(|port| port.container == API_PORT);
    match port.and_then(|port| port.host) {
        Some(port) => format!("{}, port {port}", container.name),
        None => container.name.clone(),
    }
}

fn write_to(file: &str) -> String {
    match file {
        ".env.local" => "--write".to_owned(),
        file => format!("--write={file}"),
    }
}

/// The file that convex-doctor may write the key into: for a container of this project, and a key
/// that is set in a file or nowhere. It generates, writes and tests the key, and restores the file
/// if the key is rejected.
fn own_file<'a>(evidence: &'a Evidence, container: &Container) -> Option<&'a str> {
    if !is_expected(evidence, container) || !container.is_running() {
        return None;
    }
    match winner(&evidence.selection, ADMIN_KEY) {
        None => Some(".env.local"),
        Some(ValueSource::File { file, .. }) => Some(file),
        // What a shell exports comes before every file.
        Some(ValueSource::Env { .. } | ValueSource::Flag { .. }) => None,
    }
}

/// The script that the image of every self-hosted backend contains: `docker compose exec` for a
/// container of this project, else `docker exec`.
pub(crate) fn by_hand(evidence: &Evidence, container: &Container) -> Command {
    match &container.labels.service {
        Some(service) if is_expected(evidence, container) && is_run_by_compose(container) => {
            compose(evidence, ComposeVerb::GenerateKey(service.clone()))
        }
        _ => format!("docker exec {} {SCRIPT}", shell_word(&container.name)).into(),
    }
}

fn is_expected(evidence: &Evidence, container: &Container) -> bool {
    let expected = evidence.docker.seen().ok().and_then(|docker| docker.expected.as_deref());
    expected == Some(container.name.as_str())
}

/// Generates a key for the backend that answers, and saves it where the old one is. `what` is
/// `a new key`, if it is any.
pub(crate) fn new_key(evidence: &Evidence, what: &str) -> Remedy {
    answering(evidence, what, None)
}

/// The same with another title.
pub(crate) fn for_answering(evidence: &Evidence, title: impl Into<Text>) -> Remedy {
    answering(evidence, "a new key", Some(title.into()))
}

fn answering(evidence: &Evidence, what: &str, title: Option<Text>) -> Remedy {
    let source = selected_key(evidence).map(|key| &key.source);
    let subject = key_subject(evidence).filter(|subject| !subject.assumed);
    let key = NewKey { what, title, source, file: ".env.local", url: None };
    key.remedy(evidence, subject.map(|subject| subject.container))
}

/// A volume brings back no key: if the key in use is rejected and matches nothing here, a new one
/// is needed as well. The finding about the key is folded under this one, and its remedy with it.
pub(crate) fn also_new_key(evidence: &Evidence, finding: Finding) -> Finding {
    let matches_nothing = selected_key(evidence).is_some_and(|key| {
        !is_not_a_key(key) && key.trials.iter().all(|trial| trial.opened.is_none())
    });
    if !matches_nothing || key_answer(evidence) != KeyAnswer::Rejected {
        return finding;
    }
    finding.remedy(match candidates(evidence).first() {
        Some(first) => keep_new_database(evidence, &first.volume.name),
        None => for_answering(evidence, "Also generate a new key: the current key stays rejected")
            .step(),
    })
}

/// Keeps the database that the backend has now, and leaves the older one in that volume.
pub(crate) fn keep_new_database(evidence: &Evidence, older: &str) -> Remedy {
    let title = format!("Keep the new database and generate a new key ({older} is kept)");
    for_answering(evidence, Text::from(title).volume(older))
}

/// Generates a key in the container behind the URL or, while no URL is set, in that of this
/// project, and saves it in place of the old one, else in `file`.
pub(crate) fn for_selection(evidence: &Evidence, file: &str) -> Remedy {
    selected(evidence, file, "a key", None)
}

/// The same for a project without a URL: both are saved.
pub(crate) fn with_url(evidence: &Evidence, file: &str) -> Remedy {
    selected(evidence, file, "a new key", Some(backend_url(evidence)))
}

/// The way to a first key where this project's backend does not run: it is started, and then asked
/// for a key. `None` where it runs, or where Docker or the compose file does not show it.
pub(crate) fn start_first(evidence: &Evidence, file: &str) -> Option<[Remedy; 2]> {
    let (_, service) = declared_backend(evidence).ok()??;
    let start = match evidence.docker.seen().ok()?.expected() {
        None => up_service(evidence, &service.name),
        Some(container) if container.is_stopped() && is_run_by_compose(container) => {
            Command::docker(["start", &container.name])
        }
        Some(_) => return None,
    };
    let write = write_to(file);
    let save = format!("Generate a key, and save the URL and the key in {file}");
    Some([
        Remedy::safe("Start the backend").run(start).step(),
        Remedy::safe(save).run(doctor(evidence, ["key", "mint", write.as_str()])).step(),
    ])
}

fn selected(evidence: &Evidence, file: &str, what: &str, url: Option<String>) -> Remedy {
    let container = evidence.docker.seen().ok().and_then(|docker| match evidence.endpoint {
        Observation::Seen(None) => docker.expected().filter(|it| fits_the_url(evidence, it)),
        _ => docker.answering().map(|(container, _)| container),
    });
    let source = winner(&evidence.selection, ADMIN_KEY);
    let key = NewKey { what, title: None, source, file, url };
    key.remedy(evidence, container.filter(|container| container.is_running()))
}

/// Generates a key once the instance has another secret. The doctor does not do it by itself: until
/// then the key would be made with the old one.
pub(crate) fn after_new_secret(evidence: &Evidence) -> Remedy {
    let (title, file) = match winner(&evidence.selection, ADMIN_KEY) {
        Some(place @ ValueSource::File { file, .. }) => {
            (format!("Generate a new key and save it in {place}"), file.as_str())
        }
        None => ("Generate a new key and save it in .env.local".to_owned(), ".env.local"),
        Some(ValueSource::Env { .. } | ValueSource::Flag { .. }) => {
            return Remedy::safe("Generate a new key").run(doctor(evidence, ["key", "mint"]));
        }
    };
    Remedy::safe(title).run(doctor(evidence, ["key", "mint", &write_to(file)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::DockerFacts;
    use crate::evidence::build::{key as build, selection};
    use crate::evidence::docker::{ContainerState, Port};
    use crate::evidence::selection::{DefinitionFacts, VariableFacts};

    #[test]
    fn the_doctor_generates_if_it_may_write_else_the_script_does() {
        let generate = |evidence: &Evidence, container: Option<&Container>| {
            let source = winner(&evidence.selection, ADMIN_KEY);
            let key =
                NewKey { what: "a new key", title: None, source, file: ".env.local", url: None };
            key.remedy(evidence, container)
        };
        let mut evidence = build::healthy();
        let container = evidence.docker.seen().unwrap().expected().unwrap().clone();
        let commands = |evidence: &Evidence| generate(evidence, Some(&container)).commands;
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
        let mut stranger = Container { name: "other".to_owned(), ..container };
        stranger.labels.service = None;
        let by_hand = generate(&build::healthy(), Some(&stranger));
        assert_eq!(by_hand.commands, ["docker exec other ./generate_admin_key.sh 2>/dev/null"]);
        let save = "Save the printed line in .env.local as CONVEX_SELF_HOSTED_ADMIN_KEY='KEY'";
        assert_eq!(by_hand.errands[0].title, save);
        assert!(by_hand.actions.is_empty());
        let unknown = generate(&build::healthy(), None);
        assert!(unknown.commands.is_empty());
        assert_eq!((unknown.title, unknown.errands.len()), (ON_THE_HOST.into(), 2));
    }

    #[test]
    fn a_backend_that_does_not_run_is_started_before_its_first_key() {
        let mut evidence = build::healthy();
        let commands = |evidence: &Evidence| {
            let steps = start_first(evidence, ".env.local").into_iter().flatten();
            steps.flat_map(|step| step.commands).map(|it| it.to_string()).collect::<Vec<_>>()
        };
        let mint = "convex-doctor key mint --write";
        assert!(commands(&evidence).is_empty(), "it runs");
        build::backend(&mut evidence).life.state = ContainerState::Exited;
        assert_eq!(commands(&evidence), ["docker start app-backend-1", mint]);
        build::docker(&mut evidence).expected = None;
        assert_eq!(commands(&evidence), ["docker compose up -d backend", mint]);
        evidence.docker = Observation::unavailable("not checked");
        assert!(commands(&evidence).is_empty());
    }

    #[test]
    fn a_key_needs_a_container_that_the_url_does_not_contradict() {
        let in_compose = ["convex-doctor key mint --write"];
        let none: [&str; 0] = [];
        for (local, expected) in [
            ("", &in_compose[..]),
            ("CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210", &in_compose[..]),
            ("CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3999", &none[..]),
            ("CONVEX_SELF_HOSTED_URL=https://api.example.com", &none[..]),
            (selection::PAIR, &none[..]), // who answers is not known
        ] {
            let mut evidence = selection::evidence(&[], local, "");
            selection::add_backend(&mut evidence);
            let port = Port { container: 3210, host: Some(3210), host_ip: String::new() };
            let mut container =
                Container { name: "app-backend-1".to_owned(), ..Container::default() };
            container.labels.service = Some("backend".to_owned());
            container.life.state = ContainerState::Running;
            container.net.ports = vec![port];
            evidence.docker = Observation::Seen(DockerFacts {
                expected: Some("app-backend-1".to_owned()),
                backends: vec![container],
                ..DockerFacts::default()
            });
            assert_eq!(for_selection(&evidence, ".env.local").commands, expected, "{local}");
        }
    }

    #[test]
    fn without_docker_one_command_writes_both_lines_of_the_backend_here() {
        use crate::evidence::compose::DeclaredPort;
        type Change = fn(&mut Evidence);
        let command = "KEY=$(docker compose exec -T backend ./generate_admin_key.sh 2>/dev/null) && \
                       printf \"\\nCONVEX_SELF_HOSTED_URL=%s\\nCONVEX_SELF_HOSTED_ADMIN_KEY='%s'\\n\" \
                       http://127.0.0.1:13210 \"$KEY\" >> .env.local";
        let nothing: Change = |_| {};
        let no_port: Change = |evidence| keys_service(evidence).ports.clear();
        let seen: Change = |evidence| evidence.docker = build::Seen(DockerFacts::default());
        let panel: Change = |evidence| {
            let Observation::Seen(Some(compose)) = &mut evidence.compose else { unreachable!() };
            compose.panel_marks = vec!["SERVICE_FQDN_BACKEND_3210".to_owned()];
        };
        for (case, change, expected) in [
            ("here", nothing, true),
            ("the default port", no_port, false),
            ("Docker was asked", seen, false),
            ("a panel", panel, false),
        ] {
            let mut evidence = selection::evidence(&[], "", "");
            selection::add_backend(&mut evidence);
            keys_service(&mut evidence).ports = vec![DeclaredPort {
                container: 3210,
                published: Some("13210".to_owned()),
                host_ip: None,
                at: build::at(5),
            }];
            evidence.docker = Observation::unavailable("permission denied");
            change(&mut evidence);
            let commands = with_url(&evidence, ".env.local").commands;
            let found = commands.first().is_some_and(|it| *it == command);
            assert_eq!(found, expected, "{case}: {commands:?}");
        }
    }

    fn keys_service(evidence: &mut Evidence) -> &mut crate::evidence::compose::BackendService {
        let Observation::Seen(Some(compose)) = &mut evidence.compose else { unreachable!() };
        &mut compose.backends[0]
    }
}
