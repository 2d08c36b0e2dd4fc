//! The topics of `explain`: found by the words people type, fit for a screen, and free of the
//! advice that harms.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test reads the sources and starts the program"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

use anstream::adapter::strip_str;
use convex_doctor::checks;
use convex_doctor::render::explain::page;
use convex_doctor::topics::{self, TOPICS, Topic, essence};

const BINARY: &str = env!("CARGO_BIN_EXE_convex-doctor");

fn explain(words: &[&str]) -> Output {
    Command::new(BINARY).arg("explain").args(words).env_clear().output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What is to be typed: the fenced blocks that are no table and no file.
fn commands(topic: &Topic) -> Vec<String> {
    let blocks = topic.text.split("```").skip(1).step_by(2);
    blocks.filter(|block| block.starts_with('\n')).map(str::to_owned).collect()
}

/// The sentences outside of fenced blocks; a list item is one, too.
fn sentences(text: &str) -> Vec<String> {
    let text = text.split("\n\nSee also:").next().unwrap();
    let prose: String = text.split("```").step_by(2).collect();
    let prose = prose.replace("\n- ", ". ").replace("\n\n", ". ").replace('\n', " ");
    let sentences = prose.split(". ").map(|sentence| sentence.trim().to_owned());
    sentences.filter(|sentence| !sentence.is_empty()).collect()
}

#[test]
fn slugs_are_unique_kebab_case_and_no_id_of_a_finding() {
    let mut seen = BTreeSet::new();
    for topic in TOPICS {
        assert!(seen.insert(topic.slug), "{} twice", topic.slug);
        let kebab = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        assert!(topic.slug.bytes().all(kebab), "{}", topic.slug);
        assert!(checks::rule(topic.slug).is_none(), "{} is a finding", topic.slug);
        assert!(topic.text.starts_with("# "), "{}: the question is the heading", topic.slug);
        assert!(topic.title().chars().count() <= 72, "{}", topic.title());
    }
}

/// The same words twice would answer nobody.
#[test]
fn no_two_topics_share_a_phrase() {
    let mut owners: BTreeMap<Vec<String>, &str> = BTreeMap::new();
    for topic in TOPICS {
        let mut own = BTreeSet::new();
        for phrase in topic.aliases.iter().copied().chain([topic.slug, topic.title()]) {
            let words = essence(phrase);
            assert!(!words.is_empty(), "{}: `{phrase}` says nothing", topic.slug);
            own.insert(words);
        }
        for phrase in topic.aliases {
            // Anything that is asked holds one of these: as a phrase it would take every question.
            let vague = [
                "key",
                "admin key",
                "secret",
                "instance",
                "data",
                "volume",
                "backend",
                "convex",
                "docker",
            ];
            assert!(
                !vague.contains(&essence(phrase).join(" ").as_str()),
                "{}: `{phrase}`",
                topic.slug
            );
        }
        for words in own {
            if let Some(other) = owners.insert(words.clone(), topic.slug) {
                panic!("`{}` is of {other} and of {}", words.join(" "), topic.slug);
            }
        }
    }
}

#[test]
fn every_file_is_registered() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/topics");
    let mut count = 0;
    for file in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "md") {
            let slug = file.file_stem().unwrap().to_string_lossy().into_owned();
            let topic = topics::topic(&slug).unwrap_or_else(|| panic!("{slug} is no topic"));
            assert_eq!(topic.text, std::fs::read_to_string(&file).unwrap());
            count += 1;
        }
    }
    assert_eq!(count, TOPICS.len());
}

#[test]
fn see_also_names_what_is_there() {
    for topic in TOPICS {
        let names: Vec<_> = topic.see_also().collect();
        assert!(names.len() >= 2, "{}: {names:?}", topic.slug);
        for name in names {
            let known = checks::rule(name).is_some_and(|rule| rule.id == name)
                || topics::topic(name).is_some();
            assert!(known && name != topic.slug, "{}: `{name}`", topic.slug);
        }
    }
}

/// What the texts tell to ask the doctor has to exist: `explain NAME`, and every other subcommand
/// and option.
#[test]
fn the_doctor_understands_what_the_topics_tell_to_type() {
    for topic in TOPICS {
        for part in topic.text.split("convex-doctor ").skip(1) {
            let end = part.find(['`', '\n', ';']).unwrap_or(part.len());
            let mut words: Vec<&str> = part[..end].split(' ').collect();
            if part[..end].is_empty() || !is_command(words[0]) {
                continue; // "convex-doctor says …"
            }
            if words[0] == "fix" && !has_fix() {
                continue;
            }
            if words[0] == "explain" {
                assert!(explain(&words[1..]).status.success(), "{}: {words:?}", topic.slug);
            } else {
                words.push("--help");
                let help = Command::new(BINARY).args(&words).output().unwrap();
                assert!(help.status.success(), "{}: {words:?}", topic.slug);
            }
        }
    }
}

/// Whether this build has the command `fix`; once it does, what is told of it has to be right.
fn has_fix() -> bool {
    use clap::CommandFactory as _;
    convex_doctor::cli::Arguments::command().find_subcommand("fix").is_some()
}

