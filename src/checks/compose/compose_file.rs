//! There is no compose file, Compose cannot read it, or a variable in it is not set.

use crate::checks::Check;
use crate::deployment::compose::project;
use crate::deployment::endpoint::{is_loopback, selected_endpoint};
use crate::deployment::key::cli_works;
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::compose::ComposeIssue;
use crate::evidence::docker::Container;
use crate::evidence::{Evidence, Unseen};
use crate::names::is_set_by_coolify;
use crate::remedies::command::compose;
use crate::report::{Certainty, ComposeVerb, Finding, Level, Location, Remedy, Rule};

static COMPOSE_NOT_FOUND: Rule = rule!("compose-not-found", Info, "there is no compose file here");

static COMPOSE_INVALID: Rule =
    rule!("compose-invalid", Error, "Docker Compose cannot read the compose file")
        .cause(&["url-refused"])
        .stops_compose();

static COMPOSE_VARIABLE_UNSET: Rule =
    rule!("compose-variable-unset", Warning, "the compose file uses a variable that is not set")
        .cause(&["url-refused"])
        .risk();

pub(super) static CHECK: Check =
    Check { rules: &[&COMPOSE_NOT_FOUND, &COMPOSE_INVALID], run: readable };
pub(super) static VARIABLES: Check = Check { rules: &[&COMPOSE_VARIABLE_UNSET], run: variables };

fn readable(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(project) = evidence.compose.seen()? else {
        return Ok(vec![
            COMPOSE_NOT_FOUND
                .finding(
                    Certainty::Proven,
                    "No compose file is in this directory or above it, so it was not checked what \
                     keeps the backend's keys and data.",
                )
                .at(Location::line(evidence.surroundings.directory.clone(), 0))
                .remedy(Remedy::safe(
                    "Run convex-doctor in the directory of the backend's compose file",
                ))
                .remedy(Remedy::safe("Name the backend's compose file with -f")),
        ]);
    };
    let invalid: Vec<_> = project.errors.iter().filter(|issue| issue.variable.is_none()).collect();
    let Some(first) = invalid.first() else { return Ok(vec![]) };
    let file = project.files.first().cloned().unwrap_or_default();
    let more = match invalid.len() - 1 {
        0 => String::new(),
        1 => " There is one more error.".to_owned(),
        more => format!(" There are {more} more errors."),
    };
    let message = first.message.trim_end_matches('.');
    let detail = format!("No `docker compose` command works: {message}.{more}");
    // That it is invalid is certain. Whether the CLI fails because of it is not, if its URL means
    // another machine.
    let is_here = selected_endpoint(evidence)
        .is_ok_and(|endpoint| endpoint.is_none_or(|it| is_loopback(&it.target.host)));
    let certainty =
        if is_here || cli_works(evidence) { Certainty::Proven } else { Certainty::Possible };
    let mut finding = COMPOSE_INVALID.finding(certainty, detail);
    for issue in &invalid {
        let location = location(issue, &file);
        finding = finding.because(issue.message.clone(), location.to_string()).at(location);
    }
    let others = if more.is_empty() { "" } else { ", and the other errors" };
    let finding = finding
        .remedy(Remedy::safe(format!("Correct {}{others}", location(first, &file))).step())
        .remedy(
            Remedy::safe("Check the file: this prints nothing if it is correct")
                .run(compose(evidence, ComposeVerb::Config))
                .step(),
        );
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

fn variables(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(compose) = evidence.compose.seen()? else { return Ok(vec![]) };
    let file = compose.files.first().cloned().unwrap_or_default();
    let mut files: Vec<UnsetIn<'_>> = Vec::new();
    for (issues, required) in [(&compose.errors, true), (&compose.warnings, false)] {
        for issue in issues {
            let Some(variable) = issue.variable.as_ref().filter(|_| !issue.in_value) else {
                continue;
            };
            // Compose refuses a required one, also where a panel sets it.
            if !required && is_set_by_coolify(variable) {
                continue;
            }
            let of = issue.at.as_ref().map_or(file.as_str(), |at| &at.file);
            match files.iter_mut().find(|it| it.file == of && it.required == required) {
                Some(known) => known.issues.push(issue),
                None => files.push(UnsetIn { file: of, required, issues: vec![issue] }),
            }
        }
    }
    let values: Vec<_> = compose.warnings.iter().filter(|issue| issue.in_value).collect();
    if files.is_empty() && values.is_empty() {
        // A file that cannot be read may use more variables.
        project(evidence)?;
    }
    let of_values = values.iter().map(|issue| in_value(issue, &file));
    Ok(files.iter().map(|it| it.finding(evidence)).chain(of_values).collect())
}

/// A `$` that was meant as it is written. The part after it is not shown: it may be of a password.
fn in_value(issue: &ComposeIssue, file: &str) -> Finding {
    let location = location(issue, file);
    let detail = format!(
        "A value at {location} contains a `$`. Compose reads what follows as a variable, which is \
         not set, and leaves it out."
    );
    let level = if issue.of_backend { Level::Warning } else { Level::Info };
    COMPOSE_VARIABLE_UNSET
        .finding(Certainty::Proven, detail)
        .level(level)
        .remedy(Remedy::safe(format!("Write `$$` for the `$` in {location}")))
        .at(location)
}

/// The variables of one file that are not set.
struct UnsetIn<'a> {
    file: &'a str,
    /// Whether the file demands them (`${NAME:?}`).
    required: bool,
    /// One for each variable, or several.
    issues: Vec<&'a ComposeIssue>,
}

