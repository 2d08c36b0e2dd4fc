//! Each link of the chain against evidence of which one thing is changed.

use super::*;
use crate::diagnosis::{Choices, diagnose};
use crate::evidence::build::key as build;
use crate::evidence::build::key::closed;
use crate::evidence::build::key::opened;
use crate::evidence::build::key::process;
use crate::evidence::build::key::unseen;
use crate::evidence::docker::{Answering, MountKind, SecretState};
use crate::evidence::endpoint::{Body, Reach};
use crate::evidence::selection::{SelectionKind, UrlFacts};
use crate::foreign::Admitted;

/// The healthy deployment with a selection, and every answer that a run gets.
fn healthy() -> Evidence {
    let mut evidence = build::healthy();
    let source = ValueSource::File { file: ".env.local".to_owned(), line: 1 };
    evidence.selection.kind = SelectionKind::SelfHosted;
    evidence.selection.url = Some(UrlFacts { text: "http://127.0.0.1:3210".to_owned(), source });
    let endpoint = build::endpoint(&mut evidence);
    endpoint.route.reach = Reach::Answered;
    endpoint.server.root = build::answer(200, Body::ConvexRoot);
    evidence
}

fn refused(evidence: &mut Evidence) {
    build::endpoint(evidence).key.check_admin_key = build::bad_admin_key();
    evidence.keys = vec![build::key(vec![closed("ours", vec![process("app-backend-1")])])];
}

/// One letter a link, in the order of the picture: `h`, `b`, `u`.
fn states(evidence: &Evidence) -> String {
    let links = diagnose(&Admitted::of(evidence), &Choices::default()).chain;
    let letter = |link: &Link| match link.state {
        LinkState::Holds => 'h',
        LinkState::Broken => 'b',
        LinkState::Unknown => 'u',
    };
    links.iter().map(letter).collect()
}

