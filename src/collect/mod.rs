//! All looking. [`run`] conducts the waves (docs/architecture.md, The waves): first, side by side,
//! the files, the list of containers and the first HTTP probes; then what they lead to (inspect the
//! candidates, read credentials, try the key against every secret found); third, only when
//! something is wrong, the logs. What fails becomes an `Observation::Unavailable`, never an error
//! that ends the run.
//!
//! Secrets live here and nowhere above: what leaves is [`Evidence`].
#![allow(clippy::disallowed_methods, reason = "the collector looks at the machine")]

pub mod docker;
pub mod endpoint;
pub mod files;

mod beside;
mod clock;
mod compose_project;
mod compose_services;
mod credentials;
pub mod mending;
pub mod minting;
mod network_mounts;
pub mod old_key;
mod places;
mod repository;
mod request;
mod selection;
mod sql_url;
mod suppressions;
mod surroundings;
mod toolchain;
mod versions;

pub use request::{Request, Running};
pub use versions::versions;

pub use suppressions::{SettingsFile, settings_file};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use clock::Clock;

use crate::admin_key::Inspection;
use crate::evidence::docker::{DockerFacts, FailedEngine};
use crate::evidence::endpoint::{Answer, DashboardPage};
use crate::evidence::key::SecretPlace;
use crate::evidence::surroundings::AppUrl;
use crate::evidence::{Asked, EndpointFacts, Evidence, KeyFacts, Observation, Surroundings};
use crate::secret::Secret;

/// The project's directory, absolute and without links; the current one by default.
fn real_directory(directory: Option<&Path>) -> anyhow::Result<PathBuf> {
    let directory = directory.unwrap_or(Path::new("."));
    let directory = std::fs::canonicalize(directory)
        .with_context(|| format!("cannot look into the directory {}", directory.display()))?;
    anyhow::ensure!(directory.is_dir(), "{} is no directory", directory.display());
    Ok(directory)
}

/// A path as reports name it: from the project's directory where it lies inside.
fn shown(path: &Path, directory: &Path) -> String {
    path.strip_prefix(directory).unwrap_or(path).display().to_string()
}

/// One line from the standard input, without its line end: an admin key.
pub fn stdin_line() -> anyhow::Result<Secret> {
    use std::io::Read as _;
    let mut text = String::new();
    std::io::stdin()
        .take(64 * 1024)
        .read_to_string(&mut text)
        .context("cannot read the key from the standard input")?;
    Ok(Secret::new(crate::admin_key::strip_one_line_end(&text)))
}

/// Whether an HTTP question was put to the selected URL at all.
pub fn network_was_asked(evidence: &Evidence) -> bool {
    matches!(evidence.endpoint.seen(), Ok(Some(_)))
}

/// How far to look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Everything that the request allows.
    All,
    /// The files alone: what the CLI would select, and the compose project.
    Files,
}

/// Looks at everything.
pub fn run(request: &Request) -> anyhow::Result<Evidence> {
    let runtime = runtime()?;
    let evidence = runtime.block_on(look(request, Scope::All));
    // A name look-up that hangs sits in a thread of its own; nobody waits for it.
    runtime.shutdown_background();
    evidence
}

/// Looks as [`run`] does, again and again while `goes_on` says so of what was seen and of the time
/// since the first look, but no longer than `longest`. What was seen last counts.
pub fn until(
    request: &Request,
    longest: Duration,
    goes_on: &mut dyn FnMut(&Evidence, Duration) -> bool,
) -> anyhow::Result<Evidence> {
    /// Short against a backend's start, long against a look.
    const PAUSE: Duration = Duration::from_millis(500);
    let start = Instant::now();
    loop {
        let evidence = run(request)?;
        let waited = start.elapsed();
        if waited >= longest || !goes_on(&evidence, waited) {
            return Ok(evidence);
        }
        std::thread::sleep(PAUSE.min(longest.saturating_sub(waited)));
    }
}

/// As [`run`], on a thread of its own: for a caller that is inside an event loop.
pub fn run_apart(request: Request) -> anyhow::Result<Evidence> {
    std::thread::spawn(move || run(&request))
        .join()
        .unwrap_or_else(|_| anyhow::bail!("the looking failed inside"))
}

/// Looks at the files alone.
pub fn run_files_only(request: &Request) -> anyhow::Result<Evidence> {
    runtime()?.block_on(look(request, Scope::Files))
}