impl<'a> UnsetIn<'a> {
    /// Their names, those of the backend first.
    fn names(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for of_backend in [true, false] {
            let issues = self.issues.iter().filter(|issue| issue.of_backend == of_backend);
            for name in issues.filter_map(|issue| issue.variable.as_deref()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    fn finding(&self, evidence: &Evidence) -> Finding {
        let names = self.names();
        let of_backend = self.issues.iter().any(|issue| issue.of_backend);
        let level = match (self.required, of_backend) {
            (true, _) if runs_here(evidence) && !names.iter().all(|it| is_set_by_coolify(it)) => {
                Level::Error
            }
            (false, true) => Level::Warning,
            (true | false, _) => Level::Info,
        };
        let mut finding =
            COMPOSE_VARIABLE_UNSET.finding(Certainty::Proven, self.detail(&names)).level(level);
        for of_backend in [true, false] {
            for issue in self.issues.iter().filter(|issue| issue.of_backend == of_backend) {
                let location = location(issue, self.file);
                let known = finding.locations.contains(&location);
                finding = finding.because(issue.message.clone(), location.to_string());
                finding = if known { finding } else { finding.at(location) };
            }
        }
        let (set, default) = match names.as_slice() {
            [name] => (
                format!("Set {name} in the .env next to the compose file"),
                format!("Give it a default in the compose file: `${{{name}:-VALUE}}`"),
            ),
            names => (
                format!("Set these {} in the .env next to the compose file", names.len()),
                "Give each a default in the compose file: `${NAME:-VALUE}`".to_owned(),
            ),
        };
        let mut finding = finding.remedy(Remedy::safe(set)).remedy(Remedy::safe(default));
        finding.stops_compose = self.required;
        cap_if_cli_works(evidence, finding)
    }

    fn detail(&self, names: &[&str]) -> String {
        const NOWHERE: &str = "not set in the shell or in .env";
        let listed = listed(names);
        match (names, self.required) {
            ([_], true) => format!(
                "No `docker compose` command works, because the required variable {listed} is \
                 {NOWHERE}."
            ),
            (_, true) => format!(
                "No `docker compose` command works, because the required variables {listed} are \
                 {NOWHERE}."
            ),
            ([_], false) => {
                let is_used = self.issues.iter().any(|issue| issue.of_backend);
                let unused = if is_used { "" } else { " The backend does not use it." };
                format!("The value of {listed} is empty, because it is {NOWHERE}.{unused}")
            }
            (_, false) => {
                let issues = self.issues.iter().filter(|issue| issue.of_backend);
                let mut used: Vec<&str> = issues.filter_map(|it| it.variable.as_deref()).collect();
                used.dedup();
                let used = match used.as_slice() {
                    [] => "The backend uses none of them.".to_owned(),
                    used => format!("The backend uses {}.", self::listed(used)),
                };
                format!("{} variables are empty, because they are {NOWHERE}. {used}", names.len())
            }
        }
    }
}

/// The first names as a list in words.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = names.get(..SHOWN).unwrap_or(names);
    match (shown, names.len() - shown.len()) {
        ([only], 0) => (*only).to_owned(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

fn location(issue: &ComposeIssue, file: &str) -> Location {
    let Some(at) = &issue.at else { return Location::line(file, 0) };
    match &issue.line {
        None => at.location(),
        Some(line) => Location::File {
            file: at.file.clone(),
            line: at.line,
            column: at.column,
            text: Some(line.text.clone()),
            mark: Some(line.mark),
        },
    }
}

/// Whether the backend would be started from this shell. One that is running already got its
/// variables elsewhere (a panel, sops, direnv).
fn runs_here(evidence: &Evidence) -> bool {
    let running = evidence
        .docker
        .seen()
        .is_ok_and(|docker| docker.expected().is_some_and(Container::is_running));
    let local = selected_endpoint(evidence)
        .is_ok_and(|endpoint| endpoint.is_none_or(|endpoint| is_loopback(&endpoint.target.host)));
    local && !running
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::compose::At;
    use crate::evidence::endpoint::Reach;

    fn issue(variable: Option<&str>) -> ComposeIssue {
        ComposeIssue {
            message: "x".to_owned(),
            at: Some(build::at(7)),
            variable: variable.map(str::to_owned),
            of_backend: true,
            in_value: false,
            line: None,
        }
    }

    fn told(evidence: &Evidence) -> Vec<String> {
        [&CHECK, &VARIABLES].iter().flat_map(|it| build::told((it.run)(evidence))).collect()
    }

    #[test]
    fn absent_invalid_and_unreadable_are_three_things() {
        let mut evidence = build::healthy();
        assert!(told(&evidence).is_empty());
        build::unreachable(&mut evidence, Reach::Refused);
        build::compose(&mut evidence).errors = vec![issue(None)];
        let error = "compose-invalid error proven docker-compose.yml:7";
        assert_eq!(told(&evidence), [error, "unknown"]);
        evidence.compose = Observation::Seen(None);
        assert_eq!(told(&evidence)[0].trim(), "compose-not-found info proven");
        evidence.compose = Observation::unavailable("x");
        assert_eq!(told(&evidence), ["unknown", "unknown"]);
    }

    #[test]
    fn a_required_variable_counts_if_the_backend_should_start_here() {
        for (running, expected) in [(false, "error"), (true, "info")] {
            let mut evidence = build::healthy();
            build::unreachable(&mut evidence, Reach::Refused);
            if !running {
                build::docker(&mut evidence).expected = None;
            }
            build::compose(&mut evidence).errors = vec![issue(Some("ORIGIN"))];
            let expected = format!("compose-variable-unset {expected} proven docker-compose.yml:7");
            assert_eq!(told(&evidence), [expected]);
        }
        let mut evidence = build::healthy();
        build::compose(&mut evidence).warnings =
            vec![issue(Some("A")), issue(Some("A")), issue(None)];
        assert_eq!(told(&evidence), ["compose-variable-unset warning proven docker-compose.yml:7"]);
    }

    #[test]
    fn each_file_has_one_finding_and_only_the_backend_s_variables_are_a_warning() {
        let at = |file: &str, line| Some(At { file: file.to_owned(), line, column: 1 });
        let unset = |name: &str, file: &str, line, of_backend| ComposeIssue {
            at: at(file, line),
            of_backend,
            ..issue(Some(name))
        };
        let mut evidence = build::healthy();
        build::compose(&mut evidence).warnings = vec![
            unset("A", "compose.yaml", 5, false),
            unset("B", "compose.yaml", 6, false),
            unset("C", "other.yaml", 7, false),
            unset("D", "other.yaml", 8, true),
            unset("SERVICE_HEX_32_SECRET", "compose.yaml", 9, true),
            unset("SERVICE_FQDN_BACKEND_3210", "compose.yaml", 9, true),
        ];
        let expected = [
            "compose-variable-unset info proven compose.yaml:5",
            "compose-variable-unset warning proven other.yaml:8",
        ];
        assert_eq!(told(&evidence), expected);
        let found = variables(&evidence).unwrap();
        let counts: Vec<_> = found.iter().map(|one| one.evidence.len()).collect();
        assert_eq!(counts, [2, 2]);

        // Set by the shell that starts the project, as any other.
        build::compose(&mut evidence).warnings =
            vec![unset("SERVICE_NAME_X", "compose.yaml", 5, true)];
        assert_eq!(told(&evidence), ["compose-variable-unset warning proven compose.yaml:5"]);
    }

    #[test]
    fn coolify_sets_what_has_its_names() {
        for (name, expected) in [
            ("SERVICE_FQDN_BACKEND_3210", true),
            ("SERVICE_URL_BACKEND", true),
            ("SERVICE_USER_POSTGRES", true),
            ("SERVICE_PASSWORD_64_POSTGRES", true),
            ("SERVICE_BASE64_64_KEY", true),
            ("SERVICE_REALBASE64_KEY", true),
            ("SERVICE_HEX_32_SECRET", true),
            ("SERVICE_HEX_", false),
            ("SERVICE_HEX", false),
            ("SERVICE_NAME_BACKEND", false),
            ("MY_SERVICE_HEX_32_SECRET", false),
            ("SERVICE_HEXADECIMAL_1", false),
        ] {
            assert_eq!(is_set_by_coolify(name), expected, "{name}");
        }
    }
}
