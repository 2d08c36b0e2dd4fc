//! Carrying a fix out, step by step. Each step can be undone.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::runtime::Runtime;

use crate::act::edit::{Changes, Locks};
use crate::act::engine::{
    ContainerChange, CopyProgress, Engine, EngineCallFailure, Kept, Replaced, Started,
};
use crate::collect::minting::{self, MintOptions};
use crate::collect::{Request, for_fix};
use crate::docker::helper::DECLARED;
use crate::docker::interrupt::Interrupt;
use crate::evidence::docker::short_volume;
use crate::fix::plan::{FileChange, Fix, INSTANCE_SECRET, PlanStep, SecretSource, SecretStep};
use crate::output;
use crate::report::Action;
use crate::secret::sanitize;
use crate::selection::names::ADMIN_KEY;

/// Where a fix is applied.
pub(super) struct ApplyContext<'a> {
    pub(super) request: &'a Request,
    /// The project's directory, from which files are named.
    pub(super) directory: &'a Path,
    /// What changes stay inside of.
    pub(super) root: &'a Path,
    /// Held for as long as the command lasts.
    pub(super) locks: &'a Rc<Locks>,
    pub(super) interrupt: &'a Interrupt,
    /// Runs the calls of the engine.
    pub(super) runtime: &'a Runtime,
    /// Made once a step needs it.
    pub(super) engine: &'a std::cell::OnceCell<Engine>,
}

impl<'a> ApplyContext<'a> {
    fn engine(&self) -> anyhow::Result<&'a Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let (client, timeout) = for_fix::engine(self.request)?;
        Ok(self.engine.get_or_init(|| Engine::new(client, timeout)))
    }
}

/// What was done, and how to undo it.
pub(super) struct Done<'a> {
    changes: Changes,
    undos: Vec<Undo<'a>>,
    runtime: &'a Runtime,
    /// Whether a container may have been started with a copy.
    copy_in_use: bool,
}

/// What undoes one action on the engine.
enum Undo<'a> {
    /// Starts a container that was stopped.
    Start(&'a Engine, String),
    /// Stops a container that was started.
    Stop(&'a Engine, String),
    /// Pauses a container that was unpaused.
    Pause(&'a Engine, String),
    /// Deletes the copy of a volume.
    DiscardCopy(&'a Engine, String),
    /// Restores the old container.
    Restore(Replaced<'a>),
}

/// Completes what an interrupted fix left on the engine. Returns what was done, in words, and the
/// new containers that are not judged yet.
pub(super) fn take_up<'a>(context: &ApplyContext<'a>) -> (Vec<String>, Vec<Replaced<'a>>) {
    // Without an engine there is nothing to do; a step that needs one reports that.
    let Ok(engine) = context.engine() else { return (vec![], vec![]) };
    match context.runtime.block_on(engine.recover()) {
        Ok(recovered) => (recovered.notes, recovered.unsettled),
        Err(trouble) => (vec![format!("an earlier fix may be incomplete: {trouble}")], vec![]),
    }
}

/// What becomes of such a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// It works, so it is kept.
    Works,
    /// It does not work, and is new: it holds nothing of value.
    Fails,
    /// It does not work, but may have worked for a long time.
    Unclear,
}

/// Whether it was created so long ago that it may hold data; also where that is not known.
pub(super) fn is_settled(
    replaced: &Replaced<'_>,
    context: &ApplyContext<'_>,
    at_most: Duration,
) -> bool {
    context.runtime.block_on(replaced.age()).map_or(true, |age| age > at_most)
}

/// Keeps it or restores the old one; returns what was done, in words.
pub(super) fn settle(
    replaced: Replaced<'_>,
    settlement: Settlement,
    context: &ApplyContext<'_>,
) -> String {
    let (name, aside) = (sanitize(replaced.name()), sanitize(&replaced.set_aside()));
    let (done, result) = match settlement {
        Settlement::Works => {
            ("it works and is kept", context.runtime.block_on(replaced.keep()).map(drop))
        }
        Settlement::Fails => (
            "it does not work, so the old container is restored",
            context.runtime.block_on(replaced.undo()),
        ),
        Settlement::Unclear => {
            return format!(
                "{name} was created by a fix that was interrupted some time ago. It may hold data written since, so it is kept, and \
                 the old container too (stopped, as {aside}). When {name} works, the next fix removes the old one. To go back: \
                 docker stop {name} && docker rename {name} {name}.new && docker rename {aside} {name} && docker start {name}"
            );
        }
    };
    match result {
        Ok(()) => format!("{name} was created by a fix that was interrupted: {done}"),
        Err(trouble) => format!("{name} was created by a fix that was interrupted: {trouble}"),
    }
}

/// Why a fix was not applied, and what could not be restored.
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) notes: Vec<String>,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<EngineCallFailure>() {
            Ok(EngineCallFailure::Unfinished { what, left }) => {
                Self { why: what, notes: vec![left] }
            }
            Ok(trouble) => Self { why: trouble.to_string(), notes: vec![] },
            Err(error) => Self { why: format!("{error:#}"), notes: vec![] },
        }
    }
}

