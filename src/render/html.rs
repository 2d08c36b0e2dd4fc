//! The report as one HTML page: no request to anywhere, complete without scripts, and everything
//! foreign escaped. A Content-Security-Policy admits its own style and script and nothing else.

mod markup;
mod path;

use super::text::{fixes, shown};
use super::words::{self, sentence};
use super::{Detail, machine, persistence};
use crate::evidence::docker::short_volume;
use crate::report::{
    Columns, Fact, Fate, Finding, Level, Location, NextStep, Operation, Order, Remedy, Report,
    Verdict,
};
use crate::secret::scrub;
use markup::Page;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/copy.js");

/// What is before the title. The hashes are those of [`STYLE`] and [`SCRIPT`].
const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
     style-src 'sha256-mTLIi1PGElvtTXrcNYAE8RkBhBc3S0xPaCp2vzLPc/Y='; \
     script-src 'sha256-cHPquXP0XBSHLjkRbFtPz8XATvJ3brDsZijW/M75OvY='; \
     img-src data:; base-uri 'none'; form-action 'none'\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<meta name=\"referrer\" content=\"no-referrer\">
<link rel=\"icon\" href=\"data:,\">
<title>";

/// The report as a page.
pub fn render(report: &Report) -> String {
    let mut page = Page::default();
    let word = words::verdict(report.verdict);
    page.markup(HEAD);
    page.text(&format!("{word}: {} · convex-doctor", report.summary.headline));
    page.markup("</title>\n<style>");
    page.markup(STYLE);
    page.markup("</style>\n</head>\n<body>\n<main>\n");

    let main = main_findings(report);
    let folded: Vec<&String> = main.iter().flat_map(|cause| &cause.explains).collect();
    let rest: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| !main.contains(finding) && !folded.contains(&&finding.id))
        .collect();

    head(&mut page, report, main.iter().chain(&rest).copied());
    facts(&mut page, report);
    if report.verdict == Verdict::Healthy && main.is_empty() {
        page.element("<p>", words::STILL_FAILS, "</p>\n");
    }
    next_steps(&mut page, report);
    causes(&mut page, report, &main);
    custody(&mut page, report);
    story(&mut page, report);
    if !report.persistence.is_empty() {
        survival(&mut page, &report.persistence);
    }
    if !rest.is_empty() {
        page.markup("<h2>Other findings</h2>\n");
        rest.iter().for_each(|other| folded_finding(&mut page, other));
    }
    checks(&mut page, report);
    page.markup("</main>\n");
    footer(&mut page, report);
    page.markup("<script>");
    page.markup(SCRIPT);
    page.markup("</script>\n</body>\n</html>\n");
    page.into_text()
}

/// The findings that are not folded: the causes; where there is none, what is worst.
fn main_findings(report: &Report) -> Vec<&Finding> {
    if report.causes.is_empty() {
        shown(report, Detail::Normal)
    } else {
        report.causes.iter().collect()
    }
}

/// The verdict, its sentence, and how much was found.
fn head<'a>(page: &mut Page, report: &Report, findings: impl Iterator<Item = &'a Finding>) {
    page.markup(match report.verdict {
        Verdict::Healthy => "<h1><span class=\"verdict healthy\">",
        Verdict::Broken => "<h1><span class=\"verdict broken\">",
        Verdict::AtRisk => "<h1><span class=\"verdict at-risk\">",
        Verdict::Unknown => "<h1><span class=\"verdict unknown\">",
    });
    page.markup(words::verdict(report.verdict));
    page.markup("</span> ");
    page.prose(&report.summary.headline);
    page.markup("</h1>\n<p class=\"counts\">");
    let levels: Vec<Level> = findings.map(|finding| finding.level).collect();
    for level in [Level::Error, Level::Warning, Level::Info] {
        let count = levels.iter().filter(|one| **one == level).count();
        if count > 0 {
            page.text(&format!("{} · ", words::count(count, level)));
        }
    }
    if !report.suppressed.is_empty() {
        page.text(&format!("{} suppressed · ", report.suppressed.len()));
    }
    if !report.summary.only.is_empty() {
        page.text(&format!("Only {} · ", report.summary.only.join(", ")));
    }
    page.text(&format!("{} of {} checks ran", report.summary.ran, report.summary.total));
    page.markup("</p>\n");
    if !report.summary.not_checked.is_empty() {
        page.markup("<p>");
        page.prose(&format!("Not checked: {}.", report.summary.not_checked.join("; ")));
        page.markup("</p>\n");
    }
}

