//! One run, a method a wave. Each method says what it asks and when; what it asks is in the files
//! of the thing that is asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Instant;

use super::clock::Clock;
use super::compose::ComposeRead;
use super::docker::{self, DockerOptions, Listing};
use super::repository::CheckedFile;
use super::selection::{self, Selected};
use super::texts::FileTexts;
use super::{
    Request, compose, credentials, endpoint, files, next_to_it, nonce, places, repository,
    suppressions, surroundings, toolchain,
};
use crate::budget::{Deadline, OVER};
use crate::evidence::docker::{DockerFacts, FailedEngine};
use crate::evidence::endpoint::{Answer, Reach, VariableInFile};
use crate::evidence::key::SecretPlace;
use crate::evidence::selection::ValueSource;
use crate::evidence::surroundings::{AppUrl, Git};
use crate::evidence::{Asked, EndpointFacts, Evidence, KeyFacts, Observation, Surroundings};
use crate::foreign::{Admitted, learn};
use crate::names::{self, NODE_TRUST};
use crate::secret::{Secret, sanitize};
use crate::selection::choose::Selection;

/// How much is collected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RunScope {
    /// Everything that the request allows.
    All,
    /// The files only: what the CLI would select, and the compose project.
    Files,
}

/// Collects the evidence, wave by wave.
pub(super) async fn collect(
    request: &Request,
    scope: RunScope,
    deadline: Deadline,
) -> anyhow::Result<Admitted<Evidence>> {
    let (mut run, list) = Run::read_files(request, scope, deadline)?;
    run.heed_node().await;
    run.first_wave(list).await;
    run.try_keys();
    run.clock.lap("keys tried");

    run.second_wave().await;
    run.look_into_volumes().await;
    run.look_back().await;
    run.other_contexts().await;
    run.find_answering();

    run.ask_git().await;
    run.other_places().await;
    Ok(run.finish())
}

/// The engine's list, which is asked for while the files are read.
struct AskedList {
    since: Instant,
    answer: Pin<Box<dyn Future<Output = Result<Listing, docker::Unasked>>>>,
}

/// What git does with files; `None` outside of a work tree, `Err` where it does not say.
type GitAnswer = Result<Option<repository::GitStatus>, String>;

/// A run under way: what it was asked, what it read, and the evidence so far.
struct Run<'a> {
    request: &'a Request,
    scope: RunScope,
    clock: Clock,
    directory: PathBuf,
    environment: BTreeMap<String, String>,
    selected: Selected,
    texts: FileTexts,
    compose: ComposeRead,
    /// The Node that npx would run.
    node: toolchain::Node,
    /// Every instance secret found so far, with its place.
    secrets: Vec<(Secret, SecretPlace)>,
    /// For the first request and for the one that repeats it.
    nonces: [String; 2],
    /// What the engine listed; `None` where it was not asked or did not answer.
    listing: Option<Listing>,
    /// What happened before, where that was asked for already.
    looked_back: Option<docker::LookedBack>,
    /// What git does with the files of those names.
    standing: Option<(Vec<String>, GitAnswer)>,
    evidence: Evidence,
}

/// Why something is not asked at all: only files are wanted, or an option of this name says so.
fn unasked(scope: RunScope, forbidden: bool, option: &str) -> Option<String> {
    match scope {
        RunScope::Files => Some("only files were read".to_owned()),
        RunScope::All => forbidden.then(|| format!("{option} was given")),
    }
}

