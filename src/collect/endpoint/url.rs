//! How the CLI takes a URL as it was typed. Pure: nothing is resolved or asked.
//!
//! The CLI (since 1.35) appends its paths to the text and hands the result to fetch, so what counts
//! is what the WHATWG parser makes of the text, except where the CLI itself is stricter: it wants
//! `http://` or `https://` in front, and a space anywhere ends in `Failed to parse URL`.

use url::Url;

use crate::evidence::endpoint::UrlFault;

/// Ports that fetch refuses to speak to (<https://fetch.spec.whatwg.org/#port-blocking>): `fetch
/// failed`, cause `bad port`.
const BLOCKED_PORTS: &[u16] = &[
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
    103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
    512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
    995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
    6669, 6679, 6697, 10080,
];

/// A URL that the CLI can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// The text as the CLI concatenates it: tabs and line ends, which every URL parser drops, are
    /// gone.
    pub text: String,
    /// `scheme://host:port`, without a path and without the scheme's own port.
    pub origin: Url,
    /// `http` or `https`.
    pub scheme: String,
    /// The host in lower case, in punycode, without brackets.
    pub host: String,
    /// The port, also when it is the scheme's own.
    pub port: u16,
    /// The path as typed; empty without one.
    pub path: String,
}

impl Typed {
    /// Whether the host is this machine by its name or address.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The URL of `path` on this origin.
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(path);
        url
    }

    /// The same host and port under another scheme and port; `None` only for a port that no URL can
    /// carry.
    pub fn elsewhere(&self, scheme: &str, port: u16) -> Option<Url> {
        let host = self.origin.host_str()?;
        Url::parse(&format!("{scheme}://{host}:{port}/")).ok()
    }

    /// What the CLI asks first: the path appended to the text, whatever the text ends in.
    pub fn concatenated(&self, path: &str) -> Option<Url> {
        Url::parse(&format!("{}{path}", self.text)).ok()
    }
}

/// Reads a URL as the CLI would.
pub fn read(typed: &str) -> Result<Typed, UrlFault> {
    let text: String = typed.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    if text.trim().is_empty() {
        return Err(UrlFault::Unparsable("it is empty".to_owned()));
    }
    if text.contains(['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
        return Err(UrlFault::Quotes);
    }
    if has_variable(&text) {
        return Err(UrlFault::Variable);
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(UrlFault::Blanks);
    }
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Err(without_http(&lower));
    }
    let url = Url::parse(&text).map_err(|error| UrlFault::Unparsable(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlFault::UserInfo);
    }
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(UrlFault::Unparsable("it does not name a host".to_owned()));
    };
    if port == 0 {
        return Err(UrlFault::Unparsable("port 0 cannot be connected to".to_owned()));
    }
    if BLOCKED_PORTS.contains(&port) {
        return Err(UrlFault::Unparsable(format!("fetch does not connect to port {port}")));
    }
    let mut origin = url.clone();
    origin.set_path("");
    origin.set_query(None);
    origin.set_fragment(None);
    Ok(Typed {
        scheme: url.scheme().to_owned(),
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
        path: path_as_typed(&text).to_owned(),
        origin,
        text,
    })
}

/// `$NAME`, `${NAME}`, `{{ NAME }}` or `%NAME%` in the host's place: something that was not filled
/// in.
fn has_variable(text: &str) -> bool {
    text.contains("{{")
        || text
            .split('$')
            .skip(1)
            .any(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '{'))
}

/// What a text without `http://` is. `localhost:3210` parses as the scheme `localhost`, and is
/// still a forgotten scheme.
fn without_http(lower: &str) -> UrlFault {
    if lower.starts_with("http:") || lower.starts_with("https:") {
        return UrlFault::Unparsable("two slashes are missing after the scheme".to_owned());
    }
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    match lower.split_once("://") {
        Some((scheme, _)) if is_scheme(scheme) => UrlFault::OtherScheme(scheme.to_owned()),
        _ => UrlFault::NoScheme,
    }
}

