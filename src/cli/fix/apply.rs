//! Carrying a fix out, step by step, each of which can be taken back.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::runtime::Runtime;

use crate::act::edit::{Changes, Locks};
use crate::act::engine::{
    Change as Difference, Engine, Kept, Progress, Replaced, Started, Trouble, Value as Variable,
};
use crate::collect::minting::{self, MintOptions};
use crate::collect::{Request, mending};
use crate::docker::helper::DECLARED;
use crate::docker::interrupt::Interrupt;
use crate::evidence::docker::short_volume;
use crate::fix::plan::{Change, Do, Fix, INSTANCE_SECRET, Set, Step, Value};
use crate::output;
use crate::secret::sanitize;
use crate::selection::names::ADMIN_KEY;

/// Where it is done.
pub(super) struct World<'a> {
    pub(super) request: &'a Request,
    /// The project's directory, from which files are named.
    pub(super) directory: &'a Path,
    /// What changes stay inside of.
    pub(super) root: &'a Path,
    /// Held for as long as the command lasts.
    pub(super) locks: &'a Rc<Locks>,
    pub(super) interrupt: &'a Interrupt,
    /// Where calls of the engine wait.
    pub(super) runtime: &'a Runtime,
    /// Made once a step needs it.
    pub(super) engine: &'a std::cell::OnceCell<Engine>,
}

impl<'a> World<'a> {
    fn engine(&self) -> anyhow::Result<&'a Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let (client, timeout) = mending::engine(self.request)?;
        Ok(self.engine.get_or_init(|| Engine::new(client, timeout)))
    }
}

/// What was done and can be taken back.
pub(super) struct Done<'a> {
    changes: Changes,
    on_engine: Vec<OnEngine<'a>>,
    runtime: &'a Runtime,
    /// Whether a container may have been started with a copy.
    has_given: bool,
}

/// One thing that was done on the engine.
enum OnEngine<'a> {
    Stopped(&'a Engine, String),
    Started(&'a Engine, String),
    /// It was paused.
    WentOn(&'a Engine, String),
    Copied(&'a Engine, String),
    Replaced(Replaced<'a>),
}

/// Takes up what a fix left on the engine that was cut short. What was done comes back in words,
/// and the containers that stand in another's place and nobody has judged.
pub(super) fn take_up<'a>(world: &World<'a>) -> (Vec<String>, Vec<Replaced<'a>>) {
    // Without an engine there is nothing to take up, and whoever needs one will say so.
    let Ok(engine) = world.engine() else { return (vec![], vec![]) };
    match world.runtime.block_on(engine.recover()) {
        Ok(recovered) => (recovered.said, recovered.unsettled),
        Err(trouble) => (vec![format!("what an earlier fix left: {trouble}")], vec![]),
    }
}

/// What becomes of such a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It works, so it stays.
    Works,
    /// It does not, and was made just now: nobody has anything in it.
    Fails,
    /// It does not, and may have for a long time.
    Unclear,
}

/// Whether it was made so long ago that somebody relies on it; also where nobody can tell.
pub(super) fn is_settled(replaced: &Replaced<'_>, world: &World<'_>, at_most: Duration) -> bool {
    world.runtime.block_on(replaced.age()).map_or(true, |age| age > at_most)
}

/// Keeps it or puts the old one back; in words.
pub(super) fn settle(replaced: Replaced<'_>, fate: Fate, world: &World<'_>) -> String {
    let (name, aside) = (sanitize(replaced.name()), sanitize(&replaced.set_aside()));
    let (done, result) = match fate {
        Fate::Works => {
            ("and works, so it stays", world.runtime.block_on(replaced.keep()).map(drop))
        }
        Fate::Fails => {
            ("and does not work, so the old one is back", world.runtime.block_on(replaced.undo()))
        }
        Fate::Unclear => {
            return format!(
                "{name} was put in place by a fix that was cut short, long ago: what was written since is in its volumes, so that it \
                 stays, and so does the old one, stopped, as {aside}. When {name} works, the next fix removes the old one; to go back: \
                 docker stop {name} && docker rename {name} {name}.new && docker rename {aside} {name} && docker start {name}"
            );
        }
    };
    match result {
        Ok(()) => format!("{name} was put in place by a fix that was cut short, {done}"),
        Err(trouble) => format!("{name} was put in place by a fix that was cut short: {trouble}"),
    }
}

/// Why a fix was not carried out, and what could not be put back.
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) notes: Vec<String>,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Trouble>() {
            Ok(Trouble::Unfinished { what, left }) => Self { why: what, notes: vec![left] },
            Ok(trouble) => Self { why: trouble.to_string(), notes: vec![] },
            Err(error) => Self { why: format!("{error:#}"), notes: vec![] },
        }
    }
}

