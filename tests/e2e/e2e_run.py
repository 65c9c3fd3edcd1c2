#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of test_*.py: each is a function test_<property>(world). A world is the namespaces, two nginx backends
and one daemon, which is started again only when a test wants another configuration or left it dead."""
import argparse
import fnmatch
import glob
import importlib
import os
import shutil
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import e2e_backend  # noqa: E402
import e2e_daemon  # noqa: E402
import e2e_http  # noqa: E402
import e2e_net  # noqa: E402


class World:
    def __init__(self, build):
        self.build = build
        self.folder = tempfile.mkdtemp(prefix="heddle-e2e-")
        os.chmod(self.folder, 0o755)  # nginx drops root
        self.net = self.daemon = None
        self.key, self.servers, self.nginx, self.count, self.stopped = None, [], {}, 0, []
        try:
            self.net = e2e_net.Net(f"hde2e{os.getpid()}")
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def backends(self):
        """The two nginx of the example, v1 and v2; both run when this returns."""
        for i, name in enumerate(("v1", "v2")):
            if name not in self.nginx:
                self.nginx[name] = e2e_backend.Nginx(self.net, self.folder, name, [e2e_net.BACKENDS[i], e2e_net.BACKENDS6[i]])
            if not self.nginx[name].process or self.nginx[name].process.poll() is not None:
                self.nginx[name].start()
        return self.nginx["v1"], self.nginx["v2"]

    def prepare(self, policy, node=None):
        """A daemon that is configured and not started, in a folder of its own."""
        self.stop_daemon()
        self.count += 1
        folder = os.path.join(self.folder, f"d{os.getpid()}-{self.count}")
        os.makedirs(folder)
        daemon = e2e_daemon.Daemon(self.net, self.build, folder)
        daemon.write_config(policy, node(folder) if node else None)
        return daemon

    def heddle(self, policy, node=None, arguments=(), fresh=False):
        """A running daemon with this configuration; node(folder) gives another node file."""
        key = None if fresh or node else repr((policy, arguments))
        if key is None or key != self.key or not self.daemon or not self.daemon.alive():
            self.daemon = self.prepare(policy, node)
            self.daemon.start(*arguments)
        self.key = key
        return self.daemon

    def stop_daemon(self):
        self.key = None
        if self.daemon:
            daemon, self.daemon = self.daemon, None
            self.stopped.append(daemon)
            return daemon.stop()
        return None

    def sanitizer_reports(self):
        """What sanitizers said in the logs of the daemons that ran since the last call."""
        logs, self.stopped = [d.lines for d in self.stopped] + ([self.daemon.lines] if self.daemon else []), []
        return next(("\n".join(lines[i:i + 40]) for lines in logs for i, line in enumerate(lines)
                     if "Sanitizer" in line or "runtime error:" in line), "")

    def teller(self, address=e2e_net.BACKENDS[2], port=9000):
        server = e2e_backend.start_teller(self.net, address, port)
        self.servers.append(server.stop)
        return server

    def script(self, handler, address=e2e_net.BACKENDS[2], port=9000):
        server = e2e_backend.Script(self.net, address, port, handler)
        self.servers.append(server.stop)
        return server

    def caller(self, address=e2e_net.VIP, port=80, **kw):
        caller = e2e_http.Caller(self.net.connect(address, port, **kw))
        self.servers.append(caller.close)
        return caller

    def curl(self, *arguments, timeout=30):
        e2e_net.need("curl")
        return self.net.run(self.net.callers, "curl", "-sS", "-m", "20", *arguments, timeout=timeout)

    def wrk(self, *arguments):
        e2e_net.need("wrk")
        return self.net.popen(self.net.callers, "wrk", *arguments, stdout=-1, stderr=-2, text=True)

    def end_test(self):
        """What one test opened does not stay for the next; a crash is a failure of the test that saw it."""
        while self.servers:
            self.servers.pop()()
        reports = self.sanitizer_reports()
        assert not reports, reports
        if self.daemon and not self.daemon.alive():
            daemon, self.daemon, self.key = self.daemon, None, None
            code = daemon.process.returncode
            if code is not None and code != 0:
                raise AssertionError(f"the daemon ended with {code}:\n" + "\n".join(daemon.lines[-40:]))

    def close(self):
        self.stop_daemon()
        for n in self.nginx.values():
            n.stop()
        if self.net:
            self.net.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def tests(patterns):
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, test in vars(module).items():
            if not name.startswith("test_") or not callable(test):
                continue
            # What takes minutes runs when a pattern asks for it, and not with all the others.
            wanted = [p for p in patterns if p != "*" or not hasattr(test, "only_by_name")]
            if any(fnmatch.fnmatch(name[5:], p) for p in wanted):
                yield name[5:], test


def run_one(world, test):
    try:
        test(world)
        outcome = "passed", ""
    except e2e_net.Missing as e:
        outcome = "skipped", str(e)
    except Exception as e:  # any failure of a test is a result
        log = world.daemon.lines[-15:] if world.daemon else []
        outcome = "failed", f"{type(e).__name__}: {e}\n{traceback.format_exc()}" + "\n".join(["log of the daemon:", *log])
    try:
        world.end_test()
    except Exception as e:
        outcome = "failed", f"{outcome[1]}\n{e}"
    if outcome[0] == "failed":
        world.stop_daemon()
    return outcome


def run(build, patterns, report):
    """report(name, "passed" | "failed" | "skipped", seconds, detail) for each test."""
    chosen = list(tests(patterns))
    try:
        world = World(os.path.abspath(build))
    except e2e_net.Missing as e:
        for name, _ in chosen:
            report(name, "skipped", 0.0, str(e))
        return
    except Exception as e:  # without its world no test can pass, and the run still ends with its totals
        for name, _ in chosen:
            report(name, "failed", 0.0, f"namespaces and veth could not be laid out: {e}")
        return
    try:
        for name, test in chosen:
            began = time.monotonic()
            outcome, detail = run_one(world, test)
            report(name, outcome, time.monotonic() - began, detail)
    finally:
        world.close()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default=os.path.join(HERE, "../../build"))
    p.add_argument("patterns", nargs="*", default=["*"], help="globs over the names of tests")
    args = p.parse_args()
    failed = []

    def report(name, outcome, seconds, detail):
        print(f"{outcome:8} {name} ({seconds:.1f} s)" + (f"\n{detail}" if detail else ""), flush=True)
        if outcome == "failed":
            failed.append(name)
    run(args.build, args.patterns, report)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
