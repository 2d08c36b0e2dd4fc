//! Removing one source of evidence never turns a finding into a pass and never makes one surer
//! (docs/facts.md, rule-missing-source), over the broken deployments that the families endpoint,
//! engine and compose know.

use std::collections::BTreeMap;

use crate::checks::{Check, compose, engine, storage};
use crate::evidence::build::endpoint as build;
use crate::evidence::compose::{ComposeIssue, EntryValue};
use crate::evidence::docker::{EngineFailure, OtherContext};
use crate::evidence::endpoint::{Body, Connection, DashboardPage, Reach, UrlFault};
use crate::evidence::{Evidence, Observation};
use crate::report::Certainty;

type Change = (&'static str, fn(&mut Evidence));

/// Faults of the world.
const BROKEN: &[Change] = &[
    ("healthy", |_| {}),
    ("refused", |it| build::unreachable(it, Reach::Refused)),
    ("closed", |it| build::unreachable(it, Reach::Closed)),
    ("hangs", |it| build::unreachable(it, Reach::AnswerTimeout)),
    ("service name", |it| {
        build::unreachable(it, Reach::NoSuchHost { error: "x".to_owned() });
        build::endpoint(it).target.host = "backend".to_owned();
    }),
    ("behind an environment's proxy", |it| {
        build::unreachable(it, Reach::Refused);
        build::endpoint(it).route.proxy = Some("http://proxy".to_owned());
        build::endpoint(it).route.direct = Some(Reach::Answered);
    }),
    ("behind an environment's proxy that answers", |it| {
        build::everywhere(it, &build::page(503, "Squid"));
        let name = Body::InstanceName { name: "convex-self-hosted".to_owned() };
        build::endpoint(it).route.proxy = Some("http://proxy".to_owned());
        build::endpoint(it).route.direct = Some(Reach::Answered);
        build::endpoint(it).route.direct_answer = build::answer(200, name).seen().cloned().ok();
    }),
    ("alternating", |it| {
        build::endpoint(it).key.check_admin_key = build::refusal(401, "BadAdminKey");
        build::endpoint(it).key.check_again =
            build::answer(200, Body::KeyAccepted { read_only: Some(false) });
        build::endpoint(it).key.more_tries = vec![build::refusal(401, "BadAdminKey")];
    }),
    ("stopped", |it| {
        build::unreachable(it, Reach::Refused);
        build::expected(it).life.state = "exited".into();
    }),
    ("illegal instruction", |it| {
        build::unreachable(it, Reach::Refused);
        build::expected(it).life.state = "restarting".into();
        build::expected(it).life.exit_code = Some(132);
    }),
    ("not created", |it| {
        build::unreachable(it, Reach::Refused);
        build::docker(it).expected = None;
        build::docker(it).answering = None;
        build::docker(it).backends.clear();
    }),
    ("only container for the port, no compose", |it| {
        build::unreachable(it, Reach::Refused);
        it.compose = Observation::Seen(None);
        build::docker(it).expected = None;
        build::docker(it).answering = None;
        build::docker(it).backends[0].life.state = "exited".into();
    }),
    ("other port", |it| {
        build::unreachable(it, Reach::Refused);
        build::expected(it).net.ports[0].host = Some(3220);
    }),
    ("in a container", |it| {
        build::unreachable(it, Reach::Refused);
        it.surroundings.in_container = true;
    }),
    ("site port", |it| build::everywhere(it, &build::answer(404, Body::SiteProxy))),
    ("site port, known by the next port", |it| {
        build::everywhere(it, &build::answer(404, Body::Empty));
        build::endpoint(it).server.api_elsewhere = vec!["3212".to_owned()];
    }),
    ("dashboard", |it| {
        build::everywhere(it, &build::page(404, "404"));
        build::endpoint(it).server.root =
            build::answer(200, Body::Dashboard { deployment_url: None, holds_key: false });
    }),
    ("nginx", |it| build::everywhere(it, &build::page(200, "Welcome to nginx!"))),
    ("gateway", |it| build::everywhere(it, &build::page(502, "502"))),
    ("login", |it| build::everywhere(it, &build::page(401, "401"))),
    ("redirect", |it| build::everywhere(it, &build::redirect("https://example.com/x"))),
    ("redirect of the API only", |it| {
        build::endpoint(it).key.check_admin_key = build::redirect("https://example.com/x");
        build::endpoint(it).key.first_call = build::redirect("https://example.com/x");
    }),
    ("old", |it| build::endpoint(it).key.first_call = build::answer(404, Body::Empty)),
    ("slash", |it| {
        build::endpoint(it).target.path = "/".to_owned();
        build::endpoint(it).key.first_call = build::answer(404, Body::Empty);
    }),
    ("path that a proxy strips", |it| build::endpoint(it).target.path = "/convex".to_owned()),
    ("invalid URL", |it| {
        build::unreachable(it, Reach::NotTried);
        build::endpoint(it).target.invalid = Some(UrlFault::NoScheme);
    }),
    ("origins left on loopback", |it| {
        build::endpoint(it).target.host = "api.example.com".to_owned();
        build::expected(it).cloud_origin = Some("http://127.0.0.1:3210".to_owned());
    }),
    ("no origin", |it| {
        let urls = Body::CanonicalUrls { cloud: String::new(), site: "http://".to_owned() };
        build::endpoint(it).key.first_call = build::answer(200, urls);
    }),
    ("an origin that stops the backend", |it| {
        build::unreachable(it, Reach::Refused);
        build::expected(it).life.state = "restarting".into();
        build::expected(it).cloud_origin = Some("api.example.com".to_owned());
    }),
    ("small bodies only", |it| {
        build::endpoint(it).server.big_body = Some(build::page(413, "Too Large"));
    }),
    ("a dead first address", |it| {
        let one = |address: &str, connected| Connection { address: address.to_owned(), connected };
        build::endpoint(it).route.connections = vec![one("::1", false), one("127.0.0.1", true)];
        it.surroundings.node_version = Some("18.20.4".to_owned());
    }),
    ("another context", |it| {
        build::docker(it).expected = None;
        build::docker(it).other_contexts = Some(vec![OtherContext {
            name: "colima".to_owned(),
            address: "unix:///colima.sock".to_owned(),
            containers: Observation::Seen(vec!["app-backend-1".to_owned()]),
        }]);
    }),
    ("a dashboard with a key and a URL that leads nowhere", |it| {
        let deployment_url = Some("http://127.0.0.1:4000".to_owned());
        it.dashboards = Observation::Seen(vec![DashboardPage {
            container: "app-dashboard-1".to_owned(),
            url: "http://127.0.0.1:6791".to_owned(),
            page: build::answer(200, Body::Dashboard { deployment_url, holds_key: true }),
        }]);
    }),
    ("no upgrade", |it| {
        build::endpoint(it).server.websocket = build::refusal(400, "InvalidUpgradeHeader");
    }),
    ("header lost", |it| {
        build::endpoint(it).key.check_admin_key = build::refusal(403, "BadDeployKey");
        build::endpoint(it).key.first_call = build::refusal(403, "BadDeployKey");
    }),
    ("slow", |it| {
        if let Observation::Seen(answer) = &mut build::endpoint(it).key.first_call {
            answer.ms = 9000;
        }
    }),
    ("another backend by name", |it| {
        build::endpoint(it).key.check_admin_key = build::refusal(401, "BadAdminKey");
        build::expected(it).instance_name.process = Observation::Seen(Some("mine".to_owned()));
    }),
    ("another project answers", |it| {
        build::endpoint(it).key.check_admin_key = build::refusal(401, "BadAdminKey");
        build::docker(it).backends.push(build::container("old-backend-1", "old", 3210));
        if let Some(answering) = &mut build::docker(it).answering {
            answering.container = "old-backend-1".to_owned();
        }
    }),
    ("never started, another answers", |it| {
        build::endpoint(it).key.check_admin_key = build::refusal(401, "BadAdminKey");
        build::docker(it).expected = None;
        build::docker(it).backends[0] = build::container("app-backend-1", "old", 3210);
    }),
    ("port taken", |it| {
        build::endpoint(it).key.check_admin_key = build::refusal(401, "BadAdminKey");
        build::expected(it).life.state = "created".into();
        build::expected(it).life.start_error =
            Some("Bind for 0.0.0.0:3210 failed: port is already allocated".to_owned());
    }),
    ("no engine", |it| build::engine_failed(it, EngineFailure::Unreachable)),
    ("invalid compose file", |it| {
        let issue = ComposeIssue {
            message: "x".to_owned(),
            at: None,
            variable: None,
            of_backend: false,
            in_value: false,
            line: None,
        };
        build::compose(it).errors.push(issue);
    }),
    ("empty beacon", |it| {
        build::unreachable(it, Reach::Refused);
        build::expected(it).life.state = "restarting".into();
        build::expected(it).life.exit_code = Some(2);
        build::compose(it).backends[0].environment = vec![
            build::variable("DISABLE_BEACON", EntryValue::Blank),
            build::variable("REDACT_LOGS_TO_CLIENT", EntryValue::Plain("false".to_owned())),
        ];
    }),
    ("dead by a known line", |it| {
        build::unreachable(it, Reach::Refused);
        build::expected(it).life.state = "restarting".into();
        build::expected(it).log =
            build::log(&["Caught error error (x): db error: FATAL: database \"x\" does not exist"]);
    }),
    ("waiting for the lease", |it| {
        build::unreachable(it, Reach::Closed);
        build::expected(it).log = build::log(&["INFO postgres: attempting to acquire lease"]);
    }),
    ("some of S3", |it| {
        build::expected(it).storage.storage_variables = vec!["S3_STORAGE_FILES_BUCKET".to_owned()];
    }),
    ("SQL added to the file", |it| {
        build::compose(it).backends[0].environment =
            vec![build::variable("POSTGRES_URL", EntryValue::Hidden)];
    }),
    ("moving tag in the container", |it| {
        build::expected(it).software.image = "x/y:latest".to_owned();
    }),
    ("moving tag in the file", |it| {
        build::compose(it).backends[0].image = Some("x/y:latest".to_owned());
    }),
];

/// Sources that can be missing.
const AWAY: &[Change] = &[
    ("docker", build::no_docker),
    ("docker, by permission", |it| build::engine_failed(it, EngineFailure::PermissionDenied)),
    ("compose", |it| it.compose = Observation::unavailable("x")),
    ("endpoint", |it| it.endpoint = Observation::unavailable("x")),
    ("root", |it| build::endpoint(it).server.root = Observation::unavailable("x")),
    ("version", |it| build::endpoint(it).server.version = Observation::unavailable("x")),
    ("instance_name", |it| {
        build::endpoint(it).server.instance_name = Observation::unavailable("x");
    }),
    ("check_admin_key", |it| {
        build::endpoint(it).key.check_admin_key = Observation::unavailable("x");
    }),
    ("first_call", |it| build::endpoint(it).key.first_call = Observation::unavailable("x")),
    ("without_key", |it| build::endpoint(it).key.without_key = Observation::unavailable("x")),
    ("dashboards", |it| it.dashboards = Observation::unavailable("x")),
    ("node", |it| it.surroundings.node_version = None),
    ("websocket", |it| build::endpoint(it).server.websocket = Observation::unavailable("x")),
    ("network", |it| build::unreachable(it, Reach::NotTried)),
    ("logs", |it| {
        for container in &mut build::docker(it).backends {
            container.log = Observation::unavailable("x");
        }
    }),
    ("process name", |it| {
        for container in &mut build::docker(it).backends {
            container.instance_name.process = Observation::unavailable("x");
        }
    }),
];

/// Each id with its best certainty; `None` if it could not be judged, no entry if it passed.
fn judged(evidence: &Evidence) -> BTreeMap<String, Option<Certainty>> {
    let families: [&[&Check]; 4] =
        [super::CHECKS, engine::CHECKS, compose::CHECKS, storage::CHECKS];
    let mut judged: BTreeMap<String, Option<Certainty>> = BTreeMap::new();
    for check in families.into_iter().flatten() {
        match (check.run)(evidence) {
            // They are about the missing source itself.
            _ if check.rules.iter().any(|rule| rule.id.starts_with("docker-")) => {}
            Err(_) => judged.extend(check.rules.iter().map(|rule| (rule.id.to_owned(), None))),
            Ok(findings) => {
                for finding in findings {
                    let best = judged.entry(finding.id).or_default();
                    *best = (*best).max(Some(finding.certainty));
                }
            }
        }
    }
    judged
}

#[test]
fn less_evidence_never_passes_a_check_or_makes_it_surer() {
    let mut wrong = Vec::new();
    for (fault, break_it) in BROKEN {
        let mut whole = build::healthy();
        break_it(&mut whole);
        let before = judged(&whole);
        for (source, take) in AWAY {
            let mut less = whole.clone();
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| take(&mut less))).is_err() {
                continue; // not there in this world
            }
            let after = judged(&less);
            for (id, certainty) in &before {
                let now = after.get(id);
                if certainty.is_some() && now.is_none() {
                    wrong.push(format!("{fault} without {source}: {id} passes"));
                }
            }
            for (id, certainty) in &after {
                let Some(now) = certainty else { continue };
                let was = before.get(id).copied().flatten();
                if was.is_none_or(|was| *now > was) && before.get(id) != Some(&None) {
                    wrong.push(format!(
                        "{fault} without {source}: {id} rises from {was:?} to {now}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_healthy_deployment_is_silent() {
    assert_eq!(judged(&build::healthy()), BTreeMap::new());
}
