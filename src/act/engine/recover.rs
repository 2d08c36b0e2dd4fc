//! Recovery after a fix that was killed half way: what it left on the engine is found by labels and
//! names.

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{ListContainersOptions, RenameContainerOptions};

use super::judge::{self, name_of, shown_name};
use super::replace::{FIX, REPLACES, Replaced, Swap};
use super::{Engine, EngineFailure, NEW, SET_ASIDE, begin};
use crate::docker::helper::{self, CHANGES_AT_MOST, COPIES_INTO};
use crate::docker::words;
use crate::secret::sanitize;

/// What was found of earlier fixes.
#[derive(Debug, Default)]
pub struct Recovered<'a> {
    /// What was done about it, and what a person has to see to: one sentence each.
    pub notes: Vec<String>,
    /// New containers that were started and are neither kept nor undone yet.
    pub unsettled: Vec<Replaced<'a>>,
}

impl Engine {
    /// Takes up what a fix left behind that was killed half way. Helper containers go, and with
    /// them the half copy of a volume; an old container comes back where its successor never ran.
    /// Where it did, both are handed over to be kept or undone. What another process is at work
    /// with just now is left alone.
    ///
    /// Not for the time in which another call of this process is under way.
    ///
    /// # Errors
    /// The containers cannot be listed. What fails later is said, and tried again the next time.
    pub async fn recover(&self) -> Result<Recovered<'_>, EngineFailure> {
        let (interrupt, hold) = begin()?;
        let all = ListContainersOptions { all: true, ..ListContainersOptions::default() };
        let listed = self.call(self.client.list_containers(Some(all))).await;
        let listed = listed.map_err(|error| {
            EngineFailure::Failed(format!("cannot list the containers: {}", words(&error)))
        })?;
        let now = jiff::Timestamp::now().as_second();
        let mut recovered = Recovered::default();
        for container in &listed {
            if label(container, COPIES_INTO).is_some() && shown_name(container).ends_with("-reader")
            {
                recovered.notes.extend(self.recover_copy(container, now).await);
            }
        }
        let mut owned = Vec::new();
        for container in &listed {
            if let Some(replaces) = label(container, REPLACES) {
                owned.push(replaces);
                self.recover_swap(container, now, &mut recovered).await;
            }
        }
        for container in &listed {
            let orphan = !owned.iter().any(|id| container.id.as_ref() == Some(id));
            if orphan && shown_name(container).ends_with(SET_ASIDE) {
                recovered.notes.extend(self.recover_orphan(container, &listed).await);
            }
        }
        drop(hold);
        interrupt.end_here().await;
        Ok(recovered)
    }

    async fn recover_copy(&self, reader: &ContainerSummary, now: i64) -> Option<String> {
        if !is_ours_to_take_up(reader, helper::LABEL, now) {
            return None;
        }
        Some(match self.take_away_copy(reader).await {
            Ok(said) => said,
            Err(reason) => format!("an interrupted copy is left behind: {reason}"),
        })
    }

    async fn recover_swap<'a>(
        &'a self,
        new: &ContainerSummary,
        now: i64,
        recovered: &mut Recovered<'a>,
    ) {
        let shown = shown_name(new);
        let id = new.id.as_deref().unwrap_or_default();
        let both = async {
            let Some(new) = self.find(id).await? else { return Ok(None) };
            let Some(swap) = Swap::read(self, &new) else { return Ok(None) };
            let old = self.find(&swap.old).await?;
            Ok(old.map(|old| (swap, old, new)))
        };
        let (swap, old, new_now) = match both.await {
            Ok(Some(both)) => both,
            // The old one was removed: it was kept, long ago.
            Ok(None) => {
                if shown.ends_with(NEW) {
                    recovered.notes.push(format!(
                        "{shown} is left from a fix, but the container that it should replace is gone"
                    ));
                }
                return;
            }
            Err(error) => {
                recovered.notes.push(format!("{shown}: {}", words(&error)));
                return;
            }
        };
        let progress = progress(&swap.name, name_of(&old), &new_now);
        if progress == Progress::Settled || !is_ours_to_take_up(new, FIX, now) {
            return;
        }
        if progress == Progress::Unsettled {
            recovered.unsettled.push(swap.replaced());
            return;
        }
        let shown = sanitize(&swap.name);
        recovered.notes.push(match swap.back().await {
            Ok(()) => format!("a fix of {shown} was interrupted: the container is as before"),
            Err(left) => format!("a fix of {shown} was interrupted and cannot be undone: {left}"),
        });
    }

    /// A container that was set aside, and its successor is gone.
    async fn recover_orphan(
        &self,
        aside: &ContainerSummary,
        all: &[ContainerSummary],
    ) -> Option<String> {
        let shown = shown_name(aside);
        let own = shown.strip_suffix(SET_ASIDE)?.to_owned();
        if all.iter().any(|other| shown_name(other) == own) {
            return Some(format!(
                "{shown} was set aside by a fix, but there is another {own} now: nothing was done"
            ));
        }
        let id = aside.id.as_deref().unwrap_or_default();
        let options = RenameContainerOptions { name: own.clone() };
        Some(match self.call(self.client.rename_container(id, options)).await {
            Ok(()) => format!(
                "{own} was set aside by a fix, and its replacement is gone: it has its name again, is stopped, and \
                 no longer starts with the engine (see docker update --restart, docker start)"
            ),
            Err(error) => format!("{shown} was set aside by a fix: {}", words(&error)),
        })
    }
}

/// How far a replacement got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The old one is no longer set aside: there is nothing to take up.
    Settled,
    /// The new one has run in its place.
    Unsettled,
    /// The old one has to come back.
    CutShort,
}

fn progress(name: &str, old: &str, new: &ContainerInspectResponse) -> Progress {
    let new_name = name_of(new);
    let aside = old.strip_suffix(SET_ASIDE) == Some(name);
    if new_name == name && aside && judge::ran(new) {
        Progress::Unsettled
    } else if (new_name == name || new_name.ends_with(NEW)) && (aside || old == name) {
        Progress::CutShort
    } else {
        Progress::Settled
    }
}

/// Whether its maker is gone, or is this very process.
fn is_ours_to_take_up(thing: &ContainerSummary, made_by: &str, now: i64) -> bool {
    label(thing, made_by) == Some(helper::maker())
        || helper::is_abandoned(thing, made_by, now, CHANGES_AT_MOST)
}

fn label(container: &ContainerSummary, name: &str) -> Option<String> {
    container.labels.as_ref()?.get(name).cloned()
}
