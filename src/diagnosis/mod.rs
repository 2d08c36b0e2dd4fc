//! From evidence to report: every check runs, the findings are ranked, the verdict follows.

mod chain;
mod headline;
mod outlook;
mod rank;
mod sift;
mod story;
mod summary;
pub mod survival;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::checks::{self, Outcome};
use crate::deployment::data::awaits_a_copy;
use crate::deployment::key::{is_unauthorized, key_goes_through};
use crate::evidence::Evidence;
use crate::evidence::command::SaidLine;
use crate::evidence::selection::ValueSource;
use crate::foreign::Admitted;
use crate::remedies::command::flags;
use crate::remedies::platform::adapt;
use crate::report::{
    Command, ComposeVerb, Finding, Level, Proof, Report, Rule, Summary, Tree, Verdict,
};

pub use outlook::{Outlook, outlook, runs_in_silence};

/// What the caller wants to see and not to see.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// Ids that are not shown, and counted.
    pub ignore: Vec<String>,
    /// Ids or families to which the report is confined; all when empty.
    pub only: Vec<String>,
}

/// Judges the evidence.
pub fn diagnose(evidence: &Admitted<Evidence>, choices: &Choices) -> Report {
    let mut outcome = checks::run_all(evidence);
    adapt_to_platform(evidence, &mut outcome);
    if awaits_a_copy(evidence) {
        outcome.findings.iter_mut().for_each(put_off_recreating);
    }
    let flags = flags(evidence).doctor_words();
    outcome.findings.iter_mut().for_each(|finding| finding.flags.clone_from(&flags));
    // The chain shows the deployment, whatever is suppressed.
    let (chain, short_chain) =
        pass(Default::default(), || chain::draw(evidence, &rank::rank(outcome.findings.clone()).0));
    let (kept, suppressed) = pass((outcome.findings.clone(), Vec::new()), || {
        sift::sift(outcome.findings.clone(), evidence, choices)
    });
    let (mut causes, mut findings) = pass((Vec::new(), kept.clone()), || rank::rank(kept.clone()));
    if let Some(command) = &evidence.command {
        for line in &command.said {
            hear(line, &command.command, &mut causes, &mut findings);
        }
    }
    let verdict = verdict(evidence, &findings);
    let persistence = pass(Vec::new(), || survival::operations(evidence));
    let is_wrong = findings.iter().any(|finding| finding.level == Level::Error);
    let story = if is_wrong { pass(Vec::new(), || story::tell(evidence)) } else { Vec::new() };
    let summary = summary::summarise(evidence, verdict, &causes, &findings, &persistence);
    // What is listed may be confined; the verdict is about the deployment.
    let wanted = |id: &str| choices.only.is_empty() || is_among(id, &choices.only);
    causes.retain(|finding| wanted(&finding.id));
    findings.retain(|finding| wanted(&finding.id));
    let ids: BTreeSet<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    let ignored: BTreeSet<&str> = suppressed.iter().map(|one| one.id.as_str()).collect();
    let met = |rule: &&Rule| ids.contains(rule.id) || ignored.contains(rule.id);
    let rules = checks::rules().filter(met).collect();
    let mut unknown = outcome.unknown;
    unknown.retain(|unknown| wanted(&unknown.id));
    let passed: Vec<String> = outcome.passed.into_iter().filter(|id| wanted(id)).collect();
    let total = checks::rules().filter(|rule| wanted(rule.id)).count();
    let summary = Summary {
        // The picture is about what breaks now; what works is said in facts.
        chain: short_chain.filter(|_| matches!(verdict, Verdict::Broken | Verdict::Unknown)),
        only: choices.only.clone(),
        steps: summary::steps(&causes),
        total,
        ran: total - unknown.len().min(total),
        passed: by_family(&passed),
        ..summary
    };
    Report {
        generated_at: Timestamp::from_second(evidence.collected_at)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_string(),
        verdict,
        summary,
        causes,
        passed,
        unknown,
        suppressed,
        rules,
        chain,
        tree: tree(evidence),
        persistence,
        story,
        evidence: serde_json::to_value(&**evidence).unwrap_or(serde_json::Value::Null),
        findings,
    }
}

/// A pass over the findings under the guard of the checks: if it fails, the report goes on without
/// it.
fn pass<T>(otherwise: T, run: impl FnOnce() -> T) -> T {
    checks::guarded(|| Ok(run())).unwrap_or(otherwise)
}

