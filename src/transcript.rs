//! What a command printed, and which of its lines are known failures of the Convex CLI. The exit
//! code alone is not enough, because `npx convex` exits with 0 after a rejected push.
//!
//! Sources of the texts: the npm package `convex` 1.17 to 1.48, `src/cli/lib/utils/utils.ts`
//! (`logAndHandleFetchError`), `src/cli/lib/deploymentSelection.ts`, `src/cli/lib/dev.ts`, as their
//! releases printed them.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::hash::RandomState;
use std::sync::LazyLock;

use zeroize::Zeroizing;

use crate::budget::{KNOWN_LINE_CHARS, KNOWN_LINES, KNOWN_LINES_READ, LINE_BYTES};
use crate::evidence::command::SaidLine;
use crate::foreign;
use crate::report::CliFailure;

/// A line that the CLI is known to print.
pub struct KnownLine {
    /// What is there in every version; `…` stands for what is between its parts.
    pattern: &'static str,
    /// What it means with a self-hosted deployment.
    pub means: &'static str,
    /// The kind of failure that it reports.
    pub failure: CliFailure,
    /// Whether the command failed with it; otherwise it is for information.
    pub fails: bool,
}

const fn fails(pattern: &'static str, means: &'static str, failure: CliFailure) -> KnownLine {
    KnownLine { pattern, means, failure, fails: true }
}

const fn hint(pattern: &'static str, means: &'static str, failure: CliFailure) -> KnownLine {
    KnownLine { pattern, means, failure, fails: false }
}

impl KnownLine {
    /// What of the line is the same in every version; `…` stands for what differs.
    pub fn text(&self) -> &'static str {
        self.pattern
    }

    /// Whether the parts of the pattern are in the line, in their order.
    fn is_in(&self, line: &str) -> bool {
        let mut rest = line;
        self.pattern.split('…').all(|part| {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
            true
        })
    }
}

/// What Node says of a URL that is not one; which URL, a later line shows.
const NOT_A_URL: &str = "TypeError: Invalid URL";
const PROXY_INVALID: &str = "the proxy in HTTP_PROXY or HTTPS_PROXY is not a URL";

/// What a WebSocket that fails to connect always prints, after the line with its reason.
const CLOSED: &str = "WebSocket closed with code 1006";

