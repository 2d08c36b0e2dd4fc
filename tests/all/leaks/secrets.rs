//! Secrets to plant, and what no output may hold of them.

use aho_corasick::AhoCorasick;

/// `SplitMix64`: the same seed plants the same secrets everywhere.
#[derive(Clone)]
pub(super) struct Rng(u64);

impl Rng {
    /// The numbers of one case: those of its neighbours have nothing to do with them.
    pub(super) fn new(seed: u64, case: u64) -> Self {
        let mut rng = Self(seed);
        rng.0 = rng.next() ^ case.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        rng
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// True in so many of a hundred cases.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn signs(&mut self, from: &str, count: usize) -> String {
        let from: Vec<char> = from.chars().collect();
        (0..count).map(|_| self.pick(&from)).collect()
    }

    /// Letters in both cases and digits, changing so often that it is no word and no number.
    fn mixed(&mut self, count: usize) -> String {
        let sets = ["abcdefghijkmnpqrstuvwxyz", "23456789", "ABCDEFGHJKLMNPQRSTUVWXYZ"];
        (0..count).map(|at| self.signs(sets[at % sets.len()], 1)).collect()
    }
}

/// What kind of secret it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An admin key.
    Key,
    /// The part of a key after its `|`.
    KeyDigits,
    /// 64 hex digits, as an instance secret and the name of a nameless volume have.
    Hex,
    /// The same with `0x` before them.
    PrefixedHex,
    /// A URL with a password of many signs.
    Url,
    /// `Bearer` and a token.
    Bearer,
    /// Keys and tokens of well-known services.
    Service,
    /// Base64 of a key.
    Base64,
    /// A long password of letters and digits.
    Long,
    /// A short one, of letters, digits and signs.
    Short,
}

/// The kinds whose form says that they are secret: they are hidden wherever they stand.
pub(super) const FORMS: &[Kind] = &[
    Kind::Key,
    Kind::KeyDigits,
    Kind::Hex,
    Kind::PrefixedHex,
    Kind::Url,
    Kind::Bearer,
    Kind::Service,
    Kind::Base64,
];

/// The same but for 64 hex digits: where a name may stand, they are that of a nameless volume.
pub(super) const IN_NAMES: &[Kind] = &[
    Kind::Key,
    Kind::KeyDigits,
    Kind::PrefixedHex,
    Kind::Url,
    Kind::Bearer,
    Kind::Service,
    Kind::Base64,
];

/// Made of letters, digits, `_` and `-`: what a name of Docker or of a file may be made of.
pub(super) const NAMES: &[Kind] = &[Kind::KeyDigits, Kind::PrefixedHex, Kind::Service];

/// All of them.
pub(super) const ALL: &[Kind] = &[
    Kind::Key,
    Kind::KeyDigits,
    Kind::Hex,
    Kind::PrefixedHex,
    Kind::Url,
    Kind::Bearer,
    Kind::Service,
    Kind::Base64,
    Kind::Long,
    Kind::Short,
];

/// Where no name says that the value is secret, and the value is shown: a short password cannot be
/// told from a word there.
pub(super) const UNNAMED: &[Kind] = &[
    Kind::Key,
    Kind::KeyDigits,
    Kind::Hex,
    Kind::PrefixedHex,
    Kind::Url,
    Kind::Bearer,
    Kind::Service,
    Kind::Base64,
    Kind::Long,
];

/// A password alone.
pub(super) const PASSWORDS: &[Kind] = &[Kind::Long, Kind::Short];

/// A secret that was put somewhere.
#[derive(Clone, Debug)]
pub(super) struct Planted {
    /// Its text, as it is put there.
    pub(super) text: String,
    /// Where it was put.
    pub(super) place: String,
    /// What gives it away.
    needles: Vec<String>,
}

const HEX: &str = "0123456789abcdef";

impl Planted {
    /// A new secret of this kind, for that place.
    pub(super) fn new(kind: Kind, place: impl Into<String>, rng: &mut Rng) -> Self {
        let digits = |rng: &mut Rng, count| rng.signs(HEX, count);
        // Any so many digits in a row are as good as the whole.
        let runs = |digits: &str| -> Vec<String> {
            (0..=digits.len() - 16).map(|at| digits[at..at + 16].to_owned()).collect()
        };
        let (text, needles) = match kind {
            Kind::Key | Kind::KeyDigits => {
                let key = format!("01{}", digits(rng, 76));
                let number = 100 + rng.below(900);
                let name = if kind == Kind::Key {
                    format!("happy-otter-{number}|")
                } else {
                    String::new()
                };
                (format!("{name}{key}"), runs(&key))
            }
            Kind::Hex => {
                let hex = digits(rng, 64);
                (hex.clone(), runs(&hex))
            }
            Kind::PrefixedHex => {
                let hex = digits(rng, 64);
                (format!("0x{hex}"), runs(&hex))
            }
            Kind::Url => {
                // Wherever a reader of URLs cuts, what is left is a part of the password.
                let parts = [rng.mixed(7), rng.mixed(6), rng.mixed(8)];
                let signs = [rng.signs("/@:#?&%+=,;!*()[]{}|~^.-_", 1), rng.signs("/@:#?&=", 1)];
                let password =
                    format!("{}{}{}{}{}", parts[0], signs[0], parts[1], signs[1], parts[2]);
                let scheme = rng.pick(&["postgres", "https", "redis", "mysql", "amqp", "http"]);
                let user = rng.pick(&["app", "convex", ""]);
                (format!("{scheme}://{user}:{password}@db.example:5432/app"), parts.to_vec())
            }
            Kind::Bearer => {
                let token = rng.mixed(24);
                (format!("Bearer {token}"), vec![token])
            }
            Kind::Service => {
                let tail = rng.mixed(30);
                let upper = tail.to_ascii_uppercase();
                let text = match rng.below(7) {
                    0 => format!("AKIA{}", &upper[..16]),
                    1 => format!("ghp_{tail}"),
                    2 => format!("github_pat_{tail}"),
                    3 => format!("xoxb-{}", &tail[..24]),
                    4 => format!("sk_live_{tail}"),
                    5 => format!("hf_{tail}"),
                    _ => format!("glpat-{}", &tail[..20]),
                };
                let needle = text.rsplit(['_', '-']).next().unwrap_or(&text).to_owned();
                (text, vec![needle])
            }
            Kind::Base64 => {
                // Of bytes, or of letters and digits.
                let bytes: Vec<u8> = (0..33).map(|_| rng.byte()).collect();
                let text = rng.mixed(33);
                let text = base64(if rng.chance(50) { &bytes } else { text.as_bytes() });
                let halves = vec![text[..22].to_owned(), text[22..].to_owned()];
                (text, halves)
            }
            Kind::Long => {
                let text = format!("zq{}", rng.mixed(17));
                let halves = vec![text[..10].to_owned(), text[10..].to_owned()];
                (text, halves)
            }
            Kind::Short => {
                let text =
                    format!("{}{}{}", rng.mixed(4), rng.signs("!%*+^~-_.=@", 1), rng.mixed(4));
                (text.clone(), vec![text])
            }
        };
        Self { text, place: place.into(), needles }
    }

