//! `convex-doctor fix`: shows the changes as diffs and steps; with `--apply`, makes them, checks
//! again, and rolls back what did not help.

mod apply;
mod words;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::{Exit, Format, Options};
use crate::act::edit::{self, LockError, Locks, SECOND_NAME};
use crate::act::engine::Replaced;
use crate::budget::Deadline;
use crate::checks;
use crate::checks::selection::repository::SECRET_IN_GIT;
use crate::collect::old_key::OldKey;
use crate::collect::{self, Request, for_fix};
use crate::diagnosis::{self, Choices, Outlook};
use crate::docker::interrupt::Interrupt;
use crate::evidence::Evidence;
use crate::fix::plan::{self, Fix, FixPlan, Goal, Manual, PlanStep, SecretSource};
use crate::foreign::Admitted;
use crate::output;
use crate::render::fix::{self as render, DeploymentState, FixOutcome, FixReport, ManualEntry};
use crate::report::{Finding, FixPolicy, Level, Report, Verdict, shell_word};
use crate::secret::sanitize;
use apply::Settlement;

/// The end of its help.
pub(super) const HELP: &str = "\
Examples:
  convex-doctor fix                       show the changes, make none
  convex-doctor fix --apply               make them, asking before each
  convex-doctor fix key-foreign --apply --yes
  convex-doctor fix secret-public         show how to replace the secret

Each edit leaves the other lines of a file as they are. It is rolled back if \
the finding is still there afterwards, or if something got worse. A volume that \
existed before is never deleted.";

/// How long a started container may take until it answers.
const START: Duration = Duration::from_mins(2);

/// What to fix.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Fix only these findings
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Make the changes; without a terminal, do not ask
    #[arg(long)]
    apply: bool,
    /// Do not ask
    #[arg(short = 'y', long, requires = "apply")]
    yes: bool,
}

/// Plans, and with `--apply` fixes.
pub(super) fn run(arguments: &Arguments, options: &Options) -> anyhow::Result<Exit> {
    if let Err(problem) = check(arguments, options) {
        output::note(&format!("convex-doctor: {problem}"));
        return Ok(Exit::Usage);
    }
    let mut request = options.request()?;
    // `--apply` may change volumes, so it may also look into them.
    request.deep |= arguments.apply;
    // It looks again after each change, and waits for the backend; each look has its own limit.
    request.deadline = Deadline::never();
    // A secret that is in no file may still be in git's history; only a new secret helps then.
    request.history |= arguments.ids.iter().any(|id| id == SECRET_IN_GIT.id);
    let deep =
        if options.reach.deep { Some("--deep") } else { arguments.apply.then_some("fix --apply") };
    options.announce_deep(deep);
    // The changes of another run, in files or on an engine, must not be judged half way.
    let locks = Rc::new(Locks::default());
    if arguments.apply && is_taken(&locks, &request.directory()?) {
        return Ok(Exit::Found);
    }
    let evidence = collect::run(&request)?;
    let (directory, root, compose) = for_fix::directories(&request, &evidence)?;
    if arguments.apply && (is_taken(&locks, &root) || is_taken(&locks, &compose)) {
        return Ok(Exit::Found);
    }
    report_leftovers(&[&directory, &root, &compose], arguments.apply);
    let session = FixSession { arguments, options, request, directory, root, locks };
    let report = session.judge(&evidence);
    let done = if arguments.apply { session.apply(report)? } else { session.propose(&report) };
    let page = match options.report.format.first() {
        Some(Format::Json) => Some(render::json(&done)),
        _ if arguments.apply => None,
        _ => Some(render::plan(&done, output::width())),
    };
    if let Some(page) = page {
        output::print(&page)?;
    }
    Ok(if done.is_well() { Exit::Fine } else { Exit::Found })
}

/// Whether another run works in the directory; if not, none can until this one ends.
fn is_taken(locks: &Locks, directory: &Path) -> bool {
    // A directory that cannot be locked cannot be written either; the error for its files says so.
    let busy = matches!(locks.take(directory), Err(LockError::Busy));
    if busy {
        output::note(&format!(
            "convex-doctor: another convex-doctor is at work in {}: nothing was changed\nTry again when it has ended.",
            sanitize(&directory.display().to_string())
        ));
    }
    busy
}

/// Reports old versions that a killed change left behind, but not those of a change that is under
/// way.
pub(super) fn report_leftovers(directories: &[&Path], is_ours: bool) {
    let mut idle = directories.to_vec();
    idle.retain(|directory| is_ours || !edit::is_busy(directory));
    for left in for_fix::left_behind(&idle, SECOND_NAME) {
        output::note(&format!(
            "note: {} is a copy from a change that was interrupted: compare it with the file, then delete it (it may contain \
             secrets, and git may not ignore it)",
            sanitize(&left.display().to_string())
        ));
    }
}

