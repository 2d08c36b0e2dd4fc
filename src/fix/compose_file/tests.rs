use super::*;

type Made = Result<String, NoSafeEdit>;

/// Each text with what becomes of it, with line ends of both kinds and with and without a last one
/// and a byte order mark.
fn become_of(edit: &dyn Fn(&str) -> Made, cases: &[(&str, &str)]) {
    for (before, after) in cases {
        let checked = |made: Made| made.map_err(|why| format!("{why}\n{before}"));
        assert_eq!(checked(edit(before)).as_deref(), Ok(*after), "\n{before}");
        assert_eq!(checked(edit(after)).as_deref(), Ok(*after), "twice\n{before}");
        let crlf = |text: &str| text.replace('\n', "\r\n");
        assert_eq!(checked(edit(&crlf(before))), Ok(crlf(after)), "\n{before}");
        let marked = format!("\u{feff}{after}");
        assert_eq!(checked(edit(&format!("\u{feff}{before}"))), Ok(marked), "\n{before}");
        if let Some(cut) = before.strip_suffix('\n').filter(|cut| !cut.ends_with('\n')) {
            let made = checked(edit(cut)).unwrap();
            assert_eq!(made, after.strip_suffix('\n').unwrap(), "\n{before}");
            let cut = crlf(cut);
            assert_eq!(checked(edit(&cut)), Ok(crlf(&made)), "\n{before}");
        }
    }
}

/// Each text with the words of the refusal and its line.
fn refused(edit: &dyn Fn(&str) -> Made, cases: &[(&str, usize, &str)]) {
    for (text, line, words) in cases {
        let why = match edit(text) {
            Ok(new) => panic!("not refused ({words}):\n{text}\n{new}"),
            Err(why) => why,
        };
        assert!(why.why.contains(words), "{why}\n{text}");
        assert_eq!(why.line, *line, "{why}\n{text}");
    }
}

fn mount(text: &str) -> Made {
    mount_volume(text, "b", "data", "/convex/data")
}

#[test]
fn a_mount_is_added_in_the_style_of_the_list() {
    become_of(
        &mount,
        &[
            (
                "services:\n  b:\n    image: x\n    volumes:\n      - a:/a\n    tty: true\nvolumes:\n  a:\n",
                "services:\n  b:\n    image: x\n    volumes:\n      - a:/a\n      - data:/convex/data\n    tty: true\nvolumes:\n  a:\n",
            ),
            (
                "services:\n  b:\n    image: x\n    volumes:\n    -   './a:/a' # why\n    # - b:/b\n\n    tty: true\n",
                "services:\n  b:\n    image: x\n    volumes:\n    -   './a:/a' # why\n    -   'data:/convex/data'\n    # - b:/b\n\n    tty: true\n",
            ),
            (
                "services:\n    \"b\":\n        image: x\n        'volumes':\n            - \"./a:/a\"\n",
                "services:\n    \"b\":\n        image: x\n        'volumes':\n            - \"./a:/a\"\n            - \"data:/convex/data\"\n",
            ),
            (
                "services:\n  b:\n    image: x\n    volumes: [ './a:/a' ] # c\n",
                "services:\n  b:\n    image: x\n    volumes: [ './a:/a', 'data:/convex/data' ] # c\n",
            ),
            (
                "services:\n  b:\n    image: x\n    volumes: [\n      ./a:/a,\n    ]\n",
                "services:\n  b:\n    image: x\n    volumes: [\n      ./a:/a, data:/convex/data,\n    ]\n",
            ),
            (
                "services:\n  b:\n    image: x\n    volumes:\n      - type: bind\n        source: ./a\n        target: /a\n",
                "services:\n  b:\n    image: x\n    volumes:\n      - type: bind\n        source: ./a\n        target: /a\n      - data:/convex/data\n",
            ),
            (
                "services:\n  b:\n    image: x\n    volumes:\n      - /a\n      - &m ./a:/x\n",
                "services:\n  b:\n    image: x\n    volumes:\n      - /a\n      - &m ./a:/x\n      - data:/convex/data\n",
            ),
            (
                "services:\n  b:\n    image: x\n    volumes: # none\n    tty: true\n",
                "services:\n  b:\n    image: x\n    volumes: # none\n      - data:/convex/data\n    tty: true\n",
            ),
            (
                "services:\n  b:\n    image: x\n    volumes: [] # none\n",
                "services:\n  b:\n    image: x\n    volumes: # none\n      - data:/convex/data\n",
            ),
            (
                "services:\n  b:\n    image: x\n    volumes: ~\n    ports:\n    - 80\n",
                "services:\n  b:\n    image: x\n    volumes:\n    - data:/convex/data\n    ports:\n    - 80\n",
            ),
        ],
    );
}

