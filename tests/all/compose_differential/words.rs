//! Scalars, variables in them, and the statements of `.env` files.

use super::rng::Rng;
use super::yaml::{Y, raw};

/// Variables that `.env` files and the shell may set.
pub(crate) const SET: [&str; 6] = ["A", "B", "C", "EMPTY", "TAG", "a_b"];

/// Texts that YAML, shells and dotenv readers make something of.
const ODD: [&str; 61] = [
    "x", "one", "a b", "http://h:3210", "v-1.2", "it's", "#no", "a#b", "a #b", "a: b", "100%", "é", "*x",
    "&y", "!z", "@at", "`q`", "{a}", "[b]", "- d", "true", "no", "on", "1", "0123", "1_000", "1e3", "0x1F",
    "12:30", "✗2024-01-01", "1.50", "~", "null", "", "=", "a=b", "a\\nb", "~/x", "a\tb", "-", "<<", ".5", "+1",
    "0o17", "0b1", "1.", ".nan", ".inf", "yes", "y", "a,b", "\"q\"", "0.1.2", "-5", "123456789.5", "1.0",
    "False", " lead", "trail ", "99999999999999999999", "a:",
];

/// A text that a reader may make something else of.
pub(crate) fn odd(r: &mut Rng) -> &'static str {
    r.form(&ODD)
}

/// A template around a text: every form that Compose fills in, seldom one that it refuses.
pub(crate) fn template(r: &mut Rng, text: &str) -> String {
    if r.fault(1) {
        let broken = [
            "${A", "${}", "${1}", "${U1:?need $A}", "${A!x}", "${A:}", "${ A }", "${A:=x}", "${A/x/y}",
            "${U1?}", "${U1:?}", "${A:b}", "${A-", "${EMPTY:?no}", "${U1?a: b}", "$${A", "${-x}", "${A.b}",
        ];
        return r.pick(&broken).to_owned();
    }
    let set = r.pick(&SET);
    match r.below(32) {
        0..4 => format!("${{U1:-{text}}}"),
        4 => format!("${{U1-{text}}}"),
        5 => format!("${{{set}:-{text}}}"),
        6 => format!("${{EMPTY:-{text}}}"),
        7 => format!("${{EMPTY-{text}}}"),
        8 => format!("${{{set}:+{text}}}"),
        9 => format!("${{U1+{text}}}"),
        10 => format!("${{EMPTY+{text}}}{text}"),
        11 => format!("${{EMPTY:+y}}{text}"),
        12 => format!("${{U1:-${{U2:-{text}}}}}"),
        13 => format!("${{U1:-${{{set}}}/{text}}}"),
        14 => {
            let name = if r.fault(30) { set } else { "HOME" };
            format!("${{{name}:?need {set}}}")
        }
        15 => format!("${{{}?}}", if r.fault(30) { set } else { "HOME" }),
        16 => format!("$${text}"),
        17 => format!("$${{{set}}}{text}"),
        18 => format!("${{U1}}{text}"),
        19 => format!("{text}$U2"),
        20..23 => format!("${{{set}}}"),
        23 => format!("${set}"),
        24 => format!("${set}-{text}"),
        25 => format!("{text}${{{set}:-${{U2}}}}"),
        26 => format!("{text}$1$(x)$"),
        27 => format!("${{U1:-$A}}{text}"),
        28 => format!("${{U1:-}}{text}"),
        29 => format!("${{U1:-${{U2-}}}}{text}"),
        30 => format!("${{A:+${{B:+{text}}}}}"),
        _ => format!("${{{set}}}${{{set}}}$PWD"),
    }
}

/// A template that comes to the text itself: for what has to be a name, a path, a number.
fn same(r: &mut Rng, text: &str) -> String {
    if r.fault(1) {
        return template(r, text);
    }
    match r.below(12) {
        0..3 => format!("${{U1:-{text}}}"),
        3 => format!("${{U1-{text}}}"),
        4 | 5 => format!("${{U1:-${{U2:-{text}}}}}"),
        6 => format!("${{HOME:+{text}}}"),
        7 => format!("${{HOME+{text}}}"),
        8 => format!("${{U1}}{text}"),
        9 => format!("{text}${{U1:-}}"),
        10 => format!("{text}$U2"),
        _ => format!("${{U1:+x}}{text}"),
    }
}

/// A text that has to stay what it is, as it is or with variables in it.
pub(crate) fn kept(r: &mut Rng, text: &str) -> String {
    if r.chance(12) { same(r, text) } else { text.to_owned() }
}

/// A scalar that has to be this text.
pub(crate) fn name(r: &mut Rng, text: &str) -> Y {
    let text = kept(r, text);
    plain_or_quoted(r, &text)
}

/// A text as it is, or with variables in it.
pub(crate) fn filled(r: &mut Rng, text: &str) -> String {
    if r.chance(15) { template(r, text) } else { text.to_owned() }
}

fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn double(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\t', "\\t").replace('\n', "\\n"))
}

