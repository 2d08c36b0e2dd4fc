//! What `convex-doctor fix` does about a finding besides carrying out its remedy.

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

/// The policy of the finding with that id.
pub fn policy_of(id: &str) -> FixPolicy {
    match id {
        "key-from-another-instance" => FixPolicy::Named(
            "either the URL should point to the instance of the key, or you need a key for the instance that answers",
        ),
        "secret-drift" | "name-drift" | "secret-invalid" => FixPolicy::Drift,
        "data-volume-missing" | "data-volume-anonymous" | "data-mount-wrong-path" => {
            FixPolicy::NoVolume
        }
        // Pinning the secret keeps the keys; the data is where it was.
        "data-on-tmpfs" => FixPolicy::Stays,
        "project-renamed" => FixPolicy::OlderData,
        _ => FixPolicy::Unasked,
    }
}
