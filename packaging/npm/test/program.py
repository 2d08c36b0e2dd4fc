#!/usr/bin/env python3
"""What the tests start where `npx convex dev` or convex-doctor itself would be: it tells what reaches it."""

import json
import os
import signal
import sys
import time

got = {}


def note(number, _frame):
    name = signal.Signals(number).name
    got[name] = got.get(name, 0) + 1


def count():
    for one in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, note)
    print("ready", flush=True)
    while not got:
        time.sleep(0.02)
    # A second one would come soon. Tidying up takes a while, too.
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        time.sleep(0.02)
    print("got", json.dumps(got), "and tidied up", flush=True)
    sys.exit(7)


def main():
    what, rest = sys.argv[1], sys.argv[2:]
    if what == "count":
        count()
    elif what == "die":
        os.kill(os.getpid(), getattr(signal, rest[0]))
        time.sleep(5)
    elif what == "exit":
        sys.exit(int(rest[0]))
    elif what == "echo":
        print(json.dumps({"args": rest, "input": sys.stdin.read(), "parent": os.getppid()}))


main()
