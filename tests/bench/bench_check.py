# SPDX-License-Identifier: Apache-2.0
"""`./dev bench --check`: instructions of a worker for each piece of work, against those that bench_baseline.json remembers.

heddle-bench runs on the clock that moves with its turns, under callgrind: the same build gives the same number to the last
instruction, whatever else the machine does. So little is noise: what another day's compiler flags or a changed list of known
words moves. Whoever makes a request dearer on purpose stores new figures with `./dev bench --check --store`, and says why."""
import concurrent.futures
import json
import os
import re
import subprocess
import tempfile

NOISE = 0.02
BASELINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench_baseline.json")
EAL = ["--no-huge", "-m", "1024", "--no-pci", "--no-shconf", "-l", "0"]
# What is run, and what one piece of its work is.
SCENARIOS = {
    "http1": ("--scenario http1 --turns 200", "request"),
    "connect": ("--scenario connect --turns 200", "request on a new connection"),
    "bulk": ("--scenario bulk --size 1048576 --turns 300", "body of 1 MB"),
    "synflood": ("--scenario synflood --syn-rate 2000000 --turns 150", "request while 2 million SYNs a second arrive"),
}


def processor():
    """The C library and hyperscan choose code by what the processor has, which valgrind passes on."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        said = dict(re.findall(r"(\w+)\s*: (.*)", f.read()))
    return said["vendor_id"] + (" with AVX2" if "avx2" in said["flags"].split() else "")


def toolchain(build):
    """What a figure holds for: another compiler makes other instructions, another processor is given others."""
    with open(os.path.join(build, "meson-info/intro-buildoptions.json"), encoding="utf-8") as f:
        options = {o["name"]: o["value"] for o in json.load(f)}
    compiler = subprocess.run([os.environ.get("CC", "cc"), "--version"], capture_output=True, text=True, check=True).stdout
    return f"{compiler.splitlines()[0]}, {options['buildtype']}{', lto' if options['lto'] else ''}, {processor()}"


def count(build, arguments):
    """Instructions of the worker for each request of a run, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        argv = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--toggle-collect=worker_turn*",
                os.path.join(build, "heddle-bench"), *EAL, "--", *arguments.split(), "--json"]
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
        rows = [line for line in ran.stdout.splitlines() if line.startswith("{")]
        collected = re.search(r"Collected : (\d+)", ran.stderr)
        if ran.returncode != 0 or not rows or collected is None:
            return None, f"heddle-bench ended with {ran.returncode}: {ran.stderr[-2000:]}"
        return int(collected.group(1)) / json.loads(rows[-1])["requests"], ""


def judge(name, before, now):
    change = now / before - 1
    said = f"{now:,.0f} instructions a {SCENARIOS[name][1]}, {change:+.2%} against {before:,.0f}"
    if change > NOISE:
        return "failed", said + f": dearer by more than {NOISE:.0%}; see what changed, or store new figures: ./dev bench --check --store"
    return "passed", said


def run(build, report):
    """report(name, outcome, detail) for each scenario; the figures by scenario."""
    figures = {}
    with open(BASELINE, encoding="utf-8") as f:
        baseline = json.load(f)
    if subprocess.run(["valgrind", "--version"], capture_output=True, check=False).returncode != 0:
        report("instructions", "skipped", "valgrind is not here")
        return figures
    is_other = toolchain(build) != baseline["toolchain"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        runs = {name: pool.submit(count, build, arguments) for name, (arguments, _) in SCENARIOS.items()}
        for name, future in runs.items():
            now, why = future.result()
            if now is None:
                report(name, "failed", why)
                continue
            figures[name] = round(now)
            if name not in baseline["instructions"] or is_other:
                report(name, "skipped", f"{now:,.0f} instructions; the stored figures are those of {baseline['toolchain']}")
            else:
                report(name, *judge(name, baseline["instructions"][name], now))
    return figures


def store(build, figures):
    with open(BASELINE, "w", encoding="utf-8") as f:
        json.dump({"toolchain": toolchain(build), "instructions": figures}, f, indent=2)
        f.write("\n")


def main(build, keeps):
    failed = []

    def report(name, outcome, detail):
        print(f"{outcome:8} {name}: {detail}", flush=True)
        failed.extend([name] if outcome == "failed" else [])
    figures = run(build, report)
    if keeps and len(figures) == len(SCENARIOS):
        store(build, figures)
        print(f"stored in {os.path.relpath(BASELINE)}")
        return 0
    return 1 if failed else 0