/// What follows the authority, up to a query or a fragment.
fn path_as_typed(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    rest[..end].find(['/', '\\']).map_or("", |start| &rest[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_as_typed() {
        for (typed, scheme, host, port, path) in [
            ("http://127.0.0.1:3210", "http", "127.0.0.1", 3210, ""),
            ("http://127.0.0.1:3210/", "http", "127.0.0.1", 3210, "/"),
            ("http://127.0.0.1:3210/api", "http", "127.0.0.1", 3210, "/api"),
            ("http://127.0.0.1:3210//a/../b?x=1#y", "http", "127.0.0.1", 3210, "//a/../b"),
            ("https://API.Example.com", "https", "api.example.com", 443, ""),
            ("HTTPS://api.example.com:443", "https", "api.example.com", 443, ""),
            ("http://[::1]:3210", "http", "::1", 3210, ""),
            ("http://b\u{fc}cher.example", "http", "xn--bcher-kva.example", 80, ""),
            ("http://127.0.0.1:3210\r\n", "http", "127.0.0.1", 3210, ""),
            ("http://127.1:3210", "http", "127.0.0.1", 3210, ""),
        ] {
            let read = read(typed).unwrap();
            assert_eq!(
                (read.scheme.as_str(), read.host.as_str(), read.port, read.path.as_str()),
                (scheme, host, port, path),
                "{typed}"
            );
        }
    }

    #[test]
    fn a_url_that_the_cli_cannot_use_is_named() {
        use UrlFault::{Blanks, NoScheme, OtherScheme, Quotes, UserInfo, Variable};
        for (typed, fault) in [
            ("127.0.0.1:3210", NoScheme),
            ("localhost:3210", NoScheme),
            ("//localhost:3210", NoScheme),
            ("api.example.com", NoScheme),
            ("ws://localhost:3210", OtherScheme("ws".to_owned())),
            ("postgres://localhost", OtherScheme("postgres".to_owned())),
            ("\"http://127.0.0.1:3210\"", Quotes),
            ("\u{201c}http://127.0.0.1:3210\u{201d}", Quotes),
            (" http://127.0.0.1:3210", Blanks),
            ("http://127.0.0.1:3210 ", Blanks),
            ("http://127.0.0.1 :3210", Blanks),
            ("http://me:pass@127.0.0.1:3210", UserInfo),
            ("http://me@127.0.0.1:3210", UserInfo),
            ("http://${HOST}:3210", Variable),
            ("http://$HOST:3210", Variable),
            ("http://{{host}}:3210", Variable),
        ] {
            assert_eq!(read(typed), Err(fault), "{typed}");
        }
        for typed in [
            "",
            "\n",
            "http://",
            "http:127.0.0.1",
            "http://h:port",
            "http://h:0",
            "http://h:99999",
            "http://h:6000",
            "http://[::1",
            "http://<your-host>:3210",
        ] {
            assert!(matches!(read(typed), Err(UrlFault::Unparsable(_))), "{typed}");
        }
    }

    #[test]
    fn the_first_call_is_a_concatenation() {
        const CALL: &str = "/api/v1/get_canonical_urls";
        for (typed, expected) in [
            ("http://h:3210", "http://h:3210/api/v1/get_canonical_urls"),
            ("http://h:3210/", "http://h:3210//api/v1/get_canonical_urls"),
            ("http://h:3210/api", "http://h:3210/api/api/v1/get_canonical_urls"),
        ] {
            assert_eq!(read(typed).unwrap().concatenated(CALL).unwrap().as_str(), expected);
            assert_eq!(read(typed).unwrap().at("/version").as_str(), "http://h:3210/version");
        }
    }

    #[test]
    fn loopback_is_told_from_other_hosts() {
        for (typed, expected) in [
            ("http://localhost:3210", true),
            ("http://api.localhost:3210", true),
            ("http://127.9.9.9:3210", true),
            ("http://[::1]:3210", true),
            ("http://192.168.1.2:3210", false),
            ("http://localhost.example.com:3210", false),
        ] {
            assert_eq!(read(typed).unwrap().is_loopback(), expected, "{typed}");
        }
    }
}
