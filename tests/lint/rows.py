# SPDX-License-Identifier: Apache-2.0
"""docs/tcp-checklist.md keeps its word: each row has a test that carries its number, or a deviation that names it."""
import os
import re

PAGE = "docs/tcp-checklist.md"
DEVIATIONS = ("docs/tcp.md", "docs/network.md")
TEST = re.compile(r"(?:static void|def) (\w*c[1-7]_\d\w*)\(")
NUMBER = re.compile(r"(?:^|_)c([1-7])_0*(\d+)(?=_)")


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.read()


def numbers_of(name):
    return [f"C{section}.{row}" for section, row in NUMBER.findall(name)]


def check(root, files):
    rows = dict(re.findall(r"^\| (C\d+\.\d+) \|.*\| ([^|]+) \|$", read(root, PAGE), re.M))
    written = "".join(read(root, p) for p in DEVIATIONS)
    tests = {name for f in files for name in TEST.findall(read(root, f))}
    proven = {number for name in tests for number in numbers_of(name)}
    problems = []
    for row, proof in rows.items():
        if "test" in proof and row not in proven:
            problems.append(f"{PAGE}: {row} has no test whose name carries {row.lower().replace('.', '_')}_")
        if "deviation" in proof and f"({row})" not in written:
            problems.append(f"{PAGE}: {row} is called a deviation, and neither {' nor '.join(DEVIATIONS)} says ({row})")
    for name in sorted(tests):
        problems += [f"{PAGE}: has no row {n}, which {name} proves" for n in numbers_of(name) if n not in rows]
    return problems
