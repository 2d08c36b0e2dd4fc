//! The difference between a container and its replacement.

use std::fmt;

use crate::secret::Secret;

/// The difference to the old container; everything else stays the same.
#[derive(Default)]
pub struct ContainerChange {
    /// Volumes that exist already, and where they go (absolute paths in the container). Each takes
    /// the place of whatever is mounted at that path or below it.
    pub mounts: Vec<(String, String)>,
    /// Variables with their new values; `None` takes the variable away, even one that the image
    /// sets.
    pub environment: Vec<(String, Option<Secret>)>,
}

/// Without any value, so that a printed change never shows a secret.
impl fmt::Debug for ContainerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("ContainerChange")
            .field("mounts", &self.mounts)
            .field("environment", &names)
            .finish()
    }
}

impl ContainerChange {
    /// Why it cannot be carried out, whatever the container.
    pub(super) fn fault(&self) -> Option<String> {
        let targets = self.mounts.iter().map(|(_, target)| target);
        if let Some(target) = targets.clone().find(|target| !is_plain_path(target)) {
            return Some(format!("{target:?} is not an absolute path in a container"));
        }
        let mut targets: Vec<_> = targets.map(|target| target.trim_end_matches('/')).collect();
        targets.sort_unstable();
        let twice = targets.iter().zip(targets.iter().skip(1)).find(|(a, b)| a == b);
        if let Some((target, _)) = twice {
            return Some(format!("{target} is given twice"));
        }
        let is_name = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
        let odd = self.environment.iter().find(|(name, _)| !is_name(name));
        odd.map(|(name, _)| format!("{name:?} is not a variable name"))
    }
}

/// Absolute, not the root, and without `.` and `..`.
fn is_plain_path(path: &str) -> bool {
    let parts = path.strip_prefix('/').map(|rest| rest.trim_end_matches('/').split('/'));
    parts.is_some_and(|mut parts| parts.all(|part| !matches!(part, "" | "." | "..")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_makes_no_sense_is_refused() {
        let mount = |targets: &[&str]| ContainerChange {
            mounts: targets.iter().map(|target| ("v".to_owned(), (*target).to_owned())).collect(),
            ..ContainerChange::default()
        };
        for (targets, fault) in [
            (&["/convex/data"][..], None),
            (&["/convex/data/"], None),
            (&["convex/data"], Some("not an absolute path")),
            (&["/"], Some("not an absolute path")),
            (&["/a/../b"], Some("not an absolute path")),
            (&["/a", "/b", "/a/"], Some("/a is given twice")),
        ] {
            let found = mount(targets).fault();
            assert_eq!(found.is_some(), fault.is_some(), "{targets:?}: {found:?}");
            assert!(found.unwrap_or_default().contains(fault.unwrap_or_default()));
        }
        let named = |name: &str| ContainerChange {
            environment: vec![(name.to_owned(), None)],
            ..ContainerChange::default()
        };
        assert_eq!(named("A").fault(), None);
        assert!(named("A=b").fault().is_some());
        assert!(named("").fault().is_some());
    }

    #[test]
    fn no_value_is_ever_printed() {
        let environment =
            vec![("A".to_owned(), Some(Secret::new("hunter2hunter2"))), ("B".to_owned(), None)];
        let printed =
            format!("{:?}", ContainerChange { environment, ..ContainerChange::default() });
        assert!(printed.contains("\"A\"") && printed.contains("\"B\""), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
