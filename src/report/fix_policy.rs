//! What `convex-doctor fix` does about a finding besides carrying out its remedy.

use super::{Certainty, Finding, Level, Remedy, Safety};

/// How `fix` treats a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FixPolicy {
    /// Level, certainty and safety alone decide whether it is fixed without being named.
    #[default]
    Unasked,
    /// It is fixed only when it is named: there are two ways out, and only the user knows which one
    /// is meant. The text says which.
    Named(&'static str),
    /// A backend that is stopped now does not come back as it was: other fixes that stop it wait
    /// until this one is fixed.
    Drift,
    /// It says that no volume holds the data directory: a fix that mounts one fixes this as well.
    NoVolume,
    /// It stays after its fix, which protects against what the finding warns of.
    Stays,
    /// There is older data in another volume, and only the old key shows which one: it is kept as a
    /// comment.
    OlderData,
}

impl Finding {
    /// Why `convex-doctor fix` carries the remedy out only if the finding is named; `None` if it
    /// does so unasked.
    pub fn fixed_only_if_named(&self, remedy: &Remedy) -> Option<&'static str> {
        if remedy.safety == Safety::Destructive {
            return Some("this fix ends something that works now");
        }
        if let FixPolicy::Named(why) = self.fix {
            return Some(why);
        }
        if self.certainty == Certainty::Possible {
            return Some("this is only a possible cause");
        }
        let harmless = match self.level {
            Level::Info => true,
            Level::Warning => remedy.safety != Safety::Safe,
            Level::Error => false,
        };
        harmless.then_some("nothing is broken by it")
    }
}
