//! What a backend's log says: our own requests by their nonce, the refusal that stands next to
//! them, its last lines. Pure.

use std::sync::LazyLock;

use regex::Regex;

use crate::evidence::docker::{LogFacts, LoggedRefusal};
use crate::foreign::words;
use crate::secret::{sanitize, scrub};

/// How many last lines are kept.
const TAIL: usize = 20;

/// How many lines that tell of an error are kept from before the tail.
const EARLIER_ERRORS: usize = 10;

/// Longer lines are cut; a known error line says what it has to say well before.
const LONGEST_LINE: usize = 400;

/// The sentence of a refused key (docs/facts.md, convex-key-log).
const REFUSED: &str = "The provided admin key was invalid for this instance";

/// A pattern that is written down here and therefore valid.
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of this file is valid")
}

/// Colours and other terminal sequences; the backend writes them without a terminal, too.
static ANSI: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
});

/// Judges a log by its text. The nonces are those of this run's probes of the key.
pub fn read(text: &str, nonces: &[String]) -> LogFacts {
    let plain = ANSI.replace_all(text, "");
    let lines: Vec<&str> =
        plain.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let ours = |line: &str| nonces.iter().any(|nonce| !nonce.is_empty() && line.contains(nonce));

    let mut facts =
        LogFacts { nonce_seen: lines.iter().any(|line| ours(line)), ..LogFacts::default() };
    let mut refusals = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        // A busy backend mixes lines of other requests in: what is not adjacent may belong to
        // another client.
        if ours(line) && is_refused_probe(line) {
            let near = (1..=5).filter_map(|back| {
                let line = lines.get(at.checked_sub(back)?)?;
                refusal(line).map(|refusal| (refusal, back == 1))
            });
            refusals.extend(near.take(1));
        }
    }
    let probes = lines.iter().filter(|line| ours(line) && is_refused_probe(line)).count();
    facts.refusal_adjacent = probes >= 2
        && refusals.len() == probes
        && refusals.iter().all(|(refusal, adjacent)| *adjacent && *refusal == refusals[0].0);
    facts.refusal = refusals.pop().map(|(refusal, _)| refusal);
    facts.tail = tail(&without_our_traces(&lines));
    facts
}

/// The agent of every request of ours, of this run or another.
const OUR_AGENT: &str = "convex-doctor/";

/// How far before the access line of a request the line of its refusal may be: our requests run at
/// the same time, and so do those of others.
const REFUSAL_BEFORE: usize = 8;

/// The lines without those that requests of convex-doctor caused: they are not evidence of what
/// anything else does. For each access line of ours, the nearest line before it that says what came
/// of the key goes, too.
fn without_our_traces<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut caused = vec![false; lines.len()];
    for at in 0..lines.len() {
        if !lines[at].contains(OUR_AGENT) {
            continue;
        }
        caused[at] = true;
        let said = if is_rejected(lines[at]) { is_refusal } else { is_acceptance };
        let before = (at.saturating_sub(REFUSAL_BEFORE)..at)
            .rev()
            .find(|before| !caused[*before] && said(lines[*before]));
        if let Some(before) = before {
            caused[before] = true;
        }
    }
    lines.iter().zip(caused).filter(|(_, caused)| !caused).map(|(line, _)| *line).collect()
}

/// Whether an access line says that the request was not answered as it was meant.
fn is_rejected(line: &str) -> bool {
    static STATUS: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"(?:" |status[="]*:? ?"?)4\d\d\b"#));
    STATUS.is_match(line)
}

/// Whether a line says that a key was accepted.
fn is_acceptance(line: &str) -> bool {
    line.contains("Admin key accepted from")
}

/// Whether a line says that a request was refused for its key, or for its form.
fn is_refusal(line: &str) -> bool {
    line.contains(REFUSED)
        || line.contains("The provided deploy key was invalid")
        || line.contains("Caught unauthenticated_error")
        || line.contains("Caught developer_error")
}

/// The access line of a request of check_admin_key that was answered 401. The same run also asks
/// without a key, which is answered 403 and worded otherwise.
fn is_refused_probe(line: &str) -> bool {
    line.split_once("/api/check_admin_key").is_some_and(|(_, rest)| {
        ["\" 401 ", "status=401", "\"status\":401", "status: 401"]
            .into_iter()
            .any(|s| rest.contains(s))
    })
}

/// How a line words the refusal of a key; `None` when it is another line.
fn refusal(line: &str) -> Option<LoggedRefusal> {
    let rest = line.split_once(REFUSED)?.1;
    // Formats other than the default put quotes and fields after the sentence.
    let rest = rest.split(['"', '\\']).next().unwrap_or_default().trim();
    if let Some(name) = rest.strip_prefix(": Key is for invalid instance ") {
        return Some(LoggedRefusal::WrongName(sanitize(&scrub(name.trim()))));
    }
    Some(if rest.contains("Invalid admin key format") {
        LoggedRefusal::NoName
    } else {
        LoggedRefusal::Undecodable
    })
}

