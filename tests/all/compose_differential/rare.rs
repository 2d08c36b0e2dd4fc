//! The fields of a service that few files have: each in some fixed forms.

use super::rng::Rng;
use super::forms::{flag, pairs};
use super::yaml::{Y, raw};

/// One of the forms of a field.
pub(crate) fn fixed(r: &mut Rng, key: &str) -> Y {
    let forms: &[&str] = match key {
        "network_mode" => &[
            "host", "none", "bridge", "service:z", "✗'service:web'", "container:x", "default", "''",
            "✗service:nope",
        ],
        "tmpfs" => &["/run", "[/run, /tmp]", "'/t1:size=1m'", "[]", "✗['/tmp:mode=755', /tmp]"],
        "restart" => &["always", "no", "'no'", "unless-stopped", "on-failure:3", "''", "odd"],
        "logging" => &[
            "{driver: json-file, options: {max-size: 10m}}", "{driver: none}", "{options: {a: 1, b: null}}",
            "{}",
        ],
        "ulimits" => &[
            "{nofile: 1024}", "{nofile: {soft: 1, hard: 2}}", "{}", "✗{nofile: {soft: 1}}", "{nproc: '5'}",
        ],
        "dns" => &["1.1.1.1", "[1.1.1.1, 8.8.8.8]", "[]"],
        "extra_hosts" => return hosts(r),
        "sysctls" => &["{net.a: 1}", "['net.a=1']", "[]", "{net.b: '2'}"],
        "cap_add" => &["[ALL]", "[A, B]", "[]", "✗[A, A]"],
        "expose" => &["[80]", "['80', 90]", "['80-90']", "['80/udp']", "[]", "✗[80, 80]"],
        "links" => &["[z]", "['z:alias']", "✗[web]", "✗[nope]"],
        "volumes_from" => &["[z]", "['z:ro']", "['container:x']", "✗[nope]"],
        "init" | "privileged" | "read_only" | "tty" | "stdin_open" | "oom_kill_disable" => {
            return flag(r);
        }
        "user" => &["root", "'1000:1000'", "✗1000", "''"],
        "stop_grace_period" => &["10s", "1m", "✗5", "✗x", "1h30m"],
        "mem_limit" => &["512m", "1g", "1073741824", "1.5g", "✗x", "-1", "✗''"],
        "memswap_limit" => &["1g", "-1", "✗'-1'"],
        "mem_swappiness" => &["60", "'60'", "✗x"],
        "cpus" => &["0.5", "'1.5'", "2", "✗x"],
        "cpu_shares" => &["10", "'10'", "✗1.5"],
        "shm_size" => &["64m", "1000", "✗x"],
        "pids_limit" => &["100", "'100'", "-1"],
        "devices" => &[
            "['/dev/x:/dev/y']", "[/dev/x]", "[{source: /dev/x, target: /y, permissions: r}]", "[]",
            "✗[{target: /y}]",
        ],
        "gpus" => &[
            "all", "[{driver: nvidia, count: 1}]", "[{count: all, capabilities: [gpu]}]", "✗none", "[]",
            "✗[{foo: 1}]", "✗3",
        ],
        "blkio_config" => &[
            "{weight: 300}", "{weight_device: [{path: /dev/x, weight: 1}]}",
            "{device_read_bps: [{path: /x, rate: 1m}]}", "{}", "✗{foo: 1}", "✗{weight: [1]}",
            "✗{device_read_bps: [{path: 3}]}", "{device_write_iops: [{path: /x, rate: '12'}]}",
            "✗{weight_device: [{paht: /x}]}", "✗{weight: '300'}",
        ],
        "develop" => &[
            "{watch: [{path: ./x, action: sync, target: /y}]}", "{watch: []}", "{}", "null", "✗{foo: 1}",
            "✗{watch: [{path: ./x}]}", "✗{watch: [{path: ./x, action: odd}]}",
            "✗{watch: [{action: rebuild}]}", "{watch: [{path: ./x, action: rebuild, ignore: [a]}]}",
            "{watch: [{path: ./x, action: sync+exec, target: /y, exec: {command: x}}]}",
            "✗{watch: [{path: 3, action: sync}]}",
            "{watch: [{path: ./x, action: restart, include: a, initial_sync: true}]}",
        ],
        "models" => &[
            "[m1]", "{m1: {endpoint_var: X, model_var: Y}}", "✗{m1: null}", "{m1: {}}", "✗[nope]",
            "✗{m1: {foo: 1}}", "✗{m1: 3}",
        ],
        "provider" => &[
            "{type: x}", "{type: x, options: {a: b}}", "{type: x, options: {a: [b, c]}}", "✗{}", "✗{type: 3}",
            "✗{type: x, foo: 1}", "✗{type: x, options: {a: {b: c}}}", "{type: x, options: {a: 1, b: true}}",
            "✗{type: x, options: {a: null}}",
        ],
        "label_file" => {
            &["./l.labels", "[./l.labels]", "[l.labels, m.labels]", "✗missing.labels", "[]"]
        }
        "annotations" => return pairs(r, &["n1", "n2"]),
        "hostname" => &["h", "'h.x'", "✗3", "''"],
        "platform" => &["linux/amd64", "''", "x"],
        "pull_policy" => {
            &["always", "missing", "✗odd", "✗''", "daily", "every_12h", "if_not_present"]
        }
        "ipc" => &["host", "service:z", "shareable", "✗service:b"],
        "pid" => &["host", "'service:z'", "null", "container:x"],
        "uts" => &["host", "''"],
        "cgroup" => &["host", "private", "✗odd"],
        "scale" => &["2", "'2'", "0", "✗x"],
        "attach" => &["true", "false", "✗'x'"],
        "working_dir" => &["/w", "''"],
        "post_start" | "pre_stop" => &[
            "[{command: x}]", "[{command: [a, b], user: root, environment: [A=1]}]", "[]", "✗[{user: x}]",
        ],
        "security_opt" => &["[no-new-privileges]", "['seccomp:x']", "[]"],
        "credential_spec" => &["{file: x}", "{config: c1}", "{registry: y}", "{}"],
        "storage_opt" => &["{size: 1g}", "{size: 1}", "{}"],
        "userns_mode" => &["host", "''"],
        "group_add" => &["[1, a]", "[]"],
        "use_api_socket" => &["true", "false", "✗'true'"],
        "mac_address" => &["02:42:ac:11:65:43", "x"],
        "domainname" => &["d", "''"],
        "oom_score_adj" => &["5", "-5", "✗x"],
        _ => &["x"],
    };
    raw(r.form(forms))
}

