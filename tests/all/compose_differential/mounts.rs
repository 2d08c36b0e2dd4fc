//! Mounts and ports, short and long.

use super::forms::{flag, keyed, pairs, styled};
use super::rng::Rng;
use super::words::{kept, name, scalar, text};
use super::yaml::{Y, raw};

pub(crate) fn mount(r: &mut Rng) -> Y {
    let target = r.pick(&["/data", "/convex/data", "/x/", "/data/.", "/y"]);
    if r.chance(60) {
        let source = r.form(&[
            "data", "data", "logs", "ext", "./rel", "../up", "/abs", "~/home", ".", "./a/../b", "d:/win",
            "✗data.x", "~",
        ]);
        let options =
            r.pick(&["ro", "rw", "z", "nocopy", "ro,Z", "cached", "rshared", "ro,nocopy,x"]);
        let spec = match r.below(10) {
            0 => target.to_owned(),
            1 | 2 => format!("{source}:{target}:{options}"),
            3 => r
                .form(&[
                    "✗a", "/", "✗data:", "d:/x", "✗x:/y:z:w", "✗:/x", "✗a::/b", "/v:/w", "/a b:/c",
                    "✗nope:/n",
                ])
                .to_owned(),
            _ => format!("{source}:{target}"),
        };
        return name(r, &spec);
    }
    let kind = r.pick(&["volume", "volume", "bind", "bind", "tmpfs", "image", "npipe"]);
    let target = if r.fault(3) { target } else { target.trim_end_matches(['/', '.']) };
    let mut fields = vec![("type".to_owned(), name(r, kind))];
    if kind != "tmpfs" && !r.fault(3) {
        let source = if kind == "volume" {
            r.pick(&["data", "logs", "ext", "data"])
        } else {
            r.pick(&["./rel", "/abs", "~/h", "..", "plain", "/abs/"])
        };
        fields.push(("source".to_owned(), name(r, source)));
    }
    if !r.fault(1) {
        fields.push(("target".to_owned(), name(r, target)));
    }
    if r.chance(30) {
        fields.push(("read_only".to_owned(), flag(r)));
    }
    if r.chance(10) {
        fields.push(("consistency".to_owned(), text(r, "cached")));
    }
    if r.chance(35) && (kind != "npipe" || r.fault(10)) {
        let options = match kind {
            "bind" => {
                keyed(r, 3, &["create_host_path", "propagation", "selinux", "recursive"], |_| {
                    raw("@")
                })
            }
            "volume" => keyed(r, 3, &["nocopy", "subpath", "labels"], |_| raw("@")),
            "tmpfs" => keyed(r, 2, &["size", "mode"], |_| raw("@")),
            _ => keyed(r, 1, &["subpath"], |_| raw("@")),
        };
        let options = options_of(r, options);
        let section = if kind == "npipe" { "bind" } else { kind };
        fields.push((section.to_owned(), options));
    }
    let node = Y::Map(fields);
    styled(r, node)
}

/// The values of a mount's options.
fn options_of(r: &mut Rng, node: Y) -> Y {
    let (entries, flow) = match node {
        Y::Map(entries) => (entries, false),
        Y::Flow(inner) => match *inner {
            Y::Map(entries) => (entries, true),
            other => return other,
        },
        other => return other,
    };
    let entries = entries
        .into_iter()
        .map(|(key, _)| {
            let value = match key.as_str() {
                "create_host_path" | "nocopy" => flag(r),
                "propagation" => text(r, "rslave"),
                "selinux" => raw(r.pick(&["z", "Z"])),
                "recursive" => raw(r.pick(&["enabled", "readonly"])),
                "labels" => pairs(r, &["l1", "l2"]),
                "size" => {
                    raw(r.pick(&["10m", "1000", "1gb", "'64k'", "1.5m", "${U1:-5m}", "10mib"]))
                }
                "mode" => raw(r.form(&["0755", "755", "✗'0755'", "1777", "✗${U1:-0700}"])),
                _ => text(r, "sub/p"),
            };
            (key, value)
        })
        .collect();
    if flow { Y::Flow(Box::new(Y::Map(entries))) } else { Y::Map(entries) }
}

pub(crate) fn port(r: &mut Rng) -> Y {
    if r.chance(70) {
        let spec = r.form(&[
            "80", "3210:3210", "3210:3210", "8080:80/udp", "127.0.0.1:84:85", "90-91:92-93", "7000-7003:3210",
            "[::1]:86:87", "127.0.0.1::88", "94-95", "0.0.0.0:1:2", "3211:3210", "53:53/tcp", "53:53/udp",
            "22:22/TCP", "${U1:-99}:80", "✗${A:-1}:80", "✗80:80-81", "✗70000:1", "✗a:b", "✗1:2/xyz",
            "✗::1:80:80", ":80", "✗80:", "0:80", "80-80:80", "✗1.2.3:1:2", "08:80", "✗80/tcp/udp", "✗", "80/",
            "✗1:2:3:4:5", "✗+80:80", "✗localhost:80:80", "✗5-3:80", "✗80:5-3",
        ]);
        if spec.bytes().all(|byte| byte.is_ascii_digit()) && !spec.is_empty() && r.chance(60) {
            return raw(spec);
        }
        let spec = kept(r, spec);
        return if spec.contains("::") || spec.contains('[') || spec.ends_with(':') || r.chance(70) {
            raw(format!("'{spec}'"))
        } else {
            scalar(r, &spec)
        };
    }
    let mut fields = Vec::new();
    let mut put = |key: &str, value: Y| fields.push((key.to_owned(), value));
    if !r.fault(3) {
        let target = raw(r.form(&[
            "80", "'80'", "3210", "${U1:-3210}", "'3210'", "✗x", "✗99999", "✗'90-91'",
        ]));
        put("target", if r.chance(85) { raw("3210") } else { target });
    }
    if r.chance(70) {
        put(
            "published",
            raw(r.form(&["80", "'80'", "'3210'", "3210", "'80-90'", "${U1:-81}", "0", "''", "✗x"])),
        );
    }
    if r.chance(30) {
        let ip = r.form(&["127.0.0.1", "::1", "✗''", "0.0.0.0", "✗notip"]);
        put("host_ip", raw(format!("\"{}\"", ip.trim_matches('\''))));
    }
    if r.chance(30) {
        put("protocol", raw(r.form(&["tcp", "udp", "TCP", "✗xyz", "''"])));
    }
    if r.chance(20) {
        put("mode", raw(r.pick(&["host", "ingress", "odd", "''"])));
    }
    if r.chance(10) {
        put("name", text(r, "main"));
    }
    if r.chance(10) {
        put("app_protocol", text(r, "http"));
    }
    let node = Y::Map(fields);
    styled(r, node)
}

