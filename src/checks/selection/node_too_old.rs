//! The Node that `npx` would run is too old for the installed CLI, which then does not start.

use crate::checks::Check;
use crate::deployment::selection::{depends_on_convex, has_half};
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, ChainLink, CliFailure, Finding, Level, Location, Remedy, Rule};

/// The Node that `npx` would run is too old for the installed CLI.
pub static NODE_TOO_OLD: Rule =
    rule!("node-too-old", Error, "Node is too old for the installed Convex CLI")
        .cause(&[])
        .breaks(ChainLink::Source)
        .explains(&[CliFailure::NodeTooOld]);

/// Judges `node-too-old`.
pub static CHECK: Check = Check { rules: &[&NODE_TOO_OLD], run };

/// A release of Node: major and minor.
type Node = (u32, u32);

/// The Node below which the CLI stops at once, by the minor release 1.x that first had it
/// (docs/facts.md, convex-node-minimum).
const HARD_MINIMUM: [(u32, Node); 3] = [(49, (22, 0)), (45, (20, 0)), (0, (16, 15))];

/// From this minor release on, the package asks for the Node that the CLI insists on.
const AGREES: u32 = 45;

/// What the installed CLI needs.
struct Needed {
    node: Node,
    certainty: Certainty,
    /// Whether the CLI stops; else it only may fail.
    stops: bool,
}

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    if let Some(finding) = said(evidence) {
        return Ok(vec![finding]);
    }
    let around = &evidence.surroundings;
    let is_app = !matches!(depends_on_convex(evidence), Ok(Some(false) | None));
    // The CLI is not used here.
    if !is_app && !has_half(&evidence.selection) {
        return Ok(vec![]);
    }
    let Some(cli) = around.cli_found.seen()?.as_deref() else {
        if !is_app {
            return Ok(vec![]);
        }
        return Err(Unseen::new("convex is not installed here, so npx would download it"));
    };
    let Some(program) = around.node_found.seen()?.as_deref() else {
        return Err(Unseen::new("there is no `node` on PATH"));
    };
    let text = around.node_version.as_deref().unwrap_or_default();
    let node = number(text)
        .ok_or_else(|| Unseen::new(format!("the version of {program} is not known")))?;
    let version = around.cli_version.as_deref();
    let wanted = around.cli_needs_node.as_deref();
    let needed = needed(version, wanted, node)
        .ok_or_else(|| Unseen::new(format!("which Node the CLI in {cli} needs is not known")))?;
    if node >= needed.node {
        return Ok(vec![]);
    }
    let convex = format!("convex {}", version.unwrap_or("(version unknown)"));
    let least = shown(needed.node);
    let detail = match (needed.stops, needed.certainty) {
        (true, Certainty::Proven) => format!(
            "npx runs Node {text}, but {convex} needs Node {least} or later. The CLI stops before \
             it reads any setting."
        ),
        (true, _) => format!(
            "npx runs Node {text}, but {convex} asks for Node {least} or later. The CLI probably \
             stops before it reads any setting."
        ),
        (false, _) => format!(
            "npx runs Node {text}, but {convex} asks for Node {least} or later. Some commands \
             probably fail."
        ),
    };
    let asks = match wanted {
        Some(wanted) => format!("{convex} asks for Node {wanted}"),
        None => format!("{convex} needs Node {least}"),
    };
    let level = if needed.stops { Level::Error } else { Level::Warning };
    let finding = NODE_TOO_OLD
        .finding(needed.certainty, detail)
        .level(level)
        .because(format!("Node {text}"), program)
        .because(asks, cli)
        .at(Location::line("package.json", 0));
    Ok(vec![with_remedies(finding, needed.node, node, program)])
}

/// The CLI itself said so.
fn said(evidence: &Evidence) -> Option<Finding> {
    let command = evidence.command.as_ref()?;
    let line = command.said.iter().find(|line| line.failure == Some(CliFailure::NodeTooOld))?;
    let detail = "The CLI stops before it reads any setting, because Node is too old for it.";
    let finding = NODE_TOO_OLD
        .finding(Certainty::Proven, detail)
        .because(format!("It prints: {}", line.text), command.command.clone())
        .at(Location::line("package.json", 0));
    let around = &evidence.surroundings;
    let version = around.cli_version.as_deref();
    let needed = needed(version, around.cli_needs_node.as_deref(), (0, 0));
    let program = around.node_found.seen().ok().and_then(Option::as_deref).unwrap_or_default();
    let node = said_version(&line.text).or_else(|| around.node_version.as_deref().and_then(number));
    let node = node.unwrap_or_default();
    // Before 1.45 the CLI stops at 16.15; what is not known is the newest.
    let least = needed.map_or(HARD_MINIMUM[0].1, |needed| needed.node);
    Some(with_remedies(finding, least, node, program))
}

