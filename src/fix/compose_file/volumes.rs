//! What a service mounts, and the volumes of the top level.

use super::page::{New, Page};
use super::tree::{Kind, Node, Style};
use super::words::parts;
use super::{Refusal, merged, resolved, service};

/// One entry of a service's `volumes`.
struct Mount {
    index: usize,
    line: usize,
    source: Option<String>,
    target: String,
    form: Form,
}

enum Form {
    /// `source:target:options`.
    Short,
    /// A mapping.
    Long,
    /// Written elsewhere.
    Alias,
}

impl Mount {
    fn is_over(&self, target: &str) -> bool {
        clean(&self.target) == clean(target)
    }
}

/// A path in a container as Compose compares it.
fn clean(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.map(|part| format!("/{part}")).collect()
}

/// A service's list and its entries.
struct Mounts {
    page: Page,
    service: Vec<usize>,
    /// The number of `volumes` among the service's keys.
    block: Option<usize>,
    entries: Vec<Mount>,
}

impl Mounts {
    fn read(text: &str, name: &str) -> Result<Self, Refusal> {
        let page = Page::read(text)?;
        let path = service(&page, name)?;
        let what = format!("`volumes` of service {name}");
        let node = page.own(&path)?;
        let block = node.index("volumes");
        let mut entries = Vec::new();
        match block {
            None if merged(&page, node, "volumes").is_some() => {
                let why = format!("{what} comes from a merge key (`<<`)");
                return Err(Refusal::at(page.line_of(node), why));
            }
            None => {}
            Some(index) => {
                let list = [&path[..], &[index]].concat();
                let list = page.own(&list).map_err(|refusal| refusal.of(&what))?;
                let line = page.line_of(list);
                match &list.kind {
                    Kind::List(items) => {
                        for (index, item) in items.iter().enumerate() {
                            entries.push(mount(&page, index, item)?);
                        }
                    }
                    _ if list.is_null() => {}
                    _ => return Err(Refusal::at(line, format!("{what} is not a list"))),
                }
            }
        }
        Ok(Self { page, service: path, block, entries })
    }

    fn path(&self, rest: &[usize]) -> Vec<usize> {
        let block = self.block.into_iter();
        self.service.iter().copied().chain(block).chain(rest.iter().copied()).collect()
    }

    fn over(&self, target: &str) -> Result<Option<&Mount>, Refusal> {
        if let Some(unsure) = self.entries.iter().find(|mount| mount.target.contains('$')) {
            let why = format!("whether an entry mounts over {target} depends on a variable");
            return Err(Refusal::at(unsure.line, why));
        }
        let found: Vec<&Mount> =
            self.entries.iter().filter(|mount| mount.is_over(target)).collect();
        one(&found, &format!("the mount over {target}"))
    }
}

/// The one entry of these, if there is one.
fn one<'m>(found: &[&'m Mount], what: &str) -> Result<Option<&'m Mount>, Refusal> {
    match found {
        [] => Ok(None),
        [one] if matches!(one.form, Form::Alias) => {
            Err(Refusal::at(one.line, format!("{what} is an alias (`*…`)")))
        }
        [one] => Ok(Some(one)),
        [_, second, ..] => Err(Refusal::at(second.line, format!("{what} exists twice"))),
    }
}

fn mount(page: &Page, index: usize, item: &Node) -> Result<Mount, Refusal> {
    let line = page.line_of(item);
    let node = resolved(page, item);
    let is_alias = !std::ptr::eq(node, item);
    let text = |key: &str| {
        let node = node.get(key).or_else(|| merged(page, node, key));
        node.map(|node| resolved(page, node)).and_then(Node::text).map(str::to_owned)
    };
    let (source, target, form) = match &node.kind {
        Kind::Map(_) => (text("source"), text("target").unwrap_or_default(), Form::Long),
        Kind::Scalar(spec, _) => {
            let parts = parts(spec);
            let part = |index: usize| parts.get(index).map(|part| (*part).to_owned());
            match part(1) {
                Some(target) => (part(0), target, Form::Short),
                None => (None, part(0).unwrap_or_default(), Form::Short),
            }
        }
        _ => return Err(Refusal::at(line, "an entry of `volumes` is not a mount")),
    };
    let form = if is_alias { Form::Alias } else { form };
    Ok(Mount { index, line, source, target, form })
}