#[test]
fn each_link_stands_where_the_evidence_puts_it() {
    type Change = fn(&mut Evidence);
    let cases: &[(&str, Change, &str)] = &[
        ("nothing", |_| {}, "hhhhhhhh"),
        ("the key opens nothing", refused, "bhhhhhhh"),
        (
            "the name differs",
            |evidence| {
                refused(evidence);
                evidence.keys = vec![build::key(vec![opened("ours", vec![])])];
                let name = Body::InstanceName { name: "other".to_owned() };
                build::endpoint(evidence).server.instance_name = build::answer(200, name);
                let name = &mut build::backend(evidence).instance_name;
                name.process = build::Seen(Some("other".to_owned()));
                name.file = name.process.clone();
            },
            "bhhhhhhh",
        ),
        (
            "another process answers under another name",
            |evidence| {
                refused(evidence);
                evidence.keys = vec![build::key(vec![opened("ours", vec![])])];
                let name = Body::InstanceName { name: "other".to_owned() };
                build::endpoint(evidence).server.instance_name = build::answer(200, name);
            },
            "hhhhhbuh",
        ),
        (
            "the file holds another secret",
            |evidence| {
                let other = SecretState::Valid(build::secret("next"));
                build::backend(evidence).secret.file = build::Seen(Some(other));
            },
            "hbhhhhhh",
        ),
        (
            "the environment outranks the file",
            |evidence| {
                let secret = &mut build::backend(evidence).secret;
                secret.file = build::Seen(Some(build::valid("next")));
                secret.environment = build::Seen(Some(build::valid("ours")));
            },
            "hhhhhhhh",
        ),
        (
            "the file was not seen",
            |evidence| build::backend(evidence).secret.file = unseen(),
            "huuhhhhh",
        ),
        (
            "a nameless volume, no compose file",
            |evidence| {
                evidence.compose = build::Seen(None);
                build::backend(evidence).storage.mounts[0].kind = MountKind::Anonymous;
            },
            "hhhuhhhh",
        ),
        (
            "nothing mounted, no compose file",
            |evidence| {
                evidence.compose = build::Seen(None);
                build::backend(evidence).storage.mounts.clear();
            },
            "hhubuhhh",
        ),
        (
            "the container lacks the declared volume",
            |evidence| {
                build::backend(evidence).storage.mounts[0].source = Some("old_data".to_owned());
            },
            "hhhhbhhh",
        ),
        (
            "stopped, refused",
            |evidence| {
                let url = build::endpoint(evidence);
                url.route.reach = Reach::Refused;
                url.key.check_admin_key = unseen();
                url.server.instance_name = unseen();
                url.server.root = unseen();
                build::docker(evidence).answering = None;
                let backend = build::backend(evidence);
                backend.life.state = "exited".into();
                backend.secret.process = build::Seen(None);
            },
            "huhhhbuh",
        ),
        (
            "running, refused",
            |evidence| {
                let url = build::endpoint(evidence);
                url.route.reach = Reach::Refused;
                url.key.check_admin_key = unseen();
                url.server.instance_name = unseen();
                url.server.root = unseen();
                build::docker(evidence).answering = None;
            },
            "hhhhhhbh",
        ),
        (
            "a backend answers, and it is not known which",
            |evidence| {
                refused(evidence);
                build::docker(evidence).answering = None;
            },
            "bhhhhhuh",
        ),
        (
            "the CLI takes something else",
            |evidence| evidence.selection.kind = SelectionKind::CloudDeployKey,
            "hhhhhhhb",
        ),
        (
            "no Docker, accepted",
            |evidence| {
                evidence.docker = unseen();
                evidence.keys[0].trials.clear();
            },
            "huuuuuhh",
        ),
        (
            "no Docker, refused",
            |evidence| {
                refused(evidence);
                evidence.docker = unseen();
                evidence.keys[0].trials.clear();
            },
            "buuuuuhh",
        ),
        (
            "neither Docker nor network",
            |evidence| {
                evidence.docker = unseen();
                evidence.endpoint = unseen();
                evidence.keys[0].trials.clear();
            },
            "uuuuuuuh",
        ),
    ];
    for (case, change, expected) in cases {
        let mut evidence = healthy();
        change(&mut evidence);
        assert_eq!(states(&evidence), *expected, "{case}");
    }
}

#[test]
fn nothing_selected_and_no_backend_is_no_chain() {
    let mut evidence = Evidence::default();
    assert_eq!(states(&evidence), "");
    evidence.compose = healthy().compose;
    assert_eq!(states(&evidence), "buuuuuub", "an app that misses its pair");
}

#[test]
fn another_backend_on_the_port_breaks_the_way_to_ours() {
    let mut evidence = healthy();
    refused(&mut evidence);
    evidence.keys = vec![build::key(vec![
        opened("ours", vec![build::file("app-backend-1", Some("app_data"))]),
        closed("theirs", vec![process("other-backend-1")]),
    ])];
    let docker = build::docker(&mut evidence);
    docker.backends[0].life.state = "exited".into();
    docker.backends[0].secret.process = build::Seen(None);
    docker.backends.push(build::container("other", "theirs"));
    docker.answering = Some(Answering {
        container: "other-backend-1".to_owned(),
        certainty: Certainty::Proven,
        how: "its access log holds our nonce".to_owned(),
    });
    assert_eq!(states(&evidence), "huhhhbhh");
}

#[test]
fn what_is_not_shown_is_drawn_all_the_same() {
    let mut evidence = healthy();
    refused(&mut evidence);
    let all = diagnose(&Admitted::of(&evidence), &Choices::default());
    let found: Vec<String> = all.findings.iter().map(|one| one.id.clone()).collect();
    assert!(!found.is_empty());
    let only = vec!["persistence".to_owned()];
    for choices in
        [Choices { ignore: found, ..Choices::default() }, Choices { only, ..Choices::default() }]
    {
        let some = diagnose(&Admitted::of(&evidence), &choices);
        assert_ne!(some.findings, all.findings);
        assert_eq!(some.chain, all.chain);
        assert_eq!(some.summary.chain, all.summary.chain);
    }
}