/// What works, and which everyday commands keep it.
fn facts(page: &mut Page, report: &Report) {
    let facts: Vec<&Fact> = report.summary.facts.iter().chain(&report.summary.fates).collect();
    if facts.is_empty() {
        return;
    }
    page.markup("<dl>\n");
    for Fact { label, text, source } in facts {
        page.element("<div><dt>", label, "</dt><dd>");
        page.text(text);
        if !source.is_empty() {
            page.element(" <span class=\"source\">", source, "</span>");
        }
        page.markup("</dd></div>\n");
    }
    page.markup("</dl>\n");
}

/// What tests the key where it was not tested, and the way through several causes.
fn next_steps(page: &mut Page, report: &Report) {
    let summary = &report.summary;
    if let Some(retry) = &summary.retry {
        page.markup("<h2>Fix</h2>\n<p>");
        page.prose(&sentence(&retry.title));
        page.markup("</p>\n");
        retry.command.iter().for_each(|line| command(page, line));
    }
    if !summary.steps.is_empty() {
        page.markup("<h2>Fix, in this order</h2>\n<ol>\n");
        for step in summary.before.iter().chain(&summary.steps) {
            page.markup("<li>");
            next_step(page, step);
            page.markup("</li>\n");
        }
        page.markup("</ol>\n");
    }
}

fn next_step(page: &mut Page, step: &NextStep) {
    page.prose(&sentence(&step.title));
    page.markup("\n");
    step.command.iter().for_each(|line| command(page, line));
}

/// What is wrong, with everything that is known of it; what follows from it is folded.
fn causes(page: &mut Page, report: &Report, main: &[&Finding]) {
    if main.is_empty() {
        return;
    }
    page.markup(match (report.causes.len(), main.len()) {
        (0, 1) => "<h2>Finding</h2>\n",
        (0, _) => "<h2>Findings</h2>\n",
        (1, _) => "<h2>Cause</h2>\n",
        _ => "<h2>Causes</h2>\n",
    });
    for (index, cause) in main.iter().enumerate() {
        article(page, cause.level);
        page.markup("<h3>");
        if main.len() > 1 {
            page.number(index + 1);
            page.markup(". ");
        }
        page.prose(&sentence(&cause.title));
        page.markup("</h3>\n");
        let is_first = index == 0;
        let before = report.summary.before.as_ref();
        // Several causes have it among the steps that are common to them.
        let before = before.filter(|_| is_first && report.summary.steps.is_empty());
        let caution = report.summary.caution.as_deref().filter(|_| is_first);
        finding(page, cause, before, caution);
        let follows = |finding: &&Finding| cause.explains.contains(&finding.id);
        let followers: Vec<&Finding> =
            report.findings.iter().filter(follows).filter(|one| !main.contains(one)).collect();
        if !followers.is_empty() {
            page.markup("<p>This explains:</p>\n");
            followers.iter().for_each(|one| folded_finding(page, one));
        }
        page.markup("</article>\n");
    }
}

fn article(page: &mut Page, level: Level) {
    page.markup(match level {
        Level::Error => "<article class=\"finding error\">\n",
        Level::Warning => "<article class=\"finding warning\">\n",
        Level::Info => "<article class=\"finding info\">\n",
    });
}

fn level(page: &mut Page, level: Level) {
    page.markup(match level {
        Level::Error => "<span class=\"level error\">error</span>",
        Level::Warning => "<span class=\"level warning\">warning</span>",
        Level::Info => "<span class=\"level info\">info</span>",
    });
}

