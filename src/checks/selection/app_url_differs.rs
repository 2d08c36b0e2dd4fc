//! The app and the CLI point to different deployments: functions are pushed to one, and the app
//! asks the other.

use crate::checks::Check;
use crate::deployment::selection::is_cloud_url;
use crate::evidence::surroundings::AppUrl;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Finding, Location, Remedy, Rule};

/// The app and the CLI point to different deployments.
pub static APP_URL_DIFFERS: Rule =
    rule!("app-url-differs", Warning, "the app and the CLI point to different deployments");

/// Judges `app-url-differs`.
pub static CHECK: Check = Check { rules: &[&APP_URL_DIFFERS], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(selected) = &evidence.selection.url else { return Ok(vec![]) };
    let mut findings = Vec::new();
    let mut unseen = None;
    for app in &evidence.surroundings.app_urls {
        let uses = if is_cloud_url(&app.url) {
            "a Convex Cloud deployment".to_owned()
        } else if let Some(name) = &app.instance_name {
            match answering(evidence) {
                Ok(Some(answering)) if answering != name => {
                    format!("the backend `{name}` instead of `{answering}`")
                }
                Ok(_) => continue,
                Err(reason) => {
                    unseen = Some(reason);
                    continue;
                }
            }
        } else {
            if let Some(reason) = &app.unanswered {
                unseen = Some(Unseen { reason: format!("{}: {reason}", app.url) });
            }
            continue;
        };
        findings.push(finding(app, &selected.text, &uses));
    }
    match unseen {
        Some(unseen) if findings.is_empty() => Err(unseen),
        _ => Ok(findings),
    }
}

/// The name of the instance behind the CLI's URL.
fn answering(evidence: &Evidence) -> Result<Option<&str>, Unseen> {
    let Some(endpoint) = evidence.endpoint.seen()? else { return Ok(None) };
    endpoint.server.instance_name.seen()?;
    Ok(endpoint.answering_name())
}

fn finding(app: &AppUrl, selected: &str, uses: &str) -> Finding {
    let detail = format!(
        "{} points the app to {uses}. The app does not see what the CLI pushes to {selected}.",
        app.variable
    );
    APP_URL_DIFFERS
        .finding(Certainty::Proven, detail)
        .because(format!("{} is {}", app.variable, app.url), format!("{}:{}", app.file, app.line))
        .at(Location::line(&app.file, app.line))
        .remedy(Remedy::safe(format!(
            "Set {} in {}:{} to this backend's URL, as browsers reach it",
            app.variable, app.file, app.line
        )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::selection as build;
    use crate::evidence::build::selection::{PAIR, told};
    use crate::evidence::endpoint::Body;

    fn told_of(
        local: &str,
        url: &str,
        instance_name: Option<&str>,
        answers: Option<&str>,
    ) -> Vec<String> {
        let mut evidence = build::evidence(&[], local, "");
        if let Some(name) = answers {
            let name = name.to_owned();
            build::endpoint(&mut evidence).server.instance_name =
                build::answer(200, Body::InstanceName { name });
        }
        evidence.surroundings.app_urls = vec![AppUrl {
            variable: "VITE_CONVEX_URL".to_owned(),
            file: ".env.local".to_owned(),
            line: 5,
            url: url.to_owned(),
            instance_name: instance_name.map(str::to_owned),
            unanswered: None,
        }];
        told(run(&evidence))
    }

    #[test]
    fn without_an_answer_it_does_not_pass() {
        let mut evidence = build::evidence(&[], PAIR, "");
        evidence.surroundings.app_urls = vec![AppUrl {
            variable: "VITE_CONVEX_URL".to_owned(),
            file: ".env.local".to_owned(),
            line: 5,
            url: "http://other:3210".to_owned(),
            instance_name: None,
            unanswered: Some("the connection was refused".to_owned()),
        }];
        assert_eq!(told(run(&evidence)), ["unknown"]);
    }

    #[test]
    fn the_cloud_and_other_instances_differ() {
        let differs = ["app-url-differs warning proven .env.local:5"];
        let none: [&str; 0] = [];
        let cloud = "https://happy-animal-123.convex.cloud";
        assert_eq!(told_of(PAIR, cloud, None, None), differs);
        assert_eq!(told_of("CONVEX_DEPLOYMENT=dev:a-b-1", cloud, None, None), none);
        assert_eq!(told_of(PAIR, "http://convex.cloud.example", None, None), none);
        assert_eq!(told_of(PAIR, "http://other:3210", Some("other"), Some("app")), differs);
        assert_eq!(told_of(PAIR, "http://other:3210", Some("app"), Some("app")), none);
        assert_eq!(told_of(PAIR, "http://127.0.0.1:3210", None, Some("app")), none);
        assert_eq!(told_of(PAIR, "http://other:3210", Some("other"), None), ["unknown"]);
    }
}
