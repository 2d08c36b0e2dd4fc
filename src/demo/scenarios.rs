//! The recorded deployments that are built into the program.

use super::world::World;

/// A scenario: `fixtures/<name>/`, compiled in.
pub struct Scenario {
    /// The directory's name.
    pub name: &'static str,
    /// `world.json`.
    world: &'static str,
    /// The project's files: path and text.
    files: &'static [(&'static str, &'static str)],
}

impl Scenario {
    /// The world, read.
    pub fn world(&self) -> Result<World, serde_json::Error> {
        serde_json::from_str(self.world)
    }

    /// The files, owned.
    pub fn files(&self) -> Vec<(String, String)> {
        self.files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }
}

macro_rules! scenario {
    ($name:literal, $($file:literal),+) => {
        Scenario {
            name: $name,
            world: include_str!(concat!("../../fixtures/", $name, "/world.json")),
            files: &[$(($file, include_str!(concat!("../../fixtures/", $name, "/", $file)))),+],
        }
    };
}

/// All of them; the first is the one that `demo` shows when none is named.
pub static SCENARIOS: &[Scenario] = &[
    scenario!("stale-key", "docker-compose.yml", ".env.local", "package.json"),
    scenario!("project-renamed", "docker-compose.yml", ".env.local", "package.json"),
    scenario!("key-name-mismatch", "docker-compose.yml", ".env.local", "package.json"),
    scenario!("url-is-site-proxy", "docker-compose.yml", ".env.local", "package.json"),
    scenario!("healthy", "docker-compose.yml", ".env.local", "package.json"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_world_can_be_read() {
        for scenario in SCENARIOS {
            scenario.world().unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
        }
    }
}
