//! The short form of a service's volume: `[SOURCE:]TARGET[:OPTIONS]`.
//!
//! A letter before a colon is a Windows drive, on every system: `d:/convex/data` is an anonymous
//! volume at the path `d:/convex/data`. Source: compose-go `format/volume.go`.

/// A short form taken apart; nothing in it is resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ShortMount {
    pub(super) source: Option<String>,
    pub(super) target: String,
    pub(super) read_only: bool,
    pub(super) no_copy: bool,
    pub(super) propagation: Option<String>,
    pub(super) selinux: Option<String>,
    /// A spec of one or two characters: Compose makes no `volume` section for it.
    pub(super) bare: bool,
}

impl ShortMount {
    /// Whether the source is a path on the host.
    pub(super) fn is_bind(&self) -> bool {
        let Some(source) = &self.source else { return false };
        let mut chars = source.chars();
        match chars.next() {
            Some('.' | '/' | '~') => true,
            Some('\\') if source.starts_with("\\\\") => true,
            Some(first) => first.is_alphabetic() && chars.next() == Some(':'),
            None => false,
        }
    }
}

/// Takes a short form apart.
pub(super) fn parse_short(spec: &str) -> Result<ShortMount, String> {
    let mut short = ShortMount::default();
    if spec.is_empty() {
        return Err("invalid empty volume spec".to_owned());
    }
    if spec.len() <= 2 {
        spec.clone_into(&mut short.target);
        short.bare = true;
        return Ok(short);
    }
    let mut buffer = String::new();
    let mut target_set = false;
    // In a `${` that is left over colons and the end mean nothing: without a `}` there is no
    // target.
    let mut open = 0_usize;
    let mut chars = spec.chars().map(Some).chain([None]).peekable();
    while let Some(char) = chars.next() {
        match char {
            Some('$') if chars.peek() == Some(&Some('{')) => open += 1,
            Some('}') => open = open.saturating_sub(1),
            _ => {}
        }
        if open > 0 {
            buffer.extend(char);
            continue;
        }
        let drive = char == Some(':') && {
            let mut chars = buffer.chars();
            chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
        };
        match char {
            Some(char) if drive || char != ':' => buffer.push(char),
            _ => {
                let last = char.is_none();
                let part = std::mem::take(&mut buffer);
                if part.is_empty() {
                    return Err(invalid(spec, "empty section between colons"));
                }
                if short.source.is_none() && last {
                    short.target = part;
                } else if short.source.is_none() {
                    short.source = Some(part);
                } else if !target_set {
                    short.target = part;
                    target_set = true;
                } else if !last {
                    return Err(invalid(spec, "too many colons"));
                } else {
                    options(&part, &mut short);
                }
            }
        }
    }
    Ok(short)
}

fn invalid(spec: &str, why: &str) -> String {
    format!("invalid spec: {spec}: {why}")
}

fn options(list: &str, short: &mut ShortMount) {
    for option in list.split(',') {
        match option {
            "ro" => short.read_only = true,
            "rw" => short.read_only = false,
            "nocopy" => short.no_copy = true,
            "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
                short.propagation = Some(option.to_owned());
            }
            "z" | "Z" => short.selinux = Some(option.to_owned()),
            // Compose takes no notice of the others.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_taken_apart() {
        for (spec, source, target, bind) in [
            ("/convex/data", None, "/convex/data", false),
            ("data:/a", Some("data"), "/a", false),
            ("data:/b:ro", Some("data"), "/b", false),
            ("./rel:/c", Some("./rel"), "/c", true),
            ("~/home:/f:ro,z", Some("~/home"), "/f", true),
            (".:/h", Some("."), "/h", true),
            ("d:/convex/data", None, "d:/convex/data", false),
            ("a", None, "a", false),
            ("a:/b:c:d", Some("a:/b"), "c:d", true),
            ("a::/b", Some("a:"), "/b", true),
        ] {
            let short = parse_short(spec).unwrap();
            assert_eq!(
                (short.source.as_deref(), short.target.as_str(), short.is_bind()),
                (source, target, bind),
                "{spec}"
            );
        }
    }

    #[test]
    fn what_is_no_spec_is_refused() {
        for spec in ["", "data:", "data:/a:ro:x", ":/a", "data::/b"] {
            assert!(parse_short(spec).is_err(), "{spec}");
        }
    }
}
