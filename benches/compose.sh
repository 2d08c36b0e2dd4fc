#!/usr/bin/env bash
# How long `inspect compose` takes, and how much memory, for the upstream file and for 1,000 services in 1 MB; beside the real
# Compose where it is installed. Median of N whole processes, in milliseconds. Needs python3.
#   benches/compose.sh [target/dist/convex-doctor] [N]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
doctor=$(realpath "${1:-$root/target/dist/convex-doctor}")
python3 - "$doctor" "$root" "${2:-11}" <<'P'
import os, shutil, statistics, subprocess, sys, tempfile, time

doctor, root, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])

def measured(command, directory):
    """Median milliseconds and the highest resident memory in MiB, as the kernel counts it when the child ends."""
    times, peak = [], 0
    for _ in range(runs):
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        times.append((time.perf_counter() - start) * 1000)
        peak = max(peak, usage.ru_maxrss / 1024)
        if status != 0:
            sys.exit(f"{command} failed")
    return statistics.median(times), peak

def thousand():
    lines = ["services:"]
    for number in range(1000):
        lines += [f"  s{number}:", "    image: x", "    environment:"]
        lines += [f"      VARIABLE_{n}: value ${{X:-{number}}} of some length" for n in range(20)]
        lines += ["    volumes: ['data:/d']", "    ports: ['80']"]
    return "\n".join(lines + ["volumes: {data: }", ""])

with tempfile.TemporaryDirectory() as base:
    for name, text in [
        ("upstream", open(f"{root}/tests/lab/docker-compose.yml").read()),
        ("1,000 services", thousand()),
    ]:
        directory = os.path.join(base, name.replace(",", "").replace(" ", ""))
        os.mkdir(directory)
        with open(f"{directory}/compose.yaml", "w") as file:
            file.write(text)
        rows = [("convex-doctor inspect compose", [doctor, "inspect", "compose", "--format", "json"])]
        if shutil.which("docker"):
            rows.append(("docker compose config", ["docker", "compose", "config", "--format", "json"]))
        for label, command in rows:
            try:
                ms, mib = measured(command, directory)
            except SystemExit as gone:
                print(gone)
                continue
            print(f"{name:<15} {len(text) / 1e6:5.2f} MB  {label:<30} {ms:8.1f} ms {mib:7.1f} MiB")
P