pub(super) fn mount_over(
    text: &str,
    name: &str,
    key: &str,
    target: &str,
) -> Result<String, Refusal> {
    if key.len() == 1 {
        return Err(Refusal::at(1, format!("Compose reads {key}:{target} as a path on a drive")));
    }
    let mounts = Mounts::read(text, name)?;
    let page = &mounts.page;
    let node = page.own(&mounts.service)?;
    if let Some(tmpfs) = node.get("tmpfs").or_else(|| merged(page, node, "tmpfs")) {
        let tmpfs = resolved(page, tmpfs);
        let items: Vec<&Node> = match &tmpfs.kind {
            Kind::List(items) => items.iter().map(|item| resolved(page, item)).collect(),
            _ => vec![tmpfs],
        };
        let mut paths = items.iter().filter_map(|item| item.text()?.split(':').next());
        if paths.any(|path| clean(path) == clean(target)) {
            let why = format!("`tmpfs` of service {name} covers {target}");
            return Err(Refusal::at(page.line_of(tmpfs), why));
        }
    }
    let what = format!("`volumes` of service {name}");
    let of_entry = |refusal: Refusal| refusal.of(&what);
    let spec = format!("{key}:{target}");
    let Some(old) = mounts.over(target)? else {
        let new = New::List(vec![(spec.clone(), Style::Plain)]);
        let Some(block) = mounts.block else {
            return page.add_entry(&mounts.service, None, "volumes", &new).map_err(of_entry);
        };
        return if mounts.entries.is_empty() {
            page.fill(&mounts.service, block, &new).map_err(of_entry)
        } else {
            page.add_item(&mounts.path(&[]), &spec).map_err(of_entry)
        };
    };
    let path = mounts.path(&[old.index]);
    match old.form {
        Form::Short if old.source.as_deref() == Some(key) => Ok(text.to_owned()),
        Form::Short => page.replace(&path, &spec).map_err(of_entry),
        _ => long_to_volume(text, page, &path, key).map_err(of_entry),
    }
}

/// A long form becomes one of a volume: its `type` and its `source` change.
fn long_to_volume(text: &str, page: &Page, path: &[usize], key: &str) -> Result<String, Refusal> {
    let node = page.own(path)?;
    let line = page.line_of(node);
    let is_volume = node.get("type").and_then(Node::text) == Some("volume");
    for (name, value) in node.entries() {
        let line = page.line_of(name);
        let name = name.text().unwrap_or_default();
        let is_plain = matches!(name, "type" | "source" | "target") || name.starts_with("x-");
        // The options of a volume are good for another one, but for the place within it.
        let is_kept = is_volume
            && (matches!(name, "read_only" | "consistency")
                || (name == "volume" && value.get("subpath").is_none()));
        if !is_plain && !is_kept {
            let why = format!("the entry has options of its own (`{name}`)");
            return Err(Refusal::at(line, why));
        }
    }
    let (Some(kind), Some(_)) = (node.index("type"), node.get("target")) else {
        return Err(Refusal::at(line, "the entry has no `type` or no `target`"));
    };
    let source = node.index("source");
    let has = |source: usize| node.child(source).and_then(Node::text) == Some(key);
    if is_volume && source.is_some_and(has) {
        return Ok(text.to_owned());
    }
    let child = |index: usize| [path, &[index]].concat();
    let text = match source {
        Some(source) if node.child(source).is_some_and(|node| !node.is_null()) => {
            page.replace(&child(source), key)?
        }
        Some(source) => page.fill(path, source, &New::Text(key.to_owned(), Style::Plain))?,
        None => {
            let new = New::Text(key.to_owned(), Style::Plain);
            page.add_entry(path, Some(kind), "source", &new)?
        }
    };
    if is_volume {
        return Ok(text);
    }
    let page = Page::read(&text)?;
    // An entry that was added follows the type.
    page.replace(&child(kind), "volume")
}

