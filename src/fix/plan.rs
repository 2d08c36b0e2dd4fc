//! From a report to what `convex-doctor fix` would do: one fix a finding, each in steps, with the
//! diff of every file. Nothing is written here; the texts of the files come in.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::placeholders::EnvText;
use super::show::Diff;
use super::{compose_edit, env_file, git_ignore, lines, show};
use crate::report::{Action, Edit, Finding, FixPolicy, Level, Remedy, Report, Safety, shell_word};
use crate::secret::Secret;
use crate::selection::names::{ADMIN_KEY as KEY, URL};
use crate::selection::node_dotenv;

/// The text of a file; `Ok(None)` where there is none, `Err` where it cannot be read. It may hold
/// secrets.
pub type PlanTexts<'a> = dyn Fn(&str) -> Result<Option<Zeroizing<String>>, String> + 'a;

/// Whether git tracks a file; why that is not known.
pub type Tracked<'a> = dyn Fn(&str) -> Result<bool, String> + 'a;

/// What a plan asks of the project.
#[derive(Clone, Copy)]
pub struct FixProject<'a> {
    /// Its files.
    pub texts: &'a PlanTexts<'a>,
    /// What its repository holds.
    pub tracked: &'a Tracked<'a>,
}

/// What would be done, and what is left to the user.
#[derive(Default)]
pub struct FixPlan {
    /// In the order in which they are to be applied.
    pub fixes: Vec<Fix>,
    /// Findings that `fix` cannot fix, or that have to be named.
    pub manual: Vec<Manual>,
}

/// One finding, and how it is fixed.
pub struct Fix {
    /// The finding.
    pub finding: Finding,
    /// The remedy of the finding that is carried out.
    pub remedy: Remedy,
    /// What is done, in order.
    pub steps: Vec<PlanStep>,
    /// What shows that it helped.
    pub goal: Goal,
}

/// What shows that a fix helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The finding is gone, and nothing is worse.
    FindingGone,
    /// Nothing is worse: it protects against what the finding warns of, and the finding stays.
    NothingWorse,
}

/// A finding that is left to the user.
pub struct Manual {
    /// The finding.
    pub finding: Finding,
    /// Why `fix` does not fix it; `None` where all its remedies are words.
    pub why: Option<String>,
}

/// One thing to do.
pub enum PlanStep {
    /// A file gets another text.
    Write(FileChange),
    /// A secret is generated or read, and set in an env file.
    Secret(SecretStep),
    /// The remedy's action on the engine.
    Engine(Action),
}

impl PlanStep {
    /// The file that it changes.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Write(change) => Some(&change.file),
            Self::Secret(step) => Some(&step.file),
            Self::Engine(_) => None,
        }
    }
}

/// A file and its texts.
pub struct FileChange {
    /// The file, relative to the project's directory.
    pub file: String,
    /// What it holds; `None` where there is none yet.
    pub old: Option<Zeroizing<String>>,
    /// What it is to hold.
    pub new: Zeroizing<String>,
    /// The change, without secrets.
    pub diff: Diff,
}

/// A secret that is generated or read when it is written: no plan holds it.
pub struct SecretStep {
    /// The file, relative to the project's directory.
    pub file: String,
    /// Where the secret comes from.
    pub source: SecretSource,
    /// The change, without the secret.
    pub diff: Diff,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An admin key for this deployment's instance.
    Key {
        /// Whether the old line is kept above it as a comment: it may be the only trace of older
        /// data.
        keep_old: bool,
    },
    /// The key that another env file has by then.
    KeyOf(String),
    /// The secret that a container runs with.
    SecretOf(String),
    /// A new secret.
    NewSecret,
}

/// The variable that pins the secret.
pub const INSTANCE_SECRET: &str = "INSTANCE_SECRET";

/// Plans for `wanted` ids, or for everything that may be done unasked.
pub fn plan(report: &Report, wanted: &[String], project: FixProject<'_>) -> FixPlan {
    let mut plan = FixPlan::default();
    let folded: Vec<&str> =
        report.causes.iter().flat_map(|cause| &cause.explains).map(String::as_str).collect();
    for finding in &report.findings {
        let named = wanted.contains(&finding.id);
        // What follows from another is fixed with it.
        if !named && (!wanted.is_empty() || folded.contains(&finding.id.as_str())) {
            continue;
        }
        let remedy = finding.remedies.iter().find(|remedy| remedy.is_for_the_doctor());
        let Some(remedy) = remedy else {
            if named || finding.level == Level::Error {
                plan.manual.push(Manual { finding: finding.clone(), why: None });
            }
            continue;
        };
        if let Some(why) = refused(report, finding, remedy) {
            plan.manual.push(Manual { finding: finding.clone(), why: Some(why) });
            continue;
        }
        if !named && let Some(why) = must_be_named(finding, remedy) {
            if finding.level == Level::Error || remedy.safety == Safety::Destructive {
                plan.manual.push(Manual { finding: finding.clone(), why: Some(why) });
            }
            continue;
        }
        let keep_old = report.findings.iter().any(|other| other.fix == FixPolicy::OlderData);
        match steps(remedy, keep_old, project) {
            Ok(steps) => plan.fixes.push(Fix {
                finding: finding.clone(),
                remedy: remedy.clone(),
                steps,
                goal: goal(finding),
            }),
            Err(why) => plan.manual.push(Manual { finding: finding.clone(), why: Some(why) }),
        }
    }
    // What mounts a volume at the data directory fixes these as well.
    let mounts =
        |step: &PlanStep| matches!(step, PlanStep::Engine(Action::Replace { mount: Some(_), .. }));
    if plan.fixes.iter().any(|fix| fix.steps.iter().any(mounts)) {
        plan.manual.retain(|one| one.finding.fix != FixPolicy::NoVolume);
    }
    plan
}