/// Words remedies for the platform where the backend runs. A finding is kept as it is if that fails.
fn adapt_to_platform(evidence: &Evidence, outcome: &mut Outcome) {
    for finding in &mut outcome.findings {
        *finding = pass(finding.clone(), || adapt(evidence, finding.clone()));
    }
}

/// Takes the commands out that would recreate the backend's container: one report does not say to
/// run them, and not to. The persistence family says itself when they are to be run.
fn put_off_recreating(finding: &mut Finding) {
    let recreates = |command: &Command| {
        let Command::Compose(compose) = command else { return false };
        matches!(compose.verb, ComposeVerb::Up(_) | ComposeVerb::Create(_) | ComposeVerb::Down)
    };
    if checks::family(&finding.id) == Some("persistence") {
        return;
    }
    for remedy in &mut finding.remedies {
        if remedy.commands.iter().any(recreates) {
            remedy.commands.retain(|command| !recreates(command));
            let title = format!("{}, once the data is in a volume", remedy.title);
            remedy.title = title.into();
        }
    }
}

/// How many ids of each family there are among `ids`, by the heading of the family.
fn by_family(ids: &[String]) -> Vec<(String, usize)> {
    let families = checks::REGISTRY.iter().map(|family| {
        let own: BTreeSet<&str> = family.rules().map(|rule| rule.id).collect();
        let count = ids.iter().filter(|id| own.contains(id.as_str())).count();
        (family.heading.to_owned(), count)
    });
    families.filter(|(_, count)| *count > 0).collect()
}

/// Makes the CLI's own line evidence of the first cause that explains it.
fn hear(line: &SaidLine, command: &str, causes: &mut [Finding], findings: &mut [Finding]) {
    let explains = |id: &str| line.failure.is_some_and(|it| checks::explains(id, it));
    let cause = causes
        .iter_mut()
        .find(|cause| explains(&cause.id) || cause.explains.iter().any(|folded| explains(folded)));
    let Some(cause) = cause else { return };
    let before = cause.clone();
    // Not on the first screen: `run` quotes the line above the report.
    let (text, source) = (line.text.clone().into(), command.to_owned());
    cause.evidence.push(Proof { text, source, essential: false });
    if let Some(same) = findings.iter_mut().find(|finding| **finding == before) {
        same.clone_from(cause);
    }
}

fn verdict(evidence: &Evidence, findings: &[Finding]) -> Verdict {
    let works = key_goes_through(evidence);
    let errors = || findings.iter().filter(|finding| finding.level == Level::Error);
    let is_at_risk =
        errors().next().is_some() || findings.iter().any(|finding| finding.stops_compose);
    match (works, is_at_risk) {
        // The CLI works, unless the fault is one that the first calls do not meet (a blank that
        // only the push sends).
        _ if errors().any(|finding| breaks_the_cli(finding, works)) => Verdict::Broken,
        (true, true) => Verdict::AtRisk,
        (true, false) => Verdict::Healthy,
        // Refused is broken, also if the reason is suppressed.
        (false, _) if is_unauthorized(evidence) => Verdict::Broken,
        (false, _) => Verdict::Unknown,
    }
}

/// Whether the finding is about the way of the key to the backend, and not about what may be lost
/// some day: what is wrong with the volumes is a risk, and where the key goes through, so is what is
/// wrong with the instance's identity. What follows from a risk and fails now is a finding of its
/// own.
fn breaks_the_cli(finding: &Finding, works: bool) -> bool {
    let Some(rule) = checks::rule(&finding.id).filter(|rule| rule.is_cause) else { return false };
    let is_risk = match checks::family(&finding.id) {
        Some("persistence") => true,
        Some("identity") => works || rule.is_risk,
        _ => rule.is_risk,
    };
    !is_risk
}

fn tree(evidence: &Evidence) -> Tree {
    let compose = evidence.compose.seen().ok().and_then(Option::as_ref);
    let composed = compose.and_then(|compose| {
        let faulty = compose.errors.iter().find_map(|error| Some(&error.at.as_ref()?.file));
        compose.files.first().or(faulty)
    });
    let selection = &evidence.selection;
    let sources =
        [selection.admin_key_source.as_ref(), selection.url.as_ref().map(|url| &url.source)];
    let selecting = sources.into_iter().flatten().find_map(|source| match source {
        ValueSource::File { file, .. } => Some(file),
        ValueSource::Env { .. } | ValueSource::Flag { .. } => None,
    });
    let main_file = composed.or(selecting);
    Tree {
        directory: evidence.surroundings.directory.clone(),
        root: evidence.surroundings.repository.clone(),
        main_file: main_file.map_or_else(|| ".env.local".to_owned(), Clone::clone),
    }
}

