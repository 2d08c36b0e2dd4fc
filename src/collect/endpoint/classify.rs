//! What a body is. Pure; the sentences and shapes are those of the real backend, site proxy and
//! dashboard.
//!
//! Nothing else of a foreign body is kept: a title, a first line, an error's two fields, each cut,
//! scrubbed and escaped.

use serde_json::Value;

use crate::evidence::endpoint::Body;
use crate::secret::{Secret, sanitize, scrub};

/// The longest foreign line that is kept, in characters.
const LINE: usize = 120;
/// The longest foreign URL that is kept, in characters.
const URL: usize = 300;
/// The longest name that is taken for an instance's.
const NAME: usize = 200;

/// Recognises `body`, the answer to `path` with `status`.
pub fn body(path: &str, status: u16, content_type: Option<&str>, body: &[u8]) -> Body {
    let text = String::from_utf8_lossy(body);
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Body::Empty;
    }
    if path == "/" && trimmed.starts_with("This Convex deployment is running.") {
        return Body::ConvexRoot;
    }
    if trimmed.starts_with("This Convex deployment does not have HTTP actions enabled.")
        || (status == 404 && trimmed == "No matching routes found")
    {
        return Body::SiteProxy;
    }
    let start = trimmed.get(..64).unwrap_or(trimmed).to_ascii_lowercase();
    if content_type.contains("html")
        || start.starts_with("<!doctype html")
        || start.starts_with("<html")
    {
        return html(trimmed);
    }
    // Since some of the answers are JSON served as text, the text decides.
    if (trimmed.starts_with(['{', '[']) || content_type.contains("json"))
        && let Ok(value) = serde_json::from_str(trimmed)
    {
        return json(status, &value);
    }
    let plain = content_type.is_empty() || content_type.contains("text/plain");
    if path == "/instance_name" && status == 200 && plain {
        // Not trimmed: a name may begin or end in a space, and a carriage return in it is a
        // finding.
        let name = text.strip_suffix('\n').unwrap_or(&text);
        if !name.contains('\n') && name.chars().count() <= NAME {
            if name.trim().len() >= 40 && name.trim().bytes().all(|b| b.is_ascii_hexdigit()) {
                // A secret that was put where the name belongs: the answer shows it to anybody, the
                // report must not.
                let _known = Secret::new(name.trim());
            }
            return Body::InstanceName { name: sanitize(name) };
        }
    }
    Body::Text { line: line(trimmed) }
}

/// One foreign line: secrets cut before it is shortened, so that half of one cannot stay.
pub fn line(text: &str) -> String {
    let scrubbed = scrub(text.trim());
    let first = scrubbed.lines().next().unwrap_or_default().trim_end();
    let cut: String = first.chars().take(LINE).collect();
    sanitize(&cut)
}

/// A foreign URL, otherwise as it is: a carriage return or a slash at its end is what the checks
/// look for.
fn url(text: &str) -> String {
    crate::foreign::url(&scrub(text).chars().take(URL).collect::<String>())
}

fn json(status: u16, value: &Value) -> Body {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    if status >= 400
        && let (Some(code), Some(message)) = (text("code"), text("message"))
        && value.as_object().is_some_and(|object| object.len() == 2)
        && code.starts_with(|c: char| c.is_ascii_uppercase())
        && code.chars().all(|c| c.is_ascii_alphanumeric())
    {
        return Body::ConvexError { code: line(code), message: line(message) };
    }
    if status == 200 && value.get("success") == Some(&Value::Bool(true)) {
        return Body::KeyAccepted { read_only: value.get("isReadOnly").and_then(Value::as_bool) };
    }
    if let (Some(cloud), Some(site)) = (text("convexCloudUrl"), text("convexSiteUrl")) {
        return Body::CanonicalUrls { cloud: url(cloud), site: url(site) };
    }
    Body::Json
}