/// Why this is not done now, named or not: the backend would be stopped for it, and would not come
/// back as it was.
fn refused(report: &Report, finding: &Finding, remedy: &Remedy) -> Option<String> {
    let is_drift = |one: &Finding| one.fix == FixPolicy::Drift;
    let stops = remedy.actions.iter().any(|action| match action {
        Action::Stop { .. } => true,
        Action::Replace { without, .. } => !without.is_empty() || is_drift(finding),
        _ => false,
    });
    let drift = report.findings.iter().find(|other| is_drift(other) && other.id != finding.id);
    drift.filter(|_| stops).map(|drift| {
        format!(
            "this fix stops the backend, and the backend would start with other values: fix {} first",
            drift.id
        )
    })
}

/// Why this is only done when it is named; `None` if it may be done unasked.
fn must_be_named(finding: &Finding, remedy: &Remedy) -> Option<String> {
    let why = finding.fixed_only_if_named(remedy)?;
    Some(format!("{why}; to apply it: `{}`", finding.fix_command()))
}

fn goal(finding: &Finding) -> Goal {
    match finding.fix {
        FixPolicy::Stays => Goal::NothingWorse,
        _ => Goal::FindingGone,
    }
}

/// What a file holds; `None` where there is none.
type FileContent = Option<Zeroizing<String>>;

/// The files as the steps so far leave them.
struct PlannedFiles<'a> {
    project: FixProject<'a>,
    /// What each held at the beginning, and what it is to hold; of those that were asked for.
    known: BTreeMap<String, (FileContent, FileContent)>,
    /// Changed since the last step.
    pending: Vec<String>,
    /// A secret that the plan does not hold is set there: nothing may be planned on top of it.
    closed: Vec<String>,
}

impl PlannedFiles<'_> {
    fn text(&mut self, file: &str) -> Result<Option<String>, String> {
        if self.closed.iter().any(|closed| closed == file) {
            return Err(format!("{file} would be changed twice"));
        }
        if !self.known.contains_key(file) {
            let text = (self.project.texts)(file)?;
            self.known.insert(file.to_owned(), (text.clone(), text));
        }
        Ok(self.known.get(file).and_then(|(_, now)| now.as_ref().map(|text| text.to_string())))
    }

    fn set(&mut self, file: &str, new: String) {
        if let Some((_, now)) = self.known.get_mut(file) {
            *now = Some(Zeroizing::new(new));
            if !self.pending.iter().any(|pending| pending == file) {
                self.pending.push(file.to_owned());
            }
        }
    }

    /// The steps that write what is pending.
    fn write(&mut self) -> Vec<PlanStep> {
        let mut steps = vec![];
        for file in std::mem::take(&mut self.pending) {
            let Some((old, Some(new))) = self.known.get_mut(&file) else { continue };
            if old.as_deref() == Some(new) {
                continue;
            }
            let diff = show::diff(&file, old.as_ref().map_or("", |text| text.as_str()), new);
            let change = FileChange { file, old: old.clone(), new: new.clone(), diff };
            *old = Some(new.clone());
            steps.push(PlanStep::Write(change));
        }
        steps
    }

    /// A step that sets a secret. None goes into a file that git tracks.
    fn set_later(
        &mut self,
        steps: &mut Vec<PlanStep>,
        file: &str,
        source: SecretSource,
    ) -> Result<(), String> {
        steps.append(&mut self.write());
        match (self.project.tracked)(file) {
            Ok(false) => {}
            Ok(true) => {
                return Err(format!(
                    "git tracks {file}, so a secret in it would be part of the next commit: run `git rm --cached {}` first (the file \
                     is kept), then run this command again",
                    shell_word(file)
                ));
            }
            Err(why) => return Err(format!("cannot find out whether git tracks {file}: {why}")),
        }
        let old = self.text(file)?.unwrap_or_default();
        let new = source.set_in(&old, "'***'");
        self.closed.push(file.to_owned());
        let diff = show::diff(file, &old, &new);
        steps.push(PlanStep::Secret(SecretStep { file: file.to_owned(), source, diff }));
        Ok(())
    }
}

