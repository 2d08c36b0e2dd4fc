//! What a command printed, and which of its lines are known failures of the Convex CLI: a command's
//! exit code tells little, because `npx convex` ends with 0 after a refused push.
//!
//! Sources of the texts: the npm package `convex` 1.17 to 1.48, `src/cli/lib/utils/utils.ts`
//! (`logAndHandleFetchError`), `src/cli/lib/deploymentSelection.ts`, `src/cli/lib/dev.ts`, as their
//! releases printed them.

use std::sync::LazyLock;

use crate::evidence::command::SaidLine;
use crate::mask;
use crate::report::CliFailure;
use crate::secret::sanitize;

/// Longer lines are cut: a build's output may have no line ends at all.
const LONGEST_LINE: usize = 4096;
/// How many known lines are kept; a watching CLI repeats itself for days.
const MOST_LINES: usize = 16;
/// What is kept of a line.
const LONGEST_SHOWN: usize = 300;

/// A line that the CLI is known to print.
pub struct KnownLine {
    /// A part of the line that is there in every version.
    pattern: &'static str,
    /// What it means for somebody with a self-hosted deployment.
    pub means: &'static str,
    /// Which kind of failure it speaks of.
    pub failure: CliFailure,
    /// Whether the command failed with it; else it is only worth knowing.
    pub fails: bool,
}

const fn fails(pattern: &'static str, means: &'static str, failure: CliFailure) -> KnownLine {
    KnownLine { pattern, means, failure, fails: true }
}

const fn hint(pattern: &'static str, means: &'static str, failure: CliFailure) -> KnownLine {
    KnownLine { pattern, means, failure, fails: false }
}

