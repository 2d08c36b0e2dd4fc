//! The scrubber: every secret met in this run, in each form in which it may turn up in a text, cut
//! out of everything that is written.
//!
//! All forms are one automaton: a print costs what its text is long, whatever the number of secrets.
//! It is built when something is written after a secret was met; forms that are newer than a large
//! automaton are in a second, small one, so that a secret met with every line of a log costs no
//! more. What would not fit is known as whole words only. Parts of a key are numbers of 16 hex
//! digits in a set.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use zeroize::{Zeroize as _, Zeroizing};

use super::controls::escape;

/// Shorter texts are not searched for: they would blacken half of a report and protect nothing.
const SHORTEST: usize = 6;

/// A text of letters alone that is shorter than this is a word, which a report may need for other
/// things.
const SHORTEST_WORD: usize = 12;

/// A secret with more lines than this is not a key; as a whole it is still known.
const MOST_LINES: usize = 64;

/// Of a longer text, blocks of this length are known instead of the whole: what is shown of it is
/// never so short that it holds none.
const LONGEST: usize = 512;
/// The length of those blocks, and how many of them there are.
const BLOCK: usize = 32;
const BLOCKS: usize = 256;

/// So many hex digits of a key or an instance secret in a row, wherever they stand in it, are as good
/// as the whole. A `u64` has as many.
const DIGITS: usize = 16;

/// So many bytes of forms are in the automaton; it takes about forty times as much memory.
const MOST_BYTES: usize = 768 * 1024;

/// Public words that people put where a secret belongs; cutting them out would only make the report
/// unreadable.
const PUBLIC_WORDS: &[&str] = &[
    "convex-self-hosted",
    "self-hosted-convex",
    "carnitas",
    "anonymous",
    "undefined",
    "localhost",
    // The script's label, which may come along in a key of several lines.
    "admin key:",
];

/// What stands for a secret.
const HIDDEN: &str = "***";

/// What is searched for.
#[derive(Default)]
struct Known {
    /// In lower case: tools show hex digits in either, and no password is told from another by its
    /// case alone.
    forms: Forms,
    /// Runs of [`DIGITS`] hex digits, each as its number.
    digits: Arc<HashSet<u64>>,
    /// Hashes of whole words that are too many for an automaton.
    words: Arc<HashSet<u64>>,
    hasher: RandomState,
    /// Names of containers, volumes and the like, in lower case: nothing that is only suspected to
    /// be a secret hides one.
    names: HashSet<String>,
    /// What is in `forms` for a suspicion alone, in lower case.
    suspects: HashSet<String>,
}

/// So many names, of so many bytes, are known at most.
const MOST_NAMES: usize = 10_000;
const LONGEST_NAME: usize = 255;

/// Texts, and the automatons that find them.
#[derive(Default)]
struct Forms {
    settled: Tier,
    recent: Tier,
}

/// The texts are needed as long as the program writes: they are not wiped.
#[derive(Default)]
struct Tier {
    texts: HashSet<String>,
    bytes: usize,
    built: Option<Arc<AhoCorasick>>,
    /// What was spent on texts without an automaton, since a form was new.
    spent: usize,
}

/// So many bytes of new forms at least are searched for on their own.
const FEW_BYTES: usize = 8 * 1024;

/// An automaton is built where more than so much was spent on looking for one form after the other:
/// in a name or two that costs less.
const SMALL: usize = 128 * 1024;
/// What it costs to begin to look for a form, in bytes of a text.
const BEGIN: usize = 64;

impl Tier {
    /// The places of its forms in a text that is in lower case, or what finds them.
    fn search(&mut self, folded: &str) -> Result<Vec<Range<usize>>, Arc<AhoCorasick>> {
        let work = self.texts.len().saturating_mul(folded.len() + BEGIN);
        if self.built.is_none() && self.spent.saturating_add(work) > SMALL {
            self.build();
        }
        if let Some(built) = &self.built {
            return Err(Arc::clone(built));
        }
        self.spent = self.spent.saturating_add(work);
        let places = self.texts.iter().flat_map(|form| {
            folded.match_indices(form.as_str()).map(|(at, form)| at..at + form.len())
        });
        Ok(places.collect())
    }

    fn is_changed(&mut self) {
        self.built = None;
        self.spent = 0;
    }

