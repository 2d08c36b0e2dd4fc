//! A key that was damaged on its way, or what is left of one.

use super::{about, replace};
use crate::admin_key::{Form, ShapeFault as Fault};
use crate::checks::Check;
use crate::deployment::key::{key_is_rejected, selected_key};
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::names::ADMIN_KEY;
use crate::remedies::env_file::set;
use crate::report::{Certainty, CliFailure, Finding, Level, Remedy, Rule};

/// The admin key was damaged on its way here.
pub static KEY_MANGLED: Rule = Rule::new(
    "key-mangled",
    Level::Error,
    "the admin key was damaged when it was copied",
    include_str!("key-mangled.md"),
)
.cause(&["key-rejected", "key-foreign"])
.explains(&[CliFailure::KeyUnsendable]);

/// Judges `key-mangled`.
pub static CHECK: Check = Check { rules: &[&KEY_MANGLED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(key) = selected_key(evidence) else { return Ok(vec![]) };
    match key.shape.form {
        Form::Mangled => Ok(vec![damaged(evidence, key)]),
        Form::NameOnly => Ok(vec![name_only(evidence, key)]),
        Form::WellShaped if key.shape.faults.contains(&Fault::UnusualLength) => {
            unusual(evidence, key)
        }
        _ => Ok(vec![]),
    }
}

fn damaged(evidence: &Evidence, key: &KeyFacts) -> Finding {
    let faults = &key.shape.faults;
    // HTTP cuts what stands behind the header's value, so check_admin_key likes it; the push sends
    // the key in JSON.
    let only_behind = !faults.is_empty()
        && faults
            .iter()
            .all(|fault| matches!(fault, Fault::TrailingBlank | Fault::TrailingCarriageReturn));
    // Newer backends take the prefix, where nothing else is wrong.
    let certainty =
        if *faults == [Fault::HexPrefix] { Certainty::Likely } else { Certainty::Proven };
    let what: Vec<&str> = faults.iter().copied().map(said).collect();
    let what =
        if what.is_empty() { "too little of it is left".to_owned() } else { what.join("; ") };
    let effect = if only_behind {
        "In the header that passes, so a check of the key finds nothing; the push sends the key in its body \
         and is refused."
    } else {
        "The backend refuses it, and mostly the CLI prints only `BadAdminKey`."
    };
    let mut finding = about(
        &KEY_MANGLED,
        evidence,
        key,
        certainty,
        format!("In the text of the key: {what}. {effect}"),
    );
    if only_behind {
        finding = finding.level(Level::Error);
    }
    if only_behind || key.repaired.is_some() {
        let what = if only_behind {
            "without what stands behind it"
        } else {
            "alone, without what came along; its digits are whole"
        };
        let mut remedy = Remedy::safe(format!("write the key again {what} ({})", key.source));
        if let Some(print) = &key.repaired {
            let value = format!("'{{key {print}}}'");
            remedy = remedy.edit(set(&evidence.selection, ADMIN_KEY, &value));
        }
        finding = finding.remedy(remedy);
    }
    finding.remedy(replace(evidence, key))
}

fn name_only(evidence: &Evidence, key: &KeyFacts) -> Finding {
    let known = key.shape.name.is_some();
    let detail = "Only the name before the `|` is left of the key, as when a shell takes an unquoted `|` for a pipe. \
         The backend answers 401 `BadAdminKey` to it.";
    let certainty = if known { Certainty::Proven } else { Certainty::Likely };
    about(&KEY_MANGLED, evidence, key, certainty, detail)
        .remedy(Remedy::safe("write the whole line again, in single quotes, if you still have it"))
        .remedy(replace(evidence, key))
}

/// Member ids and names inside vary the length, so it is told only of a key that did not open.
fn unusual(evidence: &Evidence, key: &KeyFacts) -> Result<Vec<Finding>, Unseen> {
    if key.trials.iter().any(|trial| trial.opened.is_some()) {
        return Ok(vec![]);
    }
    if !key_is_rejected(evidence) {
        // Another answer than a refusal is no sign of damage; without any answer there is nothing
        // to go by.
        let asked =
            evidence.endpoint.seen()?.as_ref().map(|endpoint| endpoint.check_admin_key.seen());
        return asked.transpose().map(|_| vec![]);
    }
    let length = key.shape.hex_bytes.unwrap_or_default();
    let detail = format!(
        "The backend refuses the key, and its digits make {length} bytes, a length that `generate_admin_key.sh` does \
         not produce. It may be cut or altered; a terminal that wraps long lines does that."
    );
    let finding = about(&KEY_MANGLED, evidence, key, Certainty::Likely, detail);
    Ok(vec![finding.remedy(replace(evidence, key))])
}

fn said(fault: Fault) -> &'static str {
    match fault {
        Fault::LabelCaptured => {
            "the label `Admin key:` came along, which the script prints to stderr"
        }
        Fault::ErrorCaptured => "it is an error message, captured in the key's place",
        Fault::SchemeCaptured => {
            "`Convex` or `Bearer` stands before it; the CLI adds the scheme itself"
        }
        Fault::AssignmentCaptured => "the variable's name and `=` came along",
        Fault::QuotesInside => "quotes are part of the value",
        Fault::LineBreakInside => "a line break lies within",
        Fault::BlankInside => "a blank or an invisible character lies within",
        Fault::TrailingBlank => "a blank or line feed stands behind it",
        Fault::TrailingCarriageReturn => "a carriage return stands behind it",
        Fault::LeadingBlank => "a blank stands before it",
        Fault::UrlEncodedPipe => "`%7C` stands in place of the `|`",
        Fault::SeveralPipes => "there is more than one `|`",
        Fault::EmptyName => "nothing stands before the `|`",
        Fault::ColonInName => "the name holds a `:`, at which the header ends the key",
        Fault::OddDigits => "a hex digit is missing, or one is too many",
        Fault::NotHexDigit => "something else than hex digits stands behind the `|`",
        Fault::HexPrefix => "`0x` stands before the digits",
        Fault::TooShort => "digits are missing: a key has 33 bytes at least",
        Fault::UnusualLength => "its length is unusual",
        Fault::WrongVersionByte => "its digits do not begin with 01",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::family;
    use crate::admin_key::{Claims, fingerprint, shape};
    use crate::evidence::Evidence;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::KEY;
    use crate::evidence::key::{SecretPlace, Trial};
    use crate::secret::{Fingerprint, Secret};

    fn with_text(text: String) -> impl Fn(&mut Evidence) {
        move |evidence| {
            let text = Secret::new(&text);
            evidence.keys[0].shape = shape(&text);
            evidence.keys[0].fingerprint = fingerprint(&text);
            build::accept(evidence);
        }
    }

    #[test]
    fn a_blank_behind_it_is_an_error_though_the_header_takes_it() {
        for (text, expected) in [
            (format!("{KEY}\r"), "key-mangled error proven"),
            (format!("{KEY} "), "key-mangled error proven"),
            (format!("0x{KEY}").replace("0xapp|", "app|0x"), "key-mangled warning likely"),
            (format!("'{KEY}'"), "key-mangled warning proven"),
        ] {
            assert_eq!(family(KEY, with_text(text.clone())), [expected], "{text:?}");
        }
    }

    #[test]
    fn the_name_alone() {
        assert_eq!(family("convex-self-hosted", |_| ()), ["key-mangled error proven"]);
        assert_eq!(family("my-app", |_| ()), ["key-mangled error likely"]);
    }

    #[test]
    fn an_unusual_length_alone_is_told_only_of_a_refused_key() {
        let cut = &KEY[..KEY.len() - 2];
        assert_eq!(family(cut, build::refuse), ["key-mangled error likely"]);
        assert!(family(cut, build::accept).is_empty());
        assert_eq!(family(cut, |_| ()), ["unknown"]);
        let opened = |evidence: &mut Evidence| {
            build::refuse(evidence);
            evidence.keys[0].trials = vec![Trial {
                secret: Fingerprint::of_text("secret"),
                places: vec![SecretPlace::Given],
                opened: Some(Claims::of_member_zero(1_770_000_000, false)),
            }];
        };
        assert!(family(cut, opened).is_empty());
    }
}