/// The known lines; the first that fits counts.
pub static KNOWN: &[KnownLine] = &[
    fails(
        "BadAdminKey",
        "the backend refuses the key: wrong secret, wrong instance name, or no key at all",
        CliFailure::KeyRejected,
    ),
    fails(
        "Failed to authenticate: \"The provided admin key was invalid",
        "the backend refuses the key: wrong secret, wrong instance name, or no key at all",
        CliFailure::KeyRejected,
    ),
    fails(
        "BadDeployKey",
        "no admin key arrived at the backend (a proxy may drop the header), or it is a system key",
        CliFailure::KeyLost,
    ),
    fails(
        "The provided deploy key was invalid for this deployment",
        "no admin key arrived at the backend (a proxy may drop the header), or it is a system key",
        CliFailure::KeyLost,
    ),
    fails("OperationNotPermitted", "the key is read-only: it cannot push", CliFailure::KeyReadOnly),
    fails(
        "You do not have permission to perform this operation",
        "the key is read-only: it cannot push",
        CliFailure::KeyReadOnly,
    ),
    fails("InvalidAdminKey", "the header holds no `Convex <key>`", CliFailure::KeyMissingInHeader),
    fails(
        "is an invalid header value",
        "there is a line break inside the key",
        CliFailure::KeyUnsendable,
    ),
    fails("Failed to parse URL from", "the URL is none", CliFailure::UrlInvalid),
    fails("Invalid deployment address", "the URL is none", CliFailure::UrlInvalid),
    fails("TypeError: Invalid URL", "the URL is none", CliFailure::UrlInvalid),
    fails(
        "CONVEX_DEPLOYMENT must not be set when",
        "a cloud deployment is set beside the self-hosted pair",
        CliFailure::CloudConflict,
    ),
    fails(
        "must not be set when CONVEX_DEPLOYMENT is set",
        "a cloud deployment is set, and the self-hosted pair is not whole",
        CliFailure::CloudConflictIncomplete,
    ),
    fails(
        "incompatible with cloud-hosted env variable",
        "a cloud deployment is set beside the self-hosted pair",
        CliFailure::CloudConflict,
    ),
    fails(
        "CONVEX_SELF_HOSTED_ADMIN_KEY must be set together",
        "one of URL and key is missing",
        CliFailure::NotSelected,
    ),
    fails(
        "Cannot prompt for input in non-interactive terminals",
        "the CLI does not see both URL and key, and wants to ask for a login",
        CliFailure::NotSelected,
    ),
    fails(
        "build environment detected but",
        "the CLI does not see both URL and key",
        CliFailure::NotSelected,
    ),
    fails(
        "No CONVEX_DEPLOYMENT set",
        "the CLI does not see both URL and key",
        CliFailure::NotSelected,
    ),
    fails(
        "did not contain environment variables for a Convex deployment",
        "the file of --env-file does not hold the pair",
        CliFailure::NotSelected,
    ),
    fails("env file does not exist", "there is no such file", CliFailure::NotSelected),
    fails(
        "Failed to fetch latest backend version",
        "the CLI left self-hosted mode for a local backend: it does not see both URL and key",
        CliFailure::NotSelected,
    ),
    fails(
        "Please set CONVEX_DEPLOY_KEY to a new key",
        "CONVEX_DEPLOY_KEY beats the self-hosted pair",
        CliFailure::CloudKey,
    ),
    fails(
        "flags cannot be used with a self-hosted deployment",
        "this flag is for Convex Cloud only",
        CliFailure::Unrelated,
    ),
    fails(
        "flag cannot be used with a self-hosted deployment",
        "this flag is for Convex Cloud only",
        CliFailure::Unrelated,
    ),
    fails(
        "Unable to read your package.json",
        "the CLI runs only beside a package.json",
        CliFailure::NoPackageJson,
    ),
    fails("evaluate_push 404", "the CLI is newer than the backend", CliFailure::Versions),
    fails("missing field `functions`", "the CLI is newer than the backend", CliFailure::Versions),
    fails(
        "404 Not Found",
        "what answers is not the API port of a Convex backend of this age",
        CliFailure::WrongServer,
    ),
    fails("413 Payload Too Large", "a proxy takes no body of that size", CliFailure::BodyTooLarge),
    fails(
        "413 Request Entity Too Large",
        "a proxy takes no body of that size",
        CliFailure::BodyTooLarge,
    ),
    fails("502 Bad Gateway", "a proxy does not reach the backend", CliFailure::Proxy),
    fails("503 Service Unavailable", "a proxy does not reach the backend", CliFailure::Proxy),
    fails("504 Gateway Time", "a proxy waits for the backend in vain", CliFailure::Proxy),
    fails(
        "500 Internal Server Error",
        "the backend failed inside: its log says why (often the database behind it)",
        CliFailure::Backend,
    ),
    fails(
        "TypeError: fetch failed",
        "nothing answers at the URL; the CLI does not say why",
        CliFailure::NoAnswer,
    ),
    fails(
        "WebSocket closed with code 1006",
        "the WebSocket is refused: a proxy without Upgrade",
        CliFailure::WebSocket,
    ),
    fails(
        "Failed to connect to deployment over WebSocket",
        "the WebSocket does not come about: a proxy without Upgrade, or the backend closes it",
        CliFailure::WebSocketClosed,
    ),
    fails(
        "Unexpected server response: 401",
        "the backend refuses the key",
        CliFailure::KeyRejected,
    ),
    fails(
        "InvalidConnectionHeader",
        "a proxy drops the header Connection",
        CliFailure::WebSocketUpgrade,
    ),
    fails("InvalidUpgradeHeader", "a proxy drops the header Upgrade", CliFailure::WebSocketUpgrade),
    fails(
        "Failed to create multipart upload",
        "the object storage refuses the upload: not a matter of the key",
        CliFailure::FileStorage,
    ),
    fails(
        "AuthProviderDiscoveryFailed",
        "the app's own login provider is not reachable: not a matter of the admin key",
        CliFailure::Unrelated,
    ),
    fails(
        "Missing environment variable `JWKS`",
        "the app's own login lacks a variable: not a matter of the admin key",
        CliFailure::Unrelated,
    ),
    fails(
        "\"pkcs8\" must be PKCS#8 formatted string",
        "the app's own login has a broken key: not a matter of the admin key",
        CliFailure::Unrelated,
    ),
    fails(
        "No auth provider found matching the given token",
        "the app's own login is not configured: not a matter of the admin key",
        CliFailure::Unrelated,
    ),
    fails(
        "Could not find public function",
        "the functions were never pushed here: another deployment, or an empty one",
        CliFailure::EmptyBackend,
    ),
    hint(
        "Setting up a new project",
        "the CLI left self-hosted mode: it does not see both URL and key",
        CliFailure::NotSelected,
    ),
    hint(
        "Welcome to Convex! Would you like to login",
        "the CLI left self-hosted mode: it does not see both URL and key",
        CliFailure::NotSelected,
    ),
    hint(
        "Failed due to network error, retrying in",
        "the CLI tries again for ever",
        CliFailure::NoAnswer,
    ),
    hint(
        "Retrying request (attempt",
        "nothing answers as it should; the CLI tries for half a minute",
        CliFailure::NoAnswer,
    ),
];

/// Any of the patterns, in one search.
static ANY: LazyLock<regex::bytes::Regex> = LazyLock::new(|| {
    let patterns: Vec<String> = KNOWN.iter().map(|known| regex::escape(known.pattern)).collect();
    regex::bytes::Regex::new(&patterns.join("|")).expect("escaped texts make a valid pattern")
});

/// What is known of a line, its colours already taken away.
pub fn known(line: &str) -> Option<&'static KnownLine> {
    KNOWN.iter().find(|known| line.contains(known.pattern))
}