impl<'a> Run<'a> {
    /// The files: what the CLI reads, the compose project, and what is around them. Meanwhile the engine
    /// is asked for its list, unless it must not be.
    fn read_files(
        request: &'a Request,
        scope: RunScope,
        deadline: Deadline,
    ) -> anyhow::Result<(Self, Result<AskedList, String>)> {
        let clock = Clock::start(&request.running, deadline);
        let directory = request.directory()?;
        let environment = request.environment();
        endpoint::here::settle(&environment);
        environment.iter().for_each(|(name, value)| learn(name, value));
        let list = unasked(scope, request.docker.no_docker, "--no-docker").map_or_else(
            || {
                let options = DockerOptions { deadline, ..request.docker_options() };
                let answer = Box::pin(docker::list_ahead(options, environment.clone()));
                Ok(AskedList { since: Instant::now(), answer })
            },
            Err,
        );
        let texts = FileTexts::until(deadline);
        let cli = toolchain::cli(&directory, &environment);
        let version = cli.version.as_deref();
        let node = toolchain::Node::find(&directory, &environment);
        let selected = selection::select(request, &directory, &environment, &texts, version);
        let url = selected.selection.url.as_ref().map(|(url, _)| url.as_str());
        let mut compose = compose::read(request, &directory, &environment, &texts, url);
        clock.lap("files");
        let evidence = Evidence {
            collected_at: jiff::Timestamp::now().as_second(),
            asked: asked(request, &environment),
            selection: crate::selection::facts::facts(
                &selected.selection,
                &crate::admin_key::fingerprint,
            ),
            surroundings: around(&directory, &environment, &texts, &selected, cli, &node),
            ..Evidence::default()
        };
        let run = Self {
            request,
            scope,
            clock,
            directory,
            environment,
            selected,
            secrets: std::mem::take(&mut compose.secrets),
            texts,
            compose,
            node,
            nonces: [nonce(), nonce()],
            listing: None,
            looked_back: None,
            standing: None,
            evidence,
        };
        Ok((run, list))
    }

    fn url(&self) -> Option<&str> {
        self.selected.selection.url.as_ref().map(|(url, _)| url.as_str())
    }

    fn docker_options(&self) -> DockerOptions {
        DockerOptions { deadline: self.clock.deadline, ..self.request.docker_options() }
    }