    fn build(&mut self) {
        let built = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::NoncontiguousNFA))
            .build(self.texts.iter().map(std::string::String::as_bytes));
        self.built = built.ok().map(Arc::new);
    }
}

impl Forms {
    fn bytes(&self) -> usize {
        self.settled.bytes + self.recent.bytes
    }

    fn contains(&self, text: &str) -> bool {
        self.settled.texts.contains(text) || self.recent.texts.contains(text)
    }

    fn insert(&mut self, text: String) {
        let length = text.len();
        if !self.settled.texts.contains(&text) && self.recent.texts.insert(text) {
            self.recent.bytes += length;
            self.recent.is_changed();
        }
    }

    fn remove(&mut self, text: &str) {
        for tier in [&mut self.settled, &mut self.recent] {
            if tier.texts.remove(text) {
                tier.bytes -= text.len();
                tier.is_changed();
            }
        }
    }

    fn search(&mut self, folded: &str) -> [Result<Vec<Range<usize>>, Arc<AhoCorasick>>; 2] {
        if self.recent.bytes > FEW_BYTES.max(self.settled.bytes / 4) {
            let recent = std::mem::take(&mut self.recent);
            self.settled.texts.extend(recent.texts);
            self.settled.bytes += recent.bytes;
            self.settled.is_changed();
        }
        [self.settled.search(folded), self.recent.search(folded)]
    }
}

/// What is known now, for one text.
struct Search {
    /// The places of the forms in it, or the automatons that find them.
    forms: [Result<Vec<Range<usize>>, Arc<AhoCorasick>>; 2],
    /// Numbers of [`DIGITS`] hex digits.
    digits: Arc<HashSet<u64>>,
    /// Hashes of words, with what makes them.
    words: Arc<HashSet<u64>>,
    hasher: RandomState,
}

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// Makes every form of `text` that may turn up elsewhere known.
pub(super) fn remember(text: &str) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    let trimmed = text.trim();
    let folded = Zeroizing::new(trimmed.to_ascii_lowercase());
    known.suspects.remove(folded.as_str());
    known.names.remove(folded.as_str());
    known.add(trimmed);
    for line in trimmed.lines().take(MOST_LINES).map(str::trim) {
        known.add(line);
        // The part after the name is the secret one; it also turns up alone.
        if let Some((_, rest)) = line.split_once('|') {
            known.add(rest);
        }
        known.add_digits(line);
    }
}

/// The same for a text that is hidden because nothing is known of it: it is cut out elsewhere too,
/// unless it is a name.
pub(super) fn suspect(text: &str) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_default().suspect(text.trim());
}