    /// One of these kinds.
    pub(super) fn of(kinds: &[Kind], place: impl Into<String>, rng: &mut Rng) -> Self {
        let kind = rng.pick(kinds);
        Self::new(kind, place, rng)
    }
}

/// What gives the secrets away, in each form in which it may get out.
pub(super) struct Search {
    automaton: AhoCorasick,
    owners: Vec<(String, String)>,
}

impl Search {
    pub(super) fn new(planted: &[Planted]) -> Self {
        let mut owners = Vec::new();
        let mut forms = Vec::new();
        for one in planted {
            for needle in &one.needles {
                for form in encodings(needle) {
                    owners.push((one.place.clone(), one.text.clone()));
                    forms.push(form);
                }
            }
        }
        Self { automaton: AhoCorasick::new(forms).unwrap(), owners }
    }

    /// Where the secrets that this output holds were put, and how it shows them.
    pub(super) fn leaks(&self, output: &str) -> Vec<String> {
        let plain = squeezed(output);
        let mut readings = vec![plain.clone()];
        // As a reader of Markdown and of XML has it.
        if plain.contains('\\') {
            readings.push(plain.replace('\\', ""));
        }
        if plain.contains('&') {
            let signs =
                [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
            readings.push(signs.iter().fold(plain, |text, (from, to)| text.replace(from, to)));
        }
        let mut found = Vec::new();
        for text in readings {
            for hit in self.automaton.find_iter(&text) {
                let (place, secret) = &self.owners[hit.pattern().as_usize()];
                let before: String = text[..hit.start()].chars().rev().take(60).collect();
                let before: String = before.chars().rev().collect();
                found.push(format!("{place} ({secret}): …{before}{}", &text[hit.range()]));
            }
        }
        found.dedup_by_key(|one| one.split(": …").next().unwrap_or_default().to_owned());
        found
    }
}

/// In small letters, and without the blanks and lines that a page was broken at.
fn squeezed(text: &str) -> String {
    let text: String = text.split_whitespace().collect();
    text.to_lowercase()
}

fn encodings(needle: &str) -> Vec<String> {
    let json = serde_json::to_string(needle).unwrap();
    let url: String = url::form_urlencoded::byte_serialize(needle.as_bytes()).collect();
    let mut forms = vec![needle.to_owned(), json.trim_matches('"').to_owned(), url];
    for offset in 0..3 {
        let encoded = base64(&[&vec![b' '; offset], needle.as_bytes()].concat());
        let inner = encoded.trim_end_matches('=');
        // The first and the last digit hold bits of what is around it.
        forms.push(inner[(offset * 8).div_ceil(6)..inner.len() - 1].to_owned());
    }
    let mut forms: Vec<String> = forms.iter().map(|form| squeezed(form)).collect();
    forms.sort();
    forms.dedup();
    forms
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            encoded.push(char::from(DIGITS[bits >> (18 - 6 * digit) & 63]));
        }
    }
    encoded
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let mut rng = Rng::new(1, 1);
    for kind in ALL {
        let planted = Planted::new(*kind, "x", &mut rng);
        let search = Search::new(std::slice::from_ref(&planted));
        let needle = planted.needles.last().unwrap().clone();
        let url: String = url::form_urlencoded::byte_serialize(needle.as_bytes()).collect();
        for text in [
            format!("a {} b", planted.text),
            planted.text.to_ascii_uppercase(),
            needle.split_at(3).0.to_owned() + "\n   " + needle.split_at(3).1,
            serde_json::to_string(&needle).unwrap(),
            url,
            base64(format!("u:{needle}").as_bytes()),
            base64(format!("up:{needle};").as_bytes()),
            needle
                .chars()
                .map(|c| if c.is_alphanumeric() { c.to_string() } else { format!("\\{c}") })
                .collect(),
        ] {
            assert!(!search.leaks(&text).is_empty(), "{kind:?}: {planted:?} in {text}");
        }
        assert_eq!(search.leaks("postgres://app:***@db.example:5432/app, Bearer ***"), [""; 0]);
    }
}