    /// The request that the first probes of the selected URL share.
    fn probe(&self) -> endpoint::ProbeRequest<'_> {
        endpoint::ProbeRequest {
            url: self.url().unwrap_or_default(),
            key: self.selected.selection.admin_key.as_ref().map(|key| &key.as_sent),
            env: &self.environment,
            timeout: self.request.timeout(),
            nonce: &self.nonces[0],
        }
    }

    fn unasked(&self, forbidden: bool, option: &str) -> Option<String> {
        unasked(self.scope, forbidden, option)
    }

    /// Makes the environment say what the Node that runs the CLI makes of it: one that is built to
    /// use the system's certificates does so without the option, and an old one does not know
    /// NODE_USE_SYSTEM_CA yet.
    async fn heed_node(&mut self) {
        const VARIABLE: &str = "NODE_USE_SYSTEM_CA";
        for file in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
            // The CLI reads it from the project's directory.
            if let Some(path) = self.environment.get_mut(file).filter(|path| !path.is_empty()) {
                *path = self.directory.join(&*path).display().to_string();
            }
        }
        if self.node.own_roots == Some(false) {
            let options = self.environment.entry("NODE_OPTIONS".to_owned()).or_default();
            *options = format!("--use-openssl-ca {options}");
        }
        if !self.environment.contains_key(VARIABLE) {
            return;
        }
        self.node.version = self.ask_node().await;
        if self.node.version.as_deref().and_then(toolchain::reads_system_ca) == Some(false) {
            self.environment.remove(VARIABLE);
        }
    }

    /// The engine, the selected URL and the app's other URLs, at the same time.
    async fn first_wave(&mut self, list: Result<AskedList, String>) {
        let mut app_urls = std::mem::take(&mut self.evidence.surroundings.app_urls);
        let (tell, is_rejected) = tokio::sync::oneshot::channel();
        let ask_url = async {
            let mut endpoint = self.ask_url().await;
            self.ask_again(&mut endpoint).await;
            // Without an engine the answer is not needed.
            let _unheard = tell.send(rejected(&endpoint));
            endpoint
        };
        let (engine, endpoint, (), node, standing) = tokio::join!(
            self.ask_engine(list, is_rejected),
            ask_url,
            self.ask_app_urls(&mut app_urls),
            self.ask_node(),
            self.ask_standing(repository::asked_about(&self.files_in_git())),
        );
        self.standing = Some(standing);
        self.evidence.surroundings.node_version = node;
        let endpoint = self.with_trust(endpoint);
        self.evidence.surroundings.app_urls = app_urls;
        self.evidence.endpoint = endpoint;
        self.evidence.docker = engine.facts;
        self.evidence.engine_failure = engine.failed;
        self.evidence.dashboards = engine.dashboards;
        self.listing = engine.listing;
        self.looked_back = engine.looked_back;
        if let Some(mut compose) = engine.compose {
            let of_the_file = |place: &SecretPlace| matches!(place, SecretPlace::Compose { .. });
            self.secrets.retain(|(_, place)| !of_the_file(place));
            self.secrets.append(&mut compose.secrets);
            self.compose = compose;
        }
        self.secrets.extend(engine.secrets);
    }

    /// Adds what the version of Node and the env files make of the certificates that Node trusts.
    fn with_trust(
        &self,
        mut endpoint: Observation<Option<EndpointFacts>>,
    ) -> Observation<Option<EndpointFacts>> {
        if let Observation::Seen(Some(facts)) = &mut endpoint {
            let version = self.evidence.surroundings.node_version.as_deref();
            let trust = &mut facts.route.trust;
            trust.reads_variable = version.and_then(toolchain::reads_system_ca);
            for file in &self.selected.files {
                let set = crate::selection::node_dotenv::parse(&file.text).into_iter();
                let set = set.filter(|one| NODE_TRUST.contains(&one.name.as_str()));
                trust.in_files.extend(set.map(|one| VariableInFile {
                    name: one.name,
                    file: file.name.clone(),
                    line: one.line,
                }));
            }
        }
        endpoint
    }

    /// The engine's first two waves, one after the other: they do not wait for the URL's answers.
    /// What happened before is asked for as soon as the key is known to be rejected.
    async fn ask_engine(
        &self,
        list: Result<AskedList, String>,
        is_rejected: tokio::sync::oneshot::Receiver<bool>,
    ) -> EngineAnswer {
        let list = match list {
            Ok(list) => list,
            Err(reason) => return EngineAnswer::unavailable(&reason, None),
        };
        let listing = match self.clock.timed_since(list.since, "docker: list", list.answer).await {
            Ok(listing) => listing,
            Err(unasked) => {
                let failed = FailedEngine {
                    kind: unasked.failure,
                    address: unasked.address,
                    context: unasked.context,
                };
                return EngineAnswer::unavailable(&unasked.reason, Some(failed));
            }
        };
        let named = self.compose_of_a_container(&listing);
        let wanted = named.as_ref().unwrap_or(&self.compose).wanted();
        let look_back = async {
            if is_rejected.await != Ok(true) {
                return None;
            }
            let asked = docker::LookedBack::ask(&listing, &wanted);
            Some(self.clock.timed("docker: events, logs", asked).await)
        };
        let (found, dashboards, looked_back) = tokio::join!(
            self.clock.timed("docker: inspect", docker::inspect(&listing, &wanted)),
            next_to_it::dashboards(&self.clock, self.request, &self.environment, &listing, &wanted),
            look_back,
        );
        EngineAnswer {
            facts: Observation::Seen(found.facts),
            failed: None,
            listing: Some(listing),
            looked_back,
            secrets: found.secrets,
            dashboards,
            compose: named,
        }
    }

    /// The compose project that a container of this directory was made from, if it is not the one
    /// that was read.
    fn compose_of_a_container(&self, listing: &Listing) -> Option<ComposeRead> {
        let (asked, environment) = (&self.request.project, &self.environment);
        let (directory, texts) = (&self.directory, &self.texts);
        compose::named_by_a_container(&self.compose, asked, listing, directory, environment, texts)
    }

    /// All probes of the selected URL.
    async fn ask_url(&self) -> Observation<Option<EndpointFacts>> {
        // Of one that cannot be used nothing is asked: that shows without the network.
        let is_usable = self.url().is_none_or(|url| endpoint::url::read(url).is_ok());
        let forbidden = self.request.no_network && is_usable;
        if let Some(reason) = self.unasked(forbidden, "--no-network") {
            return Observation::unavailable(reason);
        }
        if self.url().is_none() {
            return Observation::Seen(None);
        }
        let first = self.probe();
        let asked = self.clock.within("url: all probes", endpoint::look(&first)).await;
        let Some(mut facts) = asked else { return Observation::unavailable(OVER) };
        if endpoint::here::is_elsewhere()
            && crate::deployment::endpoint::is_loopback(&facts.target.host)
            && facts.route.reach == Reach::Refused
        {
            // What the host publishes on 127.0.0.1 only is refused as well.
            let port = facts.target.port;
            return Observation::unavailable(format!(
                "this container cannot reach port {port} of the host (it may be published on 127.0.0.1 only): \
                 start it with --network host"
            ));
        }
        if self.request.deep {
            let push = endpoint::push(&first, &facts);
            let pushed = self.clock.within("url: 4 MiB", push).await;
            facts.server.big_body = Some(pushed.unwrap_or_else(over));
        }
        Observation::Seen(Some(facts))
    }

    /// The URLs that the app uses, where they have another origin than the selected one.
    async fn ask_app_urls(&self, urls: &mut [AppUrl]) {
        let Some(selected) = self.url() else { return };
        if !urls.iter().any(|app| endpoint::elsewhere(&app.url, selected).is_some()) {
            return;
        }
        let allowed = self.unasked(self.request.no_network, "--no-network").is_none();
        let timeout = self.request.timeout();
        let asked = next_to_it::app_urls(urls, selected, allowed, &self.environment, timeout);
        if self.clock.within("url: the app's", asked).await.is_none() {
            for url in urls.iter_mut().filter(|url| url.instance_name.is_none()) {
                url.unanswered.get_or_insert_with(|| OVER.to_owned());
            }
        }
    }

    /// Tries every key against every secret found so far.
    fn try_keys(&mut self) {
        self.evidence.keys =
            credentials::keys(&self.selected.selection, &self.evidence.selection, &self.secrets);
    }

    /// The addresses that the answers so far name for clients, and the key past a proxy.
    async fn second_wave(&mut self) {
        let urls = next_to_it::named(&self.evidence);
        let origins = match self.unasked(self.request.no_network, "--no-network") {
            Some(reason) => Err(reason),
            None => Ok((urls, self.environment.clone(), self.request.timeout())),
        };
        let left = self.clock.deadline.left();
        let ask = async move {
            match origins {
                Ok((urls, ..)) if urls.is_empty() => Observation::Seen(Vec::new()),
                Ok((urls, environment, timeout)) => {
                    let asked = next_to_it::ask_named(urls, environment, timeout);
                    let asked = tokio::time::timeout(left, asked).await;
                    asked.map_or_else(|_| over(), Observation::Seen)
                }
                Err(reason) => Observation::unavailable(reason),
            }
        };
        // Taken out meanwhile: the requests borrow the run, and its answers are added to it.
        let mut endpoint = std::mem::replace(&mut self.evidence.endpoint, Observation::Seen(None));
        let past_the_proxy = async {
            if let Observation::Seen(Some(facts)) = &mut endpoint {
                self.ask_past_the_proxy(facts).await;
            }
        };
        let (origins, ()) = tokio::join!(ask, past_the_proxy);
        self.evidence.endpoint = endpoint;
        self.evidence.origins = origins;
    }

    /// Whether the logs and the engine's events say what is wrong: the key was rejected, or the backend
    /// is not well.
    fn looks_back(&self, is_rejected: bool) -> bool {
        let is_unwell = self.evidence.docker.seen().is_ok_and(is_unwell);
        is_rejected || is_unwell || self.request.read_log
    }

    /// Sends the key again where it was rejected or nothing answered: whether the answer stays the
    /// same, and whether the key arrives at all.
    async fn ask_again(&self, endpoint: &mut Observation<Option<EndpointFacts>>) {
        let is_rejected = rejected(endpoint);
        let Observation::Seen(Some(facts)) = endpoint else { return };
        if !is_rejected {
            return;
        }
        let first = self.probe();
        let again = endpoint::ProbeRequest { nonce: &self.nonces[1], ..first };
        facts.key.check_again = self
            .clock
            .within("url: key again", endpoint::retry_key(&again))
            .await
            .unwrap_or_else(over);
        // No log is searched for the nonces from here on: there, two adjacent lines are the proof.
        let more = endpoint::ProbeRequest { nonce: &nonce(), ..first };
        self.clock.within("url: key once more", endpoint::try_more(&more, facts)).await;
        let rejections = facts.verdicts().into_iter().filter(|taken| *taken == Some(false)).count();
        facts.key.refusals = u32::try_from(rejections).unwrap_or(0);
    }

    /// Sends the key to the backend itself where it seems to get lost on the way.
    async fn ask_past_the_proxy(&self, facts: &mut EndpointFacts) {
        let first = self.probe();
        if let (true, Observation::Seen(docker), Some(key)) =
            (endpoint::straight::is_called_for(facts), &self.evidence.docker, first.key)
            && let Some(known) = self.evidence.keys.iter().find(|key| key.selected)
        {
            let straight = endpoint::straight::StraightRequest {
                key,
                facts: known,
                timeout: first.timeout,
                nonce: &nonce(),
                in_container: self.evidence.surroundings.in_container
                    || endpoint::here::is_elsewhere(),
            };
            let asked = endpoint::straight::look(docker, &straight);
            let asked = self.clock.within("url: past the proxy", asked).await;
            facts.key.straight = asked.unwrap_or_default();
        }
    }

    /// Node's version, asked of the program itself where no file says it.
    async fn ask_node(&self) -> Option<String> {
        let is_unknown = self.node.version.is_none() && self.node.may_start;
        if self.scope == RunScope::Files || !is_unknown {
            return self.node.version.clone();
        }
        self.clock.within("node", self.node.version(&self.environment)).await.flatten()
    }

    /// The volumes that no running backend mounts, where one of them may hold the key's secret.
    async fn look_into_volumes(&mut self) {
        let Some(listing) = &self.listing else { return };
        let asked = self.request.deep || self.request.docker.look_into_volumes;
        if !asked && !is_foreign(&self.evidence.keys, &self.evidence.endpoint) {
            return;
        }
        let Observation::Seen(docker) = &mut self.evidence.docker else { return };
        let (deep, at) = (self.request.deep, self.evidence.collected_at);
        let look = docker::look_into_volumes(listing, docker, deep, at);
        let found = self.clock.timed("docker: volumes", look).await;
        if !found.is_empty() {
            self.secrets.extend(found);
            self.try_keys();
        }
    }

    /// What happened before, where the key was rejected or the backend is not well: after the key was
    /// sent again, which the logs show.
    async fn look_back(&mut self) {
        let looks_back = self.looks_back(rejected(&self.evidence.endpoint));
        let facts = self.evidence.endpoint.seen().ok().and_then(Option::as_ref);
        let port = facts.map(|facts| facts.target.port);
        let (Some(listing), Observation::Seen(docker)) = (&self.listing, &mut self.evidence.docker)
        else {
            return;
        };
        if !looks_back {
            return;
        }
        let wanted = self.compose.wanted();
        let look = async {
            let looked_back = match self.looked_back.take() {
                Some(asked) => asked,
                None => docker::LookedBack::ask(listing, &wanted).await,
            };
            docker.events = looked_back.events(docker, &wanted);
            looked_back.read_logs(listing, docker, port, &self.nonces).await;
        };
        self.clock.timed("docker: looking back", look).await;
    }

    /// The engines of the other contexts, where this one has no container of the project.
    async fn other_contexts(&mut self) {
        let Some(listing) = &self.listing else { return };
        let options = self.docker_options();
        let wanted = self.compose.wanted();
        let asked = docker::other_contexts(listing, &wanted, &options, &self.environment);
        let found = self.clock.timed("docker: other contexts", asked).await;
        if let Observation::Seen(docker) = &mut self.evidence.docker {
            docker.other_contexts = found;
        }
    }

    /// Which container answers at the selected URL.
    fn find_answering(&mut self) {
        if let (Observation::Seen(docker), Ok(Some(endpoint))) =
            (&mut self.evidence.docker, self.evidence.endpoint.seen())
        {
            docker.answering = docker::answering(docker, endpoint);
        }
    }

    /// The files that were read, as git is asked about them: of what Compose reads, those in the
    /// directory only, and none of a project in error.
    fn files_in_git(&self) -> Vec<CheckedFile> {
        let mut composed = self.compose.files(&self.directory, &self.texts);
        composed
            .retain(|file| self.compose.project.is_ok() && !Path::new(&file.name).is_absolute());
        self.selected.files.iter().cloned().chain(composed).collect()
    }

    /// What git does with the files of those names.
    async fn ask_standing(&self, names: Vec<String>) -> (Vec<String>, GitAnswer) {
        let asked: Vec<&str> = names.iter().map(String::as_str).collect();
        let asked = repository::standing(&self.directory, &asked, self.request.timeout());
        let answer = self.clock.within("git", asked).await;
        (names, answer.unwrap_or_else(|| Err(OVER.to_owned())))
    }

    /// What git says of the files that were read, and the suppressions that they hold.
    async fn ask_git(&mut self) {
        let composed = self.compose.files(&self.directory, &self.texts);
        let comments = suppressions::comments(self.selected.files.iter().chain(&composed));
        self.evidence.asked.suppressions.extend(comments);
        let files = self.files_in_git();
        let names = repository::asked_about(&files);
        let standing = match self.standing.take() {
            Some((asked, answer)) if asked == names => answer,
            // A container was made from another compose file.
            _ => self.ask_standing(names).await.1,
        };
        let asked =
            git(self.request, &self.directory, &files, standing, &self.selected, &self.secrets);
        let found = self.clock.within("git: secrets", asked).await;
        self.evidence.surroundings.git = found.unwrap_or_else(over);
        self.date_key().await;
    }

    /// When git got the key's line, where it tracks the file and the key is not taken.
    async fn date_key(&mut self) {
        let Observation::Seen(Some(git)) = &mut self.evidence.surroundings.git else { return };
        let Some(key) = &self.selected.selection.admin_key else { return };
        let tracked = |file: &&str| git.tracked.iter().any(|tracked| tracked == file);
        let Some(file) = key_file(&self.selected.selection).filter(tracked) else { return };
        if rejected(&self.evidence.endpoint) {
            let (directory, timeout) = (&self.directory, self.request.timeout());
            let asked = repository::key_committed_at(directory, file, &key.as_sent, timeout);
            git.key_committed_at = self.clock.within("git: key", asked).await.flatten();
        }
    }

    /// Where else the key and the secret are kept, when they are to be replaced.
    async fn other_places(&mut self) {
        let old =
            places::OldSecrets::of(&self.selected.selection, &self.evidence.docker, &self.secrets);
        if self.scope != RunScope::All || !old.is_to_be_rotated(&self.evidence.surroundings.git) {
            return;
        }
        let root = files::repository_root(&self.directory);
        let home = self.environment.get(names::HOME).map(String::as_str);
        let look = places::look(&self.directory, root, home, &old, self.request.timeout());
        self.evidence.surroundings.other_places =
            self.clock.within("files: other places", look).await;
    }

    fn finish(self) -> Admitted<Evidence> {
        let (compose, timings) = (self.compose.facts, self.clock.finish());
        Admitted::of(&Evidence { compose, timings, ..self.evidence })
    }
}