/// Applies the fix. On a failure everything is as before.
pub(super) fn apply<'a>(fix: &Fix, context: &ApplyContext<'a>) -> Result<Done<'a>, Failure> {
    let changes = Changes::under(context.root, Rc::clone(context.locks));
    let mut done = Done { changes, undos: vec![], runtime: context.runtime, copy_in_use: false };
    try_out(fix, &done.changes, context)?;
    for step in &fix.steps {
        let result = match step {
            _ if context.interrupt.came() => Err(anyhow::anyhow!("interrupted")),
            PlanStep::Write(change) => write(change, &mut done, context),
            PlanStep::Secret(secret) => set(secret, &mut done, context),
            PlanStep::Engine(action) => engine(action, fix, &mut done, context),
        };
        if let Err(error) = result {
            let mut failure = Failure::from(error);
            failure.notes.extend(done.roll_back());
            return Err(failure);
        }
    }
    Ok(done)
}

/// Files that cannot be written are found before anything is stopped or copied for them.
fn try_out(fix: &Fix, changes: &Changes, context: &ApplyContext<'_>) -> anyhow::Result<()> {
    let mut seen: Vec<&str> = vec![];
    for step in &fix.steps {
        let (file, old, new) = match step {
            PlanStep::Write(change) => (&change.file, change.old.clone(), change.new.clone()),
            PlanStep::Secret(secret) => {
                let old =
                    for_fix::text(context.directory, &secret.file).map_err(anyhow::Error::msg)?;
                let text = old.as_ref().map_or("", |text| text.as_str());
                let new = secret.source.placeheld(text);
                (&secret.file, old, new)
            }
            PlanStep::Engine(_) => continue,
        };
        // A second step begins with what the first one wrote.
        if !seen.contains(&file.as_str()) {
            seen.push(file);
            let path = context.directory.join(file);
            changes.try_out(&path, old.as_ref().map(|text| text.as_str()), &new)?;
        }
    }
    Ok(())
}

fn write(
    change: &FileChange,
    done: &mut Done<'_>,
    context: &ApplyContext<'_>,
) -> anyhow::Result<()> {
    let path = context.directory.join(&change.file);
    let old = change.old.as_ref().map(|text| text.as_str());
    Ok(done.changes.replace(&path, old, &change.new)?)
}

fn set(step: &SecretStep, done: &mut Done<'_>, context: &ApplyContext<'_>) -> anyhow::Result<()> {
    let old = for_fix::text(context.directory, &step.file).map_err(anyhow::Error::msg)?;
    let mut url = None;
    let secret = match &step.source {
        SecretSource::Key { .. } => {
            let minted = minting::with_docker(context.request, MintOptions::default())?;
            url = minted.url;
            minted.key
        }
        SecretSource::KeyOf(from) => for_fix::value_in(context.directory, from, ADMIN_KEY)
            .map_err(anyhow::Error::msg)?
            .with_context(|| format!("{from} does not set {ADMIN_KEY}"))?,
        SecretSource::SecretOf(container) => minting::secret_in_force(context.request, container)?,
        SecretSource::NewSecret => minting::fresh_secret()?,
    };
    let text = old.as_ref().map_or("", |text| text.as_str());
    let Some(new) = step.source.written(text, &secret, url.as_deref()) else {
        bail!("the value cannot be quoted in an env file");
    };
    let path = context.directory.join(&step.file);
    Ok(done.changes.replace(&path, old.as_ref().map(|text| text.as_str()), &new)?)
}

