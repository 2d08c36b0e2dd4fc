//! `convex-doctor fix`: what would be done, as diffs and steps; with `--apply`, does it, looks
//! again, and takes back what did not help.

mod apply;
mod told;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::{Exit, Format, Options};
use crate::act::edit::{self, LockError, Locks, SECOND_NAME};
use crate::act::engine::Replaced;
use crate::checks;
use crate::checks::selection::repository::SECRET_IN_GIT;
use crate::collect::old_key::OldKey;
use crate::collect::{self, Request, mending};
use crate::diagnosis::{self, Choices, Outlook};
use crate::docker::interrupt::Interrupt;
use crate::evidence::Evidence;
use crate::fix::plan::{self, Fix, Goal, Plan, Step, Value};
use crate::output;
use crate::render::mending::{self as render, ByHand, Outcome, State, Story};
use crate::report::shell_word;
use crate::report::{Finding, Level, Report, Verdict};
use crate::secret::sanitize;
use apply::Fate;

/// The end of its help.
pub(super) const HELP: &str = "\
Examples:
  convex-doctor fix                       what would be done; nothing is changed
  convex-doctor fix --apply               do it, asking before each
  convex-doctor fix key-foreign --apply --yes
  convex-doctor fix secret-public         the plan of a rotation

Each file is changed by a text edit that leaves its other lines alone, and gets its old text back when the finding does not go \
away by it or something is worse. No volume that was there before is ever deleted.";

/// So long a container that was started may take until it answers.
const START: Duration = Duration::from_mins(2);

/// What to mend.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only these findings; also what is not done unasked
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Do it; off a terminal without asking
    #[arg(long)]
    apply: bool,
    /// Do not ask
    #[arg(short = 'y', long, requires = "apply")]
    yes: bool,
}

/// Plans, and with `--apply` mends.
pub(super) fn run(arguments: &Arguments, options: &Options) -> anyhow::Result<Exit> {
    if let Err(problem) = check(arguments, options) {
        output::note(&format!("convex-doctor: {problem}"));
        return Ok(Exit::Usage);
    }
    let mut request = options.request()?;
    // What is mended is looked into first, and to look into a volume is allowed to whoever may
    // change it.
    request.deep |= arguments.apply;
    // What is in no file any more may still be in git's history, and only a rotation ends it.
    request.history |= arguments.ids.iter().any(|id| id == SECRET_IN_GIT.id);
    let deep = if options.deep { Some("--deep") } else { arguments.apply.then_some("fix --apply") };
    options.announce_deep(deep);
    // Another doctor's changes are not to be judged half way, nor what it does on an engine.
    let locks = Rc::new(Locks::default());
    if arguments.apply && is_taken(&locks, &request.directory()?) {
        return Ok(Exit::Found);
    }
    let evidence = collect::run(&request)?;
    let (directory, root, compose) = mending::directories(&request, &evidence)?;
    if arguments.apply && (is_taken(&locks, &root) || is_taken(&locks, &compose)) {
        return Ok(Exit::Found);
    }
    tell_left(&[&directory, &root, &compose], arguments.apply);
    let mending = Mending { arguments, options, request, directory, root, locks };
    let report = mending.judge(&evidence);
    let story = if arguments.apply { mending.apply(report)? } else { mending.propose(&report) };
    let page = match options.format.first() {
        Some(Format::Json) => Some(render::json(&story)),
        _ if arguments.apply => None,
        _ => Some(render::plan(&story, output::width())),
    };
    if let Some(page) = page {
        output::print(&page)?;
    }
    Ok(if story.is_well() { Exit::Fine } else { Exit::Found })
}

/// Whether another doctor is at work in the directory; else nobody will be until this one ends.
fn is_taken(locks: &Locks, directory: &Path) -> bool {
    // What cannot be locked cannot be written either, and that is said of its files.
    let busy = matches!(locks.take(directory), Err(LockError::Busy));
    if busy {
        output::note(&format!(
            "convex-doctor: another convex-doctor is at work in {}: nothing was done; try again when it is through",
            sanitize(&directory.display().to_string())
        ));
    }
    busy
}

/// Tells of old versions that a killed change left. Those of a change that is under way are
/// nobody's business.
pub(super) fn tell_left(directories: &[&Path], is_ours: bool) {
    let mut idle = directories.to_vec();
    idle.retain(|directory| is_ours || !edit::is_busy(directory));
    for left in mending::left_behind(&idle, SECOND_NAME) {
        output::note(&format!(
            "note: {} is what a change was made from that was cut short: compare it with the file, then delete it \
             (it may hold secrets, and git may not ignore it)",
            sanitize(&left.display().to_string())
        ));
    }
}

fn check(arguments: &Arguments, options: &Options) -> Result<(), String> {
    for id in &arguments.ids {
        if checks::rule(id).is_none() {
            let nearest = super::explain::nearest(id).join(", ");
            return Err(format!("there is no finding `{id}`; the nearest: {nearest}"));
        }
    }
    match options.format.as_slice() {
        [] | [Format::Text | Format::Json] => Ok(()),
        _ => Err("fix writes text or json".to_owned()),
    }
}