/// What there was no time for.
fn over<T>() -> Observation<T> {
    Observation::unavailable(OVER)
}

/// What the engine answered in its first two waves.
struct EngineAnswer {
    facts: Observation<DockerFacts>,
    failed: Option<FailedEngine>,
    listing: Option<Listing>,
    looked_back: Option<docker::LookedBack>,
    secrets: Vec<(Secret, SecretPlace)>,
    dashboards: Observation<Vec<crate::evidence::endpoint::DashboardPage>>,
    /// The project that a container was made from, in place of the one that was read.
    compose: Option<ComposeRead>,
}

impl EngineAnswer {
    fn unavailable(reason: &str, failed: Option<FailedEngine>) -> Self {
        let (facts, dashboards) =
            (Observation::unavailable(reason), Observation::unavailable(reason));
        Self {
            facts,
            failed,
            listing: None,
            looked_back: None,
            secrets: Vec::new(),
            dashboards,
            compose: None,
        }
    }
}

fn asked(request: &Request, environment: &BTreeMap<String, String>) -> Asked {
    Asked {
        ephemeral: request.ephemeral,
        ci: environment.get("CI").is_some_and(|value| !value.is_empty() && value != "false"),
        service: request.project.service.clone(),
        no_docker: request.docker.no_docker,
        no_network: request.no_network,
        suppressions: request.suppressions.clone(),
    }
}