/// A finding of which the title is shown, and the rest when it is opened.
fn folded_finding(page: &mut Page, one: &Finding) {
    page.markup("<details><summary>");
    level(page, one.level);
    page.markup(" ");
    page.prose(&sentence(&one.title));
    page.markup("</summary>\n");
    article(page, one.level);
    finding(page, one, None, None);
    page.markup("</article>\n</details>\n");
}

/// All but the title: what is the case, what shows it, and what fixes it.
fn finding(page: &mut Page, finding: &Finding, before: Option<&NextStep>, caution: Option<&str>) {
    page.markup("<p class=\"tags\">");
    level(page, finding.level);
    page.markup(" · ");
    page.markup(words::certainty(finding.certainty));
    page.markup(" · ");
    page.code(&finding.id);
    page.markup("</p>\n<p class=\"detail\">");
    page.prose(&finding.detail.with_volumes(short_volume));
    page.markup("</p>\n");
    let (lines, places): (Vec<_>, Vec<_>) = finding
        .locations
        .iter()
        .partition(|one| matches!(one, Location::File { text: Some(_), .. }));
    lines.into_iter().for_each(|location| excerpt(page, location));
    if !finding.evidence.is_empty() {
        page.markup("<ul>\n");
        for proof in &finding.evidence {
            page.element("<li>", &proof.text.with_volumes(short_volume), "");
            if !proof.source.is_empty() {
                page.element(" <span class=\"source\">(", &proof.source, ")</span>");
            }
            page.markup("</li>\n");
        }
        page.markup("</ul>\n");
    }
    if !places.is_empty() {
        page.markup("<p class=\"source\">At ");
        for (index, location) in places.into_iter().enumerate() {
            page.markup(if index > 0 { ", " } else { "" });
            page.code(&location.to_string());
        }
        page.markup("</p>\n");
    }
    if let Some(step) = before {
        page.markup("<div><b>First:</b> ");
        next_step(page, step);
        page.markup("</div>\n");
    }
    ways(page, finding);
    if let Some(caution) = caution {
        page.markup("<p>");
        page.prose(caution);
        page.markup("</p>\n");
    }
    page.markup("<p class=\"source\">More: ");
    page.code(&format!("convex-doctor explain {}", finding.id));
    page.markup("</p>\n");
}

/// A line of a file with the cause marked in it.
fn excerpt(page: &mut Page, location: &Location) {
    let Location::File { line, text: Some(text), mark, .. } = location else { return };
    page.markup("<figure><figcaption>");
    page.code(&location.to_string());
    page.markup("</figcaption>\n<pre><span class=\"number\">");
    page.number(*line);
    page.markup(" </span>");
    // In pieces, a secret would not be found.
    match mark.filter(|_| scrub(text) == *text) {
        Some(Columns { start, end }) => {
            let part = |from: usize, to: usize| -> String {
                text.chars().skip(from.saturating_sub(1)).take(to.saturating_sub(from)).collect()
            };
            page.text(&part(1, start));
            page.element("<mark>", &part(start, end), "</mark>");
            page.text(&part(end, usize::MAX));
        }
        None => page.text(text),
    }
    page.markup("</pre></figure>\n");
}

/// Every way to fix a finding: steps are numbered, alternatives say so.
fn ways(page: &mut Page, finding: &Finding) {
    let steps = finding.remedies.iter().filter(|one| one.order == Order::Step).count();
    let mut is_open = false;
    for (index, remedy) in finding.remedies.iter().enumerate() {
        let is_step = remedy.order == Order::Step && steps > 1;
        if is_open && !is_step {
            page.markup("</ol>\n");
            is_open = false;
        }
        match (is_step, index) {
            (true, _) => {
                if !is_open {
                    page.markup(if index == 0 { "<p><b>Fix</b>" } else { "<p><b>Or</b>" });
                    page.markup("<b>, in this order:</b></p>\n<ol>\n");
                    is_open = true;
                }
                page.markup("<li>");
                page.prose(&sentence(&fixes::title(remedy)));
            }
            (false, 0) => {
                page.markup("<p><b>Fix:</b> ");
                page.prose(&words::lower(&fixes::title(remedy)));
                page.markup("</p>");
            }
            (false, _) => {
                page.markup("<p><b>Or:</b> ");
                page.prose(&words::lower(&fixes::title(remedy)));
                page.markup("</p>");
            }
        }
        page.markup("\n");
        carried_out(page, finding, remedy);
        if is_step {
            page.markup("</li>\n");
        }
    }
    if is_open {
        page.markup("</ol>\n");
    }
}

