//! From a report to what `convex-doctor fix` would do: one fix a finding, each in steps, with the
//! diff of every file. Nothing is written here; the texts of the files come in.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::placeholders::EnvText;
use super::{compose_edit, env_file, git_ignore, lines, show};
use crate::report::{
    Action, Certainty, Edit, Errand, Finding, Level, MountAt, Price, Remedy, Report, Safety,
};
use crate::secret::Secret;
use crate::selection::names::{ADMIN_KEY as KEY, URL};
use crate::selection::node_dotenv;

/// The text of a file; `Ok(None)` where there is none, `Err` where it cannot be read. It may hold
/// secrets.
pub type Texts<'a> = dyn Fn(&str) -> Result<Option<Zeroizing<String>>, String> + 'a;

/// Whether git tracks a file; why that is not known.
pub type Tracked<'a> = dyn Fn(&str) -> Result<bool, String> + 'a;

/// What a plan asks of the project.
#[derive(Clone, Copy)]
pub struct Project<'a> {
    /// Its files.
    pub texts: &'a Texts<'a>,
    /// What its repository holds.
    pub tracked: &'a Tracked<'a>,
}

/// What would be done, and what is left to a person.
#[derive(Default)]
pub struct Plan {
    /// In the order in which they are to be done.
    pub fixes: Vec<Fix>,
    /// Findings that no program mends, or that ask to be named.
    pub by_hand: Vec<ByHand>,
}

/// One finding, and what mends it.
pub struct Fix {
    /// The finding.
    pub finding: Finding,
    /// What is done, in words.
    pub title: String,
    /// What it can do.
    pub safety: Safety,
    /// What it ends and what it leaves.
    pub price: Option<Price>,
    /// In order.
    pub steps: Vec<Step>,
    /// What is left to a person behind them.
    pub errands: Vec<Errand>,
    /// What shows that it helped.
    pub goal: Goal,
}

/// What shows that a fix helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The finding is gone, and nothing is worse.
    FindingGone,
    /// Nothing is worse: it provides against what the finding warns of, and the finding stays.
    NothingWorse,
}

/// A finding that is left to a person.
pub struct ByHand {
    /// The finding.
    pub finding: Finding,
    /// Why nothing is done for it; `None` where a remedy of words is all there is.
    pub why: Option<String>,
}

/// One thing to do.
pub enum Step {
    /// A file gets another text.
    Write(Change),
    /// A value is made or read, and set in an env file. The diff shows where.
    Set(Set),
    /// Something is done on the engine.
    Engine(Do),
}

/// A file and its texts.
pub struct Change {
    /// The file, relative to the project's directory.
    pub file: String,
    /// What it holds; `None` where there is none yet.
    pub old: Option<Zeroizing<String>>,
    /// What it is to hold.
    pub new: Zeroizing<String>,
    /// The change as a person may see it.
    pub diff: String,
}

/// A secret value, made when it is written.
pub struct Set {
    /// The file, relative to the project's directory.
    pub file: String,
    /// What is set.
    pub value: Value,
    /// The change as a person may see it.
    pub diff: String,
}

/// A value that no plan holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An admin key for this deployment's instance.
    Key {
        /// Whether the old line stays above it as a comment: it may be the only trace of older
        /// data.
        keep_old: bool,
    },
    /// The key that another env file has by then.
    KeyOf(String),
    /// The secret that a container runs with.
    SecretOf(String),
    /// A fresh secret.
    NewSecret,
}

/// What is done on the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Stops a container.
    Stop(String),
    /// Starts a container, or lets a paused one go on.
    Start(String),
    /// Copies a volume into a new one.
    Copy {
        /// The volume to copy.
        from: String,
        /// The new one.
        to: String,
        /// The compose project that gets it.
        project: String,
        /// Its key in the compose file.
        key: String,
        /// Whether the file declares it already.
        declared: bool,
    },
    /// Puts in a container's place one made alike.
    Replace {
        /// The container.
        container: String,
        /// Another volume at a path.
        mount: Option<MountAt>,
        /// A `.env` file whose INSTANCE_SECRET it gets.
        secret_from: Option<String>,
        /// The variables that it does not get.
        without: Vec<String>,
    },
}

/// The variable that pins the secret.
pub const INSTANCE_SECRET: &str = "INSTANCE_SECRET";

