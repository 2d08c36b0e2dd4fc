//! What each fuzz target does with its bytes: it reads them as the program does, and asserts what
//! must hold of whatever is read. Plain functions: a target of libFuzzer calls one, and
//! `tests/all/fuzzing.rs` calls all of them with seeds and mutations of these.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use convex_doctor::admin_key::{self, Claims, InstanceSecret, KeyPath, KeyVerdict};
use convex_doctor::budget::{BODY_BYTES, Deadline, LOG_BYTES, VARIABLES};
use convex_doctor::cli::settings;
use convex_doctor::collect::docker::{container, log};
use convex_doctor::collect::{SettingsFile, endpoint::classify};
use convex_doctor::compose::{self, Errors, FileError, Files, Project, Request};
use convex_doctor::diagnosis::{Choices, diagnose};
use convex_doctor::evidence::endpoint::Body as Answer;
use convex_doctor::evidence::{DockerFacts, Evidence, Observation};
use convex_doctor::fix::{compose_file, env_file, lines};
use convex_doctor::foreign::{self, Admitted};
use convex_doctor::secret::{Secret, scrub};
use convex_doctor::selection::node_dotenv;
use convex_doctor::transcript::{Stream, Transcript};
use serde_json::{Value, json};

/// Reads bytes, and panics where something does not hold that must.
pub type Body = fn(&[u8]);

/// Every target by the name of its file in `targets/`.
pub const TARGETS: &[(&str, Body)] = &[
    ("node_dotenv", node_dotenv),
    ("compose_dotenv", compose_dotenv),
    ("compose", compose),
    ("interpolation", interpolation),
    ("key", key),
    ("claims", claims),
    ("log_lines", log_lines),
    ("engine", engine),
    ("http_body", http_body),
    ("settings", settings),
    ("bundle", bundle),
    ("gate", gate),
    ("scrubber", scrubber),
];

/// The targets whose bytes are JSON: they are changed value by value ([`mutate_json`]).
pub const IN_JSON: &[&str] = &["engine", "bundle"];

/// So long may a parser take for an input of some kilobytes, also without optimisation.
const LONGEST: Duration = Duration::from_secs(10);

fn text_of(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

// ---- env files -------------------------------------------------------------------------------

/// Node's dotenv: places are in the text, and what is read, printed in quotes, is read again.
pub fn node_dotenv(data: &[u8]) {
    let text = text_of(data);
    let all = node_dotenv::parse(&text);
    assert!(all.len() <= VARIABLES);
    assert!(!node_dotenv::is_too_long(&text));
    let line_count = text.chars().filter(|c| "\n\r\u{2028}\u{2029}".contains(*c)).count() + 1;
    let (mut done, mut printed, mut expected) = (0, String::new(), Vec::new());
    for one in &all {
        assert!(one.span.start >= done && text.get(one.span.clone()).is_some(), "{:?}", one.span);
        assert!(text[one.span.clone()].contains(&one.name));
        assert!(1 <= one.line && one.line <= one.end_line && one.end_line <= line_count);
        done = one.span.end;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        assert!(!one.name.is_empty() && one.name.chars().all(is_name));
        if let Some(quoted) = env_file::quoted(one.value.expose()) {
            printed.push_str(&format!("{}={quoted}\n", one.name));
            expected.push((one.name.as_str(), one.value.expose()));
        }
    }
    let again = node_dotenv::parse(&printed);
    let again: Vec<_> = again.iter().map(|one| (one.name.as_str(), one.value.expose())).collect();
    assert_eq!(again, expected, "{printed:?}");
    // An edit changes what it is about: text before and behind the line stays.
    if let Some(last) = all.last() {
        let effective = all.iter().rfind(|one| one.name == last.name).unwrap_or(last);
        let new = env_file::set(&text, &last.name, "'x y'");
        assert!(new.starts_with(&text[..effective.span.start]));
        let after = &text[effective.span.end..];
        let rest = after.find(['\n', '\r']).map_or("", |at| &after[at..]);
        assert!(new.ends_with(rest), "{text:?} {new:?}");
    }
}

/// Files in memory, below `/p`.
struct Texts(BTreeMap<PathBuf, String>);

impl Texts {
    fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(name, text)| (Path::new("/p").join(name), (*text).into()));
        Self(files.collect())
    }
}

