//! All I/O that a diagnosis needs. [`run()`] goes in waves (docs/architecture.md, The waves): first,
//! at the same time, the files, the list of containers and the first HTTP probes; then what they
//! lead to (inspect the candidates, read credentials, try the key against every secret found);
//! third, only when something is wrong, the volumes and the logs. What fails becomes an
//! `Observation::Unavailable`, never an error that ends the run.
//!
//! Secrets live here and nowhere above: what leaves is [`Evidence`].
#![allow(clippy::disallowed_methods, reason = "the collector looks at the machine")]

pub mod docker;
pub mod endpoint;

mod clock;
mod compose;
mod credentials;
pub mod for_fix;
pub mod minting;
mod next_to_it;
pub mod old_key;
mod places;
mod repository;
mod request;
mod roots;
mod run;
mod selection;
mod sql_url;
mod suppressions;
mod surroundings;
mod texts;
mod toolchain;
mod versions;

pub use request::{
    CliRequest, DockerRequest, ProjectRequest, Request, RunningCommand, process_environment,
};
pub use versions::versions;

pub use suppressions::{SettingsFile, settings_file};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use clock::Clock;
use run::RunScope;
use texts::FileTexts;

use crate::admin_key::Inspection;
use crate::budget::{BUNDLE_BYTES, Deadline, FILE_BYTES, RUN};
use crate::evidence::Evidence;
pub(crate) use crate::files;
use crate::foreign::{Admitted, learn};
use crate::secret::Secret;

/// The project's directory, absolute and without links; the current one by default.
fn real_directory(directory: Option<&Path>) -> anyhow::Result<PathBuf> {
    let directory = directory.unwrap_or(Path::new("."));
    let directory = std::fs::canonicalize(directory)
        .with_context(|| format!("cannot read directory {}", directory.display()))?;
    anyhow::ensure!(directory.is_dir(), "{} is not a directory", directory.display());
    Ok(directory)
}

/// A path as reports name it: from the project's directory where it is inside.
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
    !evidence.asked.no_network && matches!(evidence.endpoint.seen(), Ok(Some(_)))
}

/// Looks at everything.
pub fn run(request: &Request) -> anyhow::Result<Admitted<Evidence>> {
    look(request, request.look_deadline())
}

fn look(request: &Request, deadline: Deadline) -> anyhow::Result<Admitted<Evidence>> {
    let runtime = runtime()?;
    let evidence = runtime.block_on(run::collect(request, RunScope::All, deadline));
    // A name look-up that hangs is in a thread of its own, which is not waited for.
    runtime.shutdown_background();
    evidence
}

/// Looks as [`run()`] does, again and again while `goes_on` says so of what was seen and of the time
/// since the first look, but no longer than `longest`. Each look has its own 30 s. What was seen
/// last counts.
pub fn until(
    request: &Request,
    longest: Duration,
    goes_on: &mut dyn FnMut(&Admitted<Evidence>, Duration) -> bool,
) -> anyhow::Result<Admitted<Evidence>> {
    /// Short against a backend's start, long against a look.
    const PAUSE: Duration = Duration::from_millis(500);
    let start = Instant::now();
    loop {
        let evidence = look(request, Deadline::after(RUN))?;
        let waited = start.elapsed();
        if waited >= longest || !goes_on(&evidence, waited) {
            return Ok(evidence);
        }
        std::thread::sleep(PAUSE.min(longest.saturating_sub(waited)));
    }
}

/// As [`run()`], on a thread of its own: for a caller that is inside an event loop.
pub fn run_apart(request: Request) -> anyhow::Result<Admitted<Evidence>> {
    std::thread::Builder::new()
        .stack_size(crate::budget::STACK_BYTES)
        .spawn(move || run(&request))?
        .join()
        .unwrap_or_else(|_| anyhow::bail!("internal error while collecting"))
}

/// Looks at the files alone.
pub fn run_files_only(request: &Request) -> anyhow::Result<Admitted<Evidence>> {
    runtime()?.block_on(run::collect(request, RunScope::Files, request.look_deadline()))
}

/// As [`run()`], inside an event loop that is there already.
pub async fn look_at_all(request: &Request) -> anyhow::Result<Admitted<Evidence>> {
    run::collect(request, RunScope::All, request.look_deadline()).await
}

/// What can be said of `key` with what Docker shows: the secret and the name of the backend that is
/// in use here, the one behind the selected URL before the one that Compose would run. Without
/// any, what its text says.
pub fn inspect_with_docker(
    request: &Request,
    key: &Secret,
    instance_name: Option<&str>,
) -> anyhow::Result<Inspection> {
    if request.docker.no_docker {
        return Ok(crate::admin_key::inspect(key, None));
    }
    runtime()?.block_on(async {
        let directory = request.directory()?;
        let environment = request.environment();
        let list = docker::list_ahead(request.docker_options(), environment.clone());
        let compose = compose::read(request, &directory, &environment, &FileTexts::default(), None);
        let Ok(listing) = list.await else {
            return Ok(crate::admin_key::inspect(key, None));
        };
        let found = docker::inspect(&listing, &compose.wanted()).await;
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

/// A compose project that Compose would refuse.
pub struct ComposeRefused {
    /// Compose's own errors.
    pub errors: crate::compose::Errors,
    /// The same as reports show them, each with its line.
    pub issues: Admitted<Vec<crate::evidence::compose::ComposeIssue>>,
}

/// The compose project, whole.
pub fn compose(
    request: &Request,
) -> anyhow::Result<Result<crate::compose::Project, ComposeRefused>> {
    let (directory, texts) = (request.directory()?, FileTexts::default());
    let environment = request.environment();
    environment.iter().for_each(|(name, value)| learn(name, value));
    let project = compose::load(&request.project, &directory, &environment, &texts);
    Ok(project.map_err(|errors| {
        let issues = Admitted::of(&compose::issues(&errors, &directory, &texts));
        ComposeRefused { errors, issues }
    }))
}

/// What the CLI would use, with its secrets: for what is asked for by name.
pub fn selected(request: &Request) -> anyhow::Result<crate::selection::Selection> {
    let texts = FileTexts::default();
    let (directory, environment) = (request.directory()?, request.environment());
    let cli = toolchain::cli(&directory, &environment).version;
    let selected = selection::select(request, &directory, &environment, &texts, cli.as_deref());
    Ok(selected.selection)
}

/// The text of a bundle: of a file, or of the standard input for `-`.
pub fn bundle_text(path: &Path) -> anyhow::Result<String> {
    text_of(path, BUNDLE_BYTES)
}

/// The text that is to be made safe: of a file, or of the standard input for `-`. What is not UTF-8 is
/// replaced.
pub fn text_to_redact(path: &Path) -> anyhow::Result<String> {
    text_of(path, FILE_BYTES)
}

fn text_of(path: &Path, limit: u64) -> anyhow::Result<String> {
    let bytes = if path == Path::new("-") {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .context("cannot read the standard input")?;
        let most = limit / 1024 / 1024;
        anyhow::ensure!(bytes.len() as u64 <= limit, "the input is larger than {most} MiB");
        bytes
    } else {
        let shown = crate::foreign::name(&path.display().to_string());
        files::read_bytes_within(path, limit)
            .map_err(|reason| anyhow::anyhow!("cannot read {shown}: {reason}"))?
    };
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
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

/// Beside the thread that reads files and asks URLs, one for the engine: its answers are what a run
/// waits for.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the event loop")
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
