//! `localhost` means `::1` first, and the backend listens at 127.0.0.1 only: a Node that tries only
//! the first address is refused.

use crate::checks::Check;
use crate::deployment::endpoint::convex_answers;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::endpoint::url_location;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::env_file::set_url;
use crate::report::{Certainty, Finding, Level, Rule};

static URL_LOCALHOST_IPV6: Rule = Rule {
    id: "url-localhost-ipv6",
    level: Level::Error,
    title: "`localhost` means ::1 first, and the backend is at 127.0.0.1",
    explain: include_str!("url-localhost-ipv6.md"),
    is_cause: true,
    causes: &[],
    since: "0.1.0",
};

pub(super) static CHECK: Check = Check { rules: &[&URL_LOCALHOST_IPV6], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let Some((dead, alive)) = endpoint.dead_first_address() else {
        convex_answers(endpoint)?;
        return Ok(vec![]);
    };
    let version = evidence.surroundings.node_version.as_deref();
    let major: Option<u32> = version.and_then(|version| version.split('.').next()?.parse().ok());
    // Up to 16 Node put IPv4 first; since 20 it tries one address after the other. What this run
    // asked, asked both ways, so that a 200 here says nothing of the ones in between.
    let (level, certainty) = match major {
        Some(17..=19) => (Level::Error, Certainty::Proven),
        Some(_) => (Level::Info, Certainty::Proven),
        None => (Level::Info, Certainty::Likely),
    };
    let node = match version {
        Some(version) => format!("node here is {version}"),
        None => "which node runs the CLI is not known".to_owned(),
    };
    let port = endpoint.port;
    let better = format!(
        "{}://{}:{port}{}",
        endpoint.scheme,
        if alive.contains(':') { format!("[{alive}]") } else { alive.to_owned() },
        endpoint.path
    );
    Ok(vec![
        URL_LOCALHOST_IPV6
            .finding(
                certainty,
                format!(
                    "{} resolves to {dead} first, where nobody listens at port {port}; at {alive} somebody does. Node 17 to 19 \
                     try only the first, since 20 both are tried: {node}.",
                    endpoint.host
                ),
            )
            .level(level)
            .because(format!("{dead} does not accept, {alive} does"), endpoint.url.clone())
            .at(url_location(evidence))
            .remedy(set_url(&evidence.selection, &better, "")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::build::endpoint::told;
    use crate::evidence::endpoint::{Connection, Reach};

    #[test]
    fn it_depends_on_who_listens_and_on_node() {
        let both = |first: (&str, bool), second: (&str, bool)| -> Vec<Connection> {
            let one = |(address, connected): (&str, bool)| Connection {
                address: address.to_owned(),
                connected,
            };
            vec![one(first), one(second)]
        };
        let dead = || both(("::1", false), ("127.0.0.1", true));
        for (connections, node, expected) in [
            (dead(), Some("18.20.4"), Some("error proven")),
            (dead(), Some("20.11.0"), Some("info proven")),
            (dead(), Some("16.20.2"), Some("info proven")),
            (dead(), None, Some("info likely")),
            (both(("::1", true), ("127.0.0.1", true)), Some("18.20.4"), None),
            (both(("127.0.0.1", true), ("::1", false)), Some("18.20.4"), None),
            (both(("::1", false), ("127.0.0.1", false)), Some("18.20.4"), None),
            (vec![], Some("18.20.4"), None),
        ] {
            let mut evidence = build::healthy();
            build::endpoint(&mut evidence).connections = connections;
            evidence.surroundings.node_version = node.map(str::to_owned);
            let expected: Vec<_> = expected
                .iter()
                .map(|it| format!("url-localhost-ipv6 {it} http://127.0.0.1:3210"))
                .collect();
            assert_eq!(told(run(&evidence)), expected, "{node:?}");
        }
        let mut evidence = build::healthy();
        build::unreachable(&mut evidence, Reach::NotTried);
        assert_eq!(told(run(&evidence)), ["unknown"]);
    }
}
