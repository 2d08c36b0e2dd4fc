//! Makes a differing project smaller while it still differs in the same way.

use super::case::{Case, Text};
use super::yaml::{Y, raw};
use crate::support::compose::{Difference, bare};

/// How many smaller projects are tried: each costs a run of Compose.
const MOST_TRIES: usize = 1_500;

/// The smallest project found that `differs`.
pub(crate) fn shrink(mut case: Case, mut differs: impl FnMut(&Case) -> bool) -> Case {
    let mut tries = 0;
    loop {
        let mut smaller = false;
        // What is left after one step has other steps: the count is asked anew each time.
        let mut step = 0;
        while let Some(candidate) = smaller_by(&case, step) {
            if tries == MOST_TRIES {
                return case;
            }
            if candidate == case {
                step += 1;
                continue;
            }
            tries += 1;
            if differs(&candidate) {
                case = candidate;
                smaller = true;
            } else {
                step += 1;
            }
        }
        if !smaller {
            return case;
        }
    }
}

/// Whether two differences are about the same: a smaller project may have another fault.
pub(crate) fn is_like(one: &Difference, other: &Difference) -> bool {
    let last = |text: &str| bare(text.lines().next_back().unwrap_or_default());
    match (one, other) {
        (Difference::Content(one), Difference::Content(other)) => {
            one.lines().nth(1) == other.lines().nth(1)
        }
        (Difference::Warnings(_), Difference::Warnings(_)) => true,
        (Difference::Refused(one), Difference::Refused(other))
        | (Difference::Accepted(one), Difference::Accepted(other))
        | (Difference::Message(one), Difference::Message(other)) => last(one) == last(other),
        _ => false,
    }
}

/// The case after one of the steps that make it smaller; `None` after the last.
fn smaller_by(case: &Case, step: usize) -> Option<Case> {
    let mut case = case.clone();
    let mut step = step;
    let names: Vec<String> = case.files.keys().cloned().collect();
    if let Some(name) = names.get(step) {
        case.files.remove(name);
        return Some(case);
    }
    step -= names.len();
    if step < case.args.len() {
        case.args.remove(step);
        return Some(case);
    }
    step -= case.args.len();
    let variables: Vec<String> = case.env.keys().cloned().collect();
    if let Some(name) = variables.get(step) {
        case.env.remove(name);
        return Some(case);
    }
    step -= variables.len();
    for text in case.files.values_mut() {
        match text {
            Text::Lines(lines, _) => {
                if step < lines.len() {
                    lines.remove(step);
                    return Some(case);
                }
                step -= lines.len();
            }
            Text::Yaml(documents) => {
                if documents.len() > 1 {
                    if step < documents.len() {
                        documents.remove(step);
                        return Some(case);
                    }
                    step -= documents.len();
                }
                for document in documents {
                    let nodes = document.size();
                    for number in 0..nodes {
                        let node = document.nth(number).unwrap();
                        let changes = changes(node);
                        if step < changes {
                            change(node, step);
                            return Some(case);
                        }
                        step -= changes;
                    }
                }
            }
        }
    }
    None
}

/// How many ways there are to make a node smaller, without those of the nodes in it.
fn changes(node: &Y) -> usize {
    match node {
        Y::Raw(_) => 1,
        Y::List(list) => list.len(),
        Y::Map(map) => map.len(),
        Y::Flow(_) | Y::Tagged(..) => 1,
    }
}

fn change(node: &mut Y, number: usize) {
    match node {
        Y::Raw(text) => {
            if text.len() > 1 && text != "null" {
                *node = raw("x");
            }
        }
        Y::List(list) => drop(list.remove(number)),
        Y::Map(map) => drop(map.remove(number)),
        Y::Flow(inner) | Y::Tagged(_, inner) => *node = (**inner).clone(),
    }
}