/// Carries it out. On a failure everything is as before.
pub(super) fn apply<'a>(fix: &Fix, world: &World<'a>) -> Result<Done<'a>, Failure> {
    let changes = Changes::under(world.root, Rc::clone(world.locks));
    let mut done = Done { changes, on_engine: vec![], runtime: world.runtime, has_given: false };
    try_out(fix, &done.changes, world)?;
    for step in &fix.steps {
        let result = match step {
            _ if world.interrupt.came() => Err(anyhow::anyhow!("interrupted")),
            Step::Write(change) => write(change, &mut done, world),
            Step::Set(set) => put(set, &mut done, world),
            Step::Engine(what) => engine(what, &mut done, world),
        };
        if let Err(error) = result {
            let mut failure = Failure::from(error);
            failure.notes.extend(done.take_back());
            return Err(failure);
        }
    }
    Ok(done)
}

/// Files that cannot be written are found before anything is stopped or copied for them.
fn try_out(fix: &Fix, changes: &Changes, world: &World<'_>) -> anyhow::Result<()> {
    let mut seen: Vec<&str> = vec![];
    for step in &fix.steps {
        let (file, old, new) = match step {
            Step::Write(change) => (&change.file, change.old.clone(), change.new.clone()),
            Step::Set(set) => {
                let old = mending::text(world.directory, &set.file).map_err(anyhow::Error::msg)?;
                let new = set.value.placeheld(old.as_ref().map_or("", |text| text.as_str()));
                (&set.file, old, new)
            }
            Step::Engine(_) => continue,
        };
        // A second step begins with what the first one wrote.
        if !seen.contains(&file.as_str()) {
            seen.push(file);
            let path = world.directory.join(file);
            changes.try_out(&path, old.as_ref().map(|text| text.as_str()), &new)?;
        }
    }
    Ok(())
}

fn write(change: &Change, done: &mut Done<'_>, world: &World<'_>) -> anyhow::Result<()> {
    let path = world.directory.join(&change.file);
    let old = change.old.as_ref().map(|text| text.as_str());
    Ok(done.changes.replace(&path, old, &change.new)?)
}

fn put(set: &Set, done: &mut Done<'_>, world: &World<'_>) -> anyhow::Result<()> {
    let old = mending::text(world.directory, &set.file).map_err(anyhow::Error::msg)?;
    let mut url = None;
    let secret = match &set.value {
        Value::Key { .. } => {
            let minted = minting::with_docker(world.request, MintOptions::default())?;
            url = minted.url;
            minted.key
        }
        Value::KeyOf(from) => mending::value_in(world.directory, from, ADMIN_KEY)
            .map_err(anyhow::Error::msg)?
            .with_context(|| format!("there is no {ADMIN_KEY} in {from}"))?,
        Value::SecretOf(container) => minting::secret_in_force(world.request, container)?,
        Value::NewSecret => minting::fresh_secret()?,
    };
    let text = old.as_ref().map_or("", |text| text.as_str());
    let Some(new) = set.value.written(text, &secret, url.as_deref()) else {
        bail!("no quotes of an env file hold the value");
    };
    let path = world.directory.join(&set.file);
    Ok(done.changes.replace(&path, old.as_ref().map(|text| text.as_str()), &new)?)
}

