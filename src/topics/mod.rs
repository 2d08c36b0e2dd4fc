//! What users ask, in their own words: one Markdown file per topic, and the phrases that find it.
//!
//! To add a topic: `<slug>.md` (the question as its `# ` heading, exact commands that show no
//! secret, a last line `See also:` with ids and slugs) and one entry in [`TOPICS`].
//! `tests/all/topics.rs` says what is missing, and which advice no text may give.

/// A question, and its answer.
#[derive(Debug)]
pub struct Topic {
    /// Kebab-case and stable: what is typed after `explain`.
    pub slug: &'static str,
    /// Phrases that a user types. A question of several words that contains one finds the topic.
    pub aliases: &'static [&'static str],
    /// The Markdown text of `<slug>.md`.
    pub text: &'static str,
}

macro_rules! topic {
    ($slug:literal, $($alias:literal),+ $(,)?) => {
        Topic { slug: $slug, aliases: &[$($alias),+], text: include_str!(concat!($slug, ".md")) }
    };
}

/// Every topic, in the order of the list: keys, the secret, persistence, errors, where to get help.
pub static TOPICS: &[Topic] = &[
    topic!(
        "get-a-key",
        "get key",
        "get admin key",
        "find admin key",
        "generate key",
        "mint key",
        "generate_admin_key.sh",
        "coolify",
        "dokploy",
        "railway",
        "lost key"
    ),
    topic!(
        "key-changes",
        "key change",
        "key changed",
        "key keep changing",
        "new key every",
        "different key",
        "key not same",
        "key stopped working",
        "key invalid after"
    ),
    topic!(
        "how-keys-are-made",
        "key made",
        "key work",
        "key format",
        "key consist",
        "key look like",
        "key algorithm",
        "encryption"
    ),
    topic!(
        "key-and-secret",
        "key secret match",
        "key match secret",
        "secret match key",
        "difference between key secret",
        "key same secret",
        "secret instead of key"
    ),
    topic!(
        "choose-my-key",
        "choose key",
        "own key",
        "custom key",
        "set key myself",
        "fixed key",
        "hardcode key",
        "hard coded key",
        "predefined key",
        "deterministic key",
        "CONVEX_ADMIN_KEY"
    ),
    topic!(
        "does-minting-revoke",
        "minting revoke",
        "revoke",
        "revocation",
        "invalidate old key",
        "invalidate key",
        "key expire",
        "expire",
        "expiry",
        "several key",
        "multiple key"
    ),
    topic!(
        "where-the-secret-lives",
        "secret live",
        "secret stored",
        "secret store",
        "find secret",
        "instance secret",
        "INSTANCE_SECRET",
        "secret database"
    ),
    topic!(
        "rotate-secret",
        "rotate",
        "rotation",
        "leaked",
        "leak",
        "key leaked",
        "secret leaked",
        "change secret",
        "new secret",
        "compromised"
    ),
    topic!(
        "keep-keys",
        "keep key",
        "key survive",
        "survive restart",
        "persist key",
        "persistent key",
        "across restart",
        "key every restart",
        "key change restart",
        "stable key",
        "pin secret"
    ),
    topic!(
        "is-down-safe",
        "down safe",
        "compose down",
        "docker compose down",
        "down -v",
        "safe restart",
        "safe upgrade",
        "lose data",
        "update image"
    ),
    topic!(
        "where-is-my-data",
        "data gone",
        "data lost",
        "lost data",
        "lost my data",
        "volume hold data",
        "data volume",
        "volume data",
        "backup",
        "back up",
        "restore",
        "data stored",
        "data live"
    ),
    topic!(
        "postgres-and-mysql",
        "postgre",
        "postgresql",
        "mysql",
        "sql",
        "POSTGRES_URL",
        "MYSQL_URL",
        "external database",
        "database not exist"
    ),
    topic!(
        "which-variable",
        "variable",
        "environment variable",
        "env file",
        "env local",
        "env var",
        "CONVEX_DEPLOYMENT",
        "CONVEX_DEPLOY_KEY",
        "CONVEX_SELF_HOSTED_URL",
        "CONVEX_SELF_HOSTED_ADMIN_KEY",
        "put key"
    ),
    topic!(
        "which-url",
        "url",
        "port",
        "3210",
        "3211",
        "6791",
        "site url",
        "origin",
        "CONVEX_CLOUD_ORIGIN",
        "CONVEX_SITE_ORIGIN"
    ),
    topic!(
        "bad-admin-key",
        "BadAdminKey",
        "bad admin key",
        "401",
        "unauthorized",
        "401 BadAdminKey",
        "admin key was invalid",
        "provided admin key was invalid for this instance",
        "invalid admin key",
        "invalid key",
        "403",
        "BadDeployKey",
        "correct key rejected",
        "key rejected",
        "key refused",
        "authenticate npx convex dev"
    ),
    topic!(
        "fetch-failed",
        "fetch failed",
        "TypeError: fetch failed",
        "retrying request",
        "ECONNREFUSED",
        "connection refused",
        "not reach",
        "cannot connect",
        "timeout",
        "404",
        "502"
    ),
    topic!("dashboard-login", "dashboard", "login", "deployment URL or admin key is invalid"),
    topic!(
        "ci",
        "github action",
        "ci",
        "pipeline",
        "vercel",
        "netlify",
        "deploy from ci",
        "continuous integration"
    ),
    topic!(
        "useful-logs",
        "log",
        "logs",
        "which log",
        "docker log",
        "not start",
        "crash",
        "crash loop",
        "debug"
    ),
    topic!(
        "what-to-post",
        "post",
        "post public",
        "share",
        "ask help",
        "support",
        "bug report",
        "report bug",
        "paste",
        "redact",
        "discord"
    ),
];

