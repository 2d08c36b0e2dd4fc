//! Scripts of package.json that give the Convex CLI its settings themselves: then the settings are
//! missing only for `npx convex` without them.

use crate::evidence::Evidence;
use crate::evidence::surroundings::CliScript;
use crate::names::{ADMIN_KEY, URL};
use crate::report::{Certainty, Finding, Remedy, shell_word};

/// More scripts do not help.
const SHOWN: usize = 2;

/// Lowers the certainty of a finding about missing settings if a script passes them, and names the
/// script as the first remedy.
pub(crate) fn unless_by_script(evidence: &Evidence, mut finding: Finding) -> Finding {
    let scripts: Vec<&CliScript> =
        evidence.surroundings.cli_scripts.iter().filter(|script| passes(script)).collect();
    if scripts.is_empty() {
        return finding;
    }
    finding.certainty = finding.certainty.min(Certainty::Likely);
    for (at, script) in scripts.into_iter().take(SHOWN).enumerate() {
        let (name, said) = (&script.name, said(script));
        let (title, proof) = if shows(script) {
            let title = format!("Use the script `{name}`: it passes {said}");
            (title, format!("The script `{name}` passes {said} to the CLI"))
        } else {
            let proof = format!("The script `{name}` sets variables, and it does not show which");
            (format!("Use the script `{name}`, if it passes {said}"), proof)
        };
        let remedy = Remedy::safe(title).run(format!("npm run {}", shell_word(name)));
        finding.remedies.insert(at, remedy);
        finding = finding.because(proof, "package.json");
    }
    finding
}

/// Whether the script passes the URL and the key, or may.
fn passes(script: &CliScript) -> bool {
    script.opaque || shows(script)
}

/// Whether the script passes both the URL and the key, as far as it shows.
fn shows(script: &CliScript) -> bool {
    let sets = |name: &str| script.variables.iter().any(|one| one == name);
    script.flags || script.env_file.is_some() || sets(URL) || sets(ADMIN_KEY)
}

fn said(script: &CliScript) -> String {
    match (&script.env_file, script.flags) {
        (_, true) => "--url and --admin-key".to_owned(),
        (Some(file), _) => file.clone(),
        (None, false) => "the settings".to_owned(),
    }
}