fn check(arguments: &Arguments, options: &Options) -> Result<(), String> {
    for id in &arguments.ids {
        if checks::rule(id).is_none() {
            if id.contains(['.', '/']) {
                return Err(super::bundle::NO_FIX.to_owned());
            }
            return Err(super::explain::unknown(id));
        }
    }
    match options.report.format.as_slice() {
        [] | [_] => Ok(()),
        _ => Err("`fix` writes one --format at a time".to_owned()),
    }
}

struct FixSession<'a> {
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

impl FixSession<'_> {
    fn judge(&self, evidence: &Admitted<Evidence>) -> Report {
        let choices = Choices {
            ignore: self.options.report.ignore.clone(),
            only: self.options.report.only.clone(),
        };
        diagnosis::diagnose(evidence, &choices)
    }

    fn plan(&self, report: &Report) -> FixPlan {
        let project = plan::FixProject {
            texts: &|file| for_fix::text(&self.directory, file),
            tracked: &|file| for_fix::is_tracked(&self.directory, file),
        };
        plan::plan(report, &self.arguments.ids, project)
    }

    fn begin(&self, report: &Report) -> FixReport {
        FixReport {
            applied: self.arguments.apply,
            before: DeploymentState::of(report),
            after: None,
            fixes: vec![],
            by_hand: vec![],
            not_found: missing(&self.arguments.ids, report),
            command: self.command(report),
        }
    }

    /// The command that applies the same plan.
    fn command(&self, report: &Report) -> String {
        let mut command = "convex-doctor fix".to_owned();
        for id in &self.arguments.ids {
            let _infallible = write!(command, " {id}");
        }
        command.push_str(" --apply");
        for word in report.findings.first().map(|one| one.flags.as_slice()).unwrap_or_default() {
            let _infallible = write!(command, " {}", shell_word(word));
        }
        command
    }

    /// Says before an edit what of the file it cannot keep.
    fn tell_what_is_lost(&self, fix: &Fix) {
        let mut files: Vec<&str> = fix.steps.iter().filter_map(PlanStep::file).collect();
        files.dedup();
        for file in files {
            for lost in edit::lost(&self.directory.join(file)) {
                output::note(&format!("note: {} {lost}", sanitize(file)));
            }
        }
    }

    /// What would be done.
    fn propose(&self, report: &Report) -> FixReport {
        let plan = self.plan(report);
        plan.fixes.iter().for_each(|fix| self.tell_what_is_lost(fix));
        let planned = |fix| words::entry(fix, FixOutcome::Planned);
        FixReport {
            fixes: plan.fixes.iter().map(planned).collect(),
            by_hand: plan.manual.iter().map(manual_entry).collect(),
            ..self.begin(report)
        }
    }

    /// Fixes one finding after the other, and checks again after each.
    fn apply(&self, report: Report) -> anyhow::Result<FixReport> {
        let mut done = self.begin(&report);
        let says = self.options.report.format.first() != Some(&Format::Json);
        let show = |text: &str| if says { output::show(text) } else { Ok(()) };
        show(&render::opening(&done))?;
        let interrupt = Interrupt::watch();
        let engine = std::cell::OnceCell::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = apply::ApplyContext {
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
        if !self.request.docker.no_docker {
            let (mut notes, unsettled) = apply::take_up(&context);
            for replaced in unsettled {
                let settlement = self.settlement(&replaced, &context, &report)?;
                notes.push(apply::settle(replaced, settlement, &context));
            }
            if !notes.is_empty() {
                for note in notes {
                    output::note(&format!("note: {}", sanitize(&note)));
                }
                report = self.judge(&collect::run(&self.request)?);
            }
        }
        let manual = loop {
            let plan = self.plan(&report);
            let next = plan.fixes.into_iter().find(|fix| !tried.contains(&subject(&fix.finding)));
            let Some(fix) = next else { break plan.manual };
            tried.push(subject(&fix.finding));
            let number = done.fixes.len() + 1;
            let planned = words::entry(&fix, FixOutcome::Planned);
            show(&render::fix(number, &planned, output::width()))?;
            self.tell_what_is_lost(&fix);
            // Ctrl-C waits until the change is rolled back and reported.
            let hold = if self.is_wanted() { interrupt.hold() } else { None };
            let outcome = match &hold {
                Some(_) => self.fix(&fix, &context, &mut report)?,
                None => FixOutcome::Skipped,
            };
            show(&render::outcome(&outcome, &fix.remedy.errands, output::width()))?;
            done.fixes.push(words::entry(&fix, outcome));
            if interrupt.came() && !says {
                output::print(&render::json(&done))?;
            }
            drop(hold);
            interrupt.end();
        };
        done.after = Some(DeploymentState::of(&report));
        // What was tried and failed is reported there already.
        let remains = |one: &&Manual| {
            let is_it = |fix: &render::FixEntry| matches!(&fix.outcome, FixOutcome::Applied { remains: Some(id), .. } if *id == one.finding.id);
            done.fixes.iter().any(is_it)
        };
        let is_left = |one: &&Manual| remains(one) || !tried.contains(&subject(&one.finding));
        done.by_hand = manual.iter().filter(is_left).map(manual_entry).collect();
        show(&render::closing(&done, output::width()))?;
        Ok(done)
    }

    /// What becomes of a new container whose fix was interrupted before it was judged.
    fn settlement(
        &self,
        replaced: &Replaced<'_>,
        context: &apply::ApplyContext<'_>,
        report: &Report,
    ) -> anyhow::Result<Settlement> {
        let works = |report: &Report| rank(report.verdict) <= rank(Verdict::AtRisk);
        if works(report) {
            return Ok(Settlement::Works);
        }
        // No longer than the fix itself would have given it.
        if apply::is_settled(replaced, context, START) {
            return Ok(Settlement::Unclear);
        }
        let evidence = collect::until(&self.request, START, &mut |evidence, _| {
            !context.interrupt.came() && self.comes_up(evidence)
        })?;
        Ok(if works(&self.judge(&evidence)) { Settlement::Works } else { Settlement::Fails })
    }

    /// Whether the user wants it; without a terminal it is not asked.
    fn is_wanted(&self) -> bool {
        if self.arguments.yes || !for_fix::is_asked_at_a_terminal() {
            return true;
        }
        output::prompt("Apply this change? [y/N] ");
        for_fix::answer().is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes"))
    }

    fn fix(
        &self,
        fix: &Fix,
        context: &apply::ApplyContext<'_>,
        report: &mut Report,
    ) -> anyhow::Result<FixOutcome> {
        let interrupt = context.interrupt;
        let rotates = |step: &PlanStep| matches!(step, PlanStep::Secret(secret) if secret.source == SecretSource::NewSecret);
        let old_key =
            if fix.steps.iter().any(rotates) { OldKey::hold(&self.request)? } else { None };
        let done = match apply::apply(fix, context) {
            Ok(done) => done,
            Err(failure) => {
                return Ok(FixOutcome::Failed { why: failure.why, notes: failure.notes });
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
                let notes = done.roll_back();
                return Ok(FixOutcome::RolledBack { why: format!("{error:#}"), notes });
            }
        };
        let verdict = if interrupt.came() {
            Err("interrupted".to_owned())
        } else {
            helped(fix, report, &after)
        };
        // That the old key still works says more than the findings that follow from it.
        let old_key = old_key.as_ref().filter(|_| !interrupt.came()).map(OldKey::is_refused_now);
        let why = match (&old_key, verdict) {
            (None | Some(Ok(_)), Ok(())) => None,
            (Some(Err(alive)), Ok(())) => Some(alive.clone()),
            (Some(Err(alive)), Err(why)) => Some(format!("{alive}; {why}")),
            (None | Some(Ok(_)), Err(why)) => Some(why),
        };
        if let Some(why) = why {
            let notes = done.roll_back();
            return Ok(FixOutcome::RolledBack { why, notes });
        }
        let verified = old_key.and_then(Result::ok);
        let notes = done.keep();
        let remains = is_still_found(fix, report, &after).then(|| fix.finding.id.clone());
        *report = after;
        Ok(FixOutcome::Applied { notes, verified, remains })
    }

    /// Whether it is still starting.
    fn comes_up(&self, evidence: &Admitted<Evidence>) -> bool {
        let report = self.judge(evidence);
        match diagnosis::outlook(evidence, &report) {
            Outlook::Ready => false,
            Outlook::Passing(_) => true,
            Outlook::Settled => diagnosis::runs_in_silence(evidence),
        }
    }
}