impl Files for Texts {
    fn read(&self, path: &Path) -> Result<String, FileError> {
        self.0.get(path).cloned().ok_or(FileError::NotFound)
    }

    fn exists(&self, path: &Path) -> bool {
        self.is_dir(path) || self.0.contains_key(path)
    }

    fn is_dir(&self, path: &Path) -> bool {
        path == Path::new("/p") || path == Path::new("/")
    }
}

fn request() -> Request {
    let variables = [("A", "1"), ("EMPTY", ""), ("NEST", "${A}"), ("LONG", LONG), ("HOME", "/h")];
    Request {
        directory: PathBuf::from("/p"),
        project_name: Some("p".to_owned()),
        profiles: vec!["*".to_owned()],
        environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        deadline: Deadline::after(LONGEST),
        ..Request::default()
    }
}

/// A value that is longer than any reference to it.
const LONG: &str =
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678";

fn load(files: &[(&str, &str)]) -> Result<Project, Errors> {
    let started = std::time::Instant::now();
    let files = Texts::of(files);
    let loaded = compose::load(&request(), &files);
    assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
    if let Err(errors) = &loaded {
        for error in errors.iter() {
            let Some(at) = &error.at else { continue };
            let text = files.0.get(&*at.file).map_or("", String::as_str);
            let count = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
            assert!(1 <= at.line && at.line <= count + 1, "line {} of {count}: {error}", at.line);
        }
    }
    loaded
}

fn shown(project: &Project) -> Value {
    compose::to_json(project, &|_, value| value.into())
}

/// Compose's `.env` and `env_file`, in both formats: what is read, printed in quotes, is read again.
pub fn compose_dotenv(data: &[u8]) {
    const FILE: &str = "services: {b: {image: x, env_file: [v.env]}}";
    const RAW: &str = "services: {b: {image: x, env_file: [{path: v.env, format: raw}]}}";
    let text = text_of(data);
    let _project = load(&[("compose.yaml", "services: {b: {image: x}}"), (".env", &text)]);
    let _raw = load(&[("compose.yaml", RAW), ("v.env", &text)]);
    let Ok(project) = load(&[("compose.yaml", FILE), ("v.env", &text)]) else { return };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let variables = project.services["b"].environment.iter();
    let variables: Vec<(&str, &str)> = variables
        .filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_alphabetic()))
        .filter(|(name, _)| name.chars().all(is_name))
        .filter_map(|(name, variable)| Some((name.as_str(), variable.value.as_deref()?)))
        .collect();
    let mut printed = String::new();
    let mut expected = Vec::new();
    for (name, value) in variables {
        // Between double quotes a backslash and a dollar mean something: `quoted` uses them only
        // where there is neither.
        if let Some(quoted) = env_file::quoted(value) {
            printed.push_str(&format!("{name}={quoted}\n"));
            expected.push((name, value));
        }
    }
    let again = load(&[("compose.yaml", FILE), ("v.env", &printed)])
        .unwrap_or_else(|errors| panic!("{errors}\n{printed}"));
    let variables = again.services["b"].environment.iter();
    let again: Vec<(&str, &str)> = variables
        .map(|(name, variable)| (name.as_str(), variable.value.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(again, expected, "{printed:?}");
}

// ---- compose files ---------------------------------------------------------------------------

/// A line that begins the next file of an input: `@@ override.yaml`.
pub const NEXT_FILE: &str = "\n@@ ";

/// A project of one or several files: it is read within its budget, always alike; what it comes to,
/// printed as JSON, comes to the same; and an edit is made of whole lines.
pub fn compose(data: &[u8]) {
    let text = text_of(data);
    let mut parts = text.split(NEXT_FILE);
    let first = parts.next().unwrap_or_default();
    let mut files = vec![("compose.yaml", first)];
    for part in parts {
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        files.push((name, text));
    }
    let project = match (load(&files), load(&files)) {
        (Ok(project), Ok(again)) => {
            assert_eq!(shown(&project), shown(&again));
            project
        }
        (Err(errors), Err(again)) => {
            assert_eq!(errors.to_string(), again.to_string());
            edits(first);
            return;
        }
        _ => panic!("once it can be read, and once it cannot"),
    };
    let first_shown = shown(&project);
    if let Some(second) = reread(&first_shown) {
        assert_eq!(bare(second.clone()), bare(first_shown.clone()), "{first_shown}");
        assert_eq!(reread(&second).as_ref(), Some(&second), "{first_shown}");
    }
    edits(first);
}

/// What a project comes to that is printed as JSON. `None` where it needs what is not printed: its
/// networks, secrets and configs.
fn reread(shown: &Value) -> Option<Value> {
    let mut json = shown.clone();
    escape_dollars(&mut json);
    match load(&[("compose.yaml", &json.to_string())]) {
        Ok(project) => Some(self::shown(&project)),
        Err(errors) => {
            assert!(errors.to_string().contains(" undefined "), "{errors}\n{json}");
            None
        }
    }
}

/// Without what Compose itself reads otherwise once it has printed it: a build without a context,
/// ports that stand there twice, or without a protocol.
fn bare(mut shown: Value) -> Value {
    for service in shown["services"].as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        if let Some(service) = service.as_object_mut() {
            service.remove("build");
            service.remove("ports");
        }
    }
    shown
}

