//! Which proxy the CLI puts in between, by the rules of undici's `EnvHttpProxyAgent`, which it
//! installs. Pure.
//!
//! They differ from curl's: the CLI installs the agent only if an upper-case name is set
//! (`src/cli/index.ts` of `convex`). The agent then reads all names: the lower-case one wins even
//! when it is empty, `HTTP_PROXY` also serves https where `HTTPS_PROXY` is unset, `ALL_PROXY` counts
//! for nothing. Loopback goes through the proxy, too.

use std::collections::BTreeMap;

use super::url::Typed;
use crate::evidence::endpoint::InvalidProxy;

/// A variable and its value.
type Set<'e> = (&'static str, &'e str);

/// The proxy for `url` with its variable; `None` where the CLI connects directly.
pub fn for_url<'e>(url: &Typed, env: &'e BTreeMap<String, String>) -> Option<Set<'e>> {
    let [http, https] = agents(env);
    let proxy = if url.scheme == "https" { https.or(http) } else { http }?;
    let exceptions = of(env, "no_proxy", "NO_PROXY").map_or("", |(_, value)| value);
    (!excepted(url, exceptions)).then_some(proxy)
}

/// The proxies that the agent is made with, for http and for https.
fn agents(env: &BTreeMap<String, String>) -> [Option<Set<'_>>; 2] {
    let is_set = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    if !is_set("HTTPS_PROXY") && !is_set("HTTP_PROXY") {
        return [None, None];
    }
    let pairs = [("http_proxy", "HTTP_PROXY"), ("https_proxy", "HTTPS_PROXY")];
    pairs.map(|(lower, upper)| of(env, lower, upper).filter(|(_, proxy)| !proxy.is_empty()))
}

fn of<'e>(
    env: &'e BTreeMap<String, String>,
    lower: &'static str,
    upper: &'static str,
) -> Option<Set<'e>> {
    let one = |name: &'static str| env.get(name).map(|value| (name, value.as_str()));
    one(lower).or_else(|| one(upper))
}

/// The variable at which the CLI stops before it asks anything, whatever the URL and the
/// exceptions are: undici makes an agent of each. Its error reports (Sentry) read the names in lower
/// case alone, since a release that is not known.
pub fn invalid(env: &BTreeMap<String, String>) -> Option<InvalidProxy> {
    let is_usable = |value: &str| {
        let url = url::Url::parse(value);
        url.is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "socks" | "socks5"))
    };
    let by_agent = agents(env).into_iter().flatten().find(|(_, value)| !is_usable(value));
    let lower = |name: &'static str| {
        let value = env.get(name).map(String::as_str).filter(|value| !value.is_empty())?;
        Some((name, value))
    };
    let by_reports = || {
        let reads = lower("https_proxy").or_else(|| lower("http_proxy"));
        reads.filter(|(_, value)| url::Url::parse(value).is_err())
    };
    let certain = by_agent.is_some();
    let (variable, value) = by_agent.or_else(by_reports)?;
    let value = (!value.contains('@')).then(|| crate::secret::sanitize(value));
    Some(InvalidProxy { variable: variable.to_owned(), value, certain })
}

/// The variable whose exceptions count: the lower-case one where it is set, also to nothing.
pub fn exceptions_variable(env: &BTreeMap<String, String>) -> &'static str {
    if env.contains_key("no_proxy") { "no_proxy" } else { "NO_PROXY" }
}

