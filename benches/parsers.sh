#!/usr/bin/env bash
# How each parser grows: the time of a whole process for 1, 2, 4 and 8 MB of the worst that is known for it, and what each
# doubling costs. Fails where a doubling takes more than 2.5 times as long. Needs python3.
#   benches/parsers.sh [target/dist/convex-doctor] [N]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
doctor=$(realpath "${1:-$root/target/dist/convex-doctor}")
python3 - "$doctor" "${2:-3}" <<'P'
import os, subprocess, sys, tempfile

doctor, runs = sys.argv[1], int(sys.argv[2])
SIZES = [1, 2, 4, 8]
# Less than 8 MiB, the limit of a file.
MB = 1_000_000
SHORT = 0.05  # seconds: below, a doubling says nothing
BACKEND = "services: {backend: {image: a, env_file: e}}\n"

def times(command, files):
    """The shortest of the runs, in seconds of the processor."""
    with tempfile.TemporaryDirectory() as directory:
        for name, text in {"compose.yaml": BACKEND, "e": "", **files}.items():
            with open(f"{directory}/{name}", "w") as file:
                file.write(text)
        best = None
        for _ in range(runs):
            environment = {"PATH": os.environ["PATH"], "HOME": directory}
            child = subprocess.Popen([doctor, *command], cwd=directory, env=environment,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            # 3: a text without a bundle.
            if os.waitstatus_to_exitcode(status) not in (0, 1, 3):
                sys.exit(f"{command}: {status}")
            took = usage.ru_utime + usage.ru_stime
            best = took if best is None else min(best, took)
        return best

def filled(unit, size, before="", after=""):
    return before + unit * (int(size * MB - len(before) - len(after)) // len(unit)) + after

def numbered(line, size, before=""):
    lines, length, number = [before], len(before), 0
    while length < size * MB:
        lines.append(line.replace("#", str(number)))
        length += len(lines[-1])
        number += 1
    return "".join(lines)[:int(size * MB)]

def value(unit):
    return lambda size: {"compose.yaml": filled(unit, size, "services: {backend: {image: '", "'}}\n")}

def yaml(unit, before="x-a: ", after=""):
    return lambda size: {"compose.yaml": filled(unit, size, BACKEND + before, after)}

def env(unit, name=".env"):
    return lambda size: {name: filled(unit, size)}

PARSERS = {
    "YAML, Compose": (["inspect", "compose"], {
        "mappings of one": lambda size: {"compose.yaml": numbered(" k#: {a: b}\n", size, BACKEND + "x-a:\n")},
        "a list": yaml("a,", "x-a: [", "]"),
        "one text": yaml("a b ", "x-a: '", "'"),
        "lines of a text": yaml("  a\n", "x-a:\n"),
        "comments": yaml("# a\n", ""),
        "tabs": yaml("a,\t", "x-a: [", "]"),
        "open brackets": yaml("["),
        "documents": yaml("---\n{}\n", ""),
        "quotes, broken": yaml("'a',", "x-a: ["),
        "anchors": lambda size: {"compose.yaml": numbered(" k#: &a# {a: b, c: *a#}\n", size, BACKEND + "x-a:\n")},
    }),
    "interpolation": (["inspect", "compose"], {
        "defaults": value("${A:-x}"),
        "unset variables": lambda size: {"compose.yaml": numbered("${U#}", size - 0.001, "services: {backend: {image: '") + "'}}\n"},
        "open braces": value("${A:-{x} "),
        "no end": value("$${x} ${A"),
        "nested": value("${A:-" * 50 + "x" + "}" * 50),
        "dollars": value("$"),
        "dollar signs": value("$$"),
    }),
    "Compose dotenv": (["inspect", "compose"], {
        "open quotes": env("A='\n"),
        "quotes": env("'"),
        "assignments": lambda size: {".env": numbered("A#=b\n", size)},
        "the same again": env("A=b\n"),
        "comments": env("# c\n"),
        "escapes": lambda size: {".env": filled("\\n", size, 'A="', '"\n')},
        "variables": env("A=$A\n"),
        "of a service": env("A='\n", "e"),
    }),
    "Node dotenv": (["inspect", "selection"], {
        "quotes": env('"', ".env.local"),
        "open quotes": env('K="\n', ".env.local"),
        "escaped quotes": env('K="\\"\n', ".env.local"),
        "three kinds": env("K=`x\nL='y\nM=\"z\n", ".env.local"),
        "export": env("export\n", ".env.local"),
        "blanks": env(" \t", ".env.local"),
        "comments": env('K="\\"#', ".env.local"),
        "assignments": env("K=v\n", ".env.local"),
    }),
    "the gate and the scrubber": (["redact", "log"], {
        "known lines": lambda size: {"log": filled("INFO common::http: GET /version 200 took 12ms\n", size)},
        "the same secret": lambda size: {"log": filled("POSTGRES_PASSWORD=zq7HunterVeryLong42\n", size)},
        "secrets": lambda size: {"log": numbered("PASSWORD_#=zq7Hunter#VeryLong\n", size)},
        "words that are none": lambda size: {"log": numbered("x9#yZ k#Qq7 \n", size)},
        "one line": lambda size: {"log": filled("a b=c ", size)},
        "no blanks": lambda size: {"log": filled("a/b=c&", size)},
        "base64": lambda size: {"log": filled("aGVsbG8gd29ybGQhIQ0KaGVsbG8gd29ybGQhIQ0KaGVsbG8gd29ybGQ\n", size)},
    }),
    "bundle": (["replay", "bundle"], {
        "a log": lambda size: {"bundle": filled("INFO common::http: GET /version 200 took 12ms; ", size, '{"evidence":{"moon":"', '"}}')},
        "braces that are none": lambda size: {"bundle": filled("{ no\n", size)},
        "a long thread": lambda size: {"bundle": filled("{ \"a\": 1\n", 0.0001) + filled("so it goes\n", size)},
    }),
}
bad = 0
for parser, (command, kinds) in PARSERS.items():
    print(f"{parser:<40}" + "".join(f"{size:>7} MB" for size in SIZES) + "   per doubling")
    for kind, make in kinds.items():
        got = [times(command, make(size)) for size in SIZES]
        ratios = [later / max(first, 0.001) for first, later in zip(got, got[1:])]
        slow = any(ratio > 2.5 and later > SHORT for ratio, later in zip(ratios, got[1:]))
        bad += slow
        print(f"  {kind:<38}" + "".join(f"{took * 1000:7.0f} ms" for took in got) + "   "
              + " ".join(f"{ratio:5.2f}" for ratio in ratios) + ("  more than 2.5" if slow else ""), flush=True)
sys.exit(bad > 0)
P