/// Plans for `wanted` ids, or for everything that may be done unasked.
pub fn plan(report: &Report, wanted: &[String], project: Project<'_>) -> Plan {
    let mut plan = Plan::default();
    let folded: Vec<&str> =
        report.causes.iter().flat_map(|cause| &cause.explains).map(String::as_str).collect();
    for finding in &report.findings {
        let named = wanted.contains(&finding.id);
        // What follows from another is mended with it.
        if !named && (!wanted.is_empty() || folded.contains(&finding.id.as_str())) {
            continue;
        }
        let remedy = finding.remedies.iter().find(|remedy| remedy.is_for_the_doctor());
        let Some(remedy) = remedy else {
            if named || finding.level == Level::Error {
                plan.by_hand.push(ByHand { finding: finding.clone(), why: None });
            }
            continue;
        };
        if let Some(why) = refused(report, finding, remedy) {
            plan.by_hand.push(ByHand { finding: finding.clone(), why: Some(why) });
            continue;
        }
        if !named && let Some(why) = asks_to_be_named(finding, remedy) {
            if finding.level == Level::Error || remedy.safety == Safety::Destructive {
                plan.by_hand.push(ByHand { finding: finding.clone(), why: Some(why) });
            }
            continue;
        }
        // By the old key alone can anybody tell later which volume it belongs to.
        let keep_old = report.findings.iter().any(|other| other.id == "project-renamed");
        match steps(remedy, keep_old, project) {
            Ok(steps) => plan.fixes.push(Fix {
                finding: finding.clone(),
                title: remedy.title.clone(),
                safety: remedy.safety,
                price: remedy.price.clone(),
                steps,
                errands: remedy.errands.clone(),
                goal: goal(finding),
            }),
            Err(why) => plan.by_hand.push(ByHand { finding: finding.clone(), why: Some(why) }),
        }
    }
    // What puts a volume under the data directory mends these as well.
    let mounts = |step: &Step| matches!(step, Step::Engine(Do::Replace { mount: Some(_), .. }));
    if plan.fixes.iter().any(|fix| fix.steps.iter().any(mounts)) {
        plan.by_hand.retain(|one| !NO_VOLUME.contains(&one.finding.id.as_str()));
    }
    plan
}

/// Findings that say that no volume holds the data directory.
const NO_VOLUME: &[&str] =
    &["data-volume-missing", "data-volume-anonymous", "data-mount-wrong-path"];

/// Findings of which nobody but the person knows which way out is meant.
const CHOICES: &[(&str, &str)] = &[(
    "key-from-another-instance",
    "either the URL is meant for the instance of the key, or a key is to be made for the one that answers",
)];

/// Findings by which a backend that is stopped does not come back as it was.
const DRIFTS: &[&str] = &["secret-drift", "name-drift", "secret-invalid"];

/// Why nobody does this now, asked or not: a backend that would be stopped for it, and would not
/// come back as it was.
fn refused(report: &Report, finding: &Finding, remedy: &Remedy) -> Option<String> {
    let is_drift = |one: &Finding| DRIFTS.contains(&one.id.as_str());
    let stops = remedy.actions.iter().any(|action| match action {
        Action::Stop { .. } => true,
        Action::Replace { without, .. } => !without.is_empty() || is_drift(finding),
        _ => false,
    });
    let drift = report.findings.iter().find(|other| is_drift(other) && other.id != finding.id);
    drift.filter(|_| stops).map(|drift| {
        format!(
            "the backend would be stopped for it, and its next start is not like this one: see {} first",
            drift.id
        )
    })
}

/// Why nobody does this unasked; `None` where it may be done.
fn asks_to_be_named(finding: &Finding, remedy: &Remedy) -> Option<String> {
    let name_it = format!("`convex-doctor fix {} --apply` does it", finding.id);
    if remedy.safety == Safety::Destructive {
        return Some(format!("it gives up what works now, and so asks to be named: {name_it}"));
    }
    if let Some((_, why)) = CHOICES.iter().find(|(id, _)| *id == finding.id) {
        return Some(format!("{why}; {name_it}"));
    }
    if finding.certainty == Certainty::Possible {
        return Some(format!("it is only possible: {name_it}"));
    }
    if finding.level == Level::Info
        || finding.level == Level::Warning && remedy.safety != Safety::Safe
    {
        return Some(format!("nothing is broken by it: {name_it}"));
    }
    None
}

/// Findings that stay when their remedy is carried out: pinning keeps the keys, and the data is
/// where it was.
const PROVIDED_FOR: &[&str] = &["data-on-tmpfs"];

fn goal(finding: &Finding) -> Goal {
    if PROVIDED_FOR.contains(&finding.id.as_str()) { Goal::NothingWorse } else { Goal::FindingGone }
}

/// What a file holds; `None` where there is none.
type Text = Option<Zeroizing<String>>;

