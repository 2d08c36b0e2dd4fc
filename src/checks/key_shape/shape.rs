//! One judgement about what the text is: a placeholder, the instance secret, a cloud key, something never minted, or a key that was
//! mangled on its way.

use crate::admin_key::{Form, ShapeFault};
use crate::checks::Check;
use crate::checks::endpoint::key_accepted;
use crate::checks::key::{location, mint, selected};
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

/// Declares a rule of this file: all are causes, and lead to the refusals that the backend words all alike.
macro_rules! rule {
    ($name:ident, $id:literal, $title:literal) => {
        static $name: Rule = Rule {
            id: $id,
            level: Level::Error,
            title: $title,
            explain: include_str!(concat!($id, ".md")),
            is_cause: true,
            causes: &["key-rejected", "key-foreign"],
            since: "0.1.0",
        };
    };
}

rule!(
    KEY_PLACEHOLDER,
    "key-placeholder",
    "the admin key is a placeholder that was never filled in"
);
rule!(KEY_MANGLED, "key-mangled", "the admin key was mangled on its way into the file");
rule!(KEY_NOT_MINTED, "key-not-minted", "the admin key was never minted: keys cannot be chosen");
rule!(
    KEY_IS_INSTANCE_SECRET,
    "key-is-instance-secret",
    "the instance secret stands where the admin key belongs"
);
rule!(KEY_IS_CLOUD_KEY, "key-is-cloud-key", "the admin key is a key of Convex Cloud");
rule!(
    KEY_PREFIX_REFUSED,
    "key-prefix-refused",
    "the key's preview:/project: prefix is refused in the header"
);
rule!(KEY_WITHOUT_NAME, "key-without-name", "the part before the | of the admin key is missing");

/// What the text of the selected key is.
pub(super) static CHECK: Check = Check {
    rules: &[
        &KEY_PLACEHOLDER,
        &KEY_MANGLED,
        &KEY_NOT_MINTED,
        &KEY_IS_INSTANCE_SECRET,
        &KEY_IS_CLOUD_KEY,
        &KEY_PREFIX_REFUSED,
        &KEY_WITHOUT_NAME,
    ],
    run,
};

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(key) = selected(evidence) else { return Ok(vec![]) };
    let shape = &key.shape;
    let (rule, certainty, detail) = match shape.form {
        Form::Empty => return Ok(vec![]), // said as half a pair
        Form::Placeholder => {
            let detail = "The text of an example was left in.".to_owned();
            (&KEY_PLACEHOLDER, Certainty::Proven, detail)
        }
        Form::LooksLikeInstanceSecret => secret_as_key(key),
        Form::CloudKey => {
            let detail = "A self-hosted backend refuses every cloud key; only a key minted by the instance itself opens it.";
            (&KEY_IS_CLOUD_KEY, Certainty::Proven, detail.to_owned())
        }
        Form::NotMinted => {
            let detail = "An admin key is the instance's name, a |, and hex digits that begin with 01; this text is none.";
            (&KEY_NOT_MINTED, Certainty::Proven, detail.to_owned())
        }
        Form::NameOnly => {
            let detail =
                "Only the part before the | is left: a shell took the unquoted | for a pipe.";
            (&KEY_MANGLED, Certainty::Proven, detail.to_owned())
        }
        Form::Mangled => (&KEY_MANGLED, Certainty::Proven, faults(&shape.faults)),
        Form::WellShaped if shape.prefix_refused => {
            let detail = "The header drops everything before the | of such a key, so `npx convex dev` is refused, though \
                          `deploy` is not.";
            (&KEY_PREFIX_REFUSED, Certainty::Proven, detail.to_owned())
        }
        Form::WellShaped if !shape.has_pipe && !shape.room_for_name => {
            let detail = "Without `name|` in front the backend cannot tell whose key it is; no name fits inside this one.";
            (&KEY_WITHOUT_NAME, Certainty::Proven, detail.to_owned())
        }
        Form::WellShaped if shape.faults.contains(&ShapeFault::UnusualLength) && !opens(key) => {
            let detail = "It has a length that the backend's own tool does not make: probably cut while copying.";
            (&KEY_MANGLED, Certainty::Likely, detail.to_owned())
        }
        Form::WellShaped => return Ok(vec![]),
    };
    // Accepted is accepted (catalogue §0.3), but for a blank or CR at the end, which only the push refuses.
    let push_refuses = shape.faults.iter().any(|fault| {
        matches!(
            fault,
            ShapeFault::TrailingBlank
                | ShapeFault::TrailingCarriageReturn
                | ShapeFault::LineBreakInside
        )
    });
    let level = if key_accepted(evidence) && !push_refuses { Level::Warning } else { Level::Error };
    let mut finding = rule.finding(certainty, detail).level(level);
    finding = finding
        .because(format!("{} characters{}", shape.characters, bytes(key)), key.source.to_string());
    if let Some(at) = location(&key.source) {
        finding = finding.at(at);
    }
    Ok(vec![remedies(evidence, finding, key)])
}