/// The project's surroundings, as far as files show them.
fn around(
    directory: &Path,
    environment: &BTreeMap<String, String>,
    texts: &FileTexts,
    selected: &Selected,
    cli: toolchain::Cli,
    node: &toolchain::Node,
) -> Surroundings {
    let misses = &selected.selection.near_misses;
    let misses: Vec<&str> = misses.iter().map(|miss| miss.name.as_str()).collect();
    Surroundings {
        names_in_compose_files: surroundings::names_in_compose_files(directory, texts, &misses),
        directory: directory.display().to_string(),
        repository: files::repository_root(directory).map(|root| root.display().to_string()),
        package_json: surroundings::package_json(directory, texts),
        cli_version: cli.version,
        cli_found: cli.found,
        cli_needs_node: cli.needs_node,
        node_version: node.version.clone(),
        node_found: Observation::Seen(node.program.as_ref().map(|it| shown_program(it))),
        node_own_roots: node.own_roots,
        cli_scripts: surroundings::cli_scripts(directory, texts),
        git: Observation::unavailable("not checked"),
        env_files_elsewhere: surroundings::env_files_elsewhere(directory, &[".env.local", ".env"]),
        cloud_urls_elsewhere: surroundings::cloud_urls_elsewhere(
            directory,
            &[".env.local", ".env"],
        ),
        unreadable: selected.unreadable.clone(),
        app_urls: app_urls(&selected.selection),
        other_places: None,
        in_container: surroundings::in_container(environment),
        key_file_changed_at: key_file(&selected.selection)
            .and_then(|file| files::changed_at(&directory.join(file))),
        uid: surroundings::uid(),
    }
}