/// What a fix ends, its commands, the lines that it changes, and what is left to do after it.
fn carried_out(page: &mut Page, finding: &Finding, remedy: &Remedy) {
    if let Some(price) = &remedy.price {
        page.markup("<p>");
        page.prose(&price.sentence());
        page.markup("</p>\n");
    }
    fixes::commands(finding, remedy).iter().for_each(|line| command(page, line));
    let effect = fixes::effect(remedy);
    if !effect.is_empty() {
        page.element("<p>", effect, "</p>\n");
    }
    if !remedy.edits.is_empty() {
        page.markup("<ul>\n");
        for edit in &remedy.edits {
            page.markup("<li>");
            page.code(&format!("{}:{}", edit.file, edit.line));
            page.markup(": ");
            match &edit.new {
                Some(new) => page.code(new),
                None => page.markup("delete the line"),
            }
            page.markup("</li>\n");
        }
        page.markup("</ul>\n");
    }
    for errand in &remedy.errands {
        let has_more = !errand.places.is_empty() || !errand.commands.is_empty();
        page.markup("<p>");
        page.prose(&errand.title);
        page.markup(if has_more { ":</p>\n" } else { "</p>\n" });
        if !errand.places.is_empty() {
            page.markup("<ul>\n");
            errand.places.iter().for_each(|place| page.element("<li>", place, "</li>\n"));
            page.markup("</ul>\n");
        }
        errand.commands.iter().for_each(|line| command(page, line));
    }
}

/// A command, alone on its line: the script puts its button behind it.
fn command(page: &mut Page, line: &str) {
    page.element("<div class=\"line\"><pre class=\"command\">", line, "</pre></div>\n");
}

/// The path from the URL to the key.
fn custody(page: &mut Page, report: &Report) {
    if report.chain.is_empty() {
        return;
    }
    page.markup("<h2>Path from the URL to the key</h2>\n");
    path::write(page, &report.chain);
}

/// What happened, in order, each with its time before the report's.
fn story(page: &mut Page, report: &Report) {
    if report.story.is_empty() {
        return;
    }
    page.markup("<h2>What happened</h2>\n<ol class=\"story\">\n");
    for entry in &report.story {
        page.element("<li><time>", &entry.at, "</time>");
        let ago = words::ago(&entry.at, &report.generated_at);
        if !entry.at.starts_with(&ago) {
            page.text(&format!(" ({ago})"));
        }
        page.element("<br>", &entry.what, "");
        page.element(" <span class=\"source\">(", &entry.source, ")</span></li>\n");
    }
    page.markup("</ol>\n");
}

/// What becomes of keys and data by each operation, the worst first. The roles are said again: a
/// table that is shown as a list, as on a telephone, would lose them.
fn survival(page: &mut Page, operations: &[Operation]) {
    page.markup("<h2>Keys and data after Docker commands</h2>\n");
    let operations: Vec<_> = persistence::groups(operations).into_iter().flatten().collect();
    let summary = format!("{} commands, the worst outcome first", operations.len());
    page.folded(&summary, |page| {
        page.markup(
            "<table role=\"table\">\n<thead role=\"rowgroup\"><tr role=\"row\">\
             <th role=\"columnheader\" scope=\"col\">Command</th>\
             <th role=\"columnheader\" scope=\"col\">Keys</th>\
             <th role=\"columnheader\" scope=\"col\">Data</th>\
             <th role=\"columnheader\" scope=\"col\">Why</th></tr></thead>\n\
             <tbody role=\"rowgroup\">\n",
        );
        for one in operations {
            page.markup("<tr role=\"row\"><td role=\"cell\">");
            page.code(&one.command);
            page.markup("</td><td role=\"cell\" data-of=\"Keys\" class=\"fate ");
            fate(page, one.keys);
            page.markup("</td><td role=\"cell\" data-of=\"Data\" class=\"fate ");
            fate(page, one.data);
            page.markup("</td><td role=\"cell\">");
            page.prose(&one.why);
            page.markup("</td></tr>\n");
        }
        page.markup("</tbody>\n</table>\n");
    });
}