/// Options and the words that start a command; prose goes on with a verb.
fn is_command(word: &str) -> bool {
    word.starts_with('-') || !matches!(word, "names" | "tells" | "says" | "lists")
}

/// A screen of 80 columns; no line is longer, and none of the texts much more than a screen.
#[test]
fn a_topic_is_a_screen() {
    for topic in TOPICS {
        let page = strip_str(&page(topic.slug, "topic", topic.title(), topic.text, 80)).to_string();
        for line in page.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", topic.slug);
        }
        assert!(page.lines().count() <= 42, "{}: {} lines", topic.slug, page.lines().count());
        assert!(!page.contains("\n\n\n") && !page.contains("```"), "{}", topic.slug);
    }
}

/// What is to be typed destroys nothing, and nothing secret appears on a screen that others see.
#[test]
fn no_command_destroys_or_shows_a_secret() {
    for topic in TOPICS {
        for block in commands(topic) {
            for forbidden in [
                "down -v",
                "volume rm",
                "rm -",
                "prune",
                "up -V",
                "restart",
                "CONVEX_ADMIN_KEY=",
                "-e INSTANCE_SECRET",
                "compose config",
                "docker top",
                "printenv",
                "echo $",
                "set -x",
                "compose down",
                "CONVEX_DEPLOY_KEY=",
            ] {
                assert!(!block.contains(forbidden), "{}: {forbidden}: {block}", topic.slug);
            }
            // A key or a secret goes from the command that knows it into a variable or a file,
            // unseen.
            for source in ["generate_admin_key.sh", "instance_secret", "openssl rand"] {
                for (at, _) in block.match_indices(source) {
                    let before = &block[..at];
                    let open = before.rfind("$(").is_some_and(|open| !before[open..].contains(')'));
                    assert!(open, "{}: {source} shows what it prints: {block}", topic.slug);
                }
            }
            if block.contains("$key") || block.contains("$secret") || block.contains("openssl rand")
            {
                assert!(block.contains(">> .env"), "{}: {block}", topic.slug);
            }
            if block.contains("docker inspect") {
                assert!(block.contains("--format '{{"), "{}: the environment is in it", topic.slug);
            }
            if block.contains(" logs ") {
                let masked = block.contains("sed -E 's#://[^ ]*@#://***@#g'");
                let keys_only =
                    block.contains("grep -E 'provided (admin|deploy) key|Admin key accepted'");
                assert!(masked || keys_only, "{}: a password may be in a log: {block}", topic.slug);
            }
        }
        // A mint in a code span would be typed as it stands.
        let prose: String = topic.text.split("```").step_by(2).collect();
        for span in prose.split('`').skip(1).step_by(2) {
            assert!(
                !(span.contains("exec ") && span.contains("generate_admin_key")),
                "{}",
                topic.slug
            );
        }
    }
}

/// What is widely advised and harms may only stand in a sentence that says so.
#[test]
fn harmful_advice_stands_only_where_it_is_refused() {
    const NO: &[&str] = &["not", "never", "nothing", "No.", "deletes", "safe?", "does not"];
    let fix = |text: &'static str| {
        let (_, fix) = text.split_once("## How to fix it").unwrap();
        fix.split_once("## What not to do").unwrap().0
    };
    let texts = TOPICS.iter().map(|topic| (topic.slug, topic.text));
    for (name, text) in texts.chain(checks::rules().map(|rule| (rule.id, fix(rule.explain)))) {
        for sentence in sentences(text) {
            let lower = sentence.to_lowercase();
            let says = |word: &str| sentence.contains(word);
            let harmful = says("CONVEX_ADMIN_KEY")
                || says("compose restart")
                || says("down -v")
                || says("volume rm")
                || says("-e INSTANCE_SECRET")
                || lower.contains("reset the volume")
                || lower.contains("delete the volume")
                || (lower.contains("revoke") && lower.contains("mint"))
                || (lower.contains("secret is") && lower.contains("database"));
            let refused = NO.iter().any(|word| sentence.contains(word)) || sentence.ends_with('?');
            assert!(!harmful || refused, "{name}: {sentence}");
        }
    }
    let found = sentences("# T\n\nFirst run\n`docker compose down -v`. Then up.\n\n- and mint\n");
    assert_eq!(found, ["# T", "First run `docker compose down -v`", "Then up", "and mint"]);
}