#[test]
fn a_service_without_mounts_gets_its_list_behind_its_last_key() {
    become_of(
        &mount,
        &[
            (
                "services:\n  b:\n    image: x\n\n  # the other\n  c:\n    image: y\n",
                "services:\n  b:\n    image: x\n    volumes:\n      - data:/convex/data\n\n  # the other\n  c:\n    image: y\n",
            ),
            (
                "services:\n  b:\n    image: x\n    environment:\n      - A\n      # - B\n    # tty: true\n  # the other\n  c:\n    image: y\n",
                "services:\n  b:\n    image: x\n    environment:\n      - A\n      # - B\n    # tty: true\n    volumes:\n      - data:/convex/data\n  # the other\n  c:\n    image: y\n",
            ),
            (
                "services:\n  b:\n   image: x\n   ports:\n   - 80\n# the end\n",
                "services:\n  b:\n   image: x\n   ports:\n   - 80\n   volumes:\n   - data:/convex/data\n# the end\n",
            ),
            (
                "services:\n    b:\n        image: x\n        command: |\n            a\n            # b\n    c:\n        image: y\n",
                "services:\n    b:\n        image: x\n        command: |\n            a\n            # b\n        volumes:\n            - data:/convex/data\n    c:\n        image: y\n",
            ),
            (
                "---\nservices:\n  b:\n    image: x\n...\n",
                "---\nservices:\n  b:\n    image: x\n    volumes:\n      - data:/convex/data\n...\n",
            ),
            (
                "x-base: &base\n  restart: always\nservices:\n  b:\n    <<: *base\n    image: x\n",
                "x-base: &base\n  restart: always\nservices:\n  b:\n    <<: *base\n    image: x\n    volumes:\n      - data:/convex/data\n",
            ),
        ],
    );
}

#[test]
fn the_mount_over_the_same_target_is_replaced() {
    let one = |entry: &str| {
        format!(
            "services:\n  b:\n    image: x\n    volumes:\n      - ./a:/a\n{entry}      - ./z:/z # z\nvolumes:\n  old:\n"
        )
    };
    for (before, after) in [
        ("      - old:/convex/data\n", "      - data:/convex/data\n"),
        ("      - \"./d:/convex/data/:z\" # here\n", "      - \"data:/convex/data\" # here\n"),
        ("      - /convex/data\n", "      - data:/convex/data\n"),
        ("      - ${DIR:-./d}:/convex/data\n", "      - data:/convex/data\n"),
        (
            "      - type: bind\n        source: './d' # d\n        target: /convex/data\n",
            "      - type: volume\n        source: 'data' # d\n        target: /convex/data\n",
        ),
        (
            "      - type: volume\n        target: /convex/data\n        volume:\n          nocopy: true\n",
            "      - type: volume\n        source: data\n        target: /convex/data\n        volume:\n          nocopy: true\n",
        ),
        (
            "      - {type: volume, source: old, target: /convex/data}\n",
            "      - {type: volume, source: data, target: /convex/data}\n",
        ),
        (
            "      - {type: volume, target: /convex/data}\n",
            "      - {type: volume, source: data, target: /convex/data}\n",
        ),
    ] {
        become_of(&mount, &[(&one(before), &one(after))]);
    }
}