fn steps(
    remedy: &Remedy,
    keep_old: bool,
    project: FixProject<'_>,
) -> Result<Vec<PlanStep>, String> {
    let mut files =
        PlannedFiles { project, known: BTreeMap::new(), pending: vec![], closed: vec![] };
    let mut steps = vec![];
    for file in named(&remedy.edits) {
        let Some(text) = files.text(file)? else { return Err(format!("{file} is gone")) };
        let edits: Vec<Edit> =
            remedy.edits.iter().filter(|edit| edit.file == *file).cloned().collect();
        let env = EnvText::read(&text);
        let new = lines::apply(&text, &edits, &|edit, placeholder| env.fill(edit, placeholder))
            .map_err(|conflict| format!("{file}: {conflict}"))?;
        files.set(file, new);
    }
    for action in &remedy.actions {
        match action {
            Action::Ignore { file } => {
                let (ignore, pattern) = next_to(file, ".gitignore");
                let old = files.text(&ignore)?;
                files.set(&ignore, git_ignore::ignore(old.as_deref(), &pattern));
            }
            Action::SetVariable { file, name, value } => {
                let text = files.text(file)?.unwrap_or_default();
                files.set(file, env_file::set(&text, name, &env_file::written(value)?));
            }
            Action::PassVariable { file, .. }
            | Action::RemoveVariable { file, .. }
            | Action::MountVolume { file, .. }
            | Action::DeclareVolume { file, .. } => {
                let Some(text) = files.text(file)? else { return Err(format!("{file} is gone")) };
                files.set(file, compose_edit(file, &text, action)?);
            }
            Action::MintKey { file } => {
                files.set_later(&mut steps, file, SecretSource::Key { keep_old })?;
            }
            Action::CopyKey { file, from } => {
                files.set_later(&mut steps, file, SecretSource::KeyOf(from.clone()))?;
            }
            Action::PinSecret { container, file } => {
                files.set_later(&mut steps, file, SecretSource::SecretOf(container.clone()))?;
            }
            Action::NewSecret { file } => {
                files.set_later(&mut steps, file, SecretSource::NewSecret)?;
            }
            Action::Stop { .. }
            | Action::Start { .. }
            | Action::CopyVolume { .. }
            | Action::Replace { .. } => {
                steps.append(&mut files.write());
                steps.push(PlanStep::Engine(action.clone()));
            }
        }
    }
    steps.append(&mut files.write());
    Ok(steps)
}

/// The files that the edits name, each once.
fn named(edits: &[Edit]) -> Vec<&String> {
    let mut files: Vec<&String> = vec![];
    for edit in edits {
        if !files.contains(&&edit.file) {
            files.push(&edit.file);
        }
    }
    files
}

/// The file `name` in the same directory, and how that calls the file.
fn next_to(file: &str, name: &str) -> (String, String) {
    match file.rsplit_once('/') {
        Some((directory, own)) => (format!("{directory}/{name}"), own.to_owned()),
        None => (name.to_owned(), file.to_owned()),
    }
}

impl SecretSource {
    /// The variable that gets it.
    fn name(&self) -> &'static str {
        match self {
            Self::Key { .. } | Self::KeyOf(_) => KEY,
            Self::SecretOf(_) | Self::NewSecret => INSTANCE_SECRET,
        }
    }

    /// The text of an env file with the value in it, which is quoted already.
    fn set_in(&self, text: &str, quoted: &str) -> String {
        let new = env_file::set(text, self.name(), quoted);
        match self {
            // Another secret may be the one of other data.
            Self::Key { keep_old: true } | Self::SecretOf(_) => {
                env_file::with_old_line(text, &new, self.name())
            }
            _ => new,
        }
    }

    /// The text of an env file with a stand-in for the value, as long as one.
    pub fn placeheld(&self, text: &str) -> Zeroizing<String> {
        Zeroizing::new(self.set_in(text, &format!("'{}'", "*".repeat(256))))
    }

    /// The text of an env file with the value in it, once that is known; with a key also the URL,
    /// where the text has none. `None` where no quotes hold it.
    pub fn written(
        &self,
        text: &str,
        secret: &Secret,
        url: Option<&str>,
    ) -> Option<Zeroizing<String>> {
        let quoted = Zeroizing::new(env_file::quoted(secret.expose())?);
        let mut new = Zeroizing::new(self.set_in(text, &quoted));
        if let (Self::Key { .. }, Some(url)) = (self, url)
            && node_dotenv::parse(text).iter().all(|one| one.name != URL)
        {
            new = Zeroizing::new(env_file::set(&new, URL, &env_file::quoted(url)?));
        }
        Some(new)
    }
}
