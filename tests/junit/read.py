"""Reads each NAME.xml of a directory with junitparser and holds it against the JSON report NAME.json:
`read.py DIRECTORY LEVEL`, where LEVEL is the `--fail-on` of both. Ends with 1 and says what differs."""

import json
import pathlib
import sys
import unicodedata

from junitparser import Error, Failure, JUnitXml, Skipped

LEVELS = ["info", "warning", "error"]
directory, level = pathlib.Path(sys.argv[1]), sys.argv[2]
failing = LEVELS[LEVELS.index(level):] if level in LEVELS else []
faults = []


def one_line(text):
    """On one line, with what no report shows written as JUnit has it."""
    odd = lambda c: unicodedata.category(c) in ("Cc", "Cf") or c in "\ufffe\uffff"
    shown = "".join(f"\\u{ord(c):04x}" if odd(c) and c not in "\n\t" else c for c in text)
    return " ".join(shown.replace("\\u000a", " ").split())


reports = sorted(directory.glob("*.xml"))
for path in reports:
    def differs(what, found, expected):
        if found != expected:
            faults.append(f"{path.stem}: {what}: {found!r}, not {expected!r}")

    report = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    suites = list(JUnitXml.fromfile(str(path)))
    differs("suites", [suite.name for suite in suites], ["convex-doctor"])
    suite = suites[0]
    cases = list(suite)

    found = {}
    for finding in report["findings"]:
        found.setdefault(finding["id"], []).append(finding)
    failed = {
        name: [one for one in findings if one["level"] in failing]
        for name, findings in found.items()
        if any(one["level"] in failing for one in findings)
    }
    suppressed = {one["id"]: one for one in report["suppressed"]}
    unknown = {one["id"]: one for one in report["unknown"]}
    skipped = (suppressed.keys() | unknown.keys()) - found.keys()
    names = found.keys() | skipped | set(report["passed"])

    differs("cases", sorted(case.name for case in cases), sorted(names))
    differs("classes", {case.classname for case in cases}, {"convex-doctor"})
    differs("tests", (suite.tests, len(cases)), (len(names), len(names)))
    differs("failures", suite.failures, len(failed))
    differs("errors", suite.errors, 0)
    differs("skipped", suite.skipped or 0, len(skipped))
    counted = suite.tests, suite.failures, suite.errors, suite.skipped
    suite.update_statistics()
    differs("counts of its own", counted, (suite.tests, suite.failures, suite.errors, suite.skipped))

    for case in cases:
        kinds = [type(result) for result in case.result]
        if case.name in failed:
            differs(case.name, kinds, [Failure])
            first, text = failed[case.name][0], case.result[0].text
            message = f"{first['title']}. {first['detail']}".replace("..", ".")
            differs(f"{case.name}, message", one_line(case.result[0].message).lower(), one_line(message).lower())
            differs(f"{case.name}, level", case.result[0].type, first["level"])
            texts = text
        elif case.name in skipped:
            differs(case.name, kinds, [Skipped])
            one = suppressed.get(case.name) or unknown[case.name]
            reason = one.get("reason") or ""
            if one_line(reason) not in one_line(case.result[0].message):
                differs(f"{case.name}, reason", case.result[0].message, reason)
            continue
        else:
            differs(case.name, kinds, [])
            texts = case.system_out or ""
        for finding in found.get(case.name, []):
            for text in [finding["detail"], *(proof["text"] for proof in finding["evidence"])]:
                if one_line(text) not in one_line(texts):
                    faults.append(f"{path.stem}: {case.name} does not say {text!r}")

for fault in faults:
    print(fault)
if faults or not reports:
    sys.exit(1)
print(f"{len(reports)} reports are in order")
