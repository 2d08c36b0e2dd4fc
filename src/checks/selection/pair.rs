//! The pair is missing, or half of it; or another world is meant.

use super::{
    KEY, URL, backend_in_sight, build_world, has_app, is_another_world, pair_is_meant, place,
};
use crate::checks::Check;
use crate::checks::key::mint;
use crate::evidence::selection::SelectionKind;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Level, Rule};

static SELECTION_MISSING: Rule = Rule {
    id: "selection-missing",
    level: Level::Error,
    title: "no deployment is selected here",
    explain: include_str!("selection-missing.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

static SELECTION_INCOMPLETE: Rule = Rule {
    id: "selection-incomplete",
    level: Level::Error,
    title: "one of the URL and the admin key is missing",
    explain: include_str!("selection-incomplete.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

static NOT_SELF_HOSTED: Rule = Rule {
    id: "not-self-hosted",
    level: Level::Info,
    title: "Convex Cloud or a local deployment is selected, nothing self-hosted",
    explain: include_str!("not-self-hosted.md"),
    is_cause: false,
    causes: &[],
    since: "0.1.0",
};

/// One judgement about the pair as a whole.
pub(super) static CHECK: Check =
    Check { rules: &[&SELECTION_MISSING, &SELECTION_INCOMPLETE, &NOT_SELF_HOSTED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let selection = &evidence.selection;
    if is_another_world(evidence) {
        let what = selection.message.clone().unwrap_or_default();
        let detail = format!(
            "The CLI goes to Convex Cloud or to a deployment of its own ({}). {what}",
            selection.kind.as_str()
        );
        return Ok(vec![NOT_SELF_HOSTED.finding(Certainty::Proven, detail.trim_end())]);
    }
    if selection.url.is_some() && selection.admin_key.is_some() {
        return Ok(vec![]);
    }
    if selection.kind == SelectionKind::Error {
        // The refusal itself is said by other ids: a missing package.json, CONVEX_DEPLOYMENT beside the pair, a bad deploy key.
        return Ok(vec![]);
    }
    let set = |name: &str| selection.is_set(name);
    match (set(URL), set(KEY)) {
        (true, true) => Ok(vec![]),
        (false, false) if !pair_is_meant(evidence) => Ok(vec![missing(evidence)]),
        (url, _) => Ok(vec![incomplete(evidence, url)]),
    }
}

fn missing(evidence: &Evidence) -> Finding {
    // A server's directory without an app needs no pair; only where an app needs Convex is its absence a fault.
    let level = if has_app(evidence) == Some(true) { Level::Error } else { Level::Info };
    let says = "Neither the shell nor .env.local nor .env of this directory names a deployment";
    let detail = if backend_in_sight(evidence) {
        format!("{says}, while a backend is in sight here.")
    } else {
        format!("{says}: the CLI offers a login or a new local deployment.")
    };
    SELECTION_MISSING
        .finding(Certainty::Proven, detail)
        .level(level)
        .remedy(build_world::write_both(evidence))
        .remedy(mint(evidence, "Mint a key"))
}

fn incomplete(evidence: &Evidence, has_url: bool) -> Finding {
    let (here, gone) = if has_url { (URL, KEY) } else { (KEY, URL) };
    let selection = &evidence.selection;
    let is_half = selection.is_set(here);
    let detail = if is_half {
        format!(
            "{here} is set, {gone} is not (or is empty). With one of the two the CLI says nothing and offers a login or a new \
             local backend: answer with Ctrl-C."
        )
    } else {
        "Both are named and neither has a value: the CLI leaves self-hosted mode.".to_owned()
    };
    let mut finding = SELECTION_INCOMPLETE.finding(Certainty::Proven, detail);
    for name in [here, gone] {
        for definition in selection.definitions(name).iter().filter(|one| one.wins) {
            let state = if definition.empty { "is empty" } else { "is set" };
            finding = finding
                .because(format!("{name} {state}"), definition.source.to_string())
                .at(place(&definition.source));
        }
    }
    if has_url {
        finding.remedy(mint(evidence, "Mint a key"))
    } else {
        finding.remedy(build_world::write_url(evidence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::selection::build::{selected, told};
    use crate::evidence::Observation;
    use crate::evidence::surroundings::PackageJson;

    const PAIR: &str =
        "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY=a|01\n";

    #[test]
    fn half_a_pair_is_an_error_and_a_whole_one_is_silent() {
        for (case, text, shell, expected) in [
            ("whole", PAIR, vec![], vec![]),
            (
                "no key",
                "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\n",
                vec![],
                vec!["selection-incomplete error proven .env.local:1"],
            ),
            (
                "an empty key in the shell",
                PAIR,
                vec![(KEY, "")],
                vec!["selection-incomplete error proven .env.local:1"],
            ),
            ("nothing", "A=1\n", vec![], vec!["selection-missing error proven"]),
            (
                "a cloud deployment beside it",
                "CONVEX_DEPLOYMENT=dev:a-b-1\nCONVEX_SELF_HOSTED_URL=x\n",
                vec![],
                vec![],
            ),
        ] {
            assert_eq!(told(run(&selected(text, None, &shell))), expected, "{case}");
        }
    }

    #[test]
    fn another_world_and_a_server_directory_are_not_broken() {
        let mut cloud = selected("CONVEX_DEPLOYMENT=dev:happy-animal-123\n", None, &[]);
        cloud.compose = Observation::Seen(None);
        cloud.docker = Observation::unavailable("x");
        assert_eq!(told(run(&cloud)), ["not-self-hosted info proven"]);
        let mut server = selected("", None, &[]);
        let missing = PackageJson::Missing { nearest: None };
        server.surroundings.package_json = Observation::Seen(missing);
        assert_eq!(told(run(&server)), ["selection-missing info proven"]);
    }
}