fn escape_dollars(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('$', "$$"),
        Value::Array(list) => list.iter_mut().for_each(escape_dollars),
        Value::Object(map) => map.values_mut().for_each(escape_dollars),
        _ => {}
    }
}

fn edits(text: &str) {
    for made in [
        compose_file::mount_volume(text, "backend", "data", "/convex/data"),
        compose_file::declare_volume(text, "data", Some("old")),
        compose_file::pass_variable(text, "backend", "INSTANCE_SECRET"),
        compose_file::interpolate_variable(text, "backend", "INSTANCE_SECRET"),
        compose_file::remove_variable(text, "backend", "INSTANCE_SECRET"),
    ] {
        match made {
            Ok(new) => {
                let edits = lines::edits("f", text, &new);
                let keep = |_: &_, placeholder: &str| Some(format!("{{{placeholder}}}"));
                assert_eq!(lines::apply(text, &edits, &keep).as_deref(), Ok(new.as_str()));
            }
            Err(why) => assert!(why.line >= 1 && !why.why.is_empty()),
        }
    }
}

/// The value of a variable in a compose file: what it becomes is as long as its references say, and
/// a text whose dollars are doubled becomes itself.
pub fn interpolation(data: &[u8]) {
    let text = text_of(data);
    let filled = |text: &str| {
        let file = json!({"services": {"b": {"image": "x", "environment": {"V": text}}}});
        let project = load(&[("compose.yaml", &file.to_string())])?;
        let value = project.services["b"].environment["V"].value.clone();
        Ok::<_, Errors>(value.unwrap_or_default())
    };
    if let Ok(value) = filled(&text) {
        // `$A` alone is two bytes: of each two at most the longest value is made.
        assert!(value.len() <= (text.len() / 2 + 1) * LONG.len() + text.len());
        if !text.contains('$') {
            assert_eq!(value, text);
        }
        // YAML has no sign for some controls, and folds none of the others.
        assert_eq!(filled(&text.replace('$', "$$")).ok(), Some(text));
    }
}

// ---- keys ------------------------------------------------------------------------------------

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_hexdigit).collect()
}