fn engine<'a>(
    action: &Action,
    fix: &Fix,
    done: &mut Done<'a>,
    context: &ApplyContext<'a>,
) -> anyhow::Result<()> {
    let engine = context.engine()?;
    let undo = match action {
        Action::Stop { container } => {
            context.runtime.block_on(engine.stop(container))?;
            Undo::Start(engine, container.clone())
        }
        Action::Start { container } => match context.runtime.block_on(engine.start(container))? {
            Started::Ran => return Ok(()),
            Started::Started => Undo::Stop(engine, container.clone()),
            Started::Unpaused => Undo::Pause(engine, container.clone()),
        },
        Action::CopyVolume { from, to, project, key } => {
            // By these Compose regards the volume as its own; it asks nothing as long as its hash
            // of the declaration is missing.
            let mut labels = BTreeMap::from([
                ("com.docker.compose.project".to_owned(), project.clone()),
                ("com.docker.compose.volume".to_owned(), key.clone()),
            ]);
            let declares = |it: &Action| matches!(it, Action::DeclareVolume { .. });
            if !fix.remedy.actions.iter().any(declares) {
                labels.insert(DECLARED.to_owned(), "true".to_owned());
            }
            let mut meter = Meter::default();
            let mut progress = |progress| meter.show(progress);
            let copied =
                context.runtime.block_on(engine.copy_volume(from, to, &labels, &mut progress))?;
            output::note(&format!(
                "copied and compared: {} files, {} bytes from {} to {to}",
                copied.files,
                copied.bytes,
                short_volume(from)
            ));
            Undo::DiscardCopy(engine, to.clone())
        }
        Action::Replace { container, mount, secret_from, without } => {
            // What it wrote since would be only in the old volume.
            let stopped = |one: &Undo<'_>| matches!(one, Undo::Start(_, name) if name == container);
            if done.undos.iter().any(stopped) && context.runtime.block_on(engine.runs(container))? {
                bail!("{} was started by another program in the meantime", sanitize(container));
            }
            let mut change = ContainerChange::default();
            change.environment.extend(without.iter().map(|name| (name.clone(), None)));
            let mount = mount.as_ref().map(|at| (at.volume.clone(), at.target.clone()));
            change.mounts.extend(mount);
            if let Some(file) = secret_from {
                let secret = for_fix::value_in(context.directory, file, INSTANCE_SECRET)
                    .map_err(anyhow::Error::msg)?
                    .with_context(|| format!("{file} does not set {INSTANCE_SECRET}"))?;
                change.environment.push((INSTANCE_SECRET.to_owned(), Some(secret)));
            }
            let replaced = context.runtime.block_on(engine.replace(container, &change));
            done.copy_in_use |= !matches!(replaced, Err(EngineCallFailure::Refused(_)));
            Undo::Restore(replaced?)
        }
        _ => bail!("internal error: the engine has no such step"),
    };
    done.undos.push(undo);
    Ok(())
}

/// Shows the progress of a large copy.
#[derive(Default)]
struct Meter {
    shown: u64,
}

impl Meter {
    /// The bytes between two lines.
    const STEP: u64 = 256 * 1024 * 1024;

    fn show(&mut self, progress: CopyProgress) {
        let (word, bytes) = match progress {
            CopyProgress::Copied(bytes) => ("copied", bytes),
            CopyProgress::Compared(bytes) => ("compared", bytes),
        };
        let reached = bytes / Self::STEP;
        if reached != self.shown {
            self.shown = reached;
            if reached > 0 {
                output::note(&format!("{} MiB {word}", bytes / (1024 * 1024)));
            }
        }
    }
}

impl Done<'_> {
    /// Whether a container starts, which takes time.
    pub(super) fn waits(&self) -> bool {
        !self.undos.is_empty()
    }

    /// Keeps the changes. Returns what the user should know.
    pub(super) fn keep(self) -> Vec<String> {
        let mut notes = self.changes.keep();
        for one in self.undos {
            let Undo::Restore(replaced) = one else { continue };
            notes.extend(replaced.notes().iter().cloned());
            let old = replaced.set_aside();
            match self.runtime.block_on(replaced.keep()) {
                Ok(Kept::Removed) => {}
                Ok(Kept::SetAside { container, why }) => {
                    notes.push(format!("the old container is kept as {container}: {why}"));
                }
                Err(trouble) => {
                    notes.push(format!("the old container is kept as {old}, stopped: {trouble}"));
                }
            }
        }
        notes
    }

    /// Undoes everything, the last step first. Returns what could not be restored, in words.
    pub(super) fn roll_back(self) -> Vec<String> {
        let mut notes = vec![];
        for one in self.undos.into_iter().rev() {
            let trouble = match one {
                Undo::Restore(replaced) => self.runtime.block_on(replaced.undo()).err(),
                Undo::Start(engine, container) => {
                    self.runtime.block_on(engine.start(&container)).err()
                }
                Undo::Pause(engine, container) => {
                    self.runtime.block_on(engine.pause(&container)).err()
                }
                Undo::Stop(engine, container) => {
                    self.runtime.block_on(engine.stop(&container)).err()
                }
                // A container that was started with the copy may have written to it.
                Undo::DiscardCopy(engine, volume) => {
                    let discarded = if self.copy_in_use {
                        Ok(false)
                    } else {
                        self.runtime.block_on(engine.discard_copy(&volume))
                    };
                    if !matches!(discarded, Ok(true)) {
                        notes.push(format!("the copy {volume} is kept; no container uses it"));
                    }
                    discarded.err()
                }
            };
            notes.extend(trouble.map(|trouble| trouble.to_string()));
        }
        notes.extend(self.changes.take_back());
        notes
    }
}