fn bytes(key: &KeyFacts) -> String {
    key.shape.hex_bytes.map_or_else(String::new, |bytes| format!(", {bytes} bytes of hex"))
}

fn opens(key: &KeyFacts) -> bool {
    key.trials.iter().any(|trial| trial.opened.is_some())
}

/// 64 hex digits: proven where they are a secret that was found.
fn secret_as_key(key: &KeyFacts) -> (&'static Rule, Certainty, String) {
    let (certainty, how) = match &key.equals_secret_of {
        Some(_) => (Certainty::Proven, "It is the secret of an instance here, digit for digit."),
        None => (Certainty::Likely, "64 hex digits are what an instance secret looks like."),
    };
    let more = "Keys are minted from the secret; who has the secret can mint any key, so treat it as leaked if it was shared.";
    (&KEY_IS_INSTANCE_SECRET, certainty, format!("{how} {more}"))
}

fn remedies(evidence: &Evidence, finding: Finding, key: &KeyFacts) -> Finding {
    let repair = match finding.id.as_str() {
        "key-prefix-refused" => {
            "Take the preview:/project: in front away and leave the rest as it is"
        }
        "key-without-name" => {
            "Paste the whole line that was printed, with the name and the | in front"
        }
        "key-mangled" if opens(key) => {
            "Take away what does not belong to it (quotes, blanks, `Admin key:`, line ends); the key inside opens with a secret here"
        }
        _ => "",
    };
    let finding = if repair.is_empty() { finding } else { finding.remedy(Remedy::safe(repair)) };
    finding.remedy(mint(evidence, "Mint a key"))
}

fn faults(faults: &[ShapeFault]) -> String {
    let words: Vec<&str> = faults
        .iter()
        .map(|fault| match fault {
            ShapeFault::LabelCaptured => "the label `Admin key:` was captured with it",
            ShapeFault::ErrorCaptured => "an error message was captured in its place",
            ShapeFault::SchemeCaptured => "a scheme such as `Convex` or `Bearer` stands before it",
            ShapeFault::AssignmentCaptured => "the variable's name is part of the value",
            ShapeFault::QuotesInside => "quotes are part of it",
            ShapeFault::LineBreakInside => "a line break is inside",
            ShapeFault::BlankInside => "a blank is inside",
            ShapeFault::TrailingBlank => "a blank at its end passes in the header, and the push sends it in JSON, where it is refused",
            ShapeFault::TrailingCarriageReturn => {
                "a carriage return at its end passes in the header, and the push sends it in JSON, where it is refused"
            }
            ShapeFault::LeadingBlank => "a blank stands before it",
            ShapeFault::UrlEncodedPipe => "its | is written as %7C",
            ShapeFault::SeveralPipes => "it has more than one |",
            ShapeFault::EmptyName => "nothing stands before its |",
            ShapeFault::ColonInName => "a second : stands in its name",
            ShapeFault::OddDigits => "it has an odd number of hex digits: one was lost",
            ShapeFault::NotHexDigit => "something that is no hex digit is among the digits",
            ShapeFault::HexPrefix => "0x stands before the digits",
            ShapeFault::TooShort => "it is too short for any key: cut while copying",
            ShapeFault::UnusualLength => "its length is unusual",
            ShapeFault::WrongVersionByte => "its hex part does not begin with 01",
        })
        .collect();
    match words.as_slice() {
        [] => "It is no whole key.".to_owned(),
        words => format!("{}.", crate::checks::key::capital(&words.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::selection::build::{selected as choose, told};

    #[test]
    fn each_shape_has_its_id_and_a_good_key_none() {
        let hex = format!("01{}", "ab".repeat(36));
        let place = ".env.local:2";
        for (text, expected) in [
            (format!("convex-self-hosted|{hex}"), vec![]),
            (format!("dev:convex-self-hosted|{hex}"), vec![]),
            (
                "'<your admin key>'".to_owned(),
                vec![format!("key-placeholder error proven {place}")],
            ),
            (
                "prod:happy-animal-123|eyJ2MiI6IjEyMzQ1Njc4OTAifQ==".to_owned(),
                vec![format!("key-is-cloud-key error proven {place}")],
            ),
            (
                format!("preview:convex-self-hosted|{hex}"),
                vec![format!("key-prefix-refused error proven {place}")],
            ),
            (hex.clone(), vec![format!("key-without-name error proven {place}")]),
            ("ab".repeat(32), vec![format!("key-is-instance-secret error likely {place}")]),
            (
                "convex-admin-0f1e2d3c4b5a".to_owned(),
                vec![format!("key-not-minted error proven {place}")],
            ),
            (
                format!("convex-self-hosted|{}", &hex[..73]),
                vec![format!("key-mangled error proven {place}")],
            ),
            (
                format!("\"Admin key: convex-self-hosted|{hex}\""),
                vec![format!("key-mangled error proven {place}")],
            ),
        ] {
            let env = format!(
                "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY={text}\n"
            );
            let mut evidence = choose(&env, None, &[]);
            evidence.endpoint = crate::checks::key::build::refused(&[]).endpoint;
            assert_eq!(told(run(&evidence)), expected, "{text}");
        }
    }
}