/// The text of a key: all that is shown of it holds no part of its digits, what is repaired is
/// whole, and a key that is made for a name opens with it.
pub fn key(data: &[u8]) {
    let text = text_of(data);
    let key = Secret::new(text.as_str());
    let backend = InstanceSecret::generate_from([7; 32]);
    let shown = admin_key::inspect_json(&key, Some((&backend, "shop"))).to_string();
    if let Some((before, after)) = text.rsplit_once('|')
        && !before.contains('|')
    {
        for part in after.as_bytes().chunks(16).filter(|part| part.len() == 16) {
            let part = String::from_utf8_lossy(part);
            let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_name =
                before.contains(&*part) || part.bytes().all(|it| it == part.as_bytes()[0]);
            assert!(!is_hex || is_name || !shown.contains(&*part), "{text:?}: {shown}");
        }
    }
    if let Some(repaired) = admin_key::repaired(&key) {
        assert!(admin_key::repaired(&repaired).is_none(), "{text:?}");
        assert!(digits(&text).contains(&digits(repaired.expose().rsplit('|').next().unwrap())));
        assert!(admin_key::shape(&repaired).faults.is_empty(), "{text:?}");
    }
    for path in [KeyPath::Header, KeyPath::Body] {
        let verdict = admin_key::judge(&key, &backend, "shop", path);
        assert!(!matches!(verdict, KeyVerdict::Accepted(_)) || text.contains(&MINTED.1));
    }
    if let Ok(secret) = InstanceSecret::parse(&key) {
        let bare = text.strip_prefix("0x").unwrap_or(&text);
        assert_eq!(secret.to_text().expose(), bare.to_ascii_lowercase());
    }
    // A name is made of what Convex takes for one.
    let name: String = text.chars().filter(char::is_ascii_alphanumeric).take(30).collect();
    if !name.is_empty() {
        let minted = admin_key::mint(&backend, &name, 1 + data.len() as u64, [3; 12], false);
        let verdict = admin_key::judge(&minted, &backend, &name, KeyPath::Header);
        assert!(matches!(verdict, KeyVerdict::Accepted(_)), "{name}: {verdict:?}");
        assert!(admin_key::repaired(&minted).is_none());
    }
}

/// The key that the backend of [`key`] takes, and its digits.
static MINTED: LazyLock<(String, String)> = LazyLock::new(|| {
    let backend = InstanceSecret::generate_from([7; 32]);
    let key = admin_key::mint(&backend, "shop", 1_750_000_000, [3; 12], false);
    let digits = key.expose().rsplit('|').next().unwrap_or_default().to_owned();
    (key.expose().to_owned(), digits)
});

/// The key of [`MINTED`], as a seed.
pub fn minted() -> &'static str {
    &MINTED.0
}

/// What an opened key says: read, written and read again it is the same.
pub fn claims(data: &[u8]) {
    for legacy in [false, true] {
        let Some(claims) = Claims::decode(data, legacy) else { return };
        let printed = claims.encode();
        assert_eq!(Claims::decode(&printed, legacy).as_ref(), Some(&claims), "{printed:?}");
        assert_eq!(serde_json::from_value(json!(claims)).ok(), Some(claims));
    }
}

// ---- what others print -----------------------------------------------------------------------

/// The log of a backend and the output of the CLI: what is kept is short and holds no planted
/// secret, and it is the same in whatever pieces it came.
pub fn log_lines(data: &[u8]) {
    let Some(plant) = Plant::in_text(data) else { return };
    let text = &plant.text;
    let facts = log::read(text, &["nonce-1".to_owned()]);
    assert!(facts.tail.len() <= 1000);
    assert!(facts.tail.iter().all(|line| line.chars().count() <= 401 && !line.contains('\n')));
    let kept = json!(facts).to_string();
    plant.assert_absent("the log", &kept);
    assert!(kept.len() <= 16 * LOG_BYTES);

    let mut whole = Transcript::default();
    whole.feed(Stream::Err, text.as_bytes());
    whole.finish();
    let mut pieces = Transcript::default();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let length = 1 + usize::from(rest[0]) % 37;
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.feed(Stream::Err, piece);
        rest = after;
    }
    pieces.finish();
    assert_eq!(json!(whole.lines()), json!(pieces.lines()));
    assert_eq!(whole.failed(), pieces.failed());
    plant.assert_absent("the transcript", &json!(whole.lines()).to_string());
}

