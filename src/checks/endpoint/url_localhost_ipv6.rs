//! `localhost` resolves to `::1` first, and the backend listens only on 127.0.0.1: a Node version
//! that tries only the first address cannot connect.

use crate::checks::Check;
use crate::deployment::endpoint::{convex_answers, selected_endpoint, url_location};
use crate::evidence::{Evidence, Unseen};
use crate::remedies::env_file::set_url;
use crate::report::{Certainty, Finding, Level, Rule};

static URL_LOCALHOST_IPV6: Rule =
    rule!("url-localhost-ipv6", Error, "`localhost` is ::1 here, but the backend is on 127.0.0.1")
        .cause(&[]);

pub(super) static CHECK: Check = Check { rules: &[&URL_LOCALHOST_IPV6], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let Some((dead, alive)) = endpoint.dead_first_address() else {
        convex_answers(endpoint)?;
        return Ok(vec![]);
    };
    let version = evidence.surroundings.node_version.as_deref();
    let major: Option<u32> = version.and_then(|version| version.split('.').next()?.parse().ok());
    // Up to 16 Node tries IPv4 first; since 20 it tries one address after the other. This run tried
    // both addresses, so that its 200 does not say anything about the versions between.
    let (level, certainty) = match major {
        Some(17..=19) => (Level::Error, Certainty::Proven),
        Some(_) => (Level::Info, Certainty::Proven),
        None => (Level::Info, Certainty::Likely),
    };
    let host = &endpoint.target.host;
    let port = endpoint.target.port;
    let fails = format!(
        "Node 17 to 19 cannot connect: they try only {dead}, the first address of {host}, but only \
         {alive} accepts connections."
    );
    let detail = match (version, level) {
        (Some(version), Level::Error) => format!(
            "Node {version} cannot connect: it tries only {dead}, the first address of {host}, but \
             only {alive} accepts connections."
        ),
        (Some(version), _) => format!("{fails} Node {version} can."),
        (None, _) => format!("{fails} The version of Node is not known."),
    };
    let better = format!(
        "{}://{}:{port}{}",
        endpoint.target.scheme,
        if alive.contains(':') { format!("[{alive}]") } else { alive.to_owned() },
        endpoint.target.path
    );
    Ok(vec![
        URL_LOCALHOST_IPV6
            .finding(certainty, detail)
            .level(level)
            .because(
                format!("On port {port}, {dead} does not accept connections, {alive} does"),
                endpoint.target.url.clone(),
            )
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
            build::endpoint(&mut evidence).route.connections = connections;
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