fn html(page: &str) -> Body {
    let title = between_tags(page, "title").map(|title| {
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        line(&title.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    });
    let data = next_data(page);
    let property = |name: &str| {
        data.as_ref()?.pointer("/props/pageProps")?.get(name)?.as_str().filter(|v| !v.is_empty())
    };
    // Taken into custody before anything else is made of the page.
    let key = property("adminKey").map(Secret::new);
    if title.as_deref() == Some("Convex Dashboard") || property("deploymentUrl").is_some() {
        return Body::Dashboard {
            deployment_url: property("deploymentUrl").map(url),
            holds_key: key.is_some(),
        };
    }
    Body::Html { title }
}

/// The data that Next.js puts into its page.
fn next_data(page: &str) -> Option<Value> {
    let at = page.find("__NEXT_DATA__")?;
    let (_, rest) = page[at..].split_once('>')?;
    let (text, _) = rest.split_once("</script")?;
    serde_json::from_str(text).ok()
}

/// What is in the first `<tag …>…</tag>`, in whatever case.
fn between_tags<'a>(page: &'a str, tag: &str) -> Option<&'a str> {
    let lower = page.to_ascii_lowercase(); // keeps byte offsets
    let open = lower.find(&format!("<{tag}"))?;
    let start = open + lower[open..].find('>')? + 1;
    let end = start + lower[start..].find(&format!("</{tag}"))?;
    page.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISABLED: &str = "This Convex deployment does not have HTTP actions enabled.";
    const PLAIN: &str = "text/plain";
    const JSON: &str = "application/json";

    fn error(code: &str, message: &str) -> Body {
        Body::ConvexError { code: code.to_owned(), message: message.to_owned() }
    }

    fn text(line: &str) -> Body {
        Body::Text { line: line.to_owned() }
    }

    fn name(name: &str) -> Body {
        Body::InstanceName { name: name.to_owned() }
    }

    #[test]
    fn the_backends_own_answers_are_recognised() {
        let urls = |cloud: &str, site: &str| Body::CanonicalUrls {
            cloud: cloud.to_owned(),
            site: site.to_owned(),
        };
        let check = "/api/check_admin_key";
        let first = "/api/v1/get_canonical_urls";
        for (path, status, kind, given, expected) in [
            (
                "/",
                200,
                PLAIN,
                "This Convex deployment is running. See https://docs.convex.dev/.",
                Body::ConvexRoot,
            ),
            ("/version", 200, PLAIN, "unknown", text("unknown")),
            ("/version", 200, PLAIN, " v1 ", text("v1")),
            ("/instance_name", 200, PLAIN, "convex-self-hosted", name("convex-self-hosted")),
            ("/instance_name", 200, PLAIN, "a b", name("a b")),
            ("/instance_name", 200, PLAIN, "name\r", name("name\\u000d")),
            ("/instance_name", 200, PLAIN, "", Body::Empty),
            ("/instance_name", 404, PLAIN, DISABLED, Body::SiteProxy),
            ("/instance_name", 404, PLAIN, "No matching routes found", Body::SiteProxy),
            (
                check,
                401,
                JSON,
                r#"{"code":"BadAdminKey","message":"The provided admin key was invalid for this instance"}"#,
                error("BadAdminKey", "The provided admin key was invalid for this instance"),
            ),
            (check, 200, JSON, r#"{"success":true}"#, Body::KeyAccepted { read_only: None }),
            (
                check,
                200,
                JSON,
                r#"{"success":true,"allowedOps":[],"isReadOnly":false}"#,
                Body::KeyAccepted { read_only: Some(false) },
            ),
            (
                check,
                200,
                JSON,
                r#"{"success":true,"allowedOps":["ViewLogs"],"isReadOnly":true}"#,
                Body::KeyAccepted { read_only: Some(true) },
            ),
            (check, 400, JSON, "", Body::Empty),
            (
                first,
                200,
                JSON,
                r#"{"convexCloudUrl":"http://127.0.0.1:3210","convexSiteUrl":"http://127.0.0.1:3211"}"#,
                urls("http://127.0.0.1:3210", "http://127.0.0.1:3211"),
            ),
            (
                first,
                200,
                JSON,
                r#"{"convexCloudUrl":"http://h:3210\r","convexSiteUrl":""}"#,
                urls("http://h:3210\\u000d", ""),
            ),
        ] {
            assert_eq!(
                body(path, status, Some(kind), given.as_bytes()),
                expected,
                "{path} {given}"
            );
        }
    }

    #[test]
    fn what_is_not_convex_stays_so() {
        let title = |title: &str| Body::Html { title: Some(title.to_owned()) };
        for (path, status, kind, given, expected) in [
            (
                "/",
                502,
                "text/html",
                "<html>\r\n<head><title>502 Bad Gateway</title></head>",
                title("502 Bad Gateway"),
            ),
            ("/", 200, "", "<!DOCTYPE html><TITLE >a\n &amp; b</TITLE>", title("a & b")),
            ("/", 200, "text/html", "<html><p>x", Body::Html { title: None }),
            ("/instance_name", 200, "text/html", "<html><p>x", Body::Html { title: None }),
            ("/instance_name", 200, PLAIN, "two\nlines", text("two")),
            ("/", 200, JSON, r#"{"code":"x","message":"y"}"#, Body::Json),
            ("/", 401, JSON, r#"{"code":"rest_forbidden","message":"y","data":{}}"#, Body::Json),
            ("/", 503, PLAIN, "no available server\n", text("no available server")),
            ("/", 200, JSON, "{\"cut", text("{\"cut")),
        ] {
            assert_eq!(body(path, status, Some(kind), given.as_bytes()), expected, "{given}");
        }
    }

    #[test]
    fn a_dashboard_page_gives_up_its_url_and_never_its_key() {
        let key = "self-hosted-name|0198765432109876543210987654321098765432109876543210abcd";
        let page = format!(
            "<!DOCTYPE html><html><head><title>Convex Dashboard</title></head><body>\
             <script id=\"__NEXT_DATA__\" type=\"application/json\">{{\"props\":{{\"pageProps\":\
             {{\"deploymentUrl\":\"http://127.0.0.1:3210\",\"adminKey\":\"{key}\"}}}}}}</script>"
        );
        let seen = body("/", 200, Some("text/html"), page.as_bytes());
        assert_eq!(
            seen,
            Body::Dashboard {
                deployment_url: Some("http://127.0.0.1:3210".to_owned()),
                holds_key: true
            }
        );
        assert_eq!(scrub(key), "***");
        let without = page.replace(key, "");
        assert!(matches!(
            body("/", 200, None, without.as_bytes()),
            Body::Dashboard { holds_key: false, .. }
        ));
    }

    #[test]
    fn foreign_text_is_cut_scrubbed_and_escaped() {
        let _known = Secret::new("hunter2hunter2");
        let long = format!("{}hunter2hunter2", "x".repeat(LINE - 4));
        assert_eq!(line(&long).chars().count(), LINE - 1);
        assert!(!line(&long).contains("hunt"));
        assert_eq!(line("a\u{1b}[31mb\nc"), "a\\u001b[31mb");
        assert_eq!(body("/", 200, None, b"\xff\xfe"), text("\u{fffd}\u{fffd}"));
    }
}