/// What the engine says of a container, with secrets in its environment: none is in the evidence.
pub fn engine(data: &[u8]) {
    const HEX: &str = "5be0cd191f83d9ab9b05688c2b3e6c1f510e527fade682d1a54ff53a5f1d36f1";
    const PASSWORD: &str = "zq7HunterVeryLong42";
    let Ok(mut value) = serde_json::from_slice::<Value>(data) else { return };
    if holds(&value.to_string(), HEX) || holds(&value.to_string(), PASSWORD) {
        return;
    }
    let planted = json!([
        format!("INSTANCE_SECRET={HEX}"),
        format!("POSTGRES_URL=postgres://app:{PASSWORD}@db:5432/x"),
        format!("AWS_SECRET_ACCESS_KEY={PASSWORD}"),
    ]);
    match value.pointer_mut("/Config/Env") {
        Some(Value::Array(list)) => list.extend(planted.as_array().cloned().unwrap_or_default()),
        Some(other) => *other = planted,
        None => {}
    }
    let Ok(inspected) = serde_json::from_value(value) else { return };
    let mut secrets = Vec::new();
    let container = container::reduce(&inspected, "its image", &mut secrets);
    let facts = DockerFacts { backends: vec![container], ..DockerFacts::default() };
    let evidence = Evidence { docker: Observation::Seen(facts), ..Evidence::default() };
    let admitted = admitted_once(&evidence);
    for planted in [HEX, PASSWORD] {
        let shown = json!(*admitted).to_string();
        assert!(!holds(&shown, planted), "{shown}");
    }
}

/// The answer of a server: what is kept of it is short and holds no secret of the run, nor a key.
/// The first line says which answer it is: path, status and type.
pub fn http_body(data: &[u8]) {
    let (head, body) = data.split_at(data.iter().position(|it| *it == b'\n').unwrap_or(0));
    let head = text_of(head);
    let mut head = head.splitn(3, ' ');
    let path = head.next().unwrap_or_default();
    let status = head.next().and_then(|status| status.parse().ok()).unwrap_or(200);
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let Some(plant) = Plant::in_text(&body[..body.len().min(BODY_BYTES)]) else { return };
    // What the run knows is cut out of every answer.
    plant.tell();
    let found = classify::body(path, status, head.next(), plant.text.as_bytes());
    let kept = json!(found).to_string();
    // A name is compared as it is, and cut out where it is written.
    plant.assert_absent("the answer", &scrub(&kept));
    if !matches!(found, Answer::InstanceName { .. }) {
        plant.assert_absent("the answer", &kept);
    }
    assert!(kept.len() < 16_000, "{kept}");
    let again = serde_json::from_str(&kept).ok();
    assert_eq!(again, Some(found));
}

/// `convex-doctor.toml`: what is said of a fault shows no secret, and is the same every time.
pub fn settings(data: &[u8]) {
    let Some(plant) = Plant::in_text(data) else { return };
    let file = SettingsFile {
        directory: "/p".into(),
        project: "/p".into(),
        name: "convex-doctor.toml".to_owned(),
        text: plant.text.clone(),
    };
    let (one, other) = (settings::parse(&file), settings::parse(&file));
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    if let Err(fault) = one {
        plant.assert_absent("the fault", &format!("{fault:?}"));
    }
}

// ---- evidence --------------------------------------------------------------------------------

