//! Carrying a fix out, step by step, each of which can be taken back.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::runtime::Runtime;

use crate::act::edit::Changes;
use crate::act::engine::{
    Change as Difference, Engine, Kept, Progress, Replaced, Value as Variable,
};
use crate::collect::minting::{self, Wish};
use crate::collect::{Request, mending};
use crate::docker::interrupt::Interrupt;
use crate::evidence::docker::short_volume;
use crate::fix::plan::{Change, Do, Fix, INSTANCE_SECRET, Set, Step, Value};
use crate::output;
use crate::selection::names::ADMIN_KEY;

/// Where it is done.
pub(super) struct World<'a> {
    pub(super) request: &'a Request,
    /// The project's directory, from which files are named.
    pub(super) directory: &'a Path,
    /// What changes stay inside of.
    pub(super) root: &'a Path,
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
}

/// One thing that was done on the engine.
enum OnEngine<'a> {
    Stopped(&'a Engine, String),
    Started(&'a Engine, String),
    Copied(String),
    Replaced(Replaced<'a>),
}

/// Takes up what a fix left on the engine that was cut short: its new container stays where `works` says so of it. What was done comes
/// back in words.
pub(super) fn take_up(world: &World<'_>, works: bool) -> Vec<String> {
    // Without an engine there is nothing to take up, and whoever needs one will say so.
    let Ok(engine) = world.engine() else { return vec![] };
    let recovered = match world.runtime.block_on(engine.recover()) {
        Ok(recovered) => recovered,
        Err(trouble) => return vec![format!("what an earlier fix left: {trouble}")],
    };
    let mut notes = recovered.said;
    for replaced in recovered.unsettled {
        let name = replaced.name().to_owned();
        let (done, result) = if works {
            ("and works, so it stays", world.runtime.block_on(replaced.keep()).map(drop))
        } else {
            ("and does not work, so the old one is back", world.runtime.block_on(replaced.undo()))
        };
        notes.push(match result {
            Ok(()) => format!("{name} was put in place by a fix that was cut short, {done}"),
            Err(trouble) => {
                format!("{name} was put in place by a fix that was cut short: {trouble}")
            }
        });
    }
    notes
}

/// Carries it out. On a failure everything is as before.
pub(super) fn apply<'a>(fix: &Fix, world: &World<'a>) -> anyhow::Result<Done<'a>> {
    let mut done =
        Done { changes: Changes::of(world.root), on_engine: vec![], runtime: world.runtime };
    for step in &fix.steps {
        let result = match step {
            _ if world.interrupt.came() => Err(anyhow::anyhow!("interrupted")),
            Step::Write(change) => write(change, &mut done, world),
            Step::Set(set) => put(set, &mut done, world),
            Step::Engine(what) => engine(what, &mut done, world),
        };
        if let Err(error) = result {
            let notes = done.take_back();
            if notes.is_empty() {
                return Err(error);
            }
            bail!("{error:#}; {}", notes.join("; "));
        }
    }
    Ok(done)
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
            let minted = minting::with_docker(world.request, Wish::default())?;
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
        Do::Start(container) => {
            world.runtime.block_on(engine.start(container))?;
            OnEngine::Started(engine, container.clone())
        }
        Do::Copy { from, to, project, key } => {
            // Compose takes the volume for its own by these, and without its hash of the declaration it asks nothing.
            let labels = BTreeMap::from([
                ("com.docker.compose.project".to_owned(), project.clone()),
                ("com.docker.compose.volume".to_owned(), key.clone()),
            ]);
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
            OnEngine::Copied(to.clone())
        }
        Do::Replace { container, mount, secret_from } => {
            let mut difference = Difference::default();
            let mount = mount.as_ref().map(|at| (at.volume.clone(), at.target.clone()));
            difference.mounts.extend(mount);
            if let Some(file) = secret_from {
                let secret = mending::value_in(world.directory, file, INSTANCE_SECRET)
                    .map_err(anyhow::Error::msg)?
                    .with_context(|| format!("there is no {INSTANCE_SECRET} in {file}"))?;
                let value = Some(Variable::Secret(secret));
                difference.environment.push((INSTANCE_SECRET.to_owned(), value));
            }
            OnEngine::Replaced(world.runtime.block_on(engine.replace(container, &difference))?)
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
        self.changes.keep();
        let mut notes = vec![];
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
                OnEngine::Started(engine, container) => {
                    self.runtime.block_on(engine.stop(&container)).err()
                }
                // A container may have written to it by now.
                OnEngine::Copied(volume) => {
                    notes.push(format!("the copy {volume} stays, attached to nothing"));
                    None
                }
            };
            notes.extend(trouble.map(|trouble| trouble.to_string()));
        }
        drop(self.changes);
        notes
    }
}