pub(super) fn declare(text: &str, key: &str, adopt: Option<&str>) -> Result<String, Refusal> {
    let page = Page::read(text)?;
    let root = &page.tree.root;
    let new = match adopt {
        None => New::Nothing,
        Some(name) => New::Map(vec![
            ("external".to_owned(), New::True),
            ("name".to_owned(), New::Text(name.to_owned(), Style::Plain)),
        ]),
    };
    let all = || New::Map(vec![(key.to_owned(), new.clone())]);
    let of_entry = |refusal: Refusal| refusal.of("`volumes` of the top level");
    let Some(block) = root.index("volumes") else {
        return page.add_at_end("volumes", &all()).map_err(of_entry);
    };
    let volumes = page.own(&[block]).map_err(of_entry)?;
    let line = page.line_of(volumes);
    let is_map = matches!(volumes.kind, Kind::Map(_));
    if volumes.is_null() || (is_map && volumes.is_empty()) {
        return page.fill(&[], block, &all()).map_err(of_entry);
    }
    if !is_map {
        return Err(of_entry(Refusal::at(line, "it is not a mapping")));
    }
    let Some(index) = volumes.index(key) else {
        if merged(&page, volumes, key).is_some() {
            return Err(of_entry(Refusal::at(
                line,
                format!("{key} comes from a merge key (`<<`)"),
            )));
        }
        return page.add_entry(&[block], None, key, &new).map_err(of_entry);
    };
    let Some(name) = adopt else { return Ok(text.to_owned()) };
    let of_entry = |refusal: Refusal| refusal.of(&format!("volume {key}"));
    let path = [block, index];
    let volume = page.own(&path).map_err(of_entry)?;
    if volume.is_null() || volume.is_empty() {
        return page.fill(&[block], index, &new).map_err(of_entry);
    }
    take(text, &path, name).map_err(of_entry)
}

/// A volume's declaration, which says something already, becomes that of an existing volume.
fn take(text: &str, path: &[usize], name: &str) -> Result<String, Refusal> {
    let page = Page::read(text)?;
    let volume = page.own(path)?;
    for (key, value) in volume.entries() {
        let line = page.line_of(key);
        let key = key.text().unwrap_or_default();
        let is_usual = match key {
            "name" => value.text().is_some_and(|text| !text.contains('$')),
            "external" => ["true", "false"].iter().any(|word| value.text() == Some(word)),
            "driver" => value.text() == Some("local"),
            _ => key.starts_with("x-"),
        };
        if !is_usual {
            let why = match key {
                "name" => "its `name` is built from variables".to_owned(),
                "external" => "its `external` is not just `true` or `false`".to_owned(),
                key => format!("`{key}` and `external` exclude each other"),
            };
            return Err(Refusal::at(line, why));
        }
    }
    let child = |index: usize| [path, &[index]].concat();
    let value = |key: &str| volume.get(key).and_then(Node::text);
    // One step at a time: each returns a text that is parsed again.
    let next = match (value("external"), value("name")) {
        (None, _) => page.add_entry(path, Some(0), "external", &New::True)?,
        (Some("false"), _) => {
            let index = volume.index("external").unwrap_or_default();
            page.replace_with_true(&child(index))?
        }
        (Some(_), None) => {
            let new = New::Text(name.to_owned(), Style::Plain);
            page.add_entry(path, volume.index("external"), "name", &new)?
        }
        (Some(_), Some(old)) if old != name => {
            let index = volume.index("name").unwrap_or_default();
            page.replace(&child(index), name)?
        }
        (Some(_), Some(_)) => match volume.index("driver") {
            Some(index) => page.remove(path, index)?,
            None => return Ok(text.to_owned()),
        },
    };
    take(&next, path, name)
}