fn engine<'a>(what: &Do, done: &mut Done<'a>, world: &World<'a>) -> anyhow::Result<()> {
    let engine = world.engine()?;
    let undo = match what {
        Do::Stop(container) => {
            world.runtime.block_on(engine.stop(container))?;
            OnEngine::Stopped(engine, container.clone())
        }
        Do::Start(container) => match world.runtime.block_on(engine.start(container))? {
            Started::Ran => return Ok(()),
            Started::Started => OnEngine::Started(engine, container.clone()),
            Started::WentOn => OnEngine::WentOn(engine, container.clone()),
        },
        Do::Copy { from, to, project, key, declared } => {
            // Compose takes the volume for its own by these, and without its hash of the
            // declaration it asks nothing.
            let mut labels = BTreeMap::from([
                ("com.docker.compose.project".to_owned(), project.clone()),
                ("com.docker.compose.volume".to_owned(), key.clone()),
            ]);
            if *declared {
                labels.insert(DECLARED.to_owned(), "true".to_owned());
            }
            let mut meter = Meter::default();
            let mut progress = |progress| meter.show(progress);
            let copied =
                world.runtime.block_on(engine.copy_volume(from, to, &labels, &mut progress))?;
            output::note(&format!(
                "{} files, {} bytes of {} are in {to}, and equal",
                copied.files,
                copied.bytes,
                short_volume(from)
            ));
            OnEngine::Copied(engine, to.clone())
        }
        Do::Replace { container, mount, secret_from, without } => {
            // What it wrote since would be in the old volume alone.
            let stopped =
                |one: &OnEngine<'_>| matches!(one, OnEngine::Stopped(_, name) if name == container);
            if done.on_engine.iter().any(stopped)
                && world.runtime.block_on(engine.runs(container))?
            {
                bail!("somebody started {} meanwhile", sanitize(container));
            }
            let mut difference = Difference::default();
            difference.environment.extend(without.iter().map(|name| (name.clone(), None)));
            let mount = mount.as_ref().map(|at| (at.volume.clone(), at.target.clone()));
            difference.mounts.extend(mount);
            if let Some(file) = secret_from {
                let secret = mending::value_in(world.directory, file, INSTANCE_SECRET)
                    .map_err(anyhow::Error::msg)?
                    .with_context(|| format!("there is no {INSTANCE_SECRET} in {file}"))?;
                let value = Some(Variable::Secret(secret));
                difference.environment.push((INSTANCE_SECRET.to_owned(), value));
            }
            let replaced = world.runtime.block_on(engine.replace(container, &difference));
            done.has_given |= !matches!(replaced, Err(Trouble::Refused(_)));
            OnEngine::Replaced(replaced?)
        }
    };
    done.on_engine.push(undo);
    Ok(())
}

/// A sign of life for whoever waits for a large volume.
#[derive(Default)]
struct Meter {
    said: u64,
}

impl Meter {
    /// Every so many bytes.
    const STEP: u64 = 256 * 1024 * 1024;

    fn show(&mut self, progress: Progress) {
        let (word, bytes) = match progress {
            Progress::Copied(bytes) => ("copied", bytes),
            Progress::Compared(bytes) => ("compared", bytes),
        };
        let reached = bytes / Self::STEP;
        if reached != self.said {
            self.said = reached;
            if reached > 0 {
                output::note(&format!("{} MiB {word}", bytes / (1024 * 1024)));
            }
        }
    }
}

impl Done<'_> {
    /// Whether something starts, and is to be waited for.
    pub(super) fn waits(&self) -> bool {
        !self.on_engine.is_empty()
    }

    /// Ends well. What should be known comes back.
    pub(super) fn keep(self) -> Vec<String> {
        let mut notes = self.changes.keep();
        for one in self.on_engine {
            let OnEngine::Replaced(replaced) = one else { continue };
            notes.extend(replaced.notes().iter().cloned());
            let old = replaced.set_aside();
            match self.runtime.block_on(replaced.keep()) {
                Ok(Kept::Removed) => {}
                Ok(Kept::SetAside { container, why }) => {
                    notes.push(format!("the old container stays as {container}: {why}"));
                }
                Err(trouble) => {
                    notes.push(format!("the old container stays as {old}, stopped: {trouble}"));
                }
            }
        }
        notes
    }

    /// Puts everything back, the last thing first. What could not be put back comes back in words.
    pub(super) fn take_back(self) -> Vec<String> {
        let mut notes = vec![];
        for one in self.on_engine.into_iter().rev() {
            let trouble = match one {
                OnEngine::Replaced(replaced) => self.runtime.block_on(replaced.undo()).err(),
                OnEngine::Stopped(engine, container) => {
                    self.runtime.block_on(engine.start(&container)).err()
                }
                OnEngine::WentOn(engine, container) => {
                    self.runtime.block_on(engine.pause(&container)).err()
                }
                OnEngine::Started(engine, container) => {
                    self.runtime.block_on(engine.stop(&container)).err()
                }
                // A container may have written to it by now, unless it was given to none.
                OnEngine::Copied(engine, volume) => {
                    let discarded = if self.has_given {
                        Ok(false)
                    } else {
                        self.runtime.block_on(engine.discard_copy(&volume))
                    };
                    if !matches!(discarded, Ok(true)) {
                        notes.push(format!("the copy {volume} stays, attached to nothing"));
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
