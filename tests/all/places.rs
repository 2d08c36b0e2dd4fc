//! What the remedies of the fixtures `place-…` say: that which can be done where the backend runs,
//! and no `docker compose` where there is none.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests read files and start the binary"
)]

use crate::support::{self, Fixture};
use serde_json::Value;

/// Every remedy of the whole run: its title, its commands, and those of its manual steps, in one text.
fn remedies(base: &'static str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = Fixture::variant(base, "as it is", &[]);
    let reports = runtime.block_on(support::reports(&fixture));
    let (_, report) = reports.into_iter().next().unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let of_one = |remedy: &Value| {
        let mut commands = list(&remedy["commands"]);
        for task in remedy["errands"].as_array().into_iter().flatten() {
            commands.extend(task["commands"].as_array().into_iter().flatten().cloned());
        }
        let commands = commands.iter().map(|command| command.as_str().unwrap());
        let title = remedy["title"].as_str().unwrap();
        std::iter::once(title).chain(commands).collect::<Vec<_>>().join("\n")
    };
    let findings = list(&report["findings"]);
    findings.iter().flat_map(|finding| list(&finding["remedies"])).map(|it| of_one(&it)).collect()
}

#[test]
fn a_remedy_speaks_of_the_place() {
    for (fixture, expected) in [
        ("place-railway", &["railway ssh\n./generate_admin_key.sh"][..]),
        ("place-fly", &["fly ssh console -a APP -C ./generate_admin_key.sh"]),
        ("place-coolify", &["Redeploy in Coolify"]),
        (
            "place-coolify-file",
            &["Add a named volume at /convex/data in Coolify", "Redeploy in Coolify"],
        ),
        ("place-dokploy", &["Add a named volume at /convex/data in Dokploy", "Deploy in Dokploy"]),
        (
            "place-swarm",
            &["docker exec app_backend.1.q3v2kz0y6t1m8x4w5n7r9p2ab ./generate_admin_key.sh"],
        ),
        ("place-kubernetes", &["docker exec k8s_backend_convex-0_prod_1 ./generate_admin_key.sh"]),
        ("place-portainer", &["docker exec app-backend-1 ./generate_admin_key.sh"]),
    ] {
        let all = remedies(fixture);
        for wanted in expected {
            assert!(all.iter().any(|one| one.contains(wanted)), "{fixture}: {wanted}: {all:#?}");
        }
        let compose: Vec<_> = all.iter().filter(|one| one.contains("docker compose")).collect();
        assert!(compose.is_empty(), "{fixture}: {compose:#?}");
    }
}

#[test]
fn without_a_mark_a_remedy_speaks_of_compose() {
    for (fixture, expected) in [
        ("place-railway--not", "docker compose exec -T backend ./generate_admin_key.sh"),
        ("place-coolify--not", "docker compose up -d backend"),
        ("place-dokploy--not", "docker compose up -d backend"),
    ] {
        let all = remedies(fixture);
        assert!(all.iter().any(|one| one.contains(expected)), "{fixture}: {all:#?}");
        for product in ["Railway", "Coolify", "Dokploy"] {
            assert!(!all.iter().any(|one| one.contains(product)), "{fixture}: {all:#?}");
        }
    }
}