/// Makes the name of something that the report is about known. What is known to be a secret stays
/// hidden.
pub(super) fn add_name(name: &str) {
    if name.len() < SHORTEST || name.len() > LONGEST_NAME {
        return;
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    let folded = name.to_ascii_lowercase();
    if known.suspects.remove(&folded) {
        known.forms.remove(&folded);
    }
    if known.names.len() < MOST_NAMES && !known.forms.contains(&folded) {
        known.names.insert(folded);
    }
}

/// Whether it is such a name.
pub(super) fn is_name(text: &str) -> bool {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref().is_some_and(|known| known.names.contains(&text.to_ascii_lowercase()))
}

impl Known {
    fn suspect(&mut self, text: &str) {
        let folded = text.to_ascii_lowercase();
        if self.names.contains(&folded) || self.forms.contains(&folded) {
            return;
        }
        // Words that are only hidden do not take the place of secrets.
        if self.bytes() > MOST_BYTES / 2 {
            let hash = self.hasher.hash_one(folded.as_str());
            Arc::make_mut(&mut self.words).insert(hash);
            return;
        }
        self.add(text);
        self.suspects.insert(folded);
    }

    /// The text as it is, JSON-escaped, URL-encoded and in base64.
    fn add(&mut self, text: &str) {
        // `postgres` as the password of postgres: cutting the word out everywhere would protect
        // nothing and take the names of services, volumes and variables with it. Where it is a
        // password it is masked where it is read.
        let is_word =
            text.len() < SHORTEST_WORD && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        if is_word || text.chars().take(SHORTEST).count() < SHORTEST {
            return;
        }
        if PUBLIC_WORDS.contains(&text.to_ascii_lowercase().as_str()) {
            return;
        }
        if text.len() > LONGEST {
            let mut block = text;
            for _ in 0..BLOCKS {
                let end = block.char_indices().map(|(at, _)| at).find(|at| *at >= BLOCK);
                let Some(end) = end else { break };
                self.insert(block[..end].to_owned());
                block = &block[end..];
            }
            return;
        }
        self.insert(text.to_owned());
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            let json = serde_json::to_string(text).unwrap_or_default();
            self.insert(json.trim_matches('"').to_owned());
            // As Go, Python and PHP escape it.
            let html = ["&", "<", ">", "|"].into_iter().fold(json, |text, sign| {
                text.replace(sign, &format!("\\u{:04x}", sign.as_bytes()[0]))
            });
            self.insert(html.trim_matches('"').to_owned());
            let url: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            self.insert(url.replace('+', "%20"));
            self.insert(url);
        }
        for (start, end, encoded) in (0..3).map(|offset| base64_at(text.as_bytes(), offset)) {
            let inner = &encoded[start..end];
            if inner.len() >= SHORTEST + 2 {
                self.insert(inner.to_owned());
                if inner.contains(['+', '/']) {
                    self.insert(inner.replace('+', "-").replace('/', "_"));
                }
            }
        }
    }

    fn insert(&mut self, mut form: String) {
        form.make_ascii_lowercase();
        // One sign again and again is filler: cutting it out would protect nothing.
        let first = form.chars().next();
        if form.chars().all(|c| Some(c) == first) {
            return;
        }
        if self.bytes() + form.len() > MOST_BYTES {
            let hash = self.hasher.hash_one(form.as_str());
            Arc::make_mut(&mut self.words).insert(hash);
        } else {
            self.forms.insert(form);
        }
    }

    fn bytes(&self) -> usize {
        self.forms.bytes() + self.digits.len() * DIGITS
    }

    /// Every run of digits of the longest hex part, which is a key's or a secret's.
    fn add_digits(&mut self, line: &str) {
        let parts = line.split(|c: char| !c.is_ascii_hexdigit());
        let Some(longest) = parts.max_by_key(|part| part.len()).filter(|part| part.len() >= 32)
        else {
            return;
        };
        for run in longest.as_bytes().windows(DIGITS).take(LONGEST) {
            // A run of one digit is filler, not a part that tells anything.
            let is_filler = run.iter().all(|byte| byte.eq_ignore_ascii_case(&run[0]));
            if !is_filler && self.bytes() + DIGITS <= MOST_BYTES {
                let number = run.iter().fold(0, |number, digit| after(number, *digit));
                Arc::make_mut(&mut self.digits).insert(number);
            }
        }
    }

    fn search(&mut self, text: &str) -> Search {
        let folded = Zeroizing::new(text.to_ascii_lowercase());
        Search {
            forms: self.forms.search(&folded),
            digits: Arc::clone(&self.digits),
            words: Arc::clone(&self.words),
            hasher: self.hasher.clone(),
        }
    }
}

/// The last [`DIGITS`] hex digits as a number, with this one more.
fn after(number: u64, digit: u8) -> u64 {
    let value = char::from(digit).to_digit(16).unwrap_or_default();
    number << 4 | u64::from(value)
}

/// Standard base64 of `offset` other bytes and then the text, without padding, and which part of it
/// is made of the text alone.
fn base64_at(text: &[u8], offset: usize) -> (usize, usize, Zeroizing<String>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = Zeroizing::new([&vec![0; offset], text].concat());
    let mut out = Zeroizing::new(String::with_capacity(bytes.len() * 4 / 3 + 3));
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            let index = (word >> (18 - 6 * digit)) & 63;
            out.push(char::from(DIGITS[index as usize]));
        }
    }
    // The first digit with a bit of the text in it, when all its bits are; and the last.
    let start = (offset * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    (start, end.max(start), out)
}

/// `text` without any secret met in this run (in whatever of the usual encodings, in either case)
/// and with control characters escaped, except for line ends, tabs and the colour sequences that
/// the renderers write.
pub fn scrub(text: &str) -> String {
    let search = {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_mut().map(|known| known.search(text))
    };
    let Some(search) = search else { return escape(text, true) };
    let mut text = search.clean(text);
    let cleaned = escape(&text, true);
    text.zeroize();
    cleaned
}