/// Lets evidence through the gate; a second time changes nothing.
fn admitted_once(evidence: &Evidence) -> Admitted<Evidence> {
    let admitted = Admitted::of(evidence);
    let again = Admitted::of(&*admitted);
    if again != admitted {
        let (one, other) = (json!(*admitted).to_string(), json!(*again).to_string());
        let at = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
        let near = |text: &str| {
            String::from_utf8_lossy(
                &text.as_bytes()[at.saturating_sub(80)..text.len().min(at + 80)],
            )
            .into_owned()
        };
        panic!("admitted twice is not as once:\n{}\n{}", near(&one), near(&other));
    }
    admitted
}

/// Evidence that was written down, as a bundle will carry it: it passes the gate, and every check
/// takes it, whatever it says.
pub fn bundle(data: &[u8]) {
    let Ok(evidence) = serde_json::from_slice::<Evidence>(data) else { return };
    let admitted = admitted_once(&evidence);
    let report = diagnose(&admitted, &Choices::default());
    for unknown in &report.unknown {
        assert!(!unknown.reason.contains("internal error"), "{}: {}", unknown.id, unknown.reason);
    }
    let again = diagnose(&admitted, &Choices::default());
    assert_eq!(format!("{again:?}"), format!("{report:?}"));
}

// ---- secrets ---------------------------------------------------------------------------------

/// Whether a text holds a secret, in either case.
fn holds(text: &str, secret: &str) -> bool {
    text.to_ascii_lowercase().contains(&secret.to_ascii_lowercase())
}

const KEY_DIGITS: &str = "01ca7d1b87d8c9e5c8fc77946cbfef5a3ee7dfea36ecd3c66383aaa770e5f09b59ca984782613926fae6ff880552c44a5a";
const HEX: &str = "a3f1c9e07b5d2846f0e1d2c3b4a5968778695a4b3c2d1e0ffedcba9876543210";
const PASSWORD: &str = "zq7Hunter9VeryLong42";
const TOKEN: &str = "ghp_x8Kq2LmZ0vT5rW1yB7nC4dF6gH9jS3aE";

/// How a secret is written so that it is known for one wherever it stands, and what of it is secret.
const FORMS: &[(&str, &str, &str)] = &[
    ("shop|", KEY_DIGITS, ""),
    ("postgres://app:", PASSWORD, "@db:5432/shop"),
    ("", HEX, ""),
    ("", TOKEN, ""),
    ("DB_PASSWORD=", PASSWORD, ""),
    ("Authorization: Bearer ", PASSWORD, ""),
    ("\"secret\": \"", PASSWORD, "\""),
    ("https://h.example/x?token=", PASSWORD, "&a=b"),
];

/// A text with a secret in it.
struct Plant {
    text: String,
    secret: &'static str,
}

impl Plant {
    /// Plants a form that the first byte chooses at the place that the second chooses, as a word of
    /// its own. `None` where the text holds the secret anyway.
    fn in_text(data: &[u8]) -> Option<Self> {
        let [form, at, rest @ ..] = data else { return None };
        let text = text_of(rest);
        let (before, secret, after) = FORMS[usize::from(*form) % FORMS.len()];
        if FORMS.iter().any(|(_, secret, _)| holds(&text, secret)) {
            return None;
        }
        let mut at = text.len() * usize::from(*at) / 255;
        while !text.is_char_boundary(at) {
            at += 1;
        }
        let gap = [" ", "\n", "\t", "\r\n"][usize::from(*form) / FORMS.len() % 4];
        let text = format!("{}{gap}{before}{secret}{after}{gap}{}", &text[..at], &text[at..]);
        Some(Self { text, secret })
    }

    /// Makes the secret known, as where it is read.
    fn tell(&self) {
        drop(Secret::new(self.secret));
    }

    fn assert_absent(&self, what: &str, shown: &str) {
        assert!(!holds(shown, self.secret), "{what}: {:?}\n{shown}", self.text);
    }
}

