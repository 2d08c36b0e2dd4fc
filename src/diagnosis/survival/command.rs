//! The commands of `persistence --before`: docker and docker compose as people type them, several
//! in a row.

use super::model::Up;
use super::shell::{KnownOptions, NotUnderstood, no, options, split};
use crate::report::ComposeFlags;

/// A command, and whether the next one runs only if this one succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParsedCommand {
    /// As typed, blanks evened out.
    pub(super) text: String,
    pub(super) act: Act,
    /// `&&` follows it.
    pub(super) and: bool,
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Of a compose project.
    Compose {
        scope: ComposeScope,
        verb: Verb,
    },
    /// `docker rm`.
    Remove {
        names: Vec<String>,
        force: bool,
        volumes: bool,
    },
    Stop(Vec<String>),
    Start(Vec<String>),
    Restart(Vec<String>),
    VolumeRemove(Vec<String>),
    VolumePrune {
        all: bool,
    },
    SystemPrune {
        volumes: bool,
    },
    ContainerPrune,
    /// It changes no container and no volume.
    Nothing,
}

/// The project of a compose command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ComposeScope {
    /// How the project is named; `-p` is COMPOSE_PROJECT_NAME, too.
    pub(super) flags: ComposeFlags,
    /// The services named; none: all.
    pub(super) services: Vec<String>,
}

/// What Compose is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// `up`, and `create`, which does not start the containers.
    Up {
        up: Up,
        start: bool,
    },
    Down {
        volumes: bool,
    },
    Remove {
        stop: bool,
        volumes: bool,
    },
    Stop,
    Start,
    Restart,
    /// `pull`, `build`: the next `up` finds another image.
    Renew,
    Nothing,
}

/// The commands that are understood.
pub const UNDERSTOOD: &str = "\
docker compose (or docker-compose) [-f FILE] [-p NAME] with up [-d] [-V] [--force-recreate] [--no-recreate] [--build], down [-v] \
[--rmi …], rm [-s] [-f] [-v], stop, start, restart, kill, pull, build, create; docker rm [-f] [-v] NAME, docker stop, start, restart, kill NAME, \
docker volume rm NAME, docker volume prune [-a], docker system prune [-a] [--volumes], docker container prune; several joined by `&&` or `;`";

/// Reads a line.
pub(super) fn parse(line: &str) -> Result<Vec<ParsedCommand>, NotUnderstood> {
    let mut commands = Vec::new();
    for (words, and) in split(line)? {
        if words.is_empty() {
            return Err(no("a command is missing between `&&` or `;`"));
        }
        let act = command(&words)?;
        commands.push(ParsedCommand { text: words.join(" "), act, and });
    }
    if commands.is_empty() {
        return Err(no("the command is missing"));
    }
    Ok(commands)
}

fn command(words: &[String]) -> Result<Act, NotUnderstood> {
    let mut project = None;
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.peek().copied() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match word.split_once('=') {
            Some(("COMPOSE_PROJECT_NAME", value)) => project = Some(value.to_owned()),
            Some((name, _)) if !name.is_empty() && name.chars().all(is_name) => {
                return Err(no(format!("convex-doctor does not know what {name} changes")));
            }
            _ if matches!(word, "sudo" | "env" | "command") => {}
            _ => break,
        }
        words.next();
    }
    let rest = |words: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        words.map(str::to_owned).collect()
    };
    match words.next() {
        Some("docker-compose") => compose(&rest(&mut words), project),
        Some("docker") => docker(&rest(&mut words), project),
        Some(other) => Err(no(format!("`{other}` is neither docker nor docker-compose"))),
        None => Err(no("the command is missing")),
    }
}

