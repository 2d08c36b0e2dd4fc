//! `explain`: what a finding means, from the text beside its check.

use std::fmt::Write as _;

use owo_colors::OwoColorize;

use crate::report::Rule;

/// The explanation of one rule for a terminal.
pub fn one(rule: &Rule) -> String {
    let mut out = format!("{} ({}): {}\n", rule.id.bold(), rule.level, rule.title);
    for line in rule.explain.lines() {
        let text = line.trim_start_matches('#').trim_start();
        match line.split(' ').next() {
            Some("#") => {}
            Some("##" | "###") => {
                let _infallible = writeln!(out, "{}", text.bold());
            }
            _ => {
                let _infallible = writeln!(out, "{line}");
            }
        }
    }
    out
}

/// Every id with its title.
pub fn list<'a>(rules: impl Iterator<Item = &'a Rule>) -> String {
    let mut rules: Vec<&Rule> = rules.collect();
    rules.sort_by_key(|rule| rule.id);
    let mut out = String::from("convex-doctor explain ID, where ID is one of:\n");
    for rule in rules {
        let _infallible = writeln!(out, "  {:<28} {:<8} {}", rule.id, rule.level, rule.title);
    }
    out
}