/// Whether `id`, its retired name or its family is one of `names`.
fn is_among(id: &str, names: &[String]) -> bool {
    names.iter().any(|name| {
        checks::rule(name).is_some_and(|rule| rule.id == id)
            || checks::family(id) == Some(name.replace('-', "_").as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::build::key;
    use crate::report::Certainty;

    /// One report does not say to run a command, and not to run it before the data is copied.
    #[test]
    fn no_finding_recreates_what_another_one_saves_first() {
        let says_up = |evidence: &Evidence| {
            let found = diagnose(&Admitted::of(evidence), &Choices::default()).findings;
            let sql = found.into_iter().find(|one| one.id == "sql-url-loopback").unwrap();
            sql.remedies
                .iter()
                .flat_map(|it| &it.commands)
                .any(|it| it.to_string().contains(" up "))
        };
        let mut evidence = key::healthy();
        let at = key::service(&mut evidence).at.clone();
        let url = crate::evidence::compose::SqlUrl {
            variable: "POSTGRES_URL".to_owned(),
            host: Some("localhost".to_owned()),
            has_path: false,
        };
        let service = key::service(&mut evidence).name.clone();
        key::compose(&mut evidence).sql_urls =
            vec![crate::evidence::compose::DeclaredSqlUrl { service, at, url }];
        evidence.docker = Observation::unavailable("--no-docker was given");
        key::service(&mut evidence).mounts.clear();
        assert!(!says_up(&evidence));
        let mount = key::declared("bind", Some("/srv/x"), "/convex/data");
        key::service(&mut evidence).mounts = vec![mount];
        assert!(says_up(&evidence), "the data is kept");
    }

    /// What a later start or command does is a risk, whether or not the key was tried.
    #[test]
    fn a_risk_makes_no_broken() {
        let (healthy, untried) = (build::healthy(), {
            let mut evidence = build::healthy();
            evidence.endpoint = Observation::unavailable("--no-network was given");
            evidence
        });
        let found = |id: &str, level, explains: &[&str]| {
            let finding = checks::rule(id).unwrap().finding(Certainty::Proven, "").level(level);
            let explains = explains.iter().map(|id| (*id).to_owned()).collect();
            Finding { explains, ..finding }
        };
        let (error, warning) = (Level::Error, Level::Warning);
        let sql = "sql-without-secret-persistence";
        for (case, findings, tried, expected) in [
            ("nothing", vec![], true, Verdict::Healthy),
            ("one risk", vec![found("data-volume-missing", error, &[])], false, Verdict::Unknown),
            (
                "one risk explains another",
                vec![found("data-volume-missing", error, &[sql]), found(sql, error, &[])],
                false,
                Verdict::Unknown,
            ),
            ("a drift", vec![found("secret-drift", error, &[])], false, Verdict::Unknown),
            ("a drift, tried", vec![found("secret-drift", error, &[])], true, Verdict::AtRisk),
            ("it cannot start", vec![found("secret-invalid", error, &[])], false, Verdict::Broken),
            ("the URL", vec![found("url-refused", error, &[])], false, Verdict::Broken),
            ("the file", vec![found("compose-invalid", error, &[])], false, Verdict::Unknown),
            (
                "the file, tried",
                vec![found("compose-invalid", warning, &[])],
                true,
                Verdict::AtRisk,
            ),
            ("a warning", vec![found("image-unpinned", warning, &[])], true, Verdict::Healthy),
        ] {
            let evidence = if tried { &healthy } else { &untried };
            assert_eq!(verdict(evidence, &findings), expected, "{case}");
        }
    }

    #[test]
    #[allow(clippy::panic, reason = "a pass that is broken on purpose")]
    fn a_pass_that_panics_is_left_out() {
        assert_eq!(pass(1, || 2), 2);
        assert_eq!(pass(1, || panic!("this pass is broken on purpose")), 1);
    }
}
