//! What survives which operation, for this deployment: the mechanism is played through, not looked
//! up.
//!
//! `setup` makes a `world` of the evidence (of the parts in `model`), `operations` act on it as the
//! engine and Compose do, `fate` says what became of the keys and the data; `before` does the same
//! with a command line. What nobody could see is played both ways; where the ways come to different
//! ends, the outcome is unknown.

mod before;
mod command;
mod compose;
mod fate;
mod model;
mod operations;
mod pin;
mod setup;
mod shell;
mod world;

use crate::evidence::Evidence;
use crate::remedies::command::compose_command;
use crate::report::{Fate, Operation};
use fate::{Data, Outcome, Verdict, judge};
use operations::OPERATIONS;
use setup::{Deployment, assumed, stake};
use world::World;

pub use before::{before, check};
pub use command::UNDERSTOOD;
pub use shell::NotUnderstood;

/// What each operation does to the keys and the data; empty where no backend was seen.
pub fn operations(evidence: &Evidence) -> Vec<Operation> {
    let Some(deployment) = Deployment::of(evidence) else { return Vec::new() };
    let worlds = Worlds::of(&deployment);
    let (compose, container) = (compose_command(evidence, ""), deployment.container_name());
    OPERATIONS
        .iter()
        .map(|entry| {
            let outcome = worlds.play(&deployment, entry.backend_only, entry.act);
            Operation {
                id: entry.id.to_owned(),
                command: entry
                    .command
                    .replace("{compose}", compose.trim_end())
                    .replace("{container}", &crate::report::shell_word(&container)),
                keys: outcome.keys.fate,
                data: outcome.data.fate,
                why: deployment.in_words(&outcome),
            }
        })
        .collect()
}

/// The deployment once for each way to answer what was not seen.
struct Worlds {
    /// The questions without an answer: their index, and why.
    open: Vec<(usize, String)>,
    /// The answers to all questions, and the world they make.
    all: Vec<([bool; 5], World)>,
}

impl Worlds {
    fn of(deployment: &Deployment<'_>) -> Self {
        let mut open = Vec::new();
        let mut answers = vec![[false; 5]];
        for (index, question) in deployment.questions().into_iter().enumerate() {
            match question {
                Ok(answer) => answers.iter_mut().for_each(|one| one[index] = answer),
                Err(reason) => {
                    open.push((index, reason));
                    let mut other = answers.clone();
                    other.iter_mut().for_each(|one| one[index] = true);
                    answers.extend(other);
                }
            }
        }
        let all = answers.into_iter().map(|one| (one, deployment.raise(assumed(one)))).collect();
        Self { open, all }
    }

    fn play(
        &self,
        deployment: &Deployment<'_>,
        backend_only: bool,
        act: impl Fn(&mut World),
    ) -> Outcome {
        let data = Data {
            documents: deployment.documents(),
            files_elsewhere: deployment.files_elsewhere(),
            backend_only,
        };
        let outcomes: Vec<_> = self
            .all
            .iter()
            .map(|(answers, before)| {
                let outcome = match stake(before) {
                    Err(reason) => Outcome::unknown(&reason),
                    Ok(stake) => {
                        let mut after = before.clone();
                        act(&mut after);
                        judge(&stake, &data, &after)
                    }
                };
                (*answers, outcome)
            })
            .collect();
        Outcome {
            keys: self.agree(&outcomes, |outcome| &outcome.keys),
            data: self.agree(&outcomes, |outcome| &outcome.data),
        }
    }

    /// What all ways come to; unknown where they differ, with the questions on which that hangs.
    fn agree(
        &self,
        outcomes: &[([bool; 5], Outcome)],
        column: fn(&Outcome) -> &Verdict,
    ) -> Verdict {
        let Some((_, first)) = outcomes.first() else {
            return Verdict { fate: Fate::Unknown, why: String::new() };
        };
        let fate = column(first).fate;
        if outcomes.iter().all(|(_, outcome)| column(outcome).fate == fate) {
            return column(first).clone();
        }
        let decides = |index: usize| {
            outcomes.iter().any(|(answers, outcome)| {
                let mut flipped = *answers;
                flipped[index] = !flipped[index];
                let other = outcomes.iter().find(|(answers, _)| *answers == flipped);
                other.is_some_and(|(_, other)| column(other).fate != column(outcome).fate)
            })
        };
        let reasons: Vec<_> = self
            .open
            .iter()
            .filter(|(index, _)| decides(*index))
            .map(|(_, reason)| reason.as_str())
            .collect();
        Verdict { fate: Fate::Unknown, why: reasons.join("; ") }
    }
}

#[cfg(test)]
mod tests;
