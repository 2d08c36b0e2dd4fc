"""Plays a person at a terminal: starts a command on a pseudo-terminal, waits for texts, types keys.

Reads a JSON object from stdin: `argv`, `cwd`, `env`, and `steps`, each one of
  {"wait": TEXT}  until TEXT is printed (after what the last `wait` found)
  {"exists": PATH}  until this file is there
  {"type": KEYS}
  {"kill": NAME}  sends the signal to the command's first process
  {"sleep": SECONDS}
Prints a JSON object: `output`, `code`, `signal`, `missing` (the text that did not come), and `same`, whether the
terminal's modes are what they were.
"""

import json
import os
import pty
import select
import signal
import sys
import termios
import time

PATIENCE = 30


class Terminal:
    def __init__(self, argv, cwd, env):
        self.output, self.seen = "", 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            # What this process inherited is not what a shell would give.
            for one in (signal.SIGPIPE, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
                signal.signal(one, signal.SIG_DFL)
            os.execvpe(argv[0], argv, env)
        self.modes = termios.tcgetattr(self.fd)
        self.status = None

    def read(self, seconds):
        """Whether the terminal may have more to read."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            read = os.read(self.fd, 65536)
        except OSError:
            return False
        self.output += read.decode(errors="replace")
        return bool(read)

    def wait(self, text):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            at = self.output.find(text, self.seen)
            if at >= 0:
                self.seen = at + len(text)
                return True
            if not self.read(0.1):
                return False
        return False

    def exists(self, path):
        end = time.monotonic() + PATIENCE
        while not os.path.exists(path) and time.monotonic() < end and self.read(0.1):
            pass
        return os.path.exists(path)

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is not None

    def finish(self):
        end = time.monotonic() + PATIENCE
        while not self.ended() and time.monotonic() < end:
            self.read(0.05)
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            _, self.status = os.waitpid(self.pid, 0)
        while select.select([self.fd], [], [], 0)[0] and self.read(0):
            pass


def main():
    wanted = json.load(sys.stdin)
    terminal = Terminal(wanted["argv"], wanted["cwd"], wanted["env"])
    missing = None
    for step in wanted["steps"]:
        [(what, value)] = step.items()
        if (what == "wait" and not terminal.wait(value)) or (what == "exists" and not terminal.exists(value)):
            missing = value
            break
        if what == "type":
            os.write(terminal.fd, value.encode())
        elif what == "kill":
            os.kill(terminal.pid, getattr(signal, value))
        elif what == "sleep":
            end = time.monotonic() + value
            while time.monotonic() < end:
                terminal.read(0.05)
    if missing is not None:
        # Nothing started here may stay behind.
        os.kill(terminal.pid, signal.SIGHUP)
    terminal.finish()
    modes = termios.tcgetattr(terminal.fd)
    status = terminal.status
    print(
        json.dumps(
            {
                "output": terminal.output,
                "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
                "signal": signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None,
                "missing": missing,
                "same": modes == terminal.modes,
            }
        )
    )


main()