impl Search {
    fn clean(&self, text: &str) -> String {
        let mut hidden: Vec<Range<usize>> = Vec::new();
        for forms in &self.forms {
            match forms {
                Ok(places) => hidden.extend(places.iter().cloned()),
                Err(built) => hidden.extend(built.find_iter(text).map(|found| found.range())),
            }
        }
        if !self.digits.is_empty() {
            hidden.extend(runs_of_digits(&self.digits, text));
        }
        if !self.words.is_empty() {
            hidden.extend(self.known_words(text));
        }
        if hidden.is_empty() {
            return text.to_owned();
        }
        hidden.sort_by_key(|range| range.start);
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for range in hidden {
            if range.start >= done {
                out.push_str(&text[done..range.start]);
                out.push_str(HIDDEN);
            }
            done = done.max(range.end);
        }
        out.push_str(&text[done..]);
        out
    }

    /// The words that are known whole: between blanks and quotes, and between the signs of a URL.
    fn known_words(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = self.known_between(text, "\"'`=:,;(){}[]<>|&");
        found.extend(self.known_between(text, "\"'`=:,;(){}[]<>|&@/#?"));
        found
    }

    fn known_between(&self, text: &str, signs: &str) -> Vec<Range<usize>> {
        let is_end = |c: char| c.is_whitespace() || signs.contains(c);
        let mut found = Vec::new();
        let mut at = 0;
        for word in text.split(is_end) {
            let folded = Zeroizing::new(word.to_ascii_lowercase());
            if word.len() >= SHORTEST && self.words.contains(&self.hasher.hash_one(folded.as_str()))
            {
                found.push(at..at + word.len());
            }
            at += word.len();
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
        found
    }
}

/// Where so many hex digits of a secret stand one after the other, whatever is between them: a key
/// that was written in groups is the key.
fn runs_of_digits(digits: &HashSet<u64>, text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    // Where the last of them stand, each at its number modulo DIGITS.
    let mut places = [0; DIGITS];
    let mut number = 0;
    let mut found: Vec<Range<usize>> = Vec::new();
    let hex = bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_hexdigit());
    for (count, (at, byte)) in hex.enumerate() {
        number = after(number, *byte);
        places[count % DIGITS] = at;
        if count + 1 < DIGITS || !digits.contains(&number) {
            continue;
        }
        let first = places[(count + 1) % DIGITS];
        // The digits right after it may belong to another tool's view of the same secret.
        let more = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let end = at + 1 + more;
        match found.last_mut() {
            Some(last) if first < last.end => last.end = end,
            _ => found.push(first..end),
        }
    }
    number.zeroize();
    found
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::*;

    const KEY: &str =
        "test-instance|01aaaabbbbccccddddeeeeffff000011112222333344445555666677778888999900001a";

    fn base64(bytes: &[u8]) -> String {
        base64_at(bytes, 0).2.to_string()
    }

    #[test]
    fn every_usual_form_of_a_secret_is_cut_out() {
        let secret = Secret::new(format!("{KEY}\n"));
        let hex = KEY.split_once('|').unwrap().1;
        let forms = [
            KEY.to_owned(),
            KEY.to_uppercase(),
            hex.to_owned(),
            KEY.replace('|', "%7C"),
            KEY.replace('|', "\\u007c"),
            serde_json::to_string(KEY).unwrap(),
            base64(KEY.as_bytes()),
            base64(format!("u:{KEY}").as_bytes()),
            base64(format!("us:{KEY}").as_bytes()),
            base64(format!("use:{KEY}x").as_bytes()),
            hex[10..50].to_owned(),
            hex[hex.len() - 16..].to_owned(),
        ];
        for form in forms {
            let out = scrub(&format!("before {form} after"));
            assert!(out.contains("***"), "{form}");
            assert!(!out.to_lowercase().contains(&hex[10..]), "{out}");
            assert!(out.starts_with("before ") && out.trim_end().ends_with("after"), "{out}");
        }
        assert_eq!(secret.chars(), KEY.len() + 1);
    }

    #[test]
    fn a_key_in_groups_is_the_key() {
        let digits = "9c41d8e07b3f5a62184e9d0c7a6b3f21e5d4c8b7a09f16253748596a7b8c9d0e";
        let _secret = Secret::new(digits);
        for size in [4, 8, 20] {
            for between in [" ", "-", "\n", " : "] {
                let groups: Vec<&str> =
                    (0..64).step_by(size).map(|at| &digits[at..(at + size).min(64)]).collect();
                let out = scrub(&format!("key: {}.", groups.join(between)));
                assert_eq!(out, "key: ***.", "{size} {between:?}");
            }
        }
        assert_eq!(scrub(&digits[..15]), digits[..15]);
    }