/// The known lines; the first that matches counts.
pub static KNOWN: &[KnownLine] = &[
    fails(
        "Your Node version…is too old. Convex requires at least Node",
        "this version of Node is too old for the installed CLI, which does not start",
        CliFailure::NodeTooOld,
    ),
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
    fails("Invalid URL protocol: the URL must start with", PROXY_INVALID, CliFailure::ProxyInvalid),
    fails(NOT_A_URL, "the URL is not valid", CliFailure::UrlInvalid),
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
    // Node itself takes the option, before the CLI runs.
    fails(
        "node: …: not found",
        "the file given with --env-file does not exist",
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
        "cannot be used with --url and --admin-key",
        "this option selects a deployment, and --url and --admin-key select another",
        CliFailure::Unrelated,
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
    fails(
        "Cannot read properties of undefined (reading 'length')",
        "convex 1.26.0 and 1.26.1 fail so with an older backend; 1.26.2 and later do not",
        CliFailure::Versions,
    ),
    fails("evaluate_push 404", "the CLI is too new for this backend", CliFailure::Versions),
    fails("missing field `functions`", "the CLI is too new for this backend", CliFailure::Versions),
    // `WebSocket error message: …` comes before `CLOSED`, and holds the reason.
    fails(
        "WebSocket error message…Unexpected server response: 401",
        "the WebSocket connection is rejected with 401: the admin key, or a login in front of the \
         backend",
        CliFailure::KeyRejected,
    ),
    fails(
        "WebSocket error message…Unexpected server response: 403",
        "the WebSocket connection is rejected with 403, which a backend never does: a proxy does",
        CliFailure::WebSocket,
    ),
    fails(
        "WebSocket error message…Unexpected server response: 404",
        "the server at the URL is not the API port of a Convex backend",
        CliFailure::WrongServer,
    ),
    fails(
        "WebSocket error message…Unexpected server response: 50",
        "a proxy cannot reach the backend",
        CliFailure::Proxy,
    ),
    fails(
        "WebSocket error message…Unexpected server response",
        "a proxy does not let WebSocket connections through",
        CliFailure::WebSocketUpgrade,
    ),
    fails(
        "WebSocket error message…ECONNREFUSED",
        "nothing is listening at the URL",
        CliFailure::NoAnswer,
    ),
    fails(
        "WebSocket error message…ENOTFOUND",
        "the host name in the URL does not resolve",
        CliFailure::NoAnswer,
    ),
    fails(
        "WebSocket error message…EAI_AGAIN",
        "the host name in the URL does not resolve",
        CliFailure::NoAnswer,
    ),
    fails(
        "WebSocket error message…certificate",
        "Node does not trust the server's certificate",
        CliFailure::NoAnswer,
    ),
    fails(
        "WebSocket error message…SSL routines",
        "the TLS connection to the server fails",
        CliFailure::NoAnswer,
    ),
    fails("WebSocket error message", "the WebSocket connection fails", CliFailure::WebSocketClosed),
    fails("FAIL: DNS lookup", "the host name in the URL does not resolve", CliFailure::NoAnswer),
    fails(
        "FAIL: TCP…connect (",
        "nothing is listening at the URL, or it cannot be reached",
        CliFailure::NoAnswer,
    ),
    fails(
        "FAIL: …timed out after",
        "no answer at the URL within the time of the network test",
        CliFailure::NoAnswer,
    ),
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
        CLOSED,
        "the WebSocket connection ended without a reason: often a proxy blocks upgrades",
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
        "Missing environment variable",
        "the app's functions need this variable (`npx convex env set`); the admin key is not the \
         cause",
        CliFailure::Unrelated,
    ),
    fails(
        "is used in auth config file but its value was not set",
        "the app's login needs this variable (`npx convex env set`); the admin key is not the cause",
        CliFailure::Unrelated,
    ),
    fails(
        "Function execution timed out",
        "a function ran into its time limit: it is slow, or the backend has too little CPU \
         (`cpus:`)",
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
        "Failed to fetch logs. Waiting",
        "the CLI gets no logs and keeps retrying: nothing answers, or the key is rejected",
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
    let escaped = |known: &KnownLine| {
        let parts: Vec<String> = known.pattern.split('…').map(regex::escape).collect();
        parts.join(".*")
    };
    let patterns: Vec<String> = KNOWN.iter().map(escaped).collect();
    regex::bytes::Regex::new(&patterns.join("|")).expect("escaped texts make a valid pattern")
});

/// What is known of a line without its colours.
pub fn known(line: &str) -> Option<&'static KnownLine> {
    KNOWN.iter().find(|known| known.is_in(line))
}

/// Reads a command's output while it is printed and keeps the known lines. It costs one search per
/// line, also where every line is a known one, and never keeps more than one line in memory.
#[derive(Default)]
pub struct Transcript {
    /// The unfinished line of each stream.
    open: [Vec<u8>; 2],
    lines: Vec<SaidLine>,
    /// Why the WebSocket does not connect, until the line that says so in general.
    websocket: Option<&'static KnownLine>,
    echoes: Vec<Zeroizing<String>>,
    failed: bool,
    /// The known lines that were looked at, by a hash of their bytes, each with the reason for a
    /// closed WebSocket if it is one.
    read: HashMap<u64, Option<&'static KnownLine>>,
    hasher: RandomState,
    /// The values of the proxy variables.
    proxies: Vec<String>,
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
    /// Of a command whose proxy variables have these values.
    pub fn with_proxies(proxies: Vec<String>) -> Self {
        Self { proxies, ..Self::default() }
    }

    /// Node names the text that is not a URL some lines below its error.
    fn hear_input(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let input = text.split_once("input: '").and_then(|(_, rest)| rest.rsplit_once('\''));
        let Some((input, _)) = input else { return };
        let last = self.lines.iter_mut().rfind(|line| line.text.contains(NOT_A_URL));
        if let Some(last) = last.filter(|_| self.proxies.iter().any(|proxy| proxy == input)) {
            last.failure = Some(CliFailure::ProxyInvalid);
            PROXY_INVALID.clone_into(&mut last.means);
        }
    }

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