/// The Node that the CLI names: `Your Node version 20.20.2 is too old.`
fn said_version(line: &str) -> Option<Node> {
    let (_, rest) = line.split_once("Node version ")?;
    number(rest.split_whitespace().next()?.trim_start_matches('v'))
}

fn with_remedies(finding: Finding, needed: Node, node: Node, program: &str) -> Finding {
    let major = if needed.1 == 0 { needed.0 } else { needed.0 + 1 };
    let install = Remedy::safe(format!("Install Node {major} or later, first on PATH"));
    let manager = |name: &str| program.split('/').any(|part| part.contains(name));
    let install = if program.contains("node_modules/") {
        install.run(format!("npm install node@{major}"))
    } else if manager("nvm") {
        install.run(format!("nvm install {major}"))
    } else if manager("fnm") {
        install.run(format!("fnm install {major}")).run(format!("fnm use {major}"))
    } else if manager("volta") {
        install.run(format!("volta install node@{major}"))
    } else {
        install
    };
    let finding = finding.remedy(install);
    // The last release that this Node can run.
    let older = HARD_MINIMUM
        .iter()
        .zip(HARD_MINIMUM.iter().skip(1))
        .find(|(newer, older)| node < newer.1 && node >= older.1);
    match older {
        Some(((newer, _), _)) => finding.remedy(
            Remedy::safe("Use the last CLI for this Node, if the backend is not newer")
                .run(format!("npm install convex@1.{}", newer - 1)),
        ),
        None => finding,
    }
}

/// What the CLI needs: what it insists on, then what its package asks for.
fn needed(version: Option<&str>, wanted: Option<&str>, node: Node) -> Option<Needed> {
    let wanted = wanted.and_then(lower_bound);
    let minor =
        version.and_then(number).map(|(major, minor)| if major > 1 { u32::MAX } else { minor });
    let Some(minor) = minor else {
        return wanted.map(|node| Needed { node, certainty: Certainty::Likely, stops: true });
    };
    let hard = HARD_MINIMUM.iter().find(|(since, _)| minor >= *since)?.1;
    let (certainty, stops) = (Certainty::Proven, true);
    Some(match wanted {
        Some(wanted) if minor >= AGREES => Needed { node: wanted.max(hard), certainty, stops },
        Some(wanted) if node >= hard && wanted > hard => {
            Needed { node: wanted, certainty: Certainty::Likely, stops: false }
        }
        _ => Needed { node: hard, certainty, stops },
    })
}

/// The least release of a range like `>=22.0.0`, `^20.1` or `22.x`; `None` for others.
fn lower_bound(range: &str) -> Option<Node> {
    let one = range.trim();
    let one = one.strip_prefix(">=").or_else(|| one.strip_prefix('^')).unwrap_or(one).trim();
    let mut parts = one.trim_start_matches('v').split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = match parts.next() {
        None | Some("x" | "*") => 0,
        Some(minor) => minor.parse().ok()?,
    };
    let is_rest = |part: &str| matches!(part, "x" | "*") || part.parse::<u32>().is_ok();
    parts.all(is_rest).then_some((major, minor))
}

/// The first two numbers of `20.20.2`; of `22` alone, the least.
fn number(version: &str) -> Option<Node> {
    let mut parts = version.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().map_or(Some(0), |minor| minor.parse().ok())?;
    Some((major, minor))
}