/// As [`run`], inside an event loop that is there already.
pub async fn look_at_all(request: &Request) -> anyhow::Result<Evidence> {
    look(request, Scope::All).await
}

/// What can be said of `key` with what Docker shows: the secret and the name of the backend that is
/// in force here, the one behind the selected URL before the one that Compose would run. Without
/// any, what its text says.
pub fn inspect_with_docker(
    request: &Request,
    key: &Secret,
    instance_name: Option<&str>,
) -> anyhow::Result<Inspection> {
    if request.no_docker {
        return Ok(crate::admin_key::inspect(key, None));
    }
    runtime()?.block_on(async {
        let directory = request.directory()?;
        let environment = request.environment();
        let project = compose_project::load(request, &directory, &environment);
        let compose =
            compose_project::facts(&project, &directory, request.service.as_deref(), &environment);
        let options = request.docker_options();
        let Ok(listing) = docker::list(&options, &environment).await else {
            return Ok(crate::admin_key::inspect(key, None));
        };
        let wanted = compose_project::wanted(&project, &compose.facts);
        let found = docker::inspect(&listing, &wanted).await;
        let expected = found.facts.expected.as_deref();
        let backend = expected.or(match found.facts.backends.as_slice() {
            [only] => Some(only.name.as_str()),
            _ => None,
        });
        let in_force = backend
            .and_then(|name| found.facts.backend(name))
            .and_then(|container| minting::in_force(&found.secrets, container));
        let names =
            backend.and_then(|name| found.facts.backend(name)).map(|one| &one.instance_name);
        let name = instance_name.map(str::to_owned).or_else(|| {
            let names = names?;
            [&names.process, &names.file, &names.environment]
                .into_iter()
                .find_map(|place| place.seen().ok()?.clone())
        });
        let known = in_force.as_ref().zip(name.as_deref());
        Ok(crate::admin_key::inspect(key, known))
    })
}

/// The compose project, whole.
pub fn compose(
    request: &Request,
) -> anyhow::Result<Result<crate::compose::Project, crate::compose::Errors>> {
    Ok(compose_project::load(request, &request.directory()?, &request.environment()))
}

/// The faults of a compose project, each with the line it stands in.
pub fn compose_issues(
    request: &Request,
    errors: &crate::compose::Errors,
) -> anyhow::Result<Vec<crate::evidence::compose::ComposeIssue>> {
    Ok(compose_project::issues(errors, &request.directory()?))
}

/// What the CLI would use, with its secrets: for what is asked for by name.
pub fn selected(request: &Request) -> anyhow::Result<crate::selection::Selection> {
    Ok(selection::select(request, &request.directory()?, &request.environment()).selection)
}

/// The selected key, if there is one.
pub fn selected_key(request: &Request) -> anyhow::Result<Option<Secret>> {
    Ok(selected(request)?.admin_key.map(|key| key.as_read))
}