/// The files as the steps so far leave them.
struct Files<'a> {
    project: Project<'a>,
    /// What each held at the beginning, and what it is to hold; of those that were asked for.
    known: BTreeMap<String, (Text, Text)>,
    /// Changed since the last step.
    pending: Vec<String>,
    /// A value that the plan does not hold is set there: nothing may be planned on top of it.
    closed: Vec<String>,
}

impl Files<'_> {
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
    fn write(&mut self) -> Vec<Step> {
        let mut steps = vec![];
        for file in std::mem::take(&mut self.pending) {
            let Some((old, Some(new))) = self.known.get_mut(&file) else { continue };
            if old.as_deref() == Some(new) {
                continue;
            }
            let diff = show::diff(&file, old.as_ref().map_or("", |text| text.as_str()), new);
            let change = Change { file, old: old.clone(), new: new.clone(), diff };
            *old = Some(new.clone());
            steps.push(Step::Write(change));
        }
        steps
    }

    /// A value that is set when it is known. All of them are secret, and so none goes into a file
    /// that git tracks.
    fn set_later(&mut self, file: &str, value: Value) -> Result<Step, String> {
        match (self.project.tracked)(file) {
            Ok(false) => {}
            Ok(true) => {
                return Err(format!(
                    "git tracks {file}, and nothing secret may be written into a file that the next commit takes along: take it out \
                     of the index first (`git rm --cached {}`; the file itself stays), then run this again",
                    word(file)
                ));
            }
            Err(why) => return Err(format!("whether git tracks {file} is not known: {why}")),
        }
        let old = self.text(file)?.unwrap_or_default();
        let new = value.set_in(&old, "'***'");
        self.closed.push(file.to_owned());
        Ok(Step::Set(Set { file: file.to_owned(), value, diff: show::diff(file, &old, &new) }))
    }
}

fn steps(remedy: &Remedy, keep_old: bool, project: Project<'_>) -> Result<Vec<Step>, String> {
    let mut files = Files { project, known: BTreeMap::new(), pending: vec![], closed: vec![] };
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
                let (ignore, pattern) = beside(file, ".gitignore");
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
            other => {
                steps.append(&mut files.write());
                let mut step = later(other, keep_old, &mut files)?;
                if let Step::Engine(Do::Copy { declared, .. }) = &mut step {
                    let declares = |it: &Action| matches!(it, Action::DeclareVolume { .. });
                    *declared = !remedy.actions.iter().any(declares);
                }
                steps.push(step);
            }
        }
    }
    steps.append(&mut files.write());
    Ok(steps)
}

/// A step that is more than the change of a file by a text that is known.
fn later(action: &Action, keep_old: bool, files: &mut Files<'_>) -> Result<Step, String> {
    Ok(match action {
        Action::MintKey { file } => files.set_later(file, Value::Key { keep_old })?,
        Action::CopyKey { file, from } => files.set_later(file, Value::KeyOf(from.clone()))?,
        Action::PinSecret { container, file } => {
            files.set_later(file, Value::SecretOf(container.clone()))?
        }
        Action::NewSecret { file } => files.set_later(file, Value::NewSecret)?,
        Action::Stop { container } => Step::Engine(Do::Stop(container.clone())),
        Action::Start { container } => Step::Engine(Do::Start(container.clone())),
        Action::CopyVolume { from, to, project, key } => Step::Engine(Do::Copy {
            from: from.clone(),
            to: to.clone(),
            project: project.clone(),
            key: key.clone(),
            declared: false,
        }),
        Action::Replace { container, mount, secret_from, without } => Step::Engine(Do::Replace {
            container: container.clone(),
            mount: mount.clone(),
            secret_from: secret_from.clone(),
            without: without.clone(),
        }),
        Action::Ignore { file }
        | Action::SetVariable { file, .. }
        | Action::PassVariable { file, .. }
        | Action::RemoveVariable { file, .. }
        | Action::MountVolume { file, .. }
        | Action::DeclareVolume { file, .. } => return Err(format!("{file} has no later step")),
    })
}

/// A file's name as a word of a command, in quotes where a shell would read more into it.
fn word(file: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if file.chars().all(is_plain) {
        return file.to_owned();
    }
    format!("'{}'", file.replace('\'', r"'\''"))
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
fn beside(file: &str, name: &str) -> (String, String) {
    match file.rsplit_once('/') {
        Some((directory, own)) => (format!("{directory}/{name}"), own.to_owned()),
        None => (name.to_owned(), file.to_owned()),
    }
}

impl Value {
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

    /// The text of an env file with the value in it, once that is known; beside a key, the URL
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