/// The file that the selected key is in.
fn key_file(selection: &Selection) -> Option<&str> {
    match &selection.admin_key.as_ref()?.source {
        ValueSource::File { file, .. } => Some(file),
        ValueSource::Env { .. } | ValueSource::Flag { .. } => None,
    }
}

/// A program as reports show it.
fn shown_program(program: &Path) -> String {
    sanitize(&program.display().to_string())
}

/// The URLs that the app is configured with, in the files that the CLI reads.
fn app_urls(selection: &Selection) -> Vec<AppUrl> {
    let mut urls = Vec::new();
    for variable in &selection.variables {
        if !variable.name.ends_with("CONVEX_URL") {
            continue;
        }
        for definition in variable.definitions.iter().filter(|one| one.wins) {
            if let ValueSource::File { file, line } = &definition.source {
                urls.push(AppUrl {
                    variable: variable.name.clone(),
                    file: file.clone(),
                    line: *line,
                    url: crate::selection::facts::masked(definition.value.expose()),
                    instance_name: None,
                    unanswered: None,
                });
            }
        }
    }
    urls
}

async fn git(
    request: &Request,
    directory: &Path,
    files: &[CheckedFile],
    standing: GitAnswer,
    selected: &Selected,
    secrets: &[(Secret, SecretPlace)],
) -> Observation<Option<Git>> {
    let key = selected.selection.admin_key.as_ref().map(|key| (&key.as_sent, "key"));
    let in_use = |place: &SecretPlace| {
        matches!(place, SecretPlace::Process { .. } | SecretPlace::File { .. })
    };
    let in_use = secrets.iter().filter(|(_, place)| in_use(place));
    let wanted: Vec<_> =
        key.into_iter().chain(in_use.map(|(secret, _)| (secret, "instance secret"))).collect();
    repository::look(directory, files, standing, &wanted, request.history, request.timeout()).await
}