#[test]
fn a_question_in_other_words_finds_its_topic() {
    for (question, slug) in [
        ("why does my key change", "key-changes"),
        ("Why does the admin key change every time the container restarts?", "key-changes"),
        ("how is a key made", "how-keys-are-made"),
        ("where does the secret live?", "where-the-secret-lives"),
        ("is the secret stored in the database", "where-the-secret-lives"),
        ("how to keep keys across restarts", "keep-keys"),
        ("which variable is which", "which-variable"),
        ("must key and secret match", "key-and-secret"),
        ("can I choose my own key", "choose-my-key"),
        ("does minting revoke old keys", "does-minting-revoke"),
        ("do keys expire", "does-minting-revoke"),
        ("how do I rotate", "rotate-secret"),
        ("my key leaked", "rotate-secret"),
        ("what do Postgres and MySQL change", "postgres-and-mysql"),
        ("How do PostgreSQL settings affect admin key validation?", "postgres-and-mysql"),
        ("is down safe", "is-down-safe"),
        ("what can I post in public", "what-to-post"),
        ("why 401 BadAdminKey", "bad-admin-key"),
        (
            "Why does npx convex dev fail with BadAdminKey even with the correct admin key?",
            "bad-admin-key",
        ),
        (
            "✖ Error fetching  http://127.0.0.1:3210/api/v1/get_canonical_urls 401 Unauthorized: BadAdminKey: \
             The provided admin key was invalid for this instance",
            "bad-admin-key",
        ),
        ("✖ TypeError: fetch failed", "fetch-failed"),
        ("What logs are useful?", "useful-logs"),
        ("which logs help", "useful-logs"),
        ("where do I get the admin key", "get-a-key"),
        ("admin key in Coolify", "get-a-key"),
        ("how do I back up", "where-is-my-data"),
        ("which port is the API", "which-url"),
        ("deploy from GitHub Actions", "ci"),
        ("the dashboard refuses me", "dashboard-login"),
        // One word is a slug, an alias or a title whole.
        ("rotate", "rotate-secret"),
        ("BADADMINKEY", "bad-admin-key"),
        ("key-change", "key-changes"),
        ("useful_logs", ""),
        ("url-is-dashbord", ""),
        ("key-foriegn", ""),
        ("bogus", ""),
        ("", ""),
        ("how do I bake bread", ""),
    ] {
        let found: Vec<&str> = topics::asked(question).iter().map(|topic| topic.slug).collect();
        let expected: Vec<&str> = Some(slug).filter(|slug| !slug.is_empty()).into_iter().collect();
        assert_eq!(found, expected, "{question}");
    }
}

#[test]
fn the_list_has_every_finding_and_topic_in_80_columns() {
    let list = stdout(&explain(&["--all"]));
    for line in list.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let first = |name: &str| list.lines().any(|line| line.split_whitespace().next() == Some(name));
    for name in checks::rules().map(|rule| rule.id).chain(TOPICS.iter().map(|topic| topic.slug)) {
        assert!(first(name), "{name}");
    }
    for family in checks::REGISTRY {
        assert!(list.lines().any(|line| line == family.heading), "{}", family.name);
    }
}

#[test]
fn every_finding_and_topic_is_explained() {
    for rule in checks::rules() {
        let one = stdout(&explain(&[rule.id]));
        assert!(one.starts_with(&format!("{} {}: ", rule.level, rule.id)), "{one}");
        let head = one.split("\n\n").next().unwrap().replace('\n', " ");
        assert!(head.ends_with(&rule.title[1..]), "{head}");
        for heading in ["What it means", "How to fix it", "What not to do", "How it is detected"] {
            assert!(one.contains(heading), "{}: {heading}", rule.id);
        }
    }
    for topic in TOPICS {
        let one = stdout(&explain(&[topic.slug]));
        assert!(one.starts_with(&format!("topic {}: ", topic.slug)), "{one}");
        let head = one.split("\n\n").next().unwrap().replace('\n', " ");
        assert!(head.ends_with(&topic.title()[1..]), "{head}");
        assert!(!one.contains("***") || topic.text.contains("***"), "nothing was scrubbed: {one}");
    }
}

#[test]
fn words_and_capitals_find_findings_and_topics() {
    assert!(
        stdout(&explain(&["why", "does", "my", "key", "change"]))
            .starts_with("topic key-changes: ")
    );
    assert!(stdout(&explain(&["why does my key change?"])).starts_with("topic key-changes: "));
    assert!(stdout(&explain(&["key", "foreign"])).starts_with("error key-foreign: "));
    assert!(stdout(&explain(&["Key-Foreign"])).starts_with("error key-foreign: "));
    assert!(stdout(&explain(&["rotate-secret"])).starts_with("topic rotate-secret: "));
    // A finding names the topics that speak of it.
    assert!(stdout(&explain(&["key-foreign"])).contains("See also: key-changes"));
}

#[test]
fn a_misspelt_name_ends_with_2_and_names_the_nearest() {
    for (words, nearest) in [
        (&["key-foriegn"][..], "key-foreign"),
        (&["rotate-secrets-now"], "rotate-secret"),
        (&["rotat"], "rotate-secret"),
        (&["where-is-my-date"], "where-is-my-data"),
        (&["keep-kyes"], "keep-keys"),
        (&["url-is-dashbord"], "url-is-dashboard"),
        (&["what", "is", "a", "detached", "volume"], "detached-volume-has-data"),
        // Two topics are as near: both are named.
        (&["expire", "or", "rotate"], "rotate-secret"),
        (&["expire", "or", "rotate"], "does-minting-revoke"),
    ] {
        let output = explain(words);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(2), &b""[..]),
            "{stderr}"
        );
        let (_, names) = stderr.split_once("Did you mean ").unwrap();
        let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
        assert!(names.contains(&nearest), "{words:?}: {names:?}");
    }
}