struct Mending<'a> {
    arguments: &'a Arguments,
    options: &'a Options,
    request: Request,
    /// The project's.
    directory: PathBuf,
    /// What changes stay inside of.
    root: PathBuf,
    /// Of all directories that changes are made in.
    locks: Rc<Locks>,
}

impl Mending<'_> {
    fn judge(&self, evidence: &Evidence) -> Report {
        let choices =
            Choices { ignore: self.options.ignore.clone(), only: self.options.only.clone() };
        diagnosis::diagnose(evidence, &choices)
    }

    fn plan(&self, report: &Report) -> Plan {
        let project = plan::Project {
            texts: &|file| mending::text(&self.directory, file),
            tracked: &|file| mending::is_tracked(&self.directory, file),
        };
        plan::plan(report, &self.arguments.ids, project)
    }

    fn begin(&self, report: &Report) -> Story {
        Story {
            applied: self.arguments.apply,
            before: State::of(report),
            after: None,
            fixes: vec![],
            by_hand: vec![],
            not_found: missing(&self.arguments.ids, report),
            command: self.command(),
        }
    }

    /// What applies the same plan.
    fn command(&self) -> String {
        let mut command = "convex-doctor fix".to_owned();
        for id in &self.arguments.ids {
            let _infallible = write!(command, " {id}");
        }
        command.push_str(" --apply");
        for file in &self.options.files {
            let _infallible = write!(command, " -f {}", shell_word(&file.display().to_string()));
        }
        command
    }

    /// What would be done.
    fn propose(&self, report: &Report) -> Story {
        let plan = self.plan(report);
        Story {
            fixes: plan.fixes.iter().map(|fix| told::told(fix, Outcome::Planned)).collect(),
            by_hand: plan
                .by_hand
                .iter()
                .map(|one| ByHand::of(&one.finding, one.why.clone()))
                .collect(),
            ..self.begin(report)
        }
    }

    /// Mends one finding after the other, and looks again after each.
    fn apply(&self, report: Report) -> anyhow::Result<Story> {
        let mut story = self.begin(&report);
        let says = self.options.format.first() != Some(&Format::Json);
        let show = |text: &str| if says { output::print(text) } else { Ok(()) };
        show(&render::opening(&story))?;
        let interrupt = Interrupt::watch();
        let engine = std::cell::OnceCell::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let world = apply::World {
            request: &self.request,
            directory: &self.directory,
            root: &self.root,
            locks: &self.locks,
            interrupt: &interrupt,
            runtime: &runtime,
            engine: &engine,
        };
        let mut tried: Vec<String> = vec![];
        let mut report = report;
        if !self.request.no_docker {
            let (mut notes, unsettled) = apply::take_up(&world);
            for replaced in unsettled {
                let fate = self.fate(&replaced, &world, &report)?;
                notes.push(apply::settle(replaced, fate, &world));
            }
            if !notes.is_empty() {
                for note in notes {
                    output::note(&format!("note: {}", sanitize(&note)));
                }
                report = self.judge(&collect::run(&self.request)?);
            }
        }
        let by_hand = loop {
            let plan = self.plan(&report);
            let next = plan.fixes.into_iter().find(|fix| !tried.contains(&subject(&fix.finding)));
            let Some(fix) = next else { break plan.by_hand };
            tried.push(subject(&fix.finding));
            let number = story.fixes.len() + 1;
            show(&render::fix(number, &told::told(&fix, Outcome::Planned), output::width()))?;
            // Ctrl-C waits until it is taken back and told.
            let hold = if self.is_wanted() { interrupt.hold() } else { None };
            let outcome = match &hold {
                Some(_) => self.mend(&fix, &world, &mut report)?,
                None => Outcome::Skipped,
            };
            show(&render::outcome(&outcome, &fix.errands, output::width()))?;
            story.fixes.push(told::told(&fix, outcome));
            if interrupt.came() && !says {
                output::print(&render::json(&story))?;
            }
            drop(hold);
            interrupt.end();
        };
        story.after = Some(State::of(&report));
        // What was tried and failed is said there already.
        story.by_hand = by_hand
            .iter()
            .filter(|one| !tried.contains(&subject(&one.finding)))
            .map(|one| ByHand::of(&one.finding, one.why.clone()))
            .collect();
        show(&render::closing(&story, output::width()))?;
        Ok(story)
    }

    /// What becomes of a container that a fix put in another's place and did not live to judge.
    fn fate(
        &self,
        replaced: &Replaced<'_>,
        world: &apply::World<'_>,
        report: &Report,
    ) -> anyhow::Result<Fate> {
        let works = |report: &Report| rank(report.verdict) <= rank(Verdict::AtRisk);
        if works(report) {
            return Ok(Fate::Works);
        }
        // No longer than the fix itself would have given it.
        if apply::is_settled(replaced, world, START) {
            return Ok(Fate::Unclear);
        }
        let evidence = collect::until(&self.request, START, &mut |evidence, _| {
            !world.interrupt.came() && self.comes_up(evidence)
        })?;
        Ok(if works(&self.judge(&evidence)) { Fate::Works } else { Fate::Fails })
    }

    /// Whether the person at the terminal wants it; off a terminal there is nobody to ask.
    fn is_wanted(&self) -> bool {
        if self.arguments.yes || !mending::is_asked_at_a_terminal() {
            return true;
        }
        output::prompt("Do it? [y/N] ");
        mending::answer().is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes"))
    }

    fn mend(
        &self,
        fix: &Fix,
        world: &apply::World<'_>,
        report: &mut Report,
    ) -> anyhow::Result<Outcome> {
        let interrupt = world.interrupt;
        let rotates = |step: &Step| matches!(step, Step::Set(set) if set.value == Value::NewSecret);
        let old_key =
            if fix.steps.iter().any(rotates) { OldKey::hold(&self.request)? } else { None };
        let done = match apply::apply(fix, world) {
            Ok(done) => done,
            Err(failure) => {
                return Ok(Outcome::Failed { why: failure.why, notes: failure.notes });
            }
        };
        let evidence = if done.waits() {
            collect::until(&self.request, START, &mut |evidence, _| {
                !interrupt.came() && self.comes_up(evidence)
            })
        } else {
            collect::run(&self.request)
        };
        let after = match evidence {
            Ok(evidence) => self.judge(&evidence),
            Err(error) => {
                let notes = done.take_back();
                return Ok(Outcome::TakenBack { why: format!("{error:#}"), notes });
            }
        };
        let verdict = if interrupt.came() {
            Err("interrupted".to_owned())
        } else {
            helped(fix, report, &after)
        };
        // That the old key lives says more than what else is found by it.
        let old_key = old_key.as_ref().filter(|_| !interrupt.came()).map(OldKey::is_refused_now);
        let why = match (&old_key, verdict) {
            (None | Some(Ok(_)), Ok(())) => None,
            (Some(Err(alive)), Ok(())) => Some(alive.clone()),
            (Some(Err(alive)), Err(why)) => Some(format!("{alive}; {why}")),
            (None | Some(Ok(_)), Err(why)) => Some(why),
        };
        if let Some(why) = why {
            let notes = done.take_back();
            return Ok(Outcome::TakenBack { why, notes });
        }
        let verified = old_key.and_then(Result::ok);
        let notes = done.keep();
        *report = after;
        Ok(Outcome::Applied { notes, verified })
    }

    /// Whether it is still on its way.
    fn comes_up(&self, evidence: &Evidence) -> bool {
        let report = self.judge(evidence);
        matches!(diagnosis::outlook(evidence, &report), Outlook::Passing(_))
    }
}

