//! What comes first: the root cause on top, its consequences folded under it.
//!
//! A cause is a finding of a rule with `is_cause` at level error. It is folded under another one
//! that leads to it in the graph of `Rule::causes`, if that one is known at least as surely. What
//! is left is sorted: known more surely first, then what explains something that is wrong now (a
//! risk whose consequences have not come about explains nothing), then what explains more. What is
//! equal in all that stands in the order of the checks, and of one check by its places: the order in
//! which findings come decides nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::checks;
use crate::report::{Finding, Level, Location, Rule};

/// Separates the root causes (best first, with `explains` filled in) from all findings (causes
/// first, then by level and certainty).
pub(super) fn rank(mut findings: Vec<Finding>) -> (Vec<Finding>, Vec<Finding>) {
    let order: BTreeMap<&str, usize> =
        checks::rules().enumerate().map(|(index, rule)| (rule.id, index)).collect();
    findings.sort_by_cached_key(|finding| {
        let places: Vec<_> = finding.locations.iter().map(place).collect();
        (order.get(finding.id.as_str()).copied(), places, format!("{finding:?}"))
    });
    let graph: BTreeMap<&str, &Rule> = checks::rules().map(|rule| (rule.id, rule)).collect();
    rank_in(&graph, findings)
}

/// A place as it is sorted: of a file by its lines.
fn place(location: &Location) -> (String, usize, usize) {
    match location {
        Location::File { file, line, column, .. } => (file.clone(), *line, *column),
        other => (format!("{other:?}"), 0, 0),
    }
}

fn rank_in(graph: &BTreeMap<&str, &Rule>, findings: Vec<Finding>) -> (Vec<Finding>, Vec<Finding>) {
    let competes = |finding: &Finding| {
        finding.level == Level::Error
            && graph.get(finding.id.as_str()).is_some_and(|rule| rule.is_cause)
    };
    let (mut causes, mut others): (Vec<_>, Vec<_>) = findings.into_iter().partition(competes);
    causes.sort_by_key(|finding| Reverse(finding.certainty));

    let reach: BTreeMap<String, BTreeSet<&str>> = causes
        .iter()
        .map(|finding| (finding.id.clone(), consequences(graph, &finding.id)))
        .collect();
    let folds = |root: &Finding, other: &Finding| {
        root.id != other.id
            && reach[&root.id].contains(other.id.as_str())
            && root.certainty >= other.certainty
    };
    let (mut roots, mut folded) = (Vec::new(), Vec::new());
    for finding in &causes {
        if causes.iter().any(|root| folds(root, finding)) {
            folded.push(finding.clone());
        } else {
            roots.push(finding.clone());
        }
    }
    for root in &mut roots {
        root.explains = dedup(
            folded
                .iter()
                .filter(|other| folds(root, other))
                .map(|other| other.id.clone())
                .collect(),
        );
    }
    let leads_nowhere = |root: &Finding| {
        let rule = graph.get(root.id.as_str());
        root.explains.is_empty() && rule.is_some_and(|rule| !rule.causes.is_empty())
    };
    roots.sort_by_key(|root| {
        (Reverse(root.certainty), leads_nowhere(root), Reverse(root.explains.len()))
    });
    others.sort_by_key(|finding| (Reverse(finding.level), Reverse(finding.certainty)));
    let all = roots.iter().cloned().chain(folded).chain(others).collect();
    (roots, all)
}

/// Every id that follows from `id`, at any distance.
fn consequences<'a>(graph: &BTreeMap<&'a str, &'a Rule>, id: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = graph.get(id).map_or(&[][..], |rule| rule.causes).to_vec();
    while let Some(next) = open.pop() {
        if let Some((name, rule)) = graph.get_key_value(next)
            && reached.insert(*name)
        {
            open.extend(rule.causes);
        }
    }
    reached
}

