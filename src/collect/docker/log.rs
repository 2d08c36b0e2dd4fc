//! A backend's log, read for what it says about our own probes (`facts/convex.md` §3, The log about a key).

use crate::evidence::docker::{LogFacts, LoggedRefusal};
use crate::secret::{sanitize, scrub};

/// The line that a refused key leaves.
const REFUSED: &str = "The provided admin key was invalid for this instance";
/// So many lines are kept for the reader.
const TAIL: usize = 20;

/// Reads a log; `nonces` are the marks of our own requests, in the order in which they were sent.
pub(super) fn read(text: &str, nonces: &[String]) -> LogFacts {
    let lines: Vec<String> = text.lines().map(without_colour).collect();
    let mine: Vec<usize> = nonces
        .iter()
        .flat_map(|nonce| {
            lines.iter().enumerate().filter(move |(_, line)| {
                line.contains(nonce.as_str()) && line.contains("/api/check_admin_key") && line.contains(" 401 ")
            })
        })
        .map(|(index, _)| index)
        .collect();
    let before = |index: usize| index.checked_sub(1).and_then(|above| refusal(&lines[above]));
    let adjacent: Vec<LoggedRefusal> = mine.iter().filter_map(|index| before(*index)).collect();
    let all_agree = adjacent.windows(2).all(|pair| pair[0] == pair[1]);
    let refusal_adjacent =
        mine.len() >= 2 && adjacent.len() == mine.len() && all_agree;
    let refusal = if all_agree && !adjacent.is_empty() {
        adjacent.into_iter().next()
    } else {
        // A colleague's request came in between: the last refusal in the log is only likely ours.
        lines.iter().rev().find_map(|line| refusal(line)).filter(|_| !mine.is_empty())
    };
    let nonce_seen =
        nonces.iter().any(|nonce| lines.iter().any(|line| line.contains(nonce.as_str())));
    let first = lines.len().saturating_sub(TAIL);
    LogFacts {
        refusal,
        refusal_adjacent,
        nonce_seen,
        tail: lines[first..].iter().map(|line| sanitize(&scrub(&cut(line)))).collect(),
    }
}

fn refusal(line: &str) -> Option<LoggedRefusal> {
    let (_, after) = line.split_once(REFUSED)?;
    Some(match after.trim() {
        "" => LoggedRefusal::Undecodable,
        ": Invalid admin key format" => LoggedRefusal::NoName,
        other => match other.strip_prefix(": Key is for invalid instance ") {
            Some(name) => LoggedRefusal::WrongName(sanitize(name)),
            None => LoggedRefusal::Undecodable,
        },
    })
}

fn cut(line: &str) -> String {
    line.chars().take(300).collect()
}

/// The backend colours its log without a terminal, too.
fn without_colour(line: &str) -> String {
    anstream::adapter::strip_str(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARN: &str = "2026-08-22T10:00:00Z  WARN common::errors: Caught unauthenticated_error error (RUST_BACKTRACE=1 …): \
                        The provided admin key was invalid for this instance";

    fn access(nonce: &str) -> String {
        format!(
            "\u{1b}[32m INFO\u{1b}[0m convex-cloud-http: [] 127.0.0.1:1 \"GET /api/check_admin_key HTTP/1.1\" 401 \"-\" \
             \"convex-doctor/0.1.0 ({nonce})\" application/json - 1.757ms"
        )
    }

    #[test]
    fn the_line_before_our_own_says_why() {
        let nonces = ["aaaa1111".to_owned(), "bbbb2222".to_owned()];
        let name = format!("{WARN}: Key is for invalid instance renamed");
        for (case, lines, refusal, adjacent, seen) in [
            (
                "both times a wrong name",
                vec![name.clone(), access("aaaa1111"), name.clone(), access("bbbb2222")],
                Some(LoggedRefusal::WrongName("renamed".to_owned())),
                true,
                true,
            ),
            (
                "once undecodable",
                vec![WARN.to_owned(), access("aaaa1111")],
                Some(LoggedRefusal::Undecodable),
                false,
                true,
            ),
            ("somebody else's", vec![WARN.to_owned(), access("cccc3333")], None, false, false),
            ("nothing", vec![], None, false, false),
        ] {
            let facts = read(&lines.join("\n"), &nonces);
            assert_eq!(
                (facts.refusal, facts.refusal_adjacent, facts.nonce_seen),
                (refusal, adjacent, seen),
                "{case}"
            );
        }
    }
}