fn docker(words: &[String], project: Option<String>) -> Result<Act, NotUnderstood> {
    let global = KnownOptions { switches: &["-D", "--debug"], values: &["-l", "--log-level"] };
    let words = options(words, &global, false, "docker")?.words;
    let Some((first, rest)) = words.split_first() else { return Err(no("docker needs a command")) };
    let (what, rest) = match (first.as_str(), rest.split_first()) {
        ("compose", _) => return compose(rest, project),
        (
            "container" | "volume" | "system" | "image" | "network" | "builder",
            Some((verb, rest)),
        ) => (format!("{first} {verb}"), rest),
        (verb, _) => (format!("container {verb}"), rest),
    };
    let of = format!("docker {}", what.trim_start_matches("container "));
    let plain = |switches: &'static [&'static str], values: &'static [&'static str]| {
        options(rest, &KnownOptions { switches, values }, true, &of)
    };
    Ok(match what.as_str() {
        "container rm" | "container remove" => {
            let found = plain(&["-f", "--force", "-v", "--volumes"], &[])?;
            let (force, volumes) = (found.has(&["-f", "--force"]), found.has(&["-v", "--volumes"]));
            Act::Remove { names: found.words, force, volumes }
        }
        "container stop" | "container restart" | "container kill" => {
            let found = plain(&[], &["-t", "--time", "--timeout", "-s", "--signal"])?;
            if what == "container restart" {
                Act::Restart(found.words)
            } else {
                Act::Stop(found.words)
            }
        }
        "container start" => {
            Act::Start(plain(&["-a", "-i", "--attach", "--interactive"], &[])?.words)
        }
        "container prune" => {
            plain(&["-f", "--force"], &[])?;
            Act::ContainerPrune
        }
        "volume rm" | "volume remove" => Act::VolumeRemove(plain(&["-f", "--force"], &[])?.words),
        "volume prune" => {
            let found = plain(&["-f", "--force", "-a", "--all"], &[])?;
            Act::VolumePrune { all: found.has(&["-a", "--all"]) }
        }
        "system prune" => {
            let found = plain(&["-f", "--force", "-a", "--all", "--volumes"], &[])?;
            Act::SystemPrune { volumes: found.has(&["--volumes"]) }
        }
        "container ps" | "container ls" | "container logs" | "container inspect"
        | "container images" | "container pull" | "container version" | "container info"
        | "container events" | "container stats" | "container top" | "volume ls"
        | "volume inspect" | "volume create" | "system df" | "system info" | "image prune"
        | "image rm" | "image ls" | "container rmi" | "builder prune" | "network prune"
        | "network ls" => Act::Nothing,
        _ => return Err(no(format!("convex-doctor does not know `{of}`"))),
    })
}