#[test]
fn a_mount_that_is_not_sure_is_refused() {
    refused(
        &mount,
        &[
            ("services: {b: {image: x}}\n", 1, "on one line"),
            ("services:\n  b: {image: x}\n", 2, "on one line"),
            ("services:\n  c:\n    image: x\n", 1, "service b does not exist"),
            ("x: &b\n  image: x\nservices:\n  b: *b\n", 4, "alias"),
            ("services:\n  b: &b\n    image: x\n  c:\n    <<: *b\n", 3, "anchor"),
            (
                "services:\n  b:\n    image: x\n    volumes: &v\n      - a:/a\n  c:\n    image: x\n    volumes: *v\nvolumes:\n  a:\n",
                5,
                "anchor",
            ),
            ("services:\n  b:\n    image: x\n    volumes: !reset []\n", 4, "tag"),
            ("services:\n  b: !override\n    image: x\n", 3, "tag"),
            (
                "x: &x\n  volumes:\n    - /a\nservices:\n  b:\n    <<: *x\n    image: x\n",
                6,
                "merge key",
            ),
            (
                "services:\n  b:\n    image: x\n    tmpfs: [/tmp, '/convex/data:size=1g']\n",
                4,
                "tmpfs",
            ),
            ("services:\n  b:\n    image: x\n    volumes:\n      - ./a:${DATA}\n", 5, "variable"),
            (
                "services:\n  b:\n    image: x\n    volumes:\n      - /convex/data\n      - ./a:/convex/data\n",
                6,
                "twice",
            ),
            (
                "services:\n  b:\n    image: x\n    volumes:\n      - type: bind\n        source: ./a\n        target: /convex/data\n        bind: {selinux: z}\n",
                8,
                "`bind`",
            ),
            (
                "x: &x ./a:/convex/data\nservices:\n  b:\n    image: x\n    volumes:\n      - *x\n",
                6,
                "alias",
            ),
            ("services:\n  b:\n    image: x\n---\nservices:\n  b:\n    image: y\n", 5, "several"),
            ("services:\n  b:\n    image: x\n    image: y\n", 4, "there twice"),
            ("services:\n  b:\n    image: x\n\tvolumes: []\n", 4, "not valid YAML"),
            ("services:\n  b:\n    image: x\n    volumes: a:/a\n", 4, "not a list"),
            ("", 1, "empty"),
            ("- x\n", 1, "not a mapping"),
            ("services:\n  c:\n    extends: b\n  b:\n    image: x\n", 1, "other parts"),
            (
                "services:\n  c:\n    extends: {file: o.yml, service: d}\n  b:\n    image: x\n",
                1,
                "extends",
            ),
        ],
    );
    let why = mount("services:\n  b: {image: x}\n").unwrap_err();
    assert_eq!(
        why.in_words("compose.yml"),
        "service b is written on one line (compose.yml:2); do this yourself: add `- data:/convex/data` under `volumes:` of service b"
    );
    let text = "services:\n  b:\n    image: x\n";
    let one_letter = mount_volume(text, "b", "d", "/d").unwrap_err();
    assert!(one_letter.why.contains("drive"), "{one_letter}");
    for (key, target) in [("a:b", "/d"), ("", "/d"), ("a", "d"), ("a", "/"), ("a", "/d:ro")] {
        assert!(mount_volume(text, "b", key, target).is_err(), "{key} {target}");
    }
}