/// Reads a command's output as it comes and keeps the known lines. It costs one search per line and
/// never holds more than a line.
#[derive(Default)]
pub struct Transcript {
    /// The unfinished line of each stream.
    open: [Vec<u8>; 2],
    lines: Vec<SaidLine>,
    failed: bool,
}

/// Which of a command's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output.
    Out,
    /// Its standard error, or the terminal that both go to.
    Err,
}

impl Transcript {
    /// Takes the next bytes of a stream.
    pub fn feed(&mut self, stream: Stream, mut bytes: &[u8]) {
        let index = usize::from(stream == Stream::Err);
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.push(index, &bytes[..end]);
            let line = std::mem::take(&mut self.open[index]);
            self.judge(&line);
            // The same memory for the next line.
            self.open[index] = line;
            self.open[index].clear();
            bytes = &bytes[end + 1..];
        }
        self.push(index, bytes);
    }

    /// Takes what stands in lines without an end for whole lines: the command is over.
    pub fn finish(&mut self) {
        for index in 0..self.open.len() {
            let line = std::mem::take(&mut self.open[index]);
            self.judge(&line);
        }
    }

    /// The known lines, in their order, each once.
    pub fn lines(&self) -> &[SaidLine] {
        &self.lines
    }

    /// Whether one of them is a failure.
    pub fn failed(&self) -> bool {
        self.failed
    }

    fn push(&mut self, index: usize, bytes: &[u8]) {
        let open = &mut self.open[index];
        let room = LONGEST_LINE.saturating_sub(open.len());
        open.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn judge(&mut self, line: &[u8]) {
        // A build prints millions of lines; colours may stand inside of what is looked for.
        if !line.contains(&0x1b) && !ANY.is_match(line) {
            return;
        }
        let text = String::from_utf8_lossy(line);
        let bare = anstream::adapter::strip_str(&text).to_string();
        let Some(known) = known(&bare) else { return };
        self.failed |= known.fails;
        if self.lines.len() >= MOST_LINES {
            return;
        }
        let cut: String = bare.trim().chars().take(LONGEST_SHOWN).collect();
        let said = SaidLine {
            text: sanitize(&mask::mask(&cut)),
            means: known.means.to_owned(),
            failure: Some(known.failure),
            explained_by: Vec::new(),
            fails: known.fails,
        };
        if !self.lines.iter().any(|line| line.text == said.text) {
            self.lines.push(said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&str]) -> Transcript {
        let mut transcript = Transcript::default();
        for chunk in chunks {
            transcript.feed(Stream::Err, chunk.as_bytes());
        }
        transcript.finish();
        transcript
    }

    #[test]
    fn a_line_is_known_in_pieces_and_in_colour() {
        let transcript = read(&[
            "\u{1b}[31m✖\u{1b}[39m \u{1b}[31mError fetching  http://x/api 401 Unauth",
            "orized: BadAdmin",
            "Key: The provided admin key was invalid for this instance\u{1b}[39m\r\nAuthenticate",
        ]);
        assert!(transcript.failed());
        assert_eq!(transcript.lines().len(), 1);
        assert!(transcript.lines()[0].text.starts_with("✖ Error fetching"));
        assert_eq!(transcript.lines()[0].failure, Some(CliFailure::KeyRejected));
    }

    #[test]
    fn each_line_once_and_no_more_than_a_bound() {
        let mut text = "✖ TypeError: fetch failed\n".repeat(1000);
        for number in 0..1000 {
            text.push_str(&format!("✖ Error fetching http://x/{number} 404 Not Found\n"));
        }
        let transcript = read(&[&text]);
        assert_eq!(transcript.lines().len(), MOST_LINES);
        let endless = read(&[&"x".repeat(1 << 20), "BadAdminKey\n"]);
        assert!(!endless.failed());
        assert!(endless.open[1].capacity() <= 2 * LONGEST_LINE);
    }

    #[test]
    fn what_is_fine_is_no_failure() {
        for line in [
            "- Preparing Convex functions...",
            "✔ 12:00:00 Convex functions ready! (1.2s)",
            "Saved CONVEX_URL and CONVEX_SITE_URL to .env.local",
            "Watching logs for dev deployment...",
        ] {
            assert!(known(line).is_none(), "{line}");
        }
        let retry = read(&["Retrying request (attempt 3/6)...\n"]);
        assert!(!retry.failed() && retry.lines().len() == 1);
    }

    #[test]
    fn a_key_that_the_cli_prints_is_masked() {
        let key = format!("app|01{}", "ab".repeat(40));
        let line =
            format!("✖ TypeError: Headers.set: \"Convex {key}\" is an invalid header value.\n");
        let transcript = read(&[&line]);
        assert!(transcript.failed());
        assert!(!transcript.lines()[0].text.contains("abab"), "{}", transcript.lines()[0].text);
    }
}