/// Whether the backend was seen to accept the key.
fn accepted(endpoint: &Observation<Option<EndpointFacts>>) -> bool {
    matches!(endpoint.seen(), Ok(Some(_))) && !rejected(endpoint)
}

/// Whether the key was rejected, in its check or in the CLI's first call, or nothing answered.
fn rejected(endpoint: &Observation<Option<EndpointFacts>>) -> bool {
    let Ok(Some(facts)) = endpoint.seen() else { return false };
    let first = facts.key.first_call.seen().ok().and_then(Answer::takes_key);
    !facts.key.check_admin_key.seen().is_ok_and(|answer| answer.status == 200)
        || first == Some(false)
}

/// Whether the selected key has a valid form, was not seen to be accepted, and matches none of the
/// secrets found: some volume may hold its own.
fn is_foreign(keys: &[KeyFacts], endpoint: &Observation<Option<EndpointFacts>>) -> bool {
    let is_public = |place: &SecretPlace| *place == SecretPlace::PublicDevelopment;
    !accepted(endpoint)
        && keys.iter().any(|key| {
            let mut opened = key.trials.iter().filter(|trial| trial.opened.is_some());
            key.selected
                && key.fingerprint.is_some()
                && !opened.any(|trial| !trial.places.iter().all(is_public))
        })
}

/// Whether the container that should run does not, or seems to crash again and again.
fn is_unwell(docker: &DockerFacts) -> bool {
    docker.expected().is_some_and(|container| {
        !container.is_running() || container.life.restarts > 0 || container.is_unhealthy()
    })
}