/// The last lines, and before them the last that tell of an error, as far back as the last time the
/// backend came up; safe to show.
fn tail(lines: &[&str]) -> Vec<String> {
    let up = lines.iter().rposition(|line| line.contains("backend listening on"));
    let (earlier, last) = lines.split_at(lines.len().saturating_sub(TAIL));
    // What it died of before it last came up is the past; that it came up is what shows this.
    let since_up = up.filter(|up| *up < earlier.len());
    let telling = |line: &&&str| TELLING.iter().any(|word| line.contains(word));
    let recent = &earlier[since_up.map_or(0, |up| up + 1)..];
    let mut kept: Vec<&str> =
        recent.iter().rev().filter(telling).take(EARLIER_ERRORS).copied().collect();
    kept.extend(since_up.map(|up| earlier[up]));
    // Remarks of the start are before it.
    let remarks = &earlier[..since_up.unwrap_or(0)];
    kept.extend(remarks.iter().rev().filter(|line| is_remark(line)).take(2));
    kept.reverse();
    kept.extend(last);
    kept.into_iter().map(safe).collect()
}

/// Words by which a line tells of an error, or of what the backend really uses.
const TELLING: &[&str] = &[
    "ERROR",
    "Error:",
    "error:",
    "panicked",
    "Caused by",
    "cannot ",
    "No space left",
    "Permission denied",
    "Received Ctrl-C signal!",
    "Received a fatal error",
    "attempting to acquire lease",
    "Falling back to local storage",
    "Connected to SQLite at ",
    "Connected to Postgres database",
    "Connected to MySQL database",
];

/// Whether a line says what the backend uses, which holds as long as the container lives.
fn is_remark(line: &str) -> bool {
    line.contains("Falling back to local storage")
        || ["SQLite at ", "Postgres database", "MySQL database"].iter().any(|what| {
            line.split_once("Connected to ").is_some_and(|(_, rest)| rest.starts_with(what))
        })
}