/// A finding that is left to the user.
fn manual_entry(one: &Manual) -> ManualEntry {
    ManualEntry::of(&one.finding, one.why.clone())
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

/// Whether there are as many findings with its id as before.
fn is_still_found(fix: &Fix, before: &Report, after: &Report) -> bool {
    let is_it = |one: &&Finding| one.id == fix.finding.id;
    let count = |report: &Report| report.findings.iter().filter(is_it).count();
    count(after) >= count(before)
}

/// Whether the finding went away and nothing is worse; else, why it did not help.
fn helped(fix: &Fix, before: &Report, after: &Report) -> Result<(), String> {
    let id = fix.finding.id.as_str();
    if fix.goal == Goal::FindingGone && is_still_found(fix, before, after) {
        return Err(format!("{id} is still found"));
    }
    if rank(after.verdict) > rank(before.verdict) {
        let cause = after.causes.first().or(after.findings.first());
        let cause = cause.map_or_else(String::new, |one| format!(" ({}: {})", one.id, one.title));
        let headline = &after.summary.headline;
        return Err(format!("the deployment is worse than before: {headline}{cause}"));
    }
    // Another URL that leads nowhere is not better than this one.
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
        Some(new) => Err(format!("it causes {}: {}", new.id, new.title)),
        None => Ok(()),
    }
}

/// A drift right after the fix set a secret: Compose uses another value instead, usually the
/// shell's.
fn drifted<'a>(fix: &Fix, before: &Report, after: &'a Report) -> Option<&'a Finding> {
    let sets = fix.steps.iter().any(|step| matches!(step, PlanStep::Secret(_)));
    let is_drift = |one: &&Finding| one.fix == FixPolicy::Drift;
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
