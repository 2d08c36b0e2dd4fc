//! What a fix needs to see beyond the evidence: the texts of files, secrets on their way from one
//! place to another, the engine's client, and the answer that is typed at the terminal.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Request, docker, env_text, repository};
use crate::evidence::Evidence;
use crate::evidence::places::InGit;
use crate::secret::Secret;
use crate::selection::node_dotenv;

/// The project's directory; the one that changes stay inside of: the directory of the compose
/// project where that is above; and the directory of the compose project wherever it lies.
pub fn directories(
    request: &Request,
    evidence: &Evidence,
) -> anyhow::Result<(PathBuf, PathBuf, PathBuf)> {
    let directory = request.directory()?;
    let compose = evidence.compose.seen().ok().and_then(Option::as_ref);
    let compose = compose.map(|compose| directory.join(&compose.directory));
    let above = |above: &&PathBuf| directory.starts_with(above) && above.components().count() > 1;
    let root = compose.as_ref().filter(above).unwrap_or(&directory).clone();
    let compose = compose.unwrap_or_else(|| directory.clone());
    Ok((directory, root, compose))
}

/// The text of a file named from the project's directory; `Ok(None)` where there is none.
pub fn text(directory: &Path, file: &str) -> Result<Option<Zeroizing<String>>, String> {
    match env_text(&directory.join(file)) {
        Ok(text) => Ok(text.map(Zeroizing::new)),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether git tracks the file; why that is not known, where there is a repository that does not
/// say.
pub fn is_tracked(directory: &Path, file: &str) -> Result<bool, String> {
    /// As long as a probe may take.
    const LONGEST: Duration = Duration::from_secs(5);
    let runtime = super::runtime().map_err(|error| error.to_string())?;
    let standing = runtime.block_on(repository::standing(directory, &[file], LONGEST))?;
    Ok(standing.is_some_and(|standing| standing.of(file) == InGit::Tracked))
}

/// The files in the project's directories whose names end in `ending`, or in that and a number.
pub fn left_behind(directories: &[&Path], ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = directories
        .iter()
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(ending)))
        .take(20)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The value that a file of variables has last for a name.
pub fn value_in(directory: &Path, file: &str, name: &str) -> Result<Option<Secret>, String> {
    let Some(text) = text(directory, file)? else { return Ok(None) };
    let assignments = node_dotenv::parse(&text);
    let last = assignments.iter().rfind(|one| one.name == name);
    Ok(last.map(|one| Secret::new(one.value.expose())))
}

/// The client of the engine, and the time for one call.
pub fn engine(request: &Request) -> anyhow::Result<(bollard::Docker, Duration)> {
    docker::client(&request.docker_options(), &request.environment())
        .map_err(|unasked| anyhow::anyhow!(unasked.reason))
}

/// Whether the standard input is a terminal.
pub fn is_asked_at_a_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// The next line of the standard input; `None` at its end.
pub fn answer() -> Option<String> {
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim().to_owned()),
    }
}