/// One line, secrets cut, control characters escaped, shortened.
pub(super) fn safe(line: &str) -> String {
    let mut line = scrub(&words(line));
    if let Some((at, _)) = line.char_indices().nth(LONGEST_LINE) {
        line.truncate(at);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARN: &str = "\u{1b}[33m WARN\u{1b}[0m common::errors: Caught unauthenticated_error error (RUST_BACKTRACE=1): The provided admin key was invalid for this instance";

    fn access(agent: &str) -> String {
        format!(
            "\u{1b}[32m INFO\u{1b}[0m convex-cloud-http: [] 127.0.0.1:48834 \"GET /api/check_admin_key HTTP/1.1\" 401 \"-\" \"{agent}\" application/json - 1.757ms"
        )
    }

    #[test]
    fn our_own_refusal_is_read_where_it_stands_next_to_us() {
        let (one, two, foreign) = (access("doctor/n1"), access("doctor/n2"), access("curl"));
        let wrong_name = format!("{WARN}: Key is for invalid instance renamed");
        let no_name = format!("{WARN}: Invalid admin key format");
        let keyless = one.replace(" 401 ", " 403 ");
        let no_key = "WARN common::errors: Caught developer_error error (x): The provided deploy key was invalid".to_owned();
        let named = Some(LoggedRefusal::WrongName("renamed".to_owned()));
        for (case, lines, expected, adjacent, seen) in [
            ("name, twice", vec![&wrong_name, &one, &wrong_name, &two], named.clone(), true, true),
            ("once only", vec![&wrong_name, &one], named.clone(), false, true),
            (
                "mixed",
                vec![&wrong_name, &foreign, &one, &wrong_name, &two],
                named.clone(),
                false,
                true,
            ),
            (
                "no name",
                vec![&no_name, &one, &no_name, &two],
                Some(LoggedRefusal::NoName),
                true,
                true,
            ),
            (
                "undecodable",
                vec![&WARN.to_owned(), &one, &WARN.to_owned(), &two],
                Some(LoggedRefusal::Undecodable),
                true,
                true,
            ),
            ("no refusal beside it", vec![&one, &two], None, false, true),
            (
                "asked without a key, too",
                vec![&no_key, &keyless, &wrong_name, &one, &wrong_name, &two],
                named.clone(),
                true,
                true,
            ),
            ("another client's", vec![&wrong_name, &foreign], None, false, false),
        ] {
            let text = lines.into_iter().cloned().collect::<Vec<_>>().join("\n");
            let facts = read(&text, &["n1".to_owned(), "n2".to_owned()]);
            assert_eq!(facts.refusal, expected, "{case}");
            assert_eq!((facts.refusal_adjacent, facts.nonce_seen), (adjacent, seen), "{case}");
        }
    }

    #[test]
    fn what_our_own_requests_caused_is_not_quoted() {
        let agent = "convex-doctor/0.1.0 (n1)";
        let keyless = access(agent).replace(" 401 ", " 403 ");
        let fine = access(agent).replace(" 401 ", " 200 ");
        let foreign = access("curl/8");
        let refused = WARN.to_owned();
        let no_key = "WARN common::errors: Caught developer_error error (x): The provided deploy key was invalid".to_owned();
        let json = r#"{"level":"INFO","target":"convex-cloud-http","user_agent":"convex-doctor/0.1.0 (n1)","status":401}"#.to_owned();
        let other = "INFO something else".to_owned();
        let good = "INFO keybroker::broker: Admin key accepted from MemberId(0) at x".to_owned();
        for (case, lines, expected) in [
            ("a key and none", vec![&no_key, &keyless, &refused, &access(agent)], vec![]),
            ("at the same time", vec![&no_key, &refused, &keyless, &access(agent)], vec![]),
            ("as JSON", vec![&refused, &json], vec![]),
            ("accepted", vec![&refused, &foreign, &good, &fine], vec![&refused, &foreign]),
            ("without a key", vec![&good, &foreign, &keyless], vec![&good, &foreign]),
            (
                "another client's stays",
                vec![&refused, &foreign, &refused, &access(agent)],
                vec![&refused, &foreign],
            ),
            ("what is not a refusal stays", vec![&other, &access(agent)], vec![&other]),
        ] {
            let text = lines.into_iter().cloned().collect::<Vec<_>>().join("\n");
            let plain = |line: &&String| ANSI.replace_all(line, "").into_owned();
            let expected: Vec<_> = expected.iter().map(plain).map(|line| safe(&line)).collect();
            assert_eq!(read(&text, &["n1".to_owned()]).tail, expected, "{case}");
        }
    }

    #[test]
    fn the_tail_is_short_and_safe() {
        let hex = "0123456789abcdef".repeat(5);
        let mut text = "early ERROR: Address already in use\n".to_owned();
        text.push_str(&"INFO nothing\n".repeat(50));
        let ours = format!("GET /x?admin_key=name%7C{hex} app|{hex}\u{7}\n");
        text.push_str(&ours);
        text.push_str("Error: postgres://u:somepassword@db:5432 refused\n");
        let tail = read(&text, &[]).tail;
        assert_eq!(tail.len(), TAIL + 1);
        assert!(tail[0].starts_with("early ERROR"));
        let all = tail.join("\n");
        assert!(!all.contains("0123456789abcdef") && !all.contains("somepassword"), "{all}");
        assert!(all.contains("://u:***@db:5432 refused"), "{all}");
        assert!(read(&"x".repeat(5000), &[]).tail[0].chars().count() <= LONGEST_LINE + 1);
    }

    #[test]
    fn what_the_start_script_traces_is_masked() {
        for (line, kept) in [
            ("+ INSTANCE_SECRET=hunter-two", "+ INSTANCE_SECRET=***"),
            (
                "+ exec ./convex-local-backend --instance-secret hunter-two --port 3210",
                "--port 3210",
            ),
            ("+ export AWS_SECRET_ACCESS_KEY=hunter-two", "AWS_SECRET_ACCESS_KEY=***"),
            (
                "unable to open database file: postgres://u:hunter-two/@x@db:5432",
                "://u:***@db:5432",
            ),
            (
                "mkdir: cannot create directory '/convex/data/tmp': Permission denied",
                "Permission denied",
            ),
        ] {
            let tail = read(line, &[]).tail;
            assert!(!tail[0].contains("hunter") && tail[0].contains(kept), "{}", tail[0]);
        }
    }

    #[test]
    fn a_line_that_the_checks_know_is_kept_and_still_known() {
        use crate::deployment::log_lines::{KNOWN, When, recognise};
        for known in KNOWN.iter().filter(|known| known.when != When::Waits) {
            let coloured = format!("\u{1b}[2m2026-03-05T10:00:00Z\u{1b}[0m {}", known.example);
            let tail = read(&format!("{coloured}\n{}", "INFO nothing\n".repeat(50)), &[]).tail;
            assert_eq!(tail.len(), TAIL + 1, "{}", known.example);
            let found = recognise(&tail[0]).map(|found| found.id);
            assert_eq!(found, Some(known.id), "{}", tail[0]);
        }
    }

    #[test]
    fn errors_of_before_it_came_up_are_left_out() {
        let (sqlite, up) =
            ("INFO db: Connected to SQLite at /x", "INFO backend listening on :3210");
        let noise = "INFO nothing\n".repeat(30);
        let text = format!("{sqlite}\nERROR old\n{up}\nERROR new\n{noise}");
        assert_eq!(read(&text, &[]).tail[..3], [sqlite, up, "ERROR new"]);
    }
}