#[test]
fn a_volume_is_declared() {
    let edit = |text: &str| declare_volume(text, "data", None);
    let service = "services:\n  b:\n    image: x\n    volumes:\n      - data:/convex/data\n";
    let with = |rest: &str| format!("{service}{rest}");
    become_of(
        &edit,
        &[
            (service, &with("\nvolumes:\n  data:\n")),
            (&with("# the end\n"), &with("# the end\n\nvolumes:\n  data:\n")),
            (&with("volumes:\n"), &with("volumes:\n  data:\n")),
            (&with("volumes: {} # c\n"), &with("volumes: # c\n  data:\n")),
            (
                &with("volumes:\n    a:\n    # b:\n"),
                &with("volumes:\n    a:\n    # b:\n    data:\n"),
            ),
            (&with("volumes: {a: {}}\n"), &with("volumes: {a: {}, data: {}}\n")),
            (
                &with("volumes:\n  a:\n    driver: local\n\nnetworks:\n  n:\n"),
                &with("volumes:\n  a:\n    driver: local\n  data:\n\nnetworks:\n  n:\n"),
            ),
            (&with("networks:\n  n:\n"), &with("networks:\n  n:\nvolumes:\n  data:\n")),
            (&with("volumes:\n  \"data\":\n"), &with("volumes:\n  \"data\":\n")),
        ],
    );
    assert_eq!(edit(&with("\n")).unwrap(), with("\nvolumes:\n  data:\n"));
    assert_eq!(edit(&with("...\n")).unwrap(), with("\nvolumes:\n  data:\n...\n"));
    refused(
        &edit,
        &[
            (&with("volumes: []\n"), 6, "not a mapping"),
            (&with("volumes: &v {}\nx-v: *v\n"), 6, "anchor"),
            ("{services: {b: {image: x}}}\n", 1, "on one line"),
        ],
    );
}

#[test]
fn a_volume_is_adopted() {
    let edit = |text: &str| declare_volume(text, "data", Some("old_data"));
    let service = "services:\n  b:\n    image: x\n    volumes:\n      - data:/convex/data\n";
    let with = |rest: &str| format!("{service}{rest}");
    become_of(
        &edit,
        &[
            (service, &with("\nvolumes:\n  data:\n    external: true\n    name: old_data\n")),
            (
                &with("volumes:\n  data: # here\n  a:\n"),
                &with("volumes:\n  data: # here\n    external: true\n    name: old_data\n  a:\n"),
            ),
            (
                &with("volumes:\n  data: {}\n"),
                &with("volumes:\n  data:\n    external: true\n    name: old_data\n"),
            ),
            (
                &with("volumes: {data: {}, a: {}}\n"),
                &with("volumes: {data: {external: true, name: old_data}, a: {}}\n"),
            ),
            (
                &with("volumes:\n  data:\n    driver: local # as ever\n  a:\n"),
                &with("volumes:\n  data:\n    external: true\n    name: old_data\n  a:\n"),
            ),
            (
                &with("volumes:\n  data:\n    external: true\n"),
                &with("volumes:\n  data:\n    external: true\n    name: old_data\n"),
            ),
            (
                &with("volumes:\n  data:\n    name: 'other' # c\n"),
                &with("volumes:\n  data:\n    name: 'old_data' # c\n    external: true\n"),
            ),
            (
                &with("volumes:\n  data:\n    external: false\n    name: other\n"),
                &with("volumes:\n  data:\n    external: true\n    name: old_data\n"),
            ),
        ],
    );
    refused(
        &edit,
        &[
            (&with("volumes:\n  data:\n    driver: nfs\n"), 8, "`driver`"),
            (&with("volumes:\n  data:\n    driver_opts: {type: none}\n"), 8, "`driver_opts`"),
            (&with("volumes:\n  data:\n    labels: [a=b]\n"), 8, "`labels`"),
            (&with("volumes:\n  data:\n    name: ${V:-x}\n"), 8, "`name`"),
        ],
    );
    // What YAML would take for a number is quoted.
    let number = declare_volume(&with("volumes:\n  data:\n"), "data", Some("123e4")).unwrap();
    assert!(number.ends_with("    name: \"123e4\"\n"), "{number}");
}

