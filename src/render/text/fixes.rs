//! How the screen shows what fixes a finding: the ways, their commands, and what they cost.

use owo_colors::OwoColorize;
use unicode_width::UnicodeWidthStr;

use super::super::words::{self, sentence};
use super::ScreenPage;
use crate::report::{Action, Finding, NextStep, Order, Remedy, Safety};
use crate::secret::sanitize_lines as sanitize;

/// The commands of a report are found by their column.
const COMMAND: &str = "      ";

impl ScreenPage {
    /// What to do and what to type, and one other way at most.
    pub(super) fn first_fix(
        &mut self,
        finding: &Finding,
        before: Option<&NextStep>,
        caution: Option<&str>,
    ) {
        let Some(first) = finding.remedies.first() else { return };
        let steps = steps(finding, before);
        let commands = commands(finding, first);
        if steps.len() > 1 {
            self.line("");
            self.numbered(&steps);
            self.cost(first, caution);
        } else if commands.is_empty() {
            self.way("Fix", &words::lower(&title(first)));
        } else {
            self.line("");
            self.way("Fix", &words::lower(&title(first)));
            self.cost_before(first);
            self.commands(&commands);
            self.cost(first, caution);
        }
        if steps.len() < 2 && first.errands.len() > MOST_ERRANDS {
            self.hanging("  ", &leaves(finding, first));
        }
        let other = finding.remedies.iter().skip(1).find(|one| one.order == Order::Alternative);
        if let Some(other) = other {
            self.way("Or", &words::lower(&title(other)));
        }
    }

    /// Every way to fix it, with its commands, places and what is left to do.
    pub(super) fn all_fixes(&mut self, finding: &Finding) {
        let mut number = 0;
        let steps = finding.remedies.iter().filter(|one| one.order == Order::Step).count();
        for (index, remedy) in finding.remedies.iter().enumerate() {
            match remedy.order {
                Order::Step if steps > 1 => {
                    if number == 0 {
                        let word = if index == 0 { "Fix" } else { "Or" };
                        self.line(&format!("  {word}, in this order:"));
                    }
                    number += 1;
                    self.hanging(&format!("  {number}. "), &sentence(&title(remedy)));
                }
                Order::Alternative if index > 0 => self.way("Or", &words::lower(&title(remedy))),
                Order::Step | Order::Alternative => {
                    self.way("Fix", &words::lower(&title(remedy)));
                }
            }
            self.cost_before(remedy);
            for command in commands(finding, remedy) {
                self.command(&command);
            }
            for errand in &remedy.errands {
                let colon = if errand.places.len() + errand.commands.len() > 0 { ":" } else { "" };
                self.hanging("    ", &format!("{}{colon}", errand.title));
                for place in &errand.places {
                    self.hanging("    - ", place);
                }
                for command in words::written(&errand.commands) {
                    self.command(&command);
                }
            }
        }
    }

    /// How what was not checked can be checked, if there is a command for it.
    pub(super) fn way_to_check(&mut self, finding: &Finding) {
        let Some(first) = finding.remedies.first() else { return };
        let commands = commands(finding, first);
        if !commands.is_empty() {
            self.way("To check it", &words::lower(&title(first)));
            self.commands(&commands);
        }
    }

    /// One way out that is not a finding's.
    pub(super) fn fix(&mut self, title: &str, command: Option<&String>) {
        self.way("Fix", title);
        if let Some(command) = command {
            self.commands(std::slice::from_ref(command));
        }
    }

    pub(super) fn numbered(&mut self, steps: &[Numbered]) {
        self.line("  Fix, in this order:");
        for (index, step) in steps.iter().enumerate() {
            self.hanging(&format!("  {}. ", index + 1), &sentence(&step.title));
            if !step.commands.is_empty() {
                self.commands(&step.commands);
            }
        }
    }

    /// Commands with nothing else around them: they are there to be copied.
    fn commands(&mut self, commands: &[String]) {
        self.line("");
        for command in commands {
            self.command(command);
        }
        self.line("");
    }

    /// A command is never wrapped, and its characters stay as they are.
    fn command(&mut self, command: &str) {
        self.line(&format!("{COMMAND}{}", sanitize(command).bold()));
    }