fn plain_safe(text: &str) -> bool {
    let first = text.chars().next();
    first.is_some_and(|first| first.is_alphanumeric() || "/._$~<+".contains(first))
        && !text.contains([',', '{', '}', '[', ']', '\n', '\t', '"', '\'', '`'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([' ', ':'])
}

fn quoted(r: &mut Rng, text: &str) -> Y {
    raw(if r.chance(50) { single(text) } else { double(text) })
}

/// A scalar: what YAML makes of it is its affair.
pub(crate) fn scalar(r: &mut Rng, text: &str) -> Y {
    if plain_safe(text) && r.chance(75) { raw(text) } else { quoted(r, text) }
}

/// A scalar that is a text whatever stands in it, with or without variables.
pub(crate) fn text(r: &mut Rng, text: &str) -> Y {
    let text = filled(r, text);
    plain_or_quoted(r, &text)
}

fn plain_or_quoted(r: &mut Rng, text: &str) -> Y {
    let words = ["true", "false", "null", "True", "False", "~"];
    let number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.~<".contains(first));
    if number || words.contains(&text) || !plain_safe(text) || r.chance(20) {
        quoted(r, text)
    } else {
        raw(text)
    }
}

/// Any scalar with or without variables, of any type.
pub(crate) fn any(r: &mut Rng) -> Y {
    let text = odd(r);
    let text = filled(r, text);
    scalar(r, &text)
}

/// A value in a `.env` file, as written.
fn value(r: &mut Rng) -> String {
    let fixed = [
        "v", "", "'lit $A'", "\"dq ${A}\\n\"", "\"m\nl\"", "'m\n l # x'", "v # c", "v#c", "#c", "  sp  ",
        "it's", "\"it's\"", "'it\\'s'", "\"a\\\"b\"", "\"\\$A\"", "\\$A", "\"a\\tb\\\\c\"", "x=y", "a\"b\"",
        "✗'a'b", "\"a\" # c", "✗\"a\"b", "\\n", "\"\\101\\0101\\x41\"", "$A$B", "${A}", "$$A", "'$$A'",
        "\"$$A\"", "a\\", "✗\"a\\\\\"", "true", "0123", "a b c", "http://h:1/#x", "✗'a' 'b'", "\"\"", "''",
        "v\t# c", "v\t", "a\tb", "é", "\"a\r\nb\"", "v\r", "[x]", "{y}", "'a\\nb'", "\"a\\ b\"", "$(x)",
        "`x`", "a;b", "a # b # c", "\"#\"", " 'q' ", "\"${U1:-d}\"", "'a\nB=1'", "\\\"q\\\"", "\"a\\'b\"",
        "-", "a: b", "\"\\a\\b\\f\\v\\r\"",
    ];
    if r.chance(80) {
        return r.form(&fixed).to_owned();
    }
    template(r, "t")
}

/// The lines of an `env_file` that is read raw.
pub(crate) fn raw_env(r: &mut Rng) -> Vec<String> {
    let lines = [
        "A='x' $y", "B=\"q\"", "# c", "C=a b", "D=", "", "A=${B}", "TAG", "LOG=a # b", "E=\\n", "F=a=b", "G= lead ",
        "  # c", "H=é", "✗A B=c", "✗=x", "I='a", "J=$$x", "A",
    ];
    (0..r.below(6)).map(|_| r.form(&lines).to_owned()).collect()
}

/// The statements of a `.env` file, and whether the last line is ended.
pub(crate) fn dotenv(r: &mut Rng, names: &[&str]) -> (Vec<String>, bool) {
    let mut lines = Vec::new();
    for _ in 0..r.below(6) {
        let (name, value) = (r.pick(names), value(r));
        let line = match r.below(34) {
            0 => format!("export {name}={value}"),
            1 => format!("{name}: {value}"),
            2 => format!("{name} = {value}"),
            3 => name.to_owned(),
            4 => "# comment = x".to_owned(),
            5 => String::new(),
            6 => format!("  {name}={value}"),
            7 => format!("export {name}"),
            8 => format!("{name}.x={value}"),
            9 => format!("{name}-x={value}"),
            10 => format!("\t{name}={value}"),
            11 => format!("export{name}={value}"),
            12 if r.fault(10) => format!("{name}  # c"),
            13 => format!("{name} "),
            14 if r.fault(10) => {
                let broken = [
                    "A B=c", "A@=c", "A=\"open", "=x", "A='open", "A[0]=c", "$A=1", "A", "\"A\"=1", "A!",
                    "é=1", "export", "export =1", "A:", "A\n=1", "-A=1", ".=1", "1=1", "a/b=1", "A=\"x\\\"",
                    "A,B=1",
                ];
                r.pick(&broken).to_owned()
            }
            15 => format!("{name}={value}\r"),
            _ => format!("{name}={value}"),
        };
        lines.push(line);
    }
    if r.chance(2) {
        lines.insert(0, "\u{feff}A=bom".to_owned());
    }
    let bare = lines.last().is_some_and(|line: &String| !line.contains('='));
    (lines, r.chance(if bare { 98 } else { 85 }))
}