impl Topic {
    /// The question: the heading of the text.
    pub fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// Ids of findings and slugs of topics in the last line of the text.
    pub fn see_also(&self) -> impl Iterator<Item = &'static str> {
        let last = self.text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        last.strip_prefix("See also:").unwrap_or_default().split([',', '\n']).map(str::trim)
    }
}

/// The topic of that slug.
pub fn topic(slug: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.slug == slug)
}

/// The topics whose `See also` names the finding `id`.
pub fn naming(id: &str) -> impl Iterator<Item = &'static Topic> {
    TOPICS.iter().filter(move |topic| topic.see_also().any(|name| name == id))
}

/// The topics that answer a question: one is the answer, several match equally well.
///
/// A single word must be a whole slug, alias or title, because it may also be the misspelt id of a
/// finding. A question of several words may contain an alias anywhere; the longest alias wins.
pub fn asked(question: &str) -> Vec<&'static Topic> {
    let words = essence(question);
    if words.is_empty() {
        return Vec::new();
    }
    let whole = |topic: &&Topic| {
        let names = topic.aliases.iter().copied().chain([topic.slug, topic.title()]);
        names.map(essence).any(|name| name == words)
    };
    let found: Vec<_> = TOPICS.iter().filter(whole).collect();
    if !found.is_empty() || !question.trim().contains(char::is_whitespace) {
        return found;
    }
    let inside = |topic: &Topic| {
        let phrases = topic.aliases.iter().map(|alias| essence(alias));
        let inside =
            phrases.filter(|phrase| words.windows(phrase.len()).any(|part| part == phrase));
        inside.map(|phrase| phrase.len()).max().unwrap_or(0)
    };
    let longest = TOPICS.iter().map(inside).max().unwrap_or(0);
    TOPICS.iter().filter(|topic| longest > 0 && inside(topic) == longest).collect()
}

/// The words of a question that carry its meaning: lower case, singular, without the words that
/// every question has.
pub fn essence(text: &str) -> Vec<String> {
    const FILLERS: &[&str] = &[
        "a", "an", "and", "are", "can", "could", "did", "do", "does", "for", "from", "has", "have",
        "how", "i", "in", "is", "it", "me", "must", "my", "of", "on", "or", "our", "should",
        "that", "the", "their", "there", "this", "to", "was", "we", "what", "when", "where",
        "which", "why", "will", "with", "you", "your",
    ];
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let words = words.filter(|word| !word.is_empty()).map(str::to_lowercase);
    let words = words.filter(|word| !FILLERS.contains(&word.as_str()));
    words.map(singular).collect()
}

fn singular(word: String) -> String {
    match word.strip_suffix('s') {
        Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
        _ => word,
    }
}