/// The text of a file that the caller named as one that holds an instance secret, one line end
/// removed.
pub fn secret_file(path: &Path) -> anyhow::Result<Secret> {
    match files::read(path) {
        files::FileText::Text(text) => Ok(Secret::new(crate::admin_key::strip_one_line_end(&text))),
        files::FileText::Missing => anyhow::bail!("{}: no such file", path.display()),
        files::FileText::Unreadable(reason) => anyhow::bail!("{}: {reason}", path.display()),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")
}

async fn look(request: &Request, scope: Scope) -> anyhow::Result<Evidence> {
    let clock = Clock::start(&request.running);
    let directory = request.directory()?;
    let environment = request.environment();
    let timeout = request.timeout();
    let selected = selection::select(request, &directory, &environment);
    let facts = crate::selection::facts::facts(&selected.selection, &crate::admin_key::fingerprint);
    let project = compose_project::load(request, &directory, &environment);
    let mut compose =
        compose_project::facts(&project, &directory, request.service.as_deref(), &environment);
    clock.lap("files");

    let cli = toolchain::cli(&directory, &environment);
    let mut evidence = Evidence {
        collected_at: jiff::Timestamp::now().as_second(),
        asked: Asked {
            ephemeral: request.ephemeral,
            ci: environment.get("CI").is_some_and(|value| !value.is_empty() && value != "false"),
            service: request.service.clone(),
            no_docker: request.no_docker,
            no_network: request.no_network,
            suppressions: request.suppressions.clone(),
        },
        selection: facts,
        surroundings: Surroundings {
            directory: directory.display().to_string(),
            repository: files::repository_root(&directory).map(|root| root.display().to_string()),
            package_json: surroundings::package_json(&directory),
            cli_version: cli.version,
            cli_found: cli.found,
            node_version: None,
            git: Observation::unavailable("not looked at"),
            env_files_elsewhere: surroundings::env_files_elsewhere(
                &directory,
                &[".env.local", ".env"],
            ),
            unreadable: selected.unreadable.clone(),
            app_urls: app_urls(&selected.selection),
            other_places: None,
            in_container: surroundings::in_container(&environment),
            uid: surroundings::uid(),
        },
        ..Evidence::default()
    };
    let mut secrets = std::mem::take(&mut compose.secrets);

    // First wave.
    let nonces = [nonce(), nonce()];
    let url = selected.selection.url.as_ref().map(|(url, _)| url.as_str());
    let key = selected.selection.admin_key.as_ref().map(|key| &key.as_sent);
    let ask_docker = scope == Scope::All && !request.no_docker;
    let ask_url = scope == Scope::All && !request.no_network;
    let engine = async {
        if ask_docker {
            ask_engine(&clock, request, &environment, &project, &compose.facts).await
        } else {
            EngineAnswer::not_asked(match scope {
                Scope::Files => "only files were looked at",
                Scope::All => "--no-docker was given",
            })
        }
    };
    let first = endpoint::Request {
        url: url.unwrap_or_default(),
        key,
        env: &environment,
        timeout,
        nonce: &nonces[0],
    };
    let ask = async {
        match (ask_url, url) {
            (true, Some(_)) => {
                let mut facts = clock.timed("url: all probes", endpoint::look(&first)).await;
                if request.deep {
                    let push = endpoint::push(&first, &facts);
                    facts.big_body = Some(clock.timed("url: 4 MiB", push).await);
                }
                Observation::Seen(Some(facts))
            }
            (true, None) => Observation::Seen(None),
            (false, _) => Observation::unavailable(match scope {
                Scope::Files => "only files were looked at",
                Scope::All => "--no-network was given",
            }),
        }
    };
    let mut app_urls = std::mem::take(&mut evidence.surroundings.app_urls);
    let apps = async {
        let selected = url.unwrap_or_default();
        let others = app_urls.iter().any(|app| endpoint::elsewhere(&app.url, selected).is_some());
        if url.is_some() && others {
            let asked = beside::app_urls(&mut app_urls, selected, ask_url, &environment, timeout);
            clock.timed("url: the app's", asked).await;
        }
        app_urls
    };
    let (engine, mut endpoint, app_urls) = tokio::join!(engine, ask, apps);
    evidence.surroundings.app_urls = app_urls;
    let EngineAnswer { facts: mut docker, failed, listing, secrets: met, dashboards } = engine;
    evidence.engine_failure = failed;
    evidence.dashboards = dashboards;
    secrets.extend(met);
    evidence.keys = credentials::keys(&selected.selection, &secrets);
    clock.lap("keys tried");

    // Third wave, only when something is wrong.
    let refused = refused(&endpoint);
    if let (Observation::Seen(Some(facts)), true) = (&mut endpoint, refused) {
        key_again(&clock, &first, &nonces[1], &docker, &evidence, facts).await;
    }
    if endpoint
        .seen()
        .is_ok_and(|it| it.as_ref().is_some_and(|it| it.dead_first_address().is_some()))
    {
        let asked = toolchain::node_version(&environment);
        evidence.surroundings.node_version = clock.timed("node", asked).await;
    }
    if let (Observation::Seen(docker), Some(listing)) = (&mut docker, &listing) {
        let look = request.deep || request.look_into_volumes;
        if look || is_a_stranger(&evidence.keys, &endpoint) {
            let look =
                docker::look_into_volumes(listing, docker, request.deep, evidence.collected_at);
            let met = clock.timed("docker: volumes", look).await;
            if !met.is_empty() {
                secrets.extend(met);
                evidence.keys = credentials::keys(&selected.selection, &secrets);
            }
        }
        if refused || ailing(docker) {
            let port = endpoint.seen().ok().and_then(Option::as_ref).map(|facts| facts.port);
            clock.timed("docker: logs", read_logs(listing, docker, port, &nonces)).await;
        }
        if !accepted(&endpoint) {
            let wanted = compose_project::wanted(&project, &compose.facts);
            let options = request.docker_options();
            let asked = docker::other_contexts(listing, &wanted, &options, &environment);
            docker.other_contexts = clock.timed("docker: other contexts", asked).await;
        }
        docker.answering = match endpoint.seen() {
            Ok(Some(facts)) => docker::answering(docker, facts),
            _ => None,
        };
    }
    evidence.docker = docker;
    let mut composed = compose_project::files(&project, &directory);
    let comments = suppressions::comments(selected.files.iter().chain(&composed));
    evidence.asked.suppressions.extend(comments);
    // Git is asked of what Compose reads here: nothing outside of the directory, nothing of a
    // project in error.
    composed.retain(|file| project.is_ok() && !Path::new(&file.name).is_absolute());
    let read = selected.files.into_iter().chain(composed);
    evidence.surroundings.git = clock
        .timed("git", git(request, &directory, read.collect(), &selected.selection, &secrets))
        .await;
    let old = places::Old::of(&selected.selection, &evidence.docker, &secrets);
    if scope == Scope::All && old.is_to_be_rotated(&evidence.surroundings.git) {
        let root = files::repository_root(&directory);
        let home = environment.get("HOME").map(String::as_str);
        let look = places::look(&directory, root, home, &old, timeout);
        evidence.surroundings.other_places = Some(clock.timed("files: other places", look).await);
    }
    evidence.compose = compose.facts;
    evidence.endpoint = endpoint;
    evidence.timings = clock.finish();
    Ok(evidence)
}

/// What came of asking the engine.
struct EngineAnswer {
    facts: Observation<DockerFacts>,
    failed: Option<FailedEngine>,
    listing: Option<docker::Listing>,
    secrets: Vec<(Secret, SecretPlace)>,
    dashboards: Observation<Vec<DashboardPage>>,
}

impl EngineAnswer {
    fn not_asked(reason: &str) -> Self {
        let (facts, dashboards) =
            (Observation::unavailable(reason), Observation::unavailable(reason));
        Self { facts, failed: None, listing: None, secrets: Vec::new(), dashboards }
    }
}

/// The engine's first two waves, one after the other: they wait for nothing that the URL says.
async fn ask_engine(
    clock: &Clock,
    request: &Request,
    environment: &BTreeMap<String, String>,
    project: &Result<crate::compose::Project, crate::compose::Errors>,
    compose: &Observation<Option<crate::evidence::ComposeFacts>>,
) -> EngineAnswer {
    let options = request.docker_options();
    let listing = match clock.timed("docker: list", docker::list(&options, environment)).await {
        Ok(listing) => listing,
        Err(unasked) => {
            return EngineAnswer {
                failed: Some(FailedEngine {
                    kind: unasked.failure,
                    address: unasked.address,
                    context: unasked.context,
                }),
                ..EngineAnswer::not_asked(&unasked.reason)
            };
        }
    };
    let wanted = compose_project::wanted(project, compose);
    let (found, dashboards) = tokio::join!(
        clock.timed("docker: inspect", docker::inspect(&listing, &wanted)),
        beside::dashboards(clock, request, environment, &listing, &wanted),
    );
    EngineAnswer {
        facts: Observation::Seen(found.facts),
        failed: None,
        listing: Some(listing),
        secrets: found.secrets,
        dashboards,
    }
}

/// The key again, where it was refused or nobody took it: whether the answer stays the same, and
/// whether the key arrives at all.
async fn key_again(
    clock: &Clock,
    first: &endpoint::Request<'_>,
    second_nonce: &str,
    docker: &Observation<DockerFacts>,
    evidence: &Evidence,
    facts: &mut EndpointFacts,
) {
    let again = endpoint::Request { nonce: second_nonce, ..*first };
    facts.check_again = clock.timed("url: key again", endpoint::retry_key(&again)).await;
    // Their nonces are none that a log is searched for: there, two adjacent lines are the proof.
    let more = endpoint::Request { nonce: &nonce(), ..*first };
    clock.timed("url: key once more", endpoint::try_more(&more, facts)).await;
    let refusals = facts.verdicts().into_iter().filter(|taken| *taken == Some(false)).count();
    facts.refusals = u32::try_from(refusals).unwrap_or(0);
    let lost = endpoint::straight::is_called_for(facts);
    if let (true, Observation::Seen(docker), Some(key)) = (lost, docker, first.key)
        && let Some(known) = evidence.keys.iter().find(|key| key.selected)
    {
        let straight = endpoint::straight::Request {
            key,
            facts: known,
            timeout: first.timeout,
            nonce: &nonce(),
            in_container: evidence.surroundings.in_container,
        };
        let asked = endpoint::straight::look(docker, &straight);
        facts.straight = clock.timed("url: past the proxy", asked).await;
    }
}

/// Whether the key was seen to be accepted.
fn accepted(endpoint: &Observation<Option<EndpointFacts>>) -> bool {
    matches!(endpoint.seen(), Ok(Some(_))) && !refused(endpoint)
}

/// Whether the backend refused the key, to its check or to the CLI's first call, or there was
/// nobody to take it.
fn refused(endpoint: &Observation<Option<EndpointFacts>>) -> bool {
    let Ok(Some(facts)) = endpoint.seen() else { return false };
    let first = facts.first_call.seen().ok().and_then(Answer::takes_key);
    !facts.check_admin_key.seen().is_ok_and(|answer| answer.status == 200) || first == Some(false)
}

/// Whether the selected key is one, was not seen to be accepted, and opens with no secret that was
/// found: some volume may have its own.
fn is_a_stranger(keys: &[KeyFacts], endpoint: &Observation<Option<EndpointFacts>>) -> bool {
    let is_public = |place: &SecretPlace| *place == SecretPlace::PublicDevelopment;
    !accepted(endpoint)
        && keys.iter().any(|key| {
            let mut opened = key.trials.iter().filter(|trial| trial.opened.is_some());
            key.selected
                && key.fingerprint.is_some()
                && !opened.any(|trial| !trial.places.iter().all(is_public))
        })
}

/// Whether the container that should run does not, or seems to die over and over.
fn ailing(docker: &DockerFacts) -> bool {
    docker.expected().is_some_and(|container| {
        !container.is_running()
            || container.restarts > 0
            || container.health.as_deref() == Some("unhealthy")
    })
}

/// Reads the logs of the containers that may have answered, or should have (a dead one that would
/// publish the URL's port), side by side.
async fn read_logs(
    listing: &docker::Listing,
    docker: &mut DockerFacts,
    port: Option<u16>,
    nonces: &[String],
) {
    const MOST: usize = 4;
    let mut names: Vec<String> = docker.expected.iter().cloned().collect();
    let (running, dead): (Vec<_>, Vec<_>) =
        docker.backends.iter().partition(|container| container.is_running());
    let dead = dead
        .into_iter()
        .filter(|container| port.is_some() && container.ports.iter().any(|one| one.host == port));
    let others = running.into_iter().chain(dead).map(|container| container.name.clone());
    let others: Vec<String> = others.filter(|name| !names.contains(name)).collect();
    names.extend(others);
    names.truncate(MOST);
    let logs = futures_util::future::join_all(
        names.iter().map(|name| docker::logs(listing, name, nonces)),
    )
    .await;
    for (name, log) in names.iter().zip(logs) {
        if let Some(container) = docker.backends.iter_mut().find(|one| &one.name == name) {
            container.log = log;
        }
    }
}

async fn git(
    request: &Request,
    directory: &Path,
    files: Vec<repository::ReadFile>,
    selection: &crate::selection::choose::Selection,
    secrets: &[(Secret, SecretPlace)],
) -> Observation<Option<crate::evidence::surroundings::Git>> {
    let key = selection.admin_key.as_ref().map(|key| (&key.as_sent, "key"));
    let in_force = secrets
        .iter()
        .filter(|(_, place)| {
            matches!(place, SecretPlace::Process { .. } | SecretPlace::File { .. })
        })
        .map(|(secret, _)| (secret, "instance secret"));
    let wanted: Vec<_> = key.into_iter().chain(in_force).collect();
    repository::look(directory, &files, &wanted, request.history, request.timeout()).await
}

/// The URLs that the app is told, in the files the CLI reads.
fn app_urls(selection: &crate::selection::choose::Selection) -> Vec<AppUrl> {
    use crate::evidence::selection::ValueSource;
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

/// The random bytes of a key's nonce, from the operating system: the same twice under one secret
/// would break its seal.
fn nonce_bytes() -> anyhow::Result<[u8; 12]> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}

/// The text of an env file; `None` where there is none.
pub fn env_text(path: &Path) -> anyhow::Result<Option<String>> {
    match files::read(path) {
        files::FileText::Text(text) => Ok(Some(text)),
        files::FileText::Missing => Ok(None),
        files::FileText::Unreadable(reason) => anyhow::bail!("{}: {reason}", path.display()),
    }
}

/// Eight random hex digits for the User-Agent, by which a container's access log shows that our own
/// probe reached it.
fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:08x}", random >> 32)
}
