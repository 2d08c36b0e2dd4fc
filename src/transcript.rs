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
    /// What it means with a self-hosted deployment.
    pub means: &'static str,
    /// Which kind of failure it speaks of.
    pub failure: CliFailure,
    /// Whether the command failed with it; else it is only for information.
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
        "the backend rejects the admin key: it is missing, or made for another secret or instance",
        CliFailure::KeyRejected,
    ),
    fails(
        "Failed to authenticate: \"The provided admin key was invalid",
        "the backend rejects the admin key: it is missing, or made for another secret or instance",
        CliFailure::KeyRejected,
    ),
    fails(
        "BadDeployKey",
        "the backend got no admin key (a proxy may remove the header), or a system key",
        CliFailure::KeyLost,
    ),
    fails(
        "The provided deploy key was invalid for this deployment",
        "the backend got no admin key (a proxy may remove the header), or a system key",
        CliFailure::KeyLost,
    ),
    fails("OperationNotPermitted", "the key is read-only: it cannot push", CliFailure::KeyReadOnly),
    fails(
        "You do not have permission to perform this operation",
        "the key is read-only: it cannot push",
        CliFailure::KeyReadOnly,
    ),
    fails(
        "InvalidAdminKey",
        "the Authorization header is not `Convex KEY`",
        CliFailure::KeyMissingInHeader,
    ),
    fails(
        "is an invalid header value",
        "there is a line break in the admin key",
        CliFailure::KeyUnsendable,
    ),
    fails("Failed to parse URL from", "the URL is not valid", CliFailure::UrlInvalid),
    fails("Invalid deployment address", "the URL is not valid", CliFailure::UrlInvalid),
    fails("TypeError: Invalid URL", "the URL is not valid", CliFailure::UrlInvalid),
    fails(
        "CONVEX_DEPLOYMENT must not be set when",
        "CONVEX_DEPLOYMENT conflicts with the self-hosted settings",
        CliFailure::CloudConflict,
    ),
    fails(
        "must not be set when CONVEX_DEPLOYMENT is set",
        "CONVEX_DEPLOYMENT is set, and the URL or the admin key is missing",
        CliFailure::CloudConflictIncomplete,
    ),
    fails(
        "incompatible with cloud-hosted env variable",
        "CONVEX_DEPLOYMENT conflicts with the self-hosted settings",
        CliFailure::CloudConflict,
    ),
    fails(
        "CONVEX_SELF_HOSTED_ADMIN_KEY must be set together",
        "the self-hosted URL or the admin key is missing",
        CliFailure::NotSelected,
    ),
    fails(
        "Cannot prompt for input in non-interactive terminals",
        "the CLI does not find both URL and key, so it asks for a login",
        CliFailure::NotSelected,
    ),
    fails(
        "build environment detected but",
        "the CLI does not find both URL and key",
        CliFailure::NotSelected,
    ),
    fails(
        "No CONVEX_DEPLOYMENT set",
        "the CLI does not find both URL and key",
        CliFailure::NotSelected,
    ),
    fails(
        "did not contain environment variables for a Convex deployment",
        "the file given with --env-file does not contain the URL and the key",
        CliFailure::NotSelected,
    ),
    fails(
        "env file does not exist",
        "the file given with --env-file does not exist",
        CliFailure::NotSelected,
    ),
    fails(
        "Failed to fetch latest backend version",
        "the CLI does not find both URL and key, so it starts a local backend",
        CliFailure::NotSelected,
    ),
    fails(
        "Please set CONVEX_DEPLOY_KEY to a new key",
        "CONVEX_DEPLOY_KEY overrides the self-hosted settings",
        CliFailure::CloudKey,
    ),
    fails(
        "flags cannot be used with a self-hosted deployment",
        "this option is only for Convex Cloud",
        CliFailure::Unrelated,
    ),
    fails(
        "flag cannot be used with a self-hosted deployment",
        "this option is only for Convex Cloud",
        CliFailure::Unrelated,
    ),
    fails(
        "Unable to read your package.json",
        "the CLI needs a package.json in this directory",
        CliFailure::NoPackageJson,
    ),
    fails("evaluate_push 404", "the CLI is newer than the backend", CliFailure::Versions),
    fails("missing field `functions`", "the CLI is newer than the backend", CliFailure::Versions),
    fails(
        "404 Not Found",
        "the URL is not the API port of a Convex backend of this version",
        CliFailure::WrongServer,
    ),
    fails(
        "413 Payload Too Large",
        "a proxy rejects requests of this size",
        CliFailure::BodyTooLarge,
    ),
    fails(
        "413 Request Entity Too Large",
        "a proxy rejects requests of this size",
        CliFailure::BodyTooLarge,
    ),
    fails("502 Bad Gateway", "a proxy cannot reach the backend", CliFailure::Proxy),
    fails("503 Service Unavailable", "a proxy cannot reach the backend", CliFailure::Proxy),
    fails("504 Gateway Time", "a proxy timed out waiting for the backend", CliFailure::Proxy),
    fails(
        "500 Internal Server Error",
        "internal error of the backend, often of its database: see the backend's log",
        CliFailure::Backend,
    ),
    fails(
        "TypeError: fetch failed",
        "nothing answers at the URL; the CLI does not say why",
        CliFailure::NoAnswer,
    ),
    fails(
        "WebSocket closed with code 1006",
        "the WebSocket connection is refused: probably a proxy blocks upgrades",
        CliFailure::WebSocket,
    ),
    fails(
        "Failed to connect to deployment over WebSocket",
        "the WebSocket connection fails: a proxy blocks upgrades, or the backend closes it",
        CliFailure::WebSocketClosed,
    ),
    fails(
        "Unexpected server response: 401",
        "the backend rejects the admin key",
        CliFailure::KeyRejected,
    ),
    fails(
        "InvalidConnectionHeader",
        "a proxy removes the Connection header",
        CliFailure::WebSocketUpgrade,
    ),
    fails(
        "InvalidUpgradeHeader",
        "a proxy removes the Upgrade header",
        CliFailure::WebSocketUpgrade,
    ),
    fails(
        "Failed to create multipart upload",
        "the object storage rejects the upload; the admin key is not the cause",
        CliFailure::FileStorage,
    ),
    fails(
        "AuthProviderDiscoveryFailed",
        "the app's login provider cannot be reached; the admin key is not the cause",
        CliFailure::Unrelated,
    ),
    fails(
        "Missing environment variable `JWKS`",
        "the app's login needs this variable; the admin key is not the cause",
        CliFailure::Unrelated,
    ),
    fails(
        "\"pkcs8\" must be PKCS#8 formatted string",
        "the app's login has an invalid private key; the admin key is not the cause",
        CliFailure::Unrelated,
    ),
    fails(
        "No auth provider found matching the given token",
        "the app's login is not configured; the admin key is not the cause",
        CliFailure::Unrelated,
    ),
    fails(
        "Could not find public function",
        "the functions were never pushed to this deployment: it is another one, or empty",
        CliFailure::EmptyBackend,
    ),
    hint(
        "Setting up a new project",
        "the CLI does not find both URL and key, so it uses Convex Cloud",
        CliFailure::NotSelected,
    ),
    hint(
        "Welcome to Convex! Would you like to login",
        "the CLI does not find both URL and key, so it uses Convex Cloud",
        CliFailure::NotSelected,
    ),
    hint(
        "Failed due to network error, retrying in",
        "nothing answers; the CLI keeps retrying",
        CliFailure::NoAnswer,
    ),
    hint(
        "Retrying request (attempt",
        "no valid answer; the CLI retries for about 30 seconds",
        CliFailure::NoAnswer,
    ),
];

/// Any of the patterns, in one search.
static ANY: LazyLock<regex::bytes::Regex> = LazyLock::new(|| {
    let patterns: Vec<String> = KNOWN.iter().map(|known| regex::escape(known.pattern)).collect();
    regex::bytes::Regex::new(&patterns.join("|")).expect("escaped texts make a valid pattern")
});

/// What is known of a line without its colours.
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

    /// Reads lines without an end as whole lines: the command has ended.
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
        // A build prints millions of lines; colours may be inside the pattern.
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
    fn a_success_is_not_a_failure() {
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