/// The rest of a cell's class, and the cell's text.
fn fate(page: &mut Page, fate: Fate) {
    page.markup(match fate {
        Fate::Lost => "lost\">deleted",
        Fate::Recoverable => "recoverable\">left behind",
        Fate::Unknown => "unknown\">could not tell",
        Fate::Kept => "kept\">kept",
    });
}

/// What could not run and why, what passed, and what is suppressed.
fn checks(page: &mut Page, report: &Report) {
    if report.unknown.is_empty() && report.passed.is_empty() && report.suppressed.is_empty() {
        return;
    }
    page.markup("<h2>Checks</h2>\n");
    if !report.suppressed.is_empty() {
        page.folded(&format!("{} suppressed", report.suppressed.len()), |page| {
            page.markup("<ul>\n");
            for one in &report.suppressed {
                page.markup("<li>");
                page.code(&one.id);
                page.text(&format!(" {}: {}", sentence(&one.finding.title), machine::excuse(one)));
                page.markup("</li>\n");
            }
            page.markup("</ul>\n");
        });
    }
    if !report.unknown.is_empty() {
        page.folded(&format!("{} could not run", report.unknown.len()), |page| {
            page.markup("<ul>\n");
            for (reason, ids) in words::by_reason(&report.unknown) {
                page.markup("<li>");
                page.prose(reason);
                page.element(": <span class=\"source\">", &ids.join(", "), "</span></li>\n");
            }
            page.markup("</ul>\n");
        });
    }
    if !report.passed.is_empty() {
        page.folded(&format!("{} passed", report.passed.len()), |page| {
            page.markup("<ul>\n");
            for (family, count) in &report.summary.passed {
                page.markup("<li>");
                page.prose(&format!("{family}: {count}"));
                page.markup("</li>\n");
            }
            page.markup("</ul>\n");
        });
    }
}

fn footer(page: &mut Page, report: &Report) {
    page.markup("<footer>\n<p>convex-doctor ");
    page.markup(env!("CARGO_PKG_VERSION"));
    page.markup(" · ");
    page.text(&report.generated_at);
    page.markup(
        " · 8-digit codes are fingerprints of keys and secrets · this page contains no secrets \
         and loads nothing</p>\n</footer>\n",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut encoded = String::new();
        for group in bytes.chunks(3) {
            let byte = |at: usize| usize::from(group.get(at).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            let digits = [18, 12, 6, 0].map(|shift| char::from(DIGITS[bits >> shift & 63]));
            encoded.extend(&digits[..=group.len()]);
            encoded.push_str(&"=".repeat(3 - group.len()));
        }
        encoded
    }

    #[test]
    fn the_policy_admits_the_style_and_the_script_of_the_page() {
        assert_eq!(base64(b"abcd"), "YWJjZA==");
        for (directive, text) in [("style-src", STYLE), ("script-src", SCRIPT)] {
            let hash = base64(&Sha256::digest(text.as_bytes()));
            let wanted = format!(" {directive} 'sha256-{hash}';");
            assert!(HEAD.contains(&wanted), "src/render/html.rs: write{wanted}");
            assert!(!text.contains("</"), "it would end its element");
            assert!(!text.contains('\r'), "a browser takes line ends without it");
        }
    }
}
