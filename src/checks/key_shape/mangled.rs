//! A key that was damaged when it was copied, or what is left of one.

use super::{about, replace};
use crate::admin_key::{Form, ShapeFault as Fault};
use crate::checks::Check;
use crate::deployment::key::{key_is_rejected, selected_key};
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::names::ADMIN_KEY;
use crate::remedies::env_file::set;
use crate::report::{Certainty, CliFailure, Finding, Level, Remedy, Rule};

/// The admin key was damaged when it was copied.
pub static KEY_MANGLED: Rule =
    rule!("key-mangled", Error, "the admin key was damaged when it was copied")
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
    // HTTP cuts what is after the header's value, so check_admin_key accepts it; the push sends the
    // key in JSON.
    let only_behind = !faults.is_empty()
        && faults
            .iter()
            .all(|fault| matches!(fault, Fault::TrailingBlank | Fault::TrailingCarriageReturn));
    // Newer backends accept the prefix, if nothing else is wrong.
    let certainty =
        if *faults == [Fault::HexPrefix] { Certainty::Likely } else { Certainty::Proven };
    let mut detail = what_is_wrong(faults);
    if only_behind {
        detail.push_str(" A key check passes, but a push fails: it sends the key in its body.");
    }
    let mut finding = about(&KEY_MANGLED, evidence, key, certainty, detail);
    if only_behind {
        finding = finding.level(Level::Error);
    }
    if only_behind || key.repaired.is_some() {
        let mut remedy = Remedy::safe(if only_behind {
            "Remove the white space after the key; the key itself is intact"
        } else {
            "Remove the extra text; the key itself is intact"
        });
        if let Some(print) = &key.repaired {
            let value = format!("'{{key {print}}}'");
            remedy = remedy.edit(set(&evidence.selection, ADMIN_KEY, &value));
        }
        finding = finding.remedy(remedy);
    }
    finding.remedy(replace(evidence))
}

/// The faults in sentences.
fn what_is_wrong(faults: &[Fault]) -> String {
    let texts: Vec<&str> = faults.iter().copied().map(text_of).collect();
    match texts.as_slice() {
        [] => "The value is too short to be a key.".to_owned(),
        [only] => format!("The value {only}."),
        [first, others @ ..] => format!("The value {first}. It also {}.", others.join(" and ")),
    }
}

fn name_only(evidence: &Evidence, key: &KeyFacts) -> Finding {
    let known = key.shape.name.is_some();
    let detail = "Only the instance name before the `|` is left, so the backend answers 401 \
         BadAdminKey. A shell treats a `|` without quotes as a pipe.";
    let certainty = if known { Certainty::Proven } else { Certainty::Likely };
    about(&KEY_MANGLED, evidence, key, certainty, detail)
        .remedy(Remedy::safe("Save the whole line again in single quotes, if you still have it"))
        .remedy(replace(evidence))
}

/// Member ids and names inside vary the length, so it is reported only for a key that matches no
/// secret.
fn unusual(evidence: &Evidence, key: &KeyFacts) -> Result<Vec<Finding>, Unseen> {
    if key.trials.iter().any(|trial| trial.opened.is_some()) {
        return Ok(vec![]);
    }
    if !key_is_rejected(evidence) {
        // Any other answer than a rejection does not show damage; without an answer nothing is
        // known.
        let asked =
            evidence.endpoint.seen()?.as_ref().map(|endpoint| endpoint.key.check_admin_key.seen());
        return asked.transpose().map(|_| vec![]);
    }
    let length = key.shape.hex_bytes.unwrap_or_default();
    let detail = format!(
        "The key has {length} bytes, which `generate_admin_key.sh` does not produce. It was \
         probably cut when it was copied from a terminal that wraps lines."
    );
    let finding = about(&KEY_MANGLED, evidence, key, Certainty::Likely, detail);
    Ok(vec![finding.remedy(replace(evidence))])
}

/// The fault after "The value".
fn text_of(fault: Fault) -> &'static str {
    match fault {
        Fault::LabelCaptured => "starts with \"Admin key:\", which is not part of the key",
        Fault::ErrorCaptured => "is an error message",
        Fault::SchemeCaptured => "starts with `Convex` or `Bearer`, which the CLI adds itself",
        Fault::AssignmentCaptured => "starts with the name of the variable and `=`",
        Fault::QuotesInside => "contains quotes",
        Fault::LineBreakInside => "contains a line break",
        Fault::BlankInside => "contains a space or an invisible character",
        Fault::TrailingBlank => "ends with a space or a line feed",
        Fault::TrailingCarriageReturn => "ends with a carriage return (`\\r`)",
        Fault::TrailingUnsendable => {
            "ends with an invisible character that no header can carry, so no request is sent"
        }
        Fault::LeadingBlank => "starts with a space",
        Fault::UrlEncodedPipe => "contains `%7C` instead of `|`",
        Fault::SeveralPipes => "contains more than one `|`",
        Fault::EmptyName => "has no instance name before the `|`",
        Fault::ColonInName => "has a `:` in the instance name, which ends the key in the header",
        Fault::OddDigits => "has an odd number of hex digits",
        Fault::NotHexDigit => "contains other characters than hex digits after the `|`",
        Fault::HexPrefix => "has a `0x` before the digits",
        Fault::TooShort => "is too short: a key has at least 33 bytes",
        Fault::UnusualLength => "has an unusual length",
        Fault::WrongVersionByte => "has digits that do not start with 01",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::family;
    use super::what_is_wrong;
    use crate::admin_key::{Claims, ShapeFault as Fault, fingerprint, shape};
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
    fn white_space_after_it_is_an_error_though_the_header_accepts_it() {
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
    fn the_faults_read_as_sentences() {
        use Fault::{LabelCaptured, LeadingBlank, QuotesInside};
        for (faults, expected) in [
            (&[][..], "The value is too short to be a key."),
            (&[QuotesInside][..], "The value contains quotes."),
            (
                &[LabelCaptured, QuotesInside, LeadingBlank],
                "The value starts with \"Admin key:\", which is not part of the key. It also \
                 contains quotes and starts with a space.",
            ),
        ] {
            assert_eq!(what_is_wrong(faults), expected);
        }
    }

    #[test]
    fn the_name_alone() {
        assert_eq!(family("convex-self-hosted", |_| ()), ["key-mangled error proven"]);
        assert_eq!(family("my-app", |_| ()), ["key-mangled error likely"]);
    }

    #[test]
    fn an_unusual_length_alone_is_reported_only_for_a_rejected_key() {
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
