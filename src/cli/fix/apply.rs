//! Carrying a fix out, step by step, each of which can be taken back.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::act::edit::Changes;
use crate::collect::minting::{self, Wish};
use crate::collect::{Request, mending};
use crate::fix::plan::{self, Change, Do, Fix, INSTANCE_SECRET, Set, Step, Value};

/// Where it is done.
pub(super) struct World<'a> {
    pub(super) request: &'a Request,
    /// The project's directory, from which files are named.
    pub(super) directory: &'a Path,
    /// What changes stay inside of.
    pub(super) root: &'a Path,
}

/// What was done. Dropped, the files are as before; the engine is put back by [`Done::take_back`].
pub(super) struct Done {
    changes: Changes,
    on_engine: bool,
}

/// Carries it out. On a failure everything is as before.
pub(super) fn apply(fix: &Fix, world: &World<'_>) -> anyhow::Result<Done> {
    let mut done = Done { changes: Changes::of(world.root), on_engine: false };
    for step in &fix.steps {
        let result = match step {
            Step::Write(change) => write(change, &mut done, world),
            Step::Set(set) => put(set, &mut done, world),
            Step::Engine(what) => engine(what, &mut done, world),
        };
        if let Err(error) = result {
            let notes = done.take_back();
            let notes =
                if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
            return Err(error.context(format!("everything is as before{notes}")));
        }
    }
    Ok(done)
}

fn write(change: &Change, done: &mut Done, world: &World<'_>) -> anyhow::Result<()> {
    let path = world.directory.join(&change.file);
    let old = change.old.as_ref().map(|text| text.as_str());
    Ok(done.changes.replace(&path, old, &change.new)?)
}

fn put(set: &Set, done: &mut Done, world: &World<'_>) -> anyhow::Result<()> {
    let old = mending::text(world.directory, &set.file).map_err(anyhow::Error::msg)?;
    let mut url = None;
    let secret = match &set.value {
        Value::Key => {
            let minted = minting::with_docker(world.request, Wish::default())?;
            url = minted.url;
            minted.key
        }
        Value::SecretOf(container) => minting::secret_in_force(world.request, container)?,
        Value::NewSecret => minting::fresh_secret()?,
    };
    let text = old.as_ref().map_or("", |text| text.as_str());
    let Some(new) = plan::with_value(text, &set.value, &secret, url.as_deref()) else {
        bail!("no quotes of an env file hold the value");
    };
    let path = world.directory.join(&set.file);
    Ok(done.changes.replace(&path, old.as_ref().map(|text| text.as_str()), &new)?)
}

fn engine(what: &Do, _done: &mut Done, world: &World<'_>) -> anyhow::Result<()> {
    if let Do::Replace { secret_from: Some(file), .. } = what {
        let _value = mending::value_in(world.directory, file, INSTANCE_SECRET)
            .map_err(anyhow::Error::msg)?
            .context("there is no INSTANCE_SECRET")?;
    }
    bail!("not yet")
}

impl Done {
    /// Whether something starts, and is to be waited for.
    pub(super) fn waits(&self) -> bool {
        self.on_engine
    }

    /// Ends well. What should be known comes back.
    pub(super) fn keep(self) -> Vec<String> {
        self.changes.keep();
        vec![]
    }

    /// Puts everything back. What should be known comes back.
    pub(super) fn take_back(self) -> Vec<String> {
        drop(self.changes);
        vec![]
    }
}