#[test]
fn a_variable_is_passed_through() {
    let edit = |text: &str| pass_variable(text, "b", "NEW");
    let with = |rest: &str| format!("services:\n  b:\n    image: x\n{rest}");
    for (before, after) in [
        ("", "    environment:\n      - NEW\n"),
        ("    environment:\n", "    environment:\n      - NEW\n"),
        ("    environment: []\n", "    environment:\n      - NEW\n"),
        ("    environment: {}\n", "    environment:\n      NEW: ${NEW}\n"),
        ("    environment:\n      - A\n", "    environment:\n      - A\n      - NEW\n"),
        (
            "    environment:\n    - \"A=1\" # a\n    tty: true\n",
            "    environment:\n    - \"A=1\" # a\n    - \"NEW\"\n    tty: true\n",
        ),
        (
            "    environment:\n      - A=${A:-}\n",
            "    environment:\n      - A=${A:-}\n      - NEW=${NEW}\n",
        ),
        (
            "    environment:\n      A: \"1\"\n      B: \"x y\"\n",
            "    environment:\n      A: \"1\"\n      B: \"x y\"\n      NEW: \"${NEW}\"\n",
        ),
        (
            "    environment:\n      A: ${A}\n",
            "    environment:\n      A: ${A}\n      NEW: ${NEW}\n",
        ),
        ("    environment:\n      A:\n", "    environment:\n      A:\n      NEW:\n"),
        ("    environment: {A: 1}\n", "    environment: {A: 1, NEW: \"${NEW}\"}\n"),
        ("    environment: [A=1]\n", "    environment: [A=1, NEW]\n"),
        ("    environment:\n      - NEW=\n", "    environment:\n      - NEW\n"),
        (
            "    environment:\n      - A=${A}\n      - 'NEW='\n",
            "    environment:\n      - A=${A}\n      - 'NEW=${NEW}'\n",
        ),
        ("    environment:\n      NEW: ''\n", "    environment:\n      NEW: '${NEW}'\n"),
        (
            "    environment:\n      A: |\n        x\n        # y\n    # end\n",
            "    environment:\n      A: |\n        x\n        # y\n      NEW: ${NEW}\n    # end\n",
        ),
    ] {
        become_of(&edit, &[(&with(before), &with(after))]);
    }
    for text in [
        "    environment:\n      - NEW\n",
        "    environment:\n      NEW:\n",
        "    environment:\n      NEW: ${NEW:-x}\n",
        "    environment:\n      - \"NEW=${NEW:?must be set}\"\n",
    ] {
        become_of(&edit, &[(&with(text), &with(text))]);
    }
    // A new block looks as that of another service.
    let other =
        "services:\n  a:\n    image: y\n    environment:\n      A: '${A}'\n  b:\n    image: x\n";
    become_of(&edit, &[(other, &format!("{other}    environment:\n      NEW: '${{NEW}}'\n"))]);
    let merging = "x-e: &e\n  A: 1\nservices:\n  b:\n    image: x\n    environment:\n      <<: *e\n      B: 2\n";
    become_of(&edit, &[(merging, &format!("{merging}      NEW: ${{NEW}}\n"))]);
    refused(
        &edit,
        &[
            (&with("    environment:\n      - NEW=x\n"), 5, "value of its own"),
            (&with("    environment:\n      NEW: ${OLD}\n"), 5, "other variables"),
            (&with("    environment:\n      - NEW=\n      - NEW=\n"), 6, "twice"),
            (&merging.replace("A: 1", "NEW: 1"), 7, "merge key"),
            ("x-e: &e\n  A: 1\nservices:\n  b:\n    image: x\n    environment: *e\n", 6, "alias"),
            (&with("    environment:\n      - {NEW: x}\n"), 5, "not a text"),
            (&with("    environment: NEW\n"), 4, "neither a mapping nor a list"),
        ],
    );
    assert!(pass_variable(&with(""), "b", "A B").is_err());
}