    #[test]
    fn base64_is_the_standard_one() {
        for (text, expected) in
            [("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob?>", "Zm9vYj8+")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        // The digits that depend on the text alone: those of `abc` in `xabcy`, `xyabc`.
        for (offset, expected) in [(0, "YWJj"), (1, "FiY"), (2, "hYm")] {
            let (start, end, text) = base64_at(b"abc", offset);
            assert_eq!(&text[start..end], expected, "{offset}");
        }
    }

    #[test]
    fn what_is_too_much_for_the_automaton_is_known_as_words() {
        let mut known = Known::default();
        for number in 0..60_000 {
            known.add(&format!("pass-{number:06}-word!"));
        }
        assert!(known.bytes() <= MOST_BYTES && !known.words.is_empty());
        for number in [0, 59_999] {
            let text = format!("password: \"pass-{number:06}-word!\" x");
            assert_eq!(known.search(&text).clean(&text), "password: \"***\" x");
        }
    }

    #[test]
    fn many_words_that_are_hidden_leave_room_for_secrets() {
        let mut known = Known::default();
        for number in 0..40_000 {
            known.suspect(&format!("w0rd-{number:06}-x9z"));
        }
        known.add("kV7late-secret-9Q");
        let mut clean = |text: &str| known.search(text).clean(text);
        assert_eq!(clean("akV7late-secret-9Qb"), "a***b");
        assert_eq!(clean("x w0rd-039999-x9z y"), "x *** y");
    }

    #[test]
    fn a_short_text_and_a_long_one_hide_the_same() {
        let mut known = Known::default();
        for word in ["kV7late-secret-9Q", "Wx5other", "Zz9?quoted\"", "9f8e7d6c5b4a3928"] {
            known.add(word);
        }
        let filler = " filler".repeat(20_000);
        for text in
            ["akV7LATE-secret-9Qb", "x kV7late-secret-9QWx5other y", "\"Zz9?quoted\\\"\" ü", "none"]
        {
            let long = format!("{text}{filler}");
            known.forms.recent.is_changed();
            let (short, long) = (known.search(text).clean(text), known.search(&long).clean(&long));
            assert!(known.forms.recent.built.is_some(), "the long text was worth an automaton");
            assert!(long == format!("{short}{filler}"), "{short}");
            assert_eq!(short.contains(HIDDEN), text != "none", "{short}");
        }
    }

    #[test]
    fn a_long_secret_is_known_in_pieces() {
        let long: String = (0..20_000).map(|n| format!("{n:x}g")).collect();
        let mut known = Known::default();
        known.add(&long);
        assert!(known.bytes() < 20_000);
        let text = format!("x {} x", &long[100..200]);
        let shown = known.search(&text).clean(&text);
        assert!(shown.contains("***") && !shown.contains(&long[110..170]), "{shown}");
    }

    #[test]
    fn a_name_is_hidden_only_where_it_is_a_secret() {
        suspect("k8s1shop2web_data");
        assert_eq!(scrub("volume k8s1shop2web_data"), "volume ***");
        add_name("k8s1shop2web_data");
        suspect("k8s1shop2web_data");
        assert_eq!(scrub("volume k8s1shop2web_data"), "volume k8s1shop2web_data");
        assert!(is_name("K8s1shop2web_data"));
        let _secret = Secret::new("k8s1shop2web_data");
        add_name("k8s1shop2web_data");
        assert_eq!(scrub("volume k8s1shop2web_data"), "volume ***");
        assert!(!is_name("k8s1shop2web_data"));
    }

    #[test]
    fn public_words_stay_readable() {
        let _password = Secret::new("synapse");
        assert_eq!(scrub("volume synapse_data"), "volume synapse_data");
        let _better = Secret::new("syn4pse");
        assert_eq!(scrub("syn4pse"), "***");
        let _taken = Secret::new("convex-self-hosted");
        assert_eq!(scrub("instance convex-self-hosted"), "instance convex-self-hosted");
        assert_eq!(scrub("\u{1b}[31mred\u{1b}[0m\u{1b}[2J"), "\u{1b}[31mred\u{1b}[0m\\u001b[2J");
    }
}