fn shown((major, minor): Node) -> String {
    if minor == 0 { major.to_string() } else { format!("{major}.{minor}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{PAIR, told};
    use crate::evidence::command::{CommandFacts, SaidLine};
    use crate::evidence::selection::PackageJsonState;

    fn with(cli: Option<&str>, wants: Option<&str>, node: Option<&str>) -> Evidence {
        let mut evidence = build::evidence(&[], PAIR, "");
        let around = &mut evidence.surroundings;
        around.cli_found = Observation::Seen(Some("node_modules/convex/package.json".to_owned()));
        around.cli_version = cli.map(str::to_owned);
        around.cli_needs_node = wants.map(str::to_owned);
        around.node_found = Observation::Seen(Some("/usr/bin/node".to_owned()));
        around.node_version = node.map(str::to_owned);
        evidence
    }

    #[test]
    fn each_release_needs_its_node() {
        let (error, likely) = (Some("error proven"), Some("error likely"));
        let unknown = Some("unknown");
        for (cli, wants, node, expected) in [
            (Some("1.49.0"), Some(">=22.0.0"), Some("20.20.2"), error),
            (Some("1.49.0"), None, Some("21.9.0"), error),
            (Some("1.49.0"), Some(">=22.0.0"), Some("22.0.0"), None),
            (Some("1.49.0-alpha.1"), None, Some("24.1.0"), None),
            (Some("1.48.0"), Some(">=20.0.0"), Some("20.20.2"), None),
            (Some("1.48.0"), Some(">=20.0.0"), Some("18.20.4"), error),
            (Some("1.45.0"), None, Some("18.20.4"), error),
            (Some("1.44.0"), Some(">=18.0.0"), Some("18.20.4"), None),
            // It starts, though its package asks for more.
            (Some("1.44.0"), Some(">=18.0.0"), Some("16.20.2"), Some("warning likely")),
            (Some("1.44.0"), Some(">=18.0.0"), Some("16.14.0"), error),
            (Some("1.25.0"), None, Some("16.15.0"), None),
            // A release that is not known yet.
            (Some("1.60.0"), Some(">=24"), Some("22.3.0"), error),
            (Some("2.0.0"), Some("^24.1 || >=26"), Some("20.1.0"), error),
            (None, Some(">=22.0.0"), Some("20.20.2"), likely),
            (None, Some(">=22.0.0"), Some("22.1.0"), None),
            (None, None, Some("20.20.2"), unknown),
            (Some("1.49.0"), None, None, unknown),
            (Some("1.49.0"), None, Some("20"), error),
            (Some("1.49.0"), None, Some("22"), None),
        ] {
            let found = told(run(&with(cli, wants, node)));
            let expected: Vec<String> = expected
                .map(|one| match one {
                    "unknown" => one.to_owned(),
                    one => format!("node-too-old {one} package.json"),
                })
                .into_iter()
                .collect();
            assert_eq!(found, expected, "{cli:?} {wants:?} {node:?}");
        }
    }

    #[test]
    fn without_node_or_cli_it_is_unknown_and_without_an_app_no_matter() {
        let mut evidence = with(Some("1.49.0"), None, Some("20.1.0"));
        evidence.surroundings.node_found = Observation::Seen(None);
        assert_eq!(told(run(&evidence)), ["unknown"]);
        let mut evidence = with(Some("1.49.0"), None, Some("20.1.0"));
        evidence.surroundings.cli_found = Observation::Seen(None);
        assert_eq!(told(run(&evidence)), ["unknown"]);
        let mut sources = build::sources(&[], "", "");
        sources.package_json = PackageJsonState::Missing;
        let mut server = build::of(&sources);
        assert_eq!(told(run(&server)), Vec::<String>::new());
        server.surroundings = with(Some("1.49.0"), None, Some("20.1.0")).surroundings;
        assert_eq!(told(run(&server)), ["node-too-old error proven package.json"]);
    }

    #[test]
    fn the_cli_s_own_line_proves_it() {
        let mut evidence = build::evidence(&[], PAIR, "");
        evidence.command = Some(CommandFacts {
            command: "npm run dev".to_owned(),
            exit_code: Some(1),
            said: vec![SaidLine {
                text: "Your Node version 20.20.2 is too old.".to_owned(),
                means: String::new(),
                failure: Some(CliFailure::NodeTooOld),
                explained_by: Vec::new(),
                fails: true,
            }],
        });
        let found = run(&evidence).unwrap();
        assert_eq!((found[0].certainty, found[0].level), (Certainty::Proven, Level::Error));
        let command = found[0].remedies[1].commands[0].to_string();
        assert_eq!(command, "npm install convex@1.48");
    }

    #[test]
    fn the_remedy_is_that_of_the_version_manager() {
        for (program, node, expected) in [
            ("/usr/bin/node", "20.20.2", &["npm install convex@1.48"][..]),
            (
                "/home/u/.nvm/versions/node/v18.1.0/bin/node",
                "18.1.0",
                &["nvm install 22", "npm install convex@1.44"],
            ),
            ("/home/u/.volta/bin/node", "14.1.0", &["volta install node@22"]),
            (
                "/home/u/app/node_modules/.bin/node",
                "20.1.0",
                &["npm install node@22", "npm install convex@1.48"],
            ),
        ] {
            let mut evidence = with(Some("1.49.0"), None, Some(node));
            evidence.surroundings.node_found = Observation::Seen(Some(program.to_owned()));
            let found = run(&evidence).unwrap();
            let commands = found[0].remedies.iter().flat_map(|remedy| &remedy.commands);
            let commands: Vec<String> = commands.map(ToString::to_string).collect();
            assert_eq!(commands, expected, "{program}");
        }
    }
}