pub(crate) fn deploy(r: &mut Rng) -> Y {
    raw(r.form(&[
        "{replicas: 2}", "{replicas: '2'}", "{resources: {limits: {cpus: '0.5', memory: 1g}}}", "{}", "{mode: global}", "null",
        "{resources: {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}", "{restart_policy: {condition: any, delay: 5s}}",
        "{update_config: {parallelism: 1, order: start-first}}", "{placement: {constraints: [a==b], preferences: [{spread: x}]}}",
        "{labels: {a: b}}", "{labels: [a=b]}", "{endpoint_mode: vip}", "✗{replicas: x}", "{resources: {limits: {pids: 5}}}",
        "✗{resources: {limits: {memory: x}}}", "✗{foo: 1}", "✗{resources: {limits: {cpus: x}}}", "✗{replicas: 1.5}",
        "{resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: g, value: 1}}]}}}", "✗{restart_policy: {delay: x}}",
        "✗{resources: {reservations: {devices: [{count: 1}]}}}", "✗{update_config: {delay: 5}}",
        "✗{resources: {reservations: {devices: [{capabilities: [gpu], count: all, device_ids: ['1']}]}}}",
    ]))
}

pub(crate) fn hosts(r: &mut Rng) -> Y {
    raw(r.pick(&[
        "['h:1.2.3.4']", "{h: 1.2.3.4}", "['h=host-gateway', 'h:::1']", "{h: [1.1.1.1, 2.2.2.2]}",
        "['h=1.1.1.1', 'g:2.2.2.2']", "['h=[::1]']", "[]",
    ]))
}