    /// What carrying it out ends.
    fn cost_before(&mut self, remedy: &Remedy) {
        if let Some(price) = &remedy.price {
            self.paragraph("  ", &price.sentence());
        }
    }

    /// What to know before the doctor's own command is typed.
    fn cost(&mut self, remedy: &Remedy, caution: Option<&str>) {
        let mut text = effect(remedy).to_owned();
        if let Some(caution) = caution {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(caution);
        }
        if !text.is_empty() {
            self.paragraph("  ", &text);
        }
    }

    /// A way to fix it, behind its word.
    pub(super) fn way(&mut self, word: &str, text: &str) {
        self.after(&format!("  {word}: "), text);
    }

    /// Text behind `mark`, whose other lines stay left of the column of commands.
    pub(super) fn after(&mut self, mark: &str, text: &str) {
        let text = self.clean(text);
        let (first, rest) = (self.width() - mark.width(), self.width() - 4);
        for (index, line) in words::wrap_after(&text, first, rest).iter().enumerate() {
            let start = if index == 0 { mark } else { "    " };
            self.line(&format!("{start}{line}"));
        }
    }
}

/// One of several steps, numbered.
pub(super) struct Numbered {
    pub(super) title: String,
    pub(super) commands: Vec<String>,
}

/// So many things that are left to a person are steps of the first screen.
const MOST_ERRANDS: usize = 2;

/// The steps of a finding's first fix: what comes before any, what is marked as one, and what is
/// left to a person behind it.
fn steps(finding: &Finding, before: Option<&NextStep>) -> Vec<Numbered> {
    let mut steps: Vec<Numbered> = before
        .into_iter()
        .map(|step| Numbered {
            title: step.title.clone(),
            commands: step.command.iter().cloned().collect(),
        })
        .collect();
    let marked = finding.remedies.iter().take_while(|one| one.order == Order::Step).count();
    for remedy in finding.remedies.iter().take(marked.max(1)) {
        let commands = commands(finding, remedy);
        steps.push(Numbered { title: title(remedy), commands });
        if remedy.errands.len() <= MOST_ERRANDS {
            steps.extend(remedy.errands.iter().map(|errand| Numbered {
                title: errand.title.clone(),
                commands: words::written(&errand.commands),
            }));
        }
    }
    steps
}

/// Says that more is left than the first screen shows.
fn leaves(finding: &Finding, remedy: &Remedy) -> String {
    format!(
        "Then {} steps remain: `convex-doctor fix {}` lists them.",
        remedy.errands.len(),
        finding.id
    )
}

/// A remedy's title without a stop of its own, and what it deletes.
pub(in crate::render) fn title(remedy: &Remedy) -> String {
    let title = remedy.title.trim_end_matches([':', '.']);
    let ends_keys = |action: &Action| matches!(action, Action::NewSecret { .. });
    match remedy.safety {
        Safety::Destructive if remedy.actions.iter().any(ends_keys) => {
            format!("{title} (ends all keys)")
        }
        Safety::Destructive => format!("{title} (deletes data)"),
        Safety::Safe | Safety::Unsafe => title.to_owned(),
    }
}

/// What the doctor's own command does besides the change itself; empty where the command is another.
pub(in crate::render) fn effect(remedy: &Remedy) -> &'static str {
    let copies = |action: &Action| matches!(action, Action::CopyVolume { .. });
    let stops = |action: &Action| matches!(action, Action::Stop { .. } | Action::Replace { .. });
    if remedy.actions.iter().any(copies) {
        "It asks before each change and keeps the old volume. The backend stops while the data is copied."
    } else if remedy.actions.iter().any(stops) {
        "It asks before each change. The backend stops while its container is recreated."
    } else if is_offered(remedy) {
        "It asks before each change."
    } else {
        ""
    }
}

/// Whether the command of a remedy is the doctor's own.
fn is_offered(remedy: &Remedy) -> bool {
    remedy.is_for_the_doctor() && remedy.commands.is_empty()
}

/// What to type for a remedy.
pub(in crate::render) fn commands(finding: &Finding, remedy: &Remedy) -> Vec<String> {
    if is_offered(remedy) {
        return vec![finding.fix_command().to_string()];
    }
    words::written(&remedy.commands)
}
