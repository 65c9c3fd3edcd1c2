#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a compiler does not check: layers, symbols of the fast rooms, style, lengths, unfinished words, spelling.

Each check is a function that returns its problems as lines "file:line: what and why"; no line, no problem.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import layers  # noqa: E402
import lint_test  # noqa: E402
import rows  # noqa: E402
import style  # noqa: E402
import symbols  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))


def tracked(*patterns):
    """Files of the project, also those not added yet; without git, everything that is not built."""
    try:
        out = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "--", *patterns],
                             cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        suffixes = tuple(p.lstrip("*") for p in patterns)
        out = [os.path.relpath(os.path.join(d, f), ROOT) for d, dirs, files in os.walk(ROOT) for f in files
               if f.endswith(suffixes) and not os.path.relpath(d, ROOT).startswith(("build", ".cache", ".git"))]
    return sorted(f for f in out if f and os.path.isfile(os.path.join(ROOT, f)))


def spelling(_build):
    if not shutil.which("codespell"):
        return None
    files = tracked("*.c", "*.h", "*.md", "*.py", "*.build", "dev", "*.1", "*.5", "*.8")
    r = subprocess.run(["codespell", "-q", "3", "-I", "tests/lint/words.txt", *files], cwd=ROOT, capture_output=True, text=True)
    return r.stdout.splitlines()


def indexes(_build):
    """A page that no index names is a page that nobody finds."""
    problems = []
    for folder in ("docs", "docs/decisions"):
        with open(os.path.join(ROOT, folder, "README.md"), encoding="utf-8") as f:
            text = f.read()
        pages = {os.path.relpath(f, folder) for f in tracked("*.md") if os.path.dirname(f) == folder} - {"README.md"}
        problems += [f"{folder}/README.md: does not name {page}" for page in sorted(pages) if f"({page})" not in text]
    return problems


CHECKS = [
    ("layers: a room includes only what it may see", lambda b: layers.check(ROOT, tracked("*.c", "*.h"))),
    ("symbols: fast rooms neither allocate, print, lock, ask the clock nor call the system", lambda b: symbols.check(ROOT, b)),
    ("style: tabs, columns, trailing space, licence line", lambda b: style.check_lines(ROOT, tracked("*.c", "*.h"))),
    ("lengths: files up to 1,000 lines, functions up to 100", lambda b: style.check_lengths(ROOT, tracked("*.c", "*.h"))),
    ("words: nothing left for later", lambda b: style.check_words(ROOT, tracked("*.c", "*.h", "*.py", "*.sh", "*.md", "dev"))),
    ("tests: wait for events, never sleep", lambda b: style.check_sleeps(ROOT, tracked("tests/*.c", "tests/*.py", "tests/*.sh"))),
    ("log: areas are those that operators can name", lambda b: style.check_areas(ROOT, tracked("ctrl/*.c", "dataplane/*.c"))),
    ("rows: each row of the checklist of TCP has a test or a deviation", lambda b: rows.check(ROOT, tracked("tests/unit/*.c", "tests/e2e/*.py"))),
    ("spelling", spelling),
    ("docs: every page is in its index", indexes),
    ("lint: each rule finds what breaks it", lambda b: lint_test.problems()),
]


def run(build):
    """Yields (name, problems) with problems None for a check that could not run here."""
    for name, check in CHECKS:
        yield name, check(build)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default="build", help="folder with the archives of the rooms")
    failed = 0
    for name, problems in run(os.path.join(ROOT, p.parse_args().build)):
        print(f"{'skip' if problems is None else 'FAIL' if problems else 'ok  '} {name}")
        for line in problems or []:
            print(f"     {line}")
        failed += bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