/// The gate: whatever is round a secret, what is let through does not hold it.
pub fn gate(data: &[u8]) {
    let Some(plant) = Plant::in_text(data) else { return };
    let text = plant.text.as_str();
    plant.assert_absent("mask", &foreign::mask(text));
    plant.assert_absent("words", &foreign::words(text));
    plant.assert_absent("value", &foreign::value(text));
    plant.assert_absent("variable", &foreign::variable(text));
    plant.assert_absent("name", &foreign::name(text));
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| holds(line, plant.secret)) {
        for column in [1, line.chars().count() / 2 + 1, line.chars().count()] {
            if let Some(excerpt) = foreign::excerpt(text, index + 1, column) {
                plant.assert_absent("excerpt", &excerpt.text);
                assert!(excerpt.mark.start < excerpt.mark.end);
            }
        }
    }
    for (what, once) in [
        ("words", foreign::words as fn(&str) -> String),
        ("mask", foreign::mask),
        ("name", foreign::name),
        ("variable", foreign::variable),
    ] {
        let first = once(text);
        assert_eq!(once(&first), first, "{what} twice is as once: {text:?}");
    }
    let mut evidence = Evidence { docker: Observation::unavailable(text), ..Evidence::default() };
    evidence.asked.service = Some(text.to_owned());
    let admitted = admitted_once(&evidence);
    plant.assert_absent("evidence", &json!(*admitted).to_string());
}

/// The scrubber: no secret of the run is in what it gives, in whatever pieces, encodings and
/// surroundings. The first byte chooses the secret, the second how it is written; the rest is cut
/// into chunks that stand round its parts.
pub fn scrubber(data: &[u8]) {
    static KNOWN: LazyLock<Vec<Secret>> = LazyLock::new(|| {
        let key = format!("shop|{KEY_DIGITS}");
        [key.as_str(), HEX, PASSWORD, TOKEN, QUOTED].map(Secret::new).into()
    });
    const QUOTED: &str = "p\"a'ss & w<or>d/\\7|é";
    let [which, how, rest @ ..] = data else { return };
    let secret = KNOWN[usize::from(*which) % KNOWN.len()].expose();
    let filler = text_of(rest);
    let json = Value::from(secret).to_string();
    let written = match how % 6 {
        0 => secret.to_owned(),
        1 => secret.to_ascii_uppercase(),
        2 => json[1..json.len() - 1].to_owned(),
        3 => url_encoded(secret),
        4 => base64(secret.as_bytes()),
        _ => in_groups(secret, &filler),
    };
    let mut at = filler.len() / 2;
    while !filler.is_char_boundary(at) {
        at += 1;
    }
    let text = format!("{}{written}{}", &filler[..at], &filler[at..]);
    let clean = scrub(&text);
    for known in KNOWN.iter().map(Secret::expose) {
        assert!(!holds(&clean, known), "{text:?}: {clean:?}");
    }
    let secret_digits = secret.rsplit('|').next().unwrap_or_default();
    // The last digit of base64 may hold bits of what follows.
    let told = if how % 6 == 4 { &written[..secret.len() * 8 / 6] } else { &written };
    if matches!(how % 6, 2..=4) && !holds(&filler, told) {
        assert!(!clean.contains(told), "{text:?}: {clean:?}");
    }
    if how % 6 == 5 && secret_digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        assert!(!digits(&clean).contains(secret_digits), "{text:?}: {clean:?}");
    }
    // What is no secret stays.
    if !filler.contains(|c: char| c.is_control() || c.is_ascii_hexdigit()) && filler.is_ascii() {
        assert!(clean.ends_with(&filler[at..]) || holds(&text, "hunter"), "{text:?}: {clean:?}");
    }
}

fn url_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - three.len()));
        for digit in 0..=three.len() {
            out.push(char::from(SIGNS[(word >> (18 - 6 * digit)) as usize & 63]));
        }
        out.push_str(&"=="[..3 - three.len()]);
    }
    out
}

