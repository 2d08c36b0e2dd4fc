//! Keeps the instance secret where Compose reads it: in the project's `.env`.

use crate::deployment::compose::{declared_backend, is_in_a_file_of};
use crate::deployment::data::StoredElsewhere;
use crate::evidence::Evidence;
use crate::evidence::compose::{BackendService, ComposeFacts, EnvironmentEntry};
use crate::evidence::docker::Container;
use crate::names::INSTANCE_SECRET;
use crate::report::{Action, Command, Remedy, shell_word};
use crate::secret::Fingerprint;

/// Writes the secret that the container is running with into Compose's `.env`: then no key depends
/// on a volume. `None` if it is set already, or was not seen.
pub(crate) fn pin(evidence: &Evidence, container: &Container) -> Option<Remedy> {
    let (compose, service) = declared_backend(evidence).ok()??;
    let elsewhere = StoredElsewhere::of(service, Some(container)).secret || compose.other_env_files;
    if elsewhere || !container.is_running() {
        return None;
    }
    container.secret.process.seen().ok()?.as_ref()?.fingerprint()?;
    let file = env_file(evidence, compose);
    // The next commit would contain the secret.
    let git = evidence.surroundings.git.seen().ok().and_then(Option::as_ref);
    if git.is_some_and(|git| git.tracked.contains(&file)) {
        return None;
    }
    let mut remedy = Remedy::safe(format!("Keep the keys: save the running secret in {file}"));
    remedy.actions = ignored(evidence, &[&file]);
    Some(
        remedy
            .act(pass(service))
            .act(Action::PinSecret { container: container.name.clone(), file }),
    )
}

/// Writes the secret that the container is running with back to the credentials file, from which the
/// next start takes it. `None` if its process was not seen to have one.
pub(crate) fn write_back(container: &Container) -> Option<Remedy> {
    let running = container.secret.process.seen().ok()?.as_ref()?;
    running.fingerprint().filter(|_| container.is_running())?;
    let directory = container.storage.credentials_dir.trim_end_matches('/');
    let save = format!(
        "s=$(cat /proc/[0-9]*/cmdline | tr \"\\0\" \"\\n\" | sed -n \"/^--instance-secret$/{{n;p;q}}\") \
         && test -n \"$s\" && mkdir -p {0} && echo \"$s\" > {0}/instance_secret",
        shell_word(directory)
    );
    Some(
        Remedy::safe("Keep the current keys: write the running secret back to the file")
            .run(Command::docker(["exec", &container.name, "sh", "-c", &save])),
    )
}

/// Moves a secret from the compose file into Compose's `.env`. `None` if the running container has
/// another one, because it is read from there, or if git tracks the `.env` as well.
pub(crate) fn move_out(
    evidence: &Evidence,
    entry: &EnvironmentEntry,
    secret: &Fingerprint,
) -> Option<Vec<Action>> {
    let (compose, service) = declared_backend(evidence).ok()??;
    let file = env_file(evidence, compose);
    let container = runs_with(evidence, secret)?;
    let git = evidence.surroundings.git.seen().ok()?.as_ref();
    let tracked = git.is_some_and(|git| git.tracked.contains(&file));
    if tracked || compose.other_env_files || !is_in_a_file_of(compose, &entry.at) {
        return None;
    }
    // git was not asked about a `.env` that does not exist yet.
    let ignore = git.map(|_| Action::Ignore { file: file.clone() });
    let pin = Action::PinSecret { container: container.name.clone(), file };
    let pass = Action::PassVariable {
        file: entry.at.file.clone(),
        service: service.name.clone(),
        name: INSTANCE_SECRET.to_owned(),
    };
    Some(ignore.into_iter().chain([pin, pass]).collect())
}

/// Whether the compose file reads that value from Compose's own `.env`, which git does not track.
pub(crate) fn is_in_env_file(evidence: &Evidence, entry: &EnvironmentEntry) -> bool {
    let Ok(Some((compose, _))) = declared_backend(evidence) else { return false };
    let file = env_file(evidence, compose);
    let git = evidence.surroundings.git.seen().ok().and_then(Option::as_ref);
    entry.value_at.as_ref().is_some_and(|at| at.file == file)
        // Under another name, a line with this one would change nothing.
        && entry.variable.as_ref().is_none_or(|variable| *variable == entry.name)
        && is_in_a_file_of(compose, &entry.at)
        && !git.is_some_and(|git| git.tracked.contains(&file))
}

/// This project's container, if it is running with that secret.
fn runs_with<'a>(evidence: &'a Evidence, secret: &Fingerprint) -> Option<&'a Container> {
    let container = evidence.docker.seen().ok()?.expected()?;
    let process = container.secret.process.seen().ok()?.as_ref()?;
    (container.is_running() && process.fingerprint() == Some(secret)).then_some(container)
}

/// Lets git ignore those of the files that it would add: the next commit would contain the secret.
pub(super) fn ignored(evidence: &Evidence, files: &[&String]) -> Vec<Action> {
    let git = evidence.surroundings.git.seen().ok().and_then(Option::as_ref);
    let open = |file: &&&String| {
        git.is_some_and(|git| git.not_ignored.contains(file) || git.would_not_ignore.contains(file))
    };
    let ignore = |file: &&String| Action::Ignore { file: (*file).clone() };
    files.iter().filter(open).map(ignore).collect()
}

/// The service passes INSTANCE_SECRET on.
pub(crate) fn pass(service: &BackendService) -> Action {
    Action::PassVariable {
        file: service.at.file.clone(),
        service: service.name.clone(),
        name: INSTANCE_SECRET.to_owned(),
    }
}

/// Compose's own `.env`, as seen from the project's directory.
pub(crate) fn env_file(evidence: &Evidence, compose: &ComposeFacts) -> String {
    if compose.directory.is_empty() || compose.directory == evidence.surroundings.directory {
        ".env".to_owned()
    } else {
        format!("{}/.env", compose.directory)
    }
}