    /// The commands of the Convex CLI that a package manager printed before it ran them
    /// (`> convex dev --url …`), without the mark. They may hold a key.
    pub fn echoes(&self) -> &[Zeroizing<String>] {
        &self.echoes
    }

    /// Whether one of them is a failure.
    pub fn failed(&self) -> bool {
        self.failed
    }

    fn push(&mut self, index: usize, bytes: &[u8]) {
        let open = &mut self.open[index];
        let room = LINE_BYTES.saturating_sub(open.len());
        open.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Keeps a command of the CLI that a package manager printed: `> ` npm and pnpm, `$ ` Yarn
    /// and Bun.
    fn hear_echo(&mut self, line: &[u8]) {
        let text = Zeroizing::new(String::from_utf8_lossy(line).into_owned());
        let bare = Zeroizing::new(anstream::adapter::strip_str(&text).to_string());
        let command = bare.strip_prefix("> ").or_else(|| bare.strip_prefix("$ "));
        if let Some(command) = command.filter(|command| command.contains("convex")) {
            self.echoes.push(Zeroizing::new(command.to_owned()));
        }
    }

    fn judge(&mut self, line: &[u8]) {
        let may_echo = matches!(line.first(), Some(b'>' | b'$' | 0x1b));
        if may_echo && self.echoes.len() < KNOWN_LINES {
            self.hear_echo(line);
        }
        if !self.proxies.is_empty() && self.failed {
            self.hear_input(line);
        }
        // Nothing that it says can add anything: a build prints millions of lines.
        let is_full = self.lines.len() >= KNOWN_LINES || self.read.len() >= KNOWN_LINES_READ;
        if is_full && self.failed {
            return;
        }
        // Colours may be inside the pattern.
        let is_coloured = line.contains(&0x1b);
        if !is_coloured && !ANY.is_match(line) {
            return;
        }
        let hash = self.hasher.hash_one(line);
        if let Some(reason) = self.read.get(&hash) {
            self.websocket = reason.or(self.websocket);
            return;
        }
        let text = String::from_utf8_lossy(line);
        let bare = anstream::adapter::strip_str(&text).to_string();
        if is_coloured && !ANY.is_match(bare.as_bytes()) {
            return;
        }
        let Some(known) = known(&bare) else { return };
        let reason = known.pattern.starts_with("WebSocket error message").then_some(known);
        if !is_full {
            self.read.insert(hash, reason);
        }
        let known = match known.pattern {
            CLOSED => self.websocket.take().unwrap_or(known),
            _ => known,
        };
        self.websocket = reason.or(self.websocket);
        self.failed |= known.fails;
        if is_full {
            return;
        }
        let cut: String = bare.trim().chars().take(KNOWN_LINE_CHARS).collect();
        let line = SaidLine {
            text: foreign::words(&cut),
            means: known.means.to_owned(),
            failure: Some(known.failure),
            explained_by: Vec::new(),
            fails: known.fails,
        };
        if !self.lines.iter().any(|other| other.text == line.text) {
            self.lines.push(line);
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
    fn lines_of_every_kind_are_known() {
        use CliFailure::*;
        for (line, expected) in [
            (
                "Your Node version 20.20.2 is too old. Convex requires at least Node v22.0",
                Some(NodeTooOld),
            ),
            ("node: x.env: not found", Some(NotSelected)),
            ("node: config/my file.env: not found", Some(NotSelected)),
            ("sh: 1: node: not found", None),
            ("✖ FAIL: TCP connect (connect ECONNREFUSED 127.0.0.1:3210)", Some(NoAnswer)),
            ("✖ FAIL: TCP/ipv4 h.example:80 connect (x)", Some(NoAnswer)),
            ("✖ FAIL: DNS lookup (Error: getaddrinfo ENOTFOUND h.example)", Some(NoAnswer)),
            ("✖ FAIL: HTTP check timed out after 30.00s.", Some(NoAnswer)),
            ("FAIL src/a.test.ts", None),
            (
                "Convex [WARN] Failed to fetch logs. Waiting 812ms before next retry.",
                Some(NoAnswer),
            ),
            (
                "✖ The `--deployment` flag cannot be used with --url and --admin-key.",
                Some(Unrelated),
            ),
            ("Function execution timed out (maximum duration: 1s)", Some(Unrelated)),
            ("✖ TypeError: Cannot read properties of undefined (reading 'length')", Some(Versions)),
            ("Uncaught Error: Missing environment variable `SITE_URL`", Some(Unrelated)),
            (
                "Environment variable AUTH_ISSUER is used in auth config file but its value was \
                 not set.",
                Some(Unrelated),
            ),
            ("WebSocket error message: certificate has expired", Some(NoAnswer)),
            ("WebSocket error message: Unexpected server response: 502", Some(Proxy)),
            ("WebSocket error message: Unexpected server response: 200", Some(WebSocketUpgrade)),
        ] {
            assert_eq!(known(line).map(|known| known.failure), expected, "{line}");
            assert_eq!(ANY.is_match(line.as_bytes()), expected.is_some(), "{line}");
        }
    }

    #[test]
    fn a_closed_websocket_is_judged_with_the_line_before_it() {
        use CliFailure::*;
        for (before, expected) in [
            ("", WebSocket),
            ("WebSocket error message: connect ECONNREFUSED 127.0.0.1:3210\n", NoAnswer),
            ("WebSocket error message: Unexpected server response: 401\n", KeyRejected),
            ("WebSocket error message: Unexpected server response: 404\n", WrongServer),
            ("WebSocket error message: getaddrinfo ENOTFOUND h.example\n", NoAnswer),
            ("WebSocket error message: socket hang up\n", WebSocketClosed),
        ] {
            let transcript = read(&[before, "WebSocket closed with code 1006\n"]);
            let last = transcript.lines().last().unwrap();
            assert_eq!(last.text, "WebSocket closed with code 1006");
            assert_eq!(last.failure, Some(expected), "{before}");
            assert!(transcript.failed());
        }
    }

    #[test]
    fn an_invalid_url_may_be_the_proxy_s() {
        let text = "TypeError: Invalid URL\n    at new URL (x)\n  input: '127.0.0.1:9'\n}\n";
        for (proxy, expected) in [
            (Some("127.0.0.1:9"), CliFailure::ProxyInvalid),
            (Some("http://h:1"), CliFailure::UrlInvalid),
            (None, CliFailure::UrlInvalid),
        ] {
            let proxies = proxy.map(str::to_owned).into_iter().collect();
            let mut transcript = Transcript::with_proxies(proxies);
            transcript.feed(Stream::Err, text.as_bytes());
            assert_eq!(transcript.lines()[0].failure, Some(expected), "{proxy:?}");
        }
    }

    #[test]
    fn the_command_that_a_package_manager_prints_is_kept() {
        for (text, expected) in [
            ("> app@1.0.0 dev\n> convex dev --env-file x\n", Some("convex dev --env-file x")),
            ("\u{1b}[2m$ convex dev --url u\u{1b}[22m\n", Some("convex dev --url u")),
            ("> next dev\n", None),
            ("convex dev --env-file x\n", None),
        ] {
            let transcript = read(&[text]);
            let heard = transcript.echoes().first().map(|text| text.as_str());
            assert_eq!(heard, expected, "{text}");
        }
        assert_eq!(read(&["> convex dev\n".repeat(100).as_str()]).echoes().len(), KNOWN_LINES);
    }

    #[test]
    fn each_line_once_and_no_more_than_a_bound() {
        let mut text = "✖ TypeError: fetch failed\n".repeat(1000);
        for number in 0..1000 {
            text.push_str(&format!("✖ Error fetching http://x/{number} 404 Not Found\n"));
        }
        let transcript = read(&[&text]);
        assert_eq!(transcript.lines().len(), KNOWN_LINES);
        let endless = read(&[&"x".repeat(1 << 20), "BadAdminKey\n"]);
        assert!(!endless.failed());
        assert!(endless.open[1].capacity() <= 2 * LINE_BYTES);
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
