//! Playing an operation in every world that the evidence allows.

use super::fate::{DataParts, ExplainedFate, Prediction, judge, stake};
use super::model::{Assumed, Question};
use super::operations::{OPERATIONS, TableEntry};
use super::setup::Deployment;
use super::world::SimulatedWorld;
use crate::evidence::Evidence;
use crate::remedies::command::flags;
use crate::report::{Fate, Operation, shell_word};

/// What each operation does to the keys and the data; empty where no backend was found.
pub fn operations(evidence: &Evidence) -> Vec<Operation> {
    let Some(deployment) = Deployment::of(evidence) else { return Vec::new() };
    let worlds = Worlds::of(&deployment);
    let flags: String =
        flags(evidence).words().iter().map(|word| format!(" {}", shell_word(word))).collect();
    let (compose, container) = (format!("docker compose{flags}"), deployment.container_name());
    let by_compose = deployment.is_run_by_compose();
    let typed = |entry: &TableEntry| {
        if by_compose { Some(entry.command) } else { entry.by_hand }
    };
    OPERATIONS
        .iter()
        .filter_map(|entry| {
            let command = typed(entry)?;
            let outcome = worlds.play(&deployment, entry.backend_only, entry.act);
            Some(Operation {
                id: entry.id.to_owned(),
                command: command
                    .replace("{compose}", &compose)
                    .replace("{container}", &shell_word(&container)),
                keys: outcome.keys.fate,
                data: outcome.data.fate,
                why: outcome.why(),
            })
        })
        .collect()
}

/// Where the answer to a question is kept.
type AssumptionSlot = fn(&mut Assumed) -> &mut bool;

/// The deployment once for each answer to what could not be checked.
pub(super) struct Worlds {
    /// The questions without an answer: where it is kept, and why it is not known.
    open: Vec<(AssumptionSlot, String)>,
    /// The answers to all questions, and the world they lead to.
    pub(super) all: Vec<(Assumed, SimulatedWorld)>,
}

impl Worlds {
    pub(super) fn of(deployment: &Deployment<'_>) -> Self {
        let mut open = Vec::new();
        let mut answers = vec![Assumed::default()];
        for Question { answer, field } in deployment.questions() {
            match answer {
                Ok(answer) => answers.iter_mut().for_each(|one| *field(one) = answer),
                Err(reason) => {
                    open.push((field, reason));
                    let mut other = answers.clone();
                    other.iter_mut().for_each(|one| *field(one) = true);
                    answers.extend(other);
                }
            }
        }
        let all = answers.into_iter().map(|one| (one, deployment.raise(one))).collect();
        Self { open, all }
    }

    pub(super) fn play(
        &self,
        deployment: &Deployment<'_>,
        backend_only: bool,
        act: impl Fn(&mut SimulatedWorld),
    ) -> Prediction {
        let data = DataParts {
            credentials: deployment.credentials(),
            documents: deployment.documents(),
            files_elsewhere: deployment.files_elsewhere(),
            backend_only,
        };
        let outcomes: Vec<_> = self
            .all
            .iter()
            .map(|(answers, before)| {
                let outcome = match deployment.seen().and_then(|()| stake(before)) {
                    Err(reason) => Prediction::unknown(&reason),
                    Ok(stake) => {
                        let mut after = before.clone();
                        act(&mut after);
                        judge(&stake, &data, &after)
                    }
                };
                (*answers, outcome)
            })
            .collect();
        Prediction {
            keys: self.agree(&outcomes, |outcome| &outcome.keys),
            data: self.agree(&outcomes, |outcome| &outcome.data),
        }
    }

    /// What all ways come to; unknown where they differ, with the questions on which that hangs.
    fn agree(
        &self,
        outcomes: &[(Assumed, Prediction)],
        column: fn(&Prediction) -> &ExplainedFate,
    ) -> ExplainedFate {
        let Some((_, first)) = outcomes.first() else {
            return ExplainedFate { fate: Fate::Unknown, why: String::new() };
        };
        let fate = column(first).fate;
        if outcomes.iter().all(|(_, outcome)| column(outcome).fate == fate) {
            return column(first).clone();
        }
        let decides = |field: fn(&mut Assumed) -> &mut bool| {
            outcomes.iter().any(|(answers, outcome)| {
                let mut flipped = *answers;
                let answer = field(&mut flipped);
                *answer = !*answer;
                let other = outcomes.iter().find(|(answers, _)| *answers == flipped);
                other.is_some_and(|(_, other)| column(other).fate != column(outcome).fate)
            })
        };
        let reasons: Vec<_> = self
            .open
            .iter()
            .filter(|(field, _)| decides(*field))
            .map(|(_, reason)| reason.as_str())
            .collect();
        ExplainedFate { fate: Fate::Unknown, why: reasons.join("; ") }
    }
}