fn compose(words: &[String], project: Option<String>) -> Result<Act, NotUnderstood> {
    let global = KnownOptions {
        switches: &["--compatibility", "--dry-run", "--verbose", "--all-resources", "--no-ansi"],
        values: &[
            "-f",
            "--file",
            "-p",
            "--project-name",
            "--profile",
            "--env-file",
            "--project-directory",
            "--ansi",
            "--progress",
            "--parallel",
        ],
    };
    let found = options(words, &global, false, "docker compose")?;
    let mut scope = ComposeScope {
        flags: ComposeFlags {
            files: found.values(&["-f", "--file"]),
            project: found.values(&["-p", "--project-name"]).pop().or(project),
            directory: found.values(&["--project-directory"]).pop(),
            env_files: found.values(&["--env-file"]),
            profiles: found.values(&["--profile"]),
        },
        services: Vec::new(),
    };
    let Some((verb, rest)) = found.words.split_first() else {
        return Err(no("docker compose needs a command"));
    };
    let of = format!("docker compose {verb}");
    let plain = |switches: &'static [&'static str], values: &'static [&'static str]| {
        options(rest, &KnownOptions { switches, values }, true, &of)
    };
    let (words, verb) = match verb.as_str() {
        "up" | "create" => {
            let known = plain(
                &[
                    "-d",
                    "--detach",
                    "-V",
                    "--renew-anon-volumes",
                    "--force-recreate",
                    "--no-recreate",
                    "--build",
                    "--no-build",
                    "--no-start",
                    "--remove-orphans",
                    "--wait",
                    "--quiet-pull",
                    "--no-deps",
                    "--always-recreate-deps",
                    "--abort-on-container-exit",
                    "--no-color",
                    "--no-log-prefix",
                    "--no-attach",
                    "--timestamps",
                    "-w",
                    "--watch",
                    "-y",
                    "--yes",
                    "--quiet-build",
                    "--menu",
                ],
                &[
                    "-t",
                    "--timeout",
                    "--pull",
                    "--scale",
                    "--wait-timeout",
                    "--attach",
                    "--exit-code-from",
                ],
            )?;
            let up = Up {
                project: None,
                renew: known.has(&["-V", "--renew-anon-volumes"]),
                // Another image is a reason to recreate the container.
                force: known.has(&["--force-recreate", "--build"])
                    || known.values(&["--pull"]).iter().any(|when| when == "always"),
                keep: known.has(&["--no-recreate"]),
                remove_orphans: known.has(&["--remove-orphans"]),
            };
            let start = verb == "up" && !known.has(&["--no-start"]);
            (known.words, Verb::Up { up, start })
        }
        "down" => {
            let known =
                plain(&["-v", "--volumes", "--remove-orphans"], &["--rmi", "-t", "--timeout"])?;
            let volumes = known.has(&["-v", "--volumes"]);
            (known.words, Verb::Down { volumes })
        }
        "rm" => {
            let known = plain(&["-f", "--force", "-s", "--stop", "-v", "--volumes", "-a"], &[])?;
            let (stop, volumes) = (known.has(&["-s", "--stop"]), known.has(&["-v", "--volumes"]));
            (known.words, Verb::Remove { stop, volumes })
        }
        "stop" => (plain(&[], &["-t", "--timeout"])?.words, Verb::Stop),
        "kill" => (plain(&["--remove-orphans"], &["-s", "--signal"])?.words, Verb::Stop),
        "start" => (plain(&["--wait"], &["--wait-timeout"])?.words, Verb::Start),
        "restart" => (plain(&["--no-deps"], &["-t", "--timeout"])?.words, Verb::Restart),
        "pull" | "build" => {
            let known = plain(
                &[
                    "-q",
                    "--quiet",
                    "--ignore-pull-failures",
                    "--include-deps",
                    "--ignore-buildable",
                    "--no-cache",
                    "--pull",
                    "--push",
                    "--with-dependencies",
                ],
                &["--policy", "--build-arg", "-m", "--memory", "--builder", "--ssh"],
            )?;
            (known.words, Verb::Renew)
        }
        "ps" | "logs" | "config" | "ls" | "top" | "images" | "version" | "events" | "port"
        | "stats" | "pause" | "unpause" | "push" | "volumes" => (Vec::new(), Verb::Nothing),
        _ => return Err(no(format!("convex-doctor does not know `{of}`"))),
    };
    scope.services = words;
    let verb = if found.has(&["--dry-run"]) { Verb::Nothing } else { verb };
    Ok(Act::Compose { scope, verb })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Act {
        let mut all = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(all.len(), 1, "{line}");
        all.remove(0).act
    }

    fn verb(line: &str) -> Verb {
        match one(line) {
            Act::Compose { verb, .. } => verb,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_stand_where_people_put_them() {
        for line in [
            "docker compose down -v",
            "docker-compose down --volumes",
            "docker compose -f a.yml -p x down --rmi all -v -t 5",
            "docker compose --file=a.yml down -t5 --volumes=true",
            "sudo docker compose down --remove-orphans -v;",
            "docker compose down '-v'",
        ] {
            assert_eq!(verb(line), Verb::Down { volumes: true }, "{line}");
        }
        assert_eq!(verb("docker compose down --volumes=false"), Verb::Down { volumes: false });
        assert_eq!(verb("docker compose rm -sfv"), Verb::Remove { stop: true, volumes: true });
        assert_eq!(verb("docker compose kill -s SIGINT backend"), Verb::Stop);
        assert_eq!(verb("docker compose --dry-run down -v"), Verb::Nothing);
        let Verb::Up { up: Up { renew, force, .. }, start } =
            verb("docker compose up -dV --force-recreate")
        else {
            panic!("up")
        };
        assert!(renew && force && start);
        for (line, names, force, volumes) in [
            ("docker rm -fv a b", &["a", "b"][..], true, true),
            ("docker container rm a", &["a"], false, false),
            ("docker rm a -f", &["a"], true, false),
        ] {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(one(line), Act::Remove { names, force, volumes }, "{line}");
        }
        assert_eq!(one("docker volume prune --all -f"), Act::VolumePrune { all: true });
        assert_eq!(one("docker system prune -af --volumes"), Act::SystemPrune { volumes: true });
        assert_eq!(one("docker volume rm 'app_data'"), Act::VolumeRemove(vec!["app_data".into()]));
    }

    #[test]
    fn projects_files_and_services_are_read() {
        let Act::Compose { scope, .. } =
            one("COMPOSE_PROJECT_NAME=x docker compose -f a.yml -f b.yml up -d backend")
        else {
            panic!("compose")
        };
        assert_eq!(scope.flags.project.as_deref(), Some("x"));
        assert_eq!(
            (scope.flags.files, scope.services),
            (vec!["a.yml".into(), "b.yml".into()], vec!["backend".into()])
        );
        let Act::Compose { scope, .. } =
            one("COMPOSE_PROJECT_NAME=x docker compose -p y --env-file e up")
        else {
            panic!("compose")
        };
        assert_eq!(
            (scope.flags.project.as_deref(), scope.flags.env_files),
            (Some("y"), vec!["e".to_owned()])
        );
    }

    #[test]
    fn several_are_told_apart() {
        let all =
            parse("docker compose down && docker volume prune -f; docker compose up -d").unwrap();
        let ands: Vec<_> = all.iter().map(|one| one.and).collect();
        assert_eq!(ands, [true, false, false]);
        assert_eq!(all[1].text, "docker volume prune -f");
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (line, part) in [
            ("", "command is missing"),
            ("rm -rf /", "`rm`"),
            ("docker compose down -x", "-x"),
            ("docker compose nuke", "nuke"),
            ("docker rm -f $(docker ps -aq)", "`$…`"),
            ("docker volume rm data*", "`*`"),
            ("docker compose down | tee log", "`|`"),
            ("docker compose down &&", "command is missing"),
            ("docker volume prune --filter label=x", "--filter"),
            ("docker -H tcp://far volume prune", "-H"),
            ("docker compose -p", "-p needs a value"),
            ("docker compose down 'x", "quote"),
            ("FOO=bar docker compose up", "FOO"),
            ("docker", "docker needs a command"),
            ("&& docker compose up", "command is missing"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