#[test]
fn a_value_makes_room_for_its_variable() {
    let edit = |text: &str| interpolate_variable(text, "b", "S");
    let with = |rest: &str| format!("services:\n  b:\n    image: x\n    environment:\n{rest}");
    for (before, after) in [
        ("      S: abc # c\n", "      S: ${S} # c\n"),
        ("      S: 0123\n      T: 1\n", "      S: ${S}\n      T: 1\n"),
        ("      \"S\": \"a b\"\n", "      \"S\": \"${S}\"\n"),
        ("      S: 'it''s'\n", "      S: '${S}'\n"),
        ("      - S=abc=d\n      - T=1\n", "      - S\n      - T=1\n"),
        ("      - T=${T}\n      - 'S=abc' # c\n", "      - T=${T}\n      - 'S=${S}' # c\n"),
        ("      - S=a$$b\n", "      - S\n"),
        ("      S: ${S:?}\n", "      S: ${S:?}\n"),
    ] {
        become_of(&edit, &[(&with(before), &with(after))]);
    }
    refused(
        &edit,
        &[
            (&with("      T: 1\n"), 3, "does not set S"),
            (&with("      S: |\n        abc\n"), 5, "not a short text"),
            (&with("      S: a\n        b\n"), 5, "several lines"),
            (&with("      S: a${B}\n"), 5, "other variables"),
            (&with("      S: &s abc\n      T: *s\n"), 5, "anchor"),
            (&with("      T: &s abc\n      S: *s\n"), 6, "alias"),
            (&with("      S: !!str 12\n"), 5, "tag"),
            (&with("      S: !x [a]\n"), 5, "tag"),
        ],
    );
    let why = edit(&with("      S: \"hunter2\n")).unwrap_err();
    assert!(!why.to_string().contains("hunter2"), "{why}");
}

#[test]
fn a_variable_goes() {
    let edit = |text: &str| remove_variable(text, "b", "S");
    let with = |rest: &str| format!("services:\n  b:\n    image: x\n{rest}");
    for (before, after) in [
        (
            "    environment:\n      - A\n      - S=\n      - B\n",
            "    environment:\n      - A\n      - B\n",
        ),
        ("    environment:\n      - A\n      - S=1\n", "    environment:\n      - A\n"),
        ("    environment:\n      - S\n      - S=1\n      - A\n", "    environment:\n      - A\n"),
        (
            "    environment:\n      # first\n      S: x # c\n      A: 1\n    tty: true\n",
            "    environment:\n      # first\n      A: 1\n    tty: true\n",
        ),
        (
            "    environment:\n      S: |\n        a\n\n        b\n      A: 1\n",
            "    environment:\n      A: 1\n",
        ),
        ("    environment: {A: 1, S: 2, B: 3}\n", "    environment: {A: 1, B: 3}\n"),
        ("    environment: [S=1, B=3] # c\n", "    environment: [B=3] # c\n"),
        ("    environment:\n      - S=1\n    tty: true\n", "    tty: true\n"),
        ("    environment: [S]\n", ""),
        ("    environment:\n      - SS=1\n", "    environment:\n      - SS=1\n"),
        ("", ""),
    ] {
        become_of(&edit, &[(&with(before), &with(after))]);
    }
    refused(
        &edit,
        &[
            (&with("    environment:\n      - S=1\n      # - A\n      - S=2\n"), 5, "only entry"),
            (&with("    environment:\n      ? S\n      : 1\n      A: 1\n"), 5, "shares its line"),
            (&with("    environment:\n      S: &s 1\n      A: *s\n"), 5, "anchor"),
            (
                "x: &x {S: 1}\nservices:\n  b:\n    image: x\n    environment:\n      <<: *x\n",
                6,
                "merge key",
            ),
        ],
    );
}
