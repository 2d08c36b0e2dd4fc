//! Which proxy the CLI puts in between, by the rules of undici's `EnvHttpProxyAgent`, which it
//! installs. Pure.
//!
//! They differ from curl's: the CLI installs the agent only if an upper-case name is set
//! (`src/cli/index.ts` of `convex`). The agent then reads all names: the lower-case one wins even
//! when it is empty, `HTTP_PROXY` also serves https where `HTTPS_PROXY` is unset, `ALL_PROXY` counts
//! for nothing. Loopback goes through the proxy, too.

use std::collections::BTreeMap;

use super::url::Typed;

/// The proxy for `url`, as its variable has it; `None` where the CLI connects directly.
pub fn for_url(url: &Typed, env: &BTreeMap<String, String>) -> Option<String> {
    let is_set = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    if !is_set("HTTPS_PROXY") && !is_set("HTTP_PROXY") {
        return None;
    }
    let of = |lower: &str, upper: &str| env.get(lower).or_else(|| env.get(upper));
    let http = of("http_proxy", "HTTP_PROXY").filter(|proxy| !proxy.is_empty());
    let https = of("https_proxy", "HTTPS_PROXY").filter(|proxy| !proxy.is_empty()).or(http);
    let proxy = if url.scheme == "https" { https } else { http }?;
    let exceptions = of("no_proxy", "NO_PROXY").map_or("", String::as_str);
    (!excepted(url, exceptions)).then(|| proxy.clone())
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
            assert_eq!(for_url(&url, &env).as_deref(), *expected, "{url:?} {env:?}");
        }
    }
}