/// Whether `NO_PROXY` names the URL's host.
fn excepted(url: &Typed, exceptions: &str) -> bool {
    // undici compares with `url.host`, in which an IPv6 address keeps its brackets.
    let host = url.origin.host_str().unwrap_or(&url.host).to_ascii_lowercase();
    exceptions == "*"
        || exceptions.split(|c: char| c == ',' || c.is_whitespace()).any(|entry| {
            let (name, port) = match entry.rsplit_once(':') {
                Some((name, port)) if !name.is_empty() && is_number(port) => {
                    (name, port.parse().unwrap_or(0))
                }
                _ => (entry, 0),
            };
            let name = name.to_ascii_lowercase();
            if name.is_empty() || (port != 0 && port != url.port) {
                return false;
            }
            match name.strip_prefix('*') {
                Some(suffix) => host.ends_with(suffix),
                None if name.starts_with('.') => host.ends_with(&name),
                None => host == name,
            }
        })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_chosen_as_the_cli_chooses_it() {
        const HTTP: (&str, &str) = ("HTTP_PROXY", "http://p:1");
        const HTTPS: (&str, &str) = ("HTTPS_PROXY", "http://s:1");
        const LOWER: (&str, &str) = ("http_proxy", "http://l:1");
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
        let cases: &[Case<'_>] = &[
            ("http://h:3210", &[], None),
            ("http://h:3210", &[HTTP], Some("http://p:1")),
            ("http://127.0.0.1:3210", &[HTTP], Some("http://p:1")),
            ("http://h:3210", &[HTTPS], None),
            ("https://h", &[HTTPS, HTTP], Some("http://s:1")),
            ("https://h", &[HTTP], Some("http://p:1")),
            ("http://h:3210", &[HTTP, ("http_proxy", "")], None),
            ("http://h:3210", &[HTTP, ("http_proxy", "http://l:1")], Some("http://l:1")),
            ("http://h:3210", &[("ALL_PROXY", "http://a:1")], None),
            // Without an upper-case name the CLI does not install the agent at all.
            ("http://h:3210", &[LOWER], None),
            ("https://h", &[("https_proxy", "http://l:1")], None),
            ("https://h", &[LOWER, ("https_proxy", "http://l:1"), ("HTTP_PROXY", "")], None),
            // Any of them turns it on, for all names.
            ("http://h:3210", &[LOWER, HTTPS], Some("http://l:1")),
            ("https://h", &[("https_proxy", "http://l:1"), HTTP], Some("http://l:1")),
            ("https://h", &[LOWER, ("HTTPS_PROXY", "")], None),
            ("http://h:3210", &[HTTP, ("NO_PROXY", "*")], None),
            ("http://h:3210", &[HTTP, ("NO_PROXY", "x, H")], None),
            ("http://h:3210", &[HTTP, ("NO_PROXY", "h:3210")], None),
            ("http://h:3210", &[HTTP, ("NO_PROXY", "h:3211")], Some("http://p:1")),
            ("http://a.h:3210", &[HTTP, ("NO_PROXY", "h")], Some("http://p:1")),
            ("http://a.h:3210", &[HTTP, ("NO_PROXY", ".h")], None),
            ("http://a.h:3210", &[HTTP, ("NO_PROXY", "*.h")], None),
            ("http://h:3210", &[HTTP, ("NO_PROXY", "h"), ("no_proxy", "")], Some("http://p:1")),
            ("http://127.0.0.1:3210", &[HTTP, ("NO_PROXY", "127.0.0.0/8")], Some("http://p:1")),
            ("http://[::1]:3210", &[HTTP, ("NO_PROXY", "[::1]")], None),
            ("http://[::1]:3210", &[HTTP, ("NO_PROXY", "::1")], Some("http://p:1")),
        ];
        for (url, env, expected) in cases {
            let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let url = super::super::url::read(url).unwrap();
            let proxy = for_url(&url, &env);
            assert_eq!(proxy.map(|(_, value)| value), *expected, "{url:?} {env:?}");
            let named = |(name, value): (&str, &str)| env.get(name).is_some_and(|it| it == value);
            assert!(proxy.is_none_or(named), "{url:?} {env:?}");
        }
    }

    /// What convex 1.48.0 was seen to stop at.
    #[test]
    fn a_proxy_without_a_scheme_stops_the_cli() {
        type Case<'a> = (&'a [(&'a str, &'a str)], Option<(&'a str, bool)>);
        let cases: &[Case<'_>] = &[
            (&[("HTTP_PROXY", "127.0.0.1:9")], Some(("HTTP_PROXY", true))),
            (&[("HTTPS_PROXY", "127.0.0.1:9")], Some(("HTTPS_PROXY", true))),
            (&[("HTTP_PROXY", "localhost:9")], Some(("HTTP_PROXY", true))),
            (&[("HTTPS_PROXY", "ftp://h")], Some(("HTTPS_PROXY", true))),
            (&[("HTTP_PROXY", "127.0.0.1:9"), ("NO_PROXY", "*")], Some(("HTTP_PROXY", true))),
            (
                &[("HTTPS_PROXY", "http://h"), ("http_proxy", "127.0.0.1:9")],
                Some(("http_proxy", true)),
            ),
            (&[("http_proxy", "127.0.0.1:9")], Some(("http_proxy", false))),
            (&[("http_proxy", "localhost:9")], None),
            (&[("HTTP_PROXY", "127.0.0.1:9"), ("http_proxy", "http://h")], None),
            (&[("HTTP_PROXY", "http://h:1"), ("HTTPS_PROXY", "")], None),
            (&[("HTTP_PROXY", "socks5://h:1")], None),
            (&[("ALL_PROXY", "h:1")], None),
            (&[], None),
        ];
        for (env, expected) in cases {
            let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let found = invalid(&env);
            let found = found.as_ref().map(|one| (one.variable.as_str(), one.certain));
            assert_eq!(found, *expected, "{env:?}");
        }
    }
}
