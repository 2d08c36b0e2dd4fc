//! The dashboard answers with an error of its own: that is about its image, not about your key.

use crate::checks::Check;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

static DASHBOARD_ERROR: Rule =
    rule!("dashboard-error", Info, "the dashboard answers with an error");

pub(super) static CHECK: Check = Check { rules: &[&DASHBOARD_ERROR], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let mut findings = Vec::new();
    let mut unseen = None;
    for dashboard in evidence.dashboards.seen()? {
        match dashboard.page.seen() {
            Ok(answer) if answer.status >= 500 => findings.push(
                DASHBOARD_ERROR
                    .finding(
                        Certainty::Proven,
                        format!(
                            "{} answers {}. Its image is at fault, not your admin key.",
                            dashboard.container, answer.status
                        ),
                    )
                    .because(format!("GET / answers {}", answer.status), &dashboard.url)
                    .at(Location::container(&dashboard.container))
                    .remedy(Remedy::careful(
                        "Use the dashboard image of the backend's revision (see More)",
                    )),
            ),
            Ok(_) => {}
            Err(reason) => unseen = Some(reason),
        }
    }
    match unseen {
        Some(unseen) if findings.is_empty() => Err(unseen),
        _ => Ok(findings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint::{answer, healthy, told};
    use crate::evidence::endpoint::{Body, DashboardPage};

    #[test]
    fn only_an_error_of_the_server_is_one() {
        for (status, expected) in [
            (200, vec![]),
            (404, vec![]),
            (500, vec!["dashboard-error info proven app-dashboard-1"]),
            (503, vec!["dashboard-error info proven app-dashboard-1"]),
        ] {
            let mut evidence = healthy();
            evidence.dashboards = Observation::Seen(vec![DashboardPage {
                container: "app-dashboard-1".to_owned(),
                url: "http://127.0.0.1:6791".to_owned(),
                page: answer(status, Body::Empty),
            }]);
            assert_eq!(told(run(&evidence)), expected, "{status}");
        }
        let mut evidence = healthy();
        evidence.dashboards = Observation::unavailable("not checked");
        assert_eq!(told(run(&evidence)), ["unknown"]);
    }
}
