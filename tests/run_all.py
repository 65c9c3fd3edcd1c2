#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every layer of tests, counts cases, names the slowest, and ends with `N passed, N failed, N skipped`.

A case is a cmocka test function, a lint check, an e2e test, or a test program that says nothing more about itself.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "tests/lint"))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
sys.path.insert(0, os.path.join(ROOT, "tests/bench"))
sys.dont_write_bytecode = True

CMOCKA = re.compile(r"^\[\s*(OK|FAILED|SKIPPED)\s*\] (\w+)\s*$", re.M)
SUITES = ["unit", "sim", "fuzz"]
# What makes the daemon walk most of its code; the others measure time and memory, which sanitizers change.
SANITIZED_E2E = ["*bodies*", "*pipelined*", "*split_at_any_byte*", "*cut*", "*refused*", "*limits*", "*timeout*", "*killed*", "*reset*",
                 "*sent_again*", "*ipv6*", "*new_connection*", "*sighup*", "*apply*", "*broken*", "*sigterm*", "*show*", "*bad_lines*",
                 "*article*"]


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.took, self.failures, self.skips = [], [], []

    def add(self, name, outcome, seconds=0.0, detail=""):
        setattr(self, outcome, getattr(self, outcome) + 1)
        self.took.append((seconds, name))
        if outcome == "failed":
            self.failures.append((name, detail))
        elif outcome == "skipped":
            self.skips.append((name, detail))

    def totals(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def title(text):
    print(f"\n== {text}", flush=True)


def run_lint(tally, build):
    import lint
    title("lint")
    for name, problems in lint.run(build):
        outcome = "skipped" if problems is None else "failed" if problems else "passed"
        print(f"{outcome:8} {name}")
        for line in problems or []:
            print(f"         {line}")
        tally.add(f"lint {name}", outcome, detail="\n".join(problems or []))


def run_check(tally, build):
    import bench_check
    title("instructions, against the stored ones")

    def report(name, outcome, detail):
        print(f"{outcome:8} {name}: {detail}", flush=True)
        tally.add(f"instructions {name}", outcome, detail=detail)
    bench_check.run(build, report)


def count_program(tally, label, t):
    """One test program of meson's: its cmocka cases, or itself."""
    output = t.get("stdout", "") + "\n" + t.get("stderr", "")
    cases = {name: outcome for outcome, name in CMOCKA.findall(output)}
    kinds = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}
    result = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(t["result"], "failed")
    for name, outcome in cases.items():
        tally.add(f"{label} {name}", kinds[outcome], detail=output[-3000:] if outcome == "FAILED" else "")
    if not cases or (result == "failed" and "FAILED" not in cases.values()):
        tally.add(label, result, detail=f"{t['result']}\n{output[-4000:]}")
    tally.took.append((t["duration"], label))
    n = f", {len(cases)} cases" if cases else ""
    print(f"{result:8} {label} ({t['duration']:.1f} s{n})", flush=True)


def run_meson(tally, build, suites, prefix):
    """The registered tests of some suites in one build folder."""
    names = subprocess.run(["meson", "test", "-C", build, "--list", *sum((["--suite", s] for s in suites), [])],
                           capture_output=True, text=True).stdout
    if " - " not in names and " / " not in names:
        return
    title(f"{' '.join(suites)}{prefix and ' under ' + prefix}")
    log = os.path.join(build, "meson-logs/testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:strict_string_checks=1",
               UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    p = subprocess.Popen(["meson", "test", "-C", build, "--no-rebuild", "--timeout-multiplier", "4", "--num-processes", str(os.cpu_count() or 2),
                          *sum((["--suite", s] for s in suites), [])],
                         stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, env=env)
    label = f"{prefix} " if prefix else ""
    offset = 0
    while True:
        done = p.poll() is not None
        offset = follow(log, offset, lambda t: count_program(tally, label + t["name"].split(" / ")[-1].split(":")[-1].strip(), t))
        if done:
            break
        try:
            p.wait(0.5)
        except subprocess.TimeoutExpired:
            pass
    if offset == 0:
        tally.add(f"{label}meson test", "failed", detail=f"meson test in {build} ended with {p.returncode} and said nothing")


def follow(log, offset, each):
    """Hands on the complete lines of meson's log behind offset; the new offset."""
    if not os.path.exists(log):
        return offset
    with open(log, "rb") as f:
        f.seek(offset)
        text = f.read()
    end = text.rfind(b"\n") + 1
    for line in text[:end].splitlines():
        each(json.loads(line.decode("utf-8", "replace")))
    return offset + end


def run_e2e(tally, build, names, prefix=""):
    import e2e_run
    title(f"e2e{prefix and ' under ' + prefix}: the daemon on veth, against curl, wrk and nginx")

    def report(name, outcome, seconds, detail):
        print(f"{outcome:8} {name} ({seconds:.1f} s)" + (f": {detail.splitlines()[0]}" if detail else ""), flush=True)
        tally.add(f"{prefix and prefix + ' '}e2e {name}", outcome, seconds, detail)
    e2e_run.run(build, names, report)


def summary(tally, began):
    slow = sorted(tally.took, reverse=True)[:8]
    title("slowest")
    for seconds, name in slow:
        print(f"{seconds:7.1f} s  {name}")
    if tally.skips:
        title("skipped")
        for name, detail in tally.skips:
            print(f"{name}: {detail.splitlines()[0] if detail else 'what it needs is not here'}")
    if tally.failures:
        title("failures")
        for name, detail in tally.failures:
            print(f"FAILED {name}")
            print("\n".join(f"    {line}" for line in detail.splitlines()[-60:]))
    print(f"\nran for {time.monotonic() - began:.0f} s")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default="build")
    p.add_argument("--sanitized", default="build-sanitize")
    p.add_argument("only", nargs="*", help="lint, bench, unit, sim, fuzz, sanitize, e2e, or globs over names of e2e tests")
    args = p.parse_args()
    build, sanitized = os.path.join(ROOT, args.build), os.path.join(ROOT, args.sanitized)
    layers = {"lint", "bench", "sanitize", "e2e", *SUITES}
    wanted = [w for w in args.only if w in layers]
    e2e_names = [w for w in args.only if w not in layers]
    everything = not args.only
    tally, began = Tally(), time.monotonic()

    if everything or "lint" in wanted:
        run_lint(tally, build)
    if everything or "bench" in wanted:
        run_check(tally, build)
    suites = SUITES if everything else [s for s in SUITES if s in wanted]
    if suites:
        run_meson(tally, build, suites, "")
    if everything or "sanitize" in wanted:
        run_meson(tally, sanitized, SUITES, "sanitize")
        run_e2e(tally, sanitized, SANITIZED_E2E, "sanitize")
    if everything or "e2e" in wanted or e2e_names:
        run_e2e(tally, build, [n if any(c in n for c in "*?[") else f"*{n}*" for n in e2e_names] or ["*"])
    summary(tally, began)
    os.makedirs(os.path.join(ROOT, ".cache/dev"), exist_ok=True)
    with open(os.path.join(ROOT, ".cache/dev/totals"), "w", encoding="utf-8") as f:
        f.write(tally.totals() + "\n")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