/// The secret with signs that are no hex digits between its parts.
fn in_groups(secret: &str, filler: &str) -> String {
    let between: String = filler.chars().filter(|c| " .:_-,\n\t".contains(*c)).take(3).collect();
    let mut out = String::new();
    for (at, c) in secret.chars().enumerate() {
        if at > 0 && at % 8 == 0 {
            out.push_str(&between);
        }
        out.push(c);
    }
    out
}

// ---- mutations -------------------------------------------------------------------------------

/// What stands in the place of a value.
const STRANGE: &[&str] = &[
    "",
    " ",
    "0",
    "-1",
    "/",
    "..",
    "*",
    "\u{0}",
    "\u{1b}[31m",
    "\u{202e}x",
    "é\u{301}",
    "\n",
    "a\nb",
    "http://",
    "http://u:p@h:99999/x",
    "https://[::1",
    "localhost:3210",
    "::",
    "1.2.3",
    "v9999999999",
    "9223372036854775807",
    "18446744073709551616",
    "2026-11-30T00:00:00Z",
    "$A",
    "${A:-$",
    "sha256:",
    "ghcr.io/get-convex/convex-backend:latest",
    "a:b:c:d",
    "C:\\x",
    "|01",
    "***",
    "=",
    "--",
    "'",
    "\"",
];

/// A JSON text with one value exchanged for another of its kind, for a strange one, or left out;
/// `None` where it is none.
pub fn mutate_json(data: &[u8], random: &mut dyn FnMut() -> usize) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(data).ok()?;
    for _ in 0..=random() % 3 {
        let count = count(&value);
        let mut wanted = random() % count;
        change(&mut value, &mut wanted, random);
    }
    serde_json::to_vec(&value).ok()
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

fn change(value: &mut Value, wanted: &mut usize, random: &mut dyn FnMut() -> usize) {
    if *wanted == 0 {
        *wanted = usize::MAX;
        changed(value, random);
        return;
    }
    *wanted = wanted.saturating_sub(1);
    match value {
        Value::Array(list) => list.iter_mut().for_each(|one| change(one, wanted, random)),
        Value::Object(map) => map.values_mut().for_each(|one| change(one, wanted, random)),
        _ => {}
    }
}

fn changed(value: &mut Value, random: &mut dyn FnMut() -> usize) {
    let strange = STRANGE[random() % STRANGE.len()];
    match value {
        Value::Null => {
            *value = [json!(strange), json!(0), json!([]), json!({})][random() % 4].take();
        }
        Value::Bool(flag) => *flag = !*flag,
        Value::Number(number) => {
            let old = number.as_i64().unwrap_or_default();
            let new = [0, 1, -1, i64::MAX, i64::MIN, 65536, old.wrapping_add(1)][random() % 7];
            *value =
                if new < 0 && random().is_multiple_of(2) { json!(u64::MAX) } else { json!(new) };
        }
        Value::String(text) => match random() % 4 {
            0 => *value = Value::Null,
            1 => strange.clone_into(text),
            2 => text.push_str(strange),
            _ => {
                let at = random() % (text.len() + 1);
                let at = (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                text.insert_str(at, strange);
            }
        },
        Value::Array(list) if random().is_multiple_of(2) && !list.is_empty() => {
            let at = random() % list.len();
            let one = list[at].clone();
            if random().is_multiple_of(2) { list.push(one) } else { drop(list.remove(at)) }
        }
        Value::Array(list) => list.clear(),
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let Some(key) = keys.get(random() % keys.len().max(1)) else { return };
            let old = map.remove(key);
            if random().is_multiple_of(2) {
                map.insert(strange.to_owned(), old.unwrap_or_default());
            }
        }
    }
}

/// The next of a row of numbers that looks random: xorshift64.
pub fn number(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 16).unwrap_or_default()
}