/// The same finding at the same place.
fn subject(finding: &Finding) -> String {
    let at = finding.locations.first().map(ToString::to_string).unwrap_or_default();
    format!("{} {at}", finding.id)
}

/// The ids asked for that were not found.
fn missing(ids: &[String], report: &Report) -> Vec<String> {
    let found = |id: &&String| report.findings.iter().any(|finding| finding.id == **id);
    ids.iter().filter(|id| !found(id)).cloned().collect()
}

/// Whether the finding went away and nothing is worse; else, why it did not help.
fn helped(fix: &Fix, before: &Report, after: &Report) -> Result<(), String> {
    let id = fix.finding.id.as_str();
    let count = |report: &Report| report.findings.iter().filter(|one| one.id == id).count();
    if fix.goal == Goal::FindingGone && count(after) >= count(before) {
        return Err(format!("{id} is still found"));
    }
    if rank(after.verdict) > rank(before.verdict) {
        return Err(format!("it is worse than before: {}", after.summary.headline));
    }
    // Another URL that leads nowhere is no better than this one.
    let leads_nowhere = |report: &Report, other: &str| {
        report.findings.iter().any(|one| one.id == other && one.level == Level::Error)
    };
    let family = checks::family(id);
    let new = after.findings.iter().find(|one| {
        family == Some("endpoint")
            && checks::family(&one.id) == family
            && leads_nowhere(after, &one.id)
            && !leads_nowhere(before, &one.id)
    });
    match new.or_else(|| drifted(fix, before, after)) {
        Some(new) => Err(format!("then {} is found: {}", new.id, new.title)),
        None => Ok(()),
    }
}

/// A drift, where the fix has just set a value: Compose takes another one for it, the shell's
/// before all.
fn drifted<'a>(fix: &Fix, before: &Report, after: &'a Report) -> Option<&'a Finding> {
    let sets = fix.steps.iter().any(|step| matches!(step, Step::Set(_)));
    let is_drift = |one: &&Finding| one.id == "secret-drift";
    let new = sets && !before.findings.iter().any(|one| is_drift(&one));
    after.findings.iter().find(is_drift).filter(|_| new)
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Healthy => 0,
        Verdict::AtRisk => 1,
        Verdict::Unknown => 2,
        Verdict::Broken => 3,
    }
}