fn dedup(ids: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    ids.into_iter().filter(|id| seen.insert(id.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Certainty::{self, Likely, Possible, Proven};
    use proptest::prelude::*;

    const fn rule(id: &'static str, causes: &'static [&'static str]) -> Rule {
        Rule::new(id, Level::Error, id, "").cause(causes)
    }

    static VOLUME: Rule = rule("volume", &["foreign"]);
    static FOREIGN: Rule = rule("foreign", &["rejected"]);
    static REJECTED: Rule = rule("rejected", &[]);
    static ELSEWHERE: Rule = rule("elsewhere", &[]);

    fn ranked(found: &[(&'static Rule, Certainty)]) -> Vec<(String, Vec<String>)> {
        let graph = [&VOLUME, &FOREIGN, &REJECTED, &ELSEWHERE].map(|rule| (rule.id, rule)).into();
        let findings = found.iter().map(|(rule, certainty)| rule.finding(*certainty, "")).collect();
        rank_in(&graph, findings).0.into_iter().map(|root| (root.id, root.explains)).collect()
    }

    #[test]
    fn consequences_fold_under_a_root_known_as_surely() {
        for (case, found, expected) in [
            (
                "whole chain",
                vec![(&REJECTED, Likely), (&FOREIGN, Proven), (&VOLUME, Proven)],
                vec![("volume", vec!["foreign", "rejected"])],
            ),
            (
                "a guess does not swallow a proof",
                vec![(&VOLUME, Possible), (&FOREIGN, Proven)],
                vec![("foreign", vec![]), ("volume", vec![])],
            ),
            (
                "a risk that explains nothing stands behind what is wrong now",
                vec![(&VOLUME, Proven), (&ELSEWHERE, Proven)],
                vec![("elsewhere", vec![]), ("volume", vec![])],
            ),
            (
                "proven before likely",
                vec![(&ELSEWHERE, Likely), (&REJECTED, Proven)],
                vec![("rejected", vec![]), ("elsewhere", vec![])],
            ),
        ] {
            let expected: Vec<(String, Vec<String>)> = expected
                .into_iter()
                .map(|(id, ids)| (id.to_owned(), ids.into_iter().map(str::to_owned).collect()))
                .collect();
            assert_eq!(ranked(&found), expected, "{case}");
        }
    }

    /// Findings of any checks, some of one check at several places, and the same in another order.
    fn shuffled() -> impl Strategy<Value = (Vec<Finding>, Vec<Finding>)> {
        let count = checks::rules().count();
        let one = (0..count, prop::sample::select(vec![Possible, Likely, Proven]), 0..12_usize);
        let findings = prop::collection::vec(one, 0..24).prop_map(|chosen| {
            let made = chosen.into_iter().map(|(index, certainty, line)| {
                let rule = checks::rules().nth(index).unwrap();
                let file = Location::File {
                    file: ".env.local".to_owned(),
                    line,
                    column: 1,
                    text: None,
                    mark: None,
                };
                let finding = rule.finding(certainty, format!("detail {}", line / 2));
                if line == 0 { finding } else { finding.at(file) }
            });
            made.collect::<Vec<_>>()
        });
        findings.prop_flat_map(|findings| (Just(findings.clone()), Just(findings).prop_shuffle()))
    }

    proptest! {
        #[test]
        fn the_order_in_which_findings_come_decides_nothing((findings, others) in shuffled()) {
            let (roots, all) = rank(findings.clone());
            prop_assert_eq!(&rank(others), &(roots.clone(), all.clone()));
            prop_assert_eq!(&rank(findings.clone()), &(roots.clone(), all.clone()));
            // None is lost, and each cause that is folded is explained by a root.
            prop_assert_eq!(all.len(), findings.len());
            prop_assert_eq!(&all[..roots.len()], &roots[..]);
            for finding in &findings {
                let bare = |one: &Finding| Finding { explains: Vec::new(), ..one.clone() };
                prop_assert!(all.iter().any(|one| bare(one) == *finding));
                let is_cause = finding.level == Level::Error
                    && checks::rule(&finding.id).is_some_and(|rule| rule.is_cause);
                let is_told = roots.iter().any(|root| {
                    bare(root) == *finding || root.explains.contains(&finding.id)
                });
                prop_assert!(!is_cause || is_told, "{}", finding.id);
            }
        }
    }
}
