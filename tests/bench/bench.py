#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev bench`: heddle-bench's standard set in memory, then Heddle, HAProxy and nginx side by side on veth.

Two arenas that never share a table. In memory: a real worker and a generator on two cores, no kernel; counts busy cycles.
On veth: the same wires, generator and backend for all three proxies, interleaved rounds, medians; counts what the whole
machine was busy, less what generator and backend cost alone, and the proxy's own run time."""
import argparse
import datetime
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
import bench_check  # noqa: E402
import e2e_backend  # noqa: E402
import e2e_daemon  # noqa: E402
import e2e_http  # noqa: E402
import e2e_net  # noqa: E402
import e2e_policy  # noqa: E402

SCENARIOS = ["http1", "connect", "bulk", "idle"]
BENCH_EAL = ["--no-huge", "-m", "1024", "--no-pci", "--no-shconf", "-l", "0,1"]
SCENARIO_TEXT = {"http1": "1 KB answers on 64 kept connections", "connect": "a new connection for every request",
                 "bulk": "10 MB answers on 4 connections", "idle": "10,000 connections, idle after one request"}
SHOWN = [("requests_per_second", "{:,.0f}", "requests/s"), ("busy_cycles_per_request", "{:,.0f}", "busy cycles a request"),
         ("gbit_per_second", "{:.1f}", "Gbit/s"), ("bytes_per_connection", "{:,.0f}", "bytes a connection"), ("errors", "{}", "errors")]
PROXY_CPU, OTHER_CPU = "1", "0"
CONNECTIONS = 64
SHARED_LOAD = 1.0  # above it somebody else is at work here
BACKENDS = [("v1", e2e_net.BACKENDS[0], 90), ("v2", e2e_net.BACKENDS[1], 10)]

HAPROXY = """global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind {vip}:80
  acl api hdr(host) api-service
  use_backend b if api
backend b
  balance roundrobin
{servers}
"""

NGINX = """daemon off; worker_processes 1; pid {folder}/proxy.pid; error_log {folder}/proxy.err; worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header Host $host; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream api {{ {servers} keepalive 128; keepalive_requests 100000000; }}
  server {{ listen {vip}:80; server_name api-service; location / {{ proxy_pass http://api; }} }}
}}
"""


def cpu_times():
    """(busy, steal) seconds of all CPUs."""
    with open("/proc/stat", encoding="utf-8") as f:
        v = [int(x) for x in f.readline().split()[1:]]
    tick = os.sysconf("SC_CLK_TCK")
    return (sum(v[:8]) - v[3] - v[4]) / tick, v[7] / tick


def run_time(pids):
    """Seconds that the threads of some processes ran, to the nanosecond."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as f:
                total += int(f.read().split()[0])
    return total / 1e9


def descendants(pid):
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        for task in os.listdir(f"/proc/{p}/task"):
            with open(f"/proc/{p}/task/{task}/children", encoding="utf-8") as f:
                todo += [int(c) for c in f.read().split()]
    return out


class Proxy:
    """A proxy between the two veth pairs; `kernel` ones need the addresses that Heddle owns itself."""
    kernel = True

    def __init__(self, net, folder):
        self.net, self.folder, self.process = net, folder, None

    def addresses(self, verb):
        for a, dev in ((e2e_net.FRONT + "/24", "c0"), (e2e_net.VIP + "/24", "c0"), (e2e_net.BACK + "/24", "s0")):
            e2e_net.sh("ip", "-n", self.net.heddle, "addr", verb, a, "dev", dev, check=False)

    def spawn(self, *argv):
        self.process = self.net.popen(self.net.heddle, "taskset", "-c", PROXY_CPU, *argv, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)

    def start(self):
        self.addresses("add")
        self.launch()
        e2e_net.wait_for(self.answers, f"{self.name} to answer")

    def answers(self):
        try:
            return e2e_http.Caller(self.net.connect(timeout=1)).request(path="/1k").status == 200
        except (OSError, ValueError):
            return False

    def own(self):
        return {"run_s": run_time(descendants(self.process.pid))}

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.addresses("del")
        for ns in (self.net.callers, self.net.backends):
            e2e_net.sh("ip", "-n", ns, "neigh", "flush", "all", check=False)


class Haproxy(Proxy):
    name = "HAProxy"

    def launch(self):
        e2e_net.need("haproxy")
        conf = os.path.join(self.folder, "haproxy.cfg")
        servers = "\n".join(f"  server {n} {a}:8080 weight {w}" for n, a, w in BACKENDS)
        with open(conf, "w", encoding="utf-8") as f:
            f.write(HAPROXY.format(vip=e2e_net.VIP, servers=servers))
        self.spawn("haproxy", "-db", "-f", conf)


class Nginx(Proxy):
    name = "nginx"

    def launch(self):
        conf = os.path.join(self.folder, "proxy.conf")
        servers = " ".join(f"server {a}:8080 weight={w};" for _, a, w in BACKENDS)
        with open(conf, "w", encoding="utf-8") as f:
            f.write(NGINX.format(vip=e2e_net.VIP, servers=servers, folder=self.folder))
        self.spawn("nginx", "-c", conf)


class Heddle(Proxy):
    name, kernel = "Heddle", False

    def __init__(self, net, folder, build):
        super().__init__(net, folder)
        self.build = build

    def addresses(self, verb):
        pass

    def launch(self):
        folder = tempfile.mkdtemp(prefix="heddle-", dir=self.folder)
        self.daemon = e2e_daemon.Daemon(self.net, self.build, folder)
        node = e2e_daemon.node_object(folder)
        del node["spec"]["accessLog"]  # the others write none either
        self.daemon.write_config(e2e_policy.api(), node)
        self.daemon.start()
        self.process = self.daemon.process

    def own(self):
        workers = self.daemon.command("show workers")
        return {**super().own(), "busy_s": sum(w["busy_cycles"] / w["tsc_hz"] for w in workers),
                "requests": sum(w["requests"] for w in workers)}


def wrk(net, address, port, seconds):
    argv = net.argv(net.callers, "taskset", "-c", OTHER_CPU, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
                    "-H", "Host: api-service", f"http://{address}:{port}/1k")
    r = e2e_http.parse_wrk(subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 60, check=False).stdout)
    if r["failed"]:
        raise RuntimeError(f"{r['failed']} requests failed:\n{r['text']}")
    return r


def measure(net, seconds, address, port, own):
    """One window: what the machine and the proxy itself spent for each request, in microseconds."""
    wrk(net, address, port, 1)
    before, (busy, steal) = own(), cpu_times()
    r = wrk(net, address, port, seconds)
    after, (busy_after, steal_after) = own(), cpu_times()
    row = {"rate": r["rate"], "p50_us": r["latency_us"].get("50"), "p99_us": r["latency_us"].get("99"),
           "machine_us": (busy_after - busy) / r["requests"] * 1e6, "steal": (steal_after - steal) / seconds}
    for key in ("run_s", "busy_s"):
        if key in before:
            row[key.replace("_s", "_us")] = (after[key] - before[key]) / r["requests"] * 1e6
    return row


def direct(net, seconds):
    """Generator and backend alone: callers reach the backends through a kernel that only forwards."""
    net.run(net.heddle, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    for a, dev in ((e2e_net.FRONT + "/24", "c0"), (e2e_net.BACK + "/24", "s0")):
        e2e_net.sh("ip", "-n", net.heddle, "addr", "add", a, "dev", dev)
    try:
        return measure(net, seconds, e2e_net.BACKENDS[0], 8080, dict)
    finally:
        for a, dev in ((e2e_net.FRONT + "/24", "c0"), (e2e_net.BACK + "/24", "s0")):
            e2e_net.sh("ip", "-n", net.heddle, "addr", "del", a, "dev", dev)
        for ns in (net.callers, net.backends):
            e2e_net.sh("ip", "-n", ns, "neigh", "flush", "all", check=False)


def side_by_side(build, rounds, seconds):
    folder = tempfile.mkdtemp(prefix="heddle-bench-")
    os.chmod(folder, 0o755)
    net = e2e_net.Net(f"hdbench{os.getpid()}")
    backends, rows = [], {"direct": [], "Heddle": [], "HAProxy": [], "nginx": []}
    try:
        for name, address, _ in BACKENDS:
            backend = e2e_backend.Nginx(net, folder, name, [address])
            with open(backend.conf, encoding="utf-8") as f:
                text = re.sub(r"access_log \S+ brief;", "access_log off;", f.read())
            with open(backend.conf, "w", encoding="utf-8") as f:
                f.write(text)
            backends.append(backend.start())
            for pid in descendants(backend.process.pid):
                e2e_net.sh("taskset", "-a", "-cp", OTHER_CPU, str(pid))
        for r in range(rounds):
            rows["direct"].append(direct(net, seconds))
            for proxy in (Heddle(net, folder, build), Haproxy(net, folder), Nginx(net, folder)):
                proxy.start()
                try:
                    row = measure(net, seconds, e2e_net.VIP, 80, proxy.own)
                finally:
                    proxy.stop()
                rows[proxy.name].append(row)
                print(f"  round {r + 1} of {rounds}: {proxy.name:8} {row['rate']:8,.0f} requests/s, machine "
                      f"{row['machine_us']:.1f} us, own {row['run_us']:.1f} us a request", flush=True)
    finally:
        for backend in backends:
            backend.stop()
        net.close()
        shutil.rmtree(folder, ignore_errors=True)
    return rows


def in_memory(build, rounds, seconds):
    """Each scenario of the standard set, interleaved: {scenario: rows}."""
    rows = {name: [] for name in SCENARIOS}
    for r in range(rounds):
        for name in SCENARIOS:
            argv = [os.path.join(build, "heddle-bench"), *BENCH_EAL, "--", "--scenario", name, "--seconds", str(seconds), "--json"]
            out = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 120, check=True).stdout
            row = json.loads(out.strip().splitlines()[-1])
            rows[name].append(row)
            said = [f"{form.format(row[key])} {unit}" for key, form, unit in SHOWN if row.get(key)]
            print(f"  round {r + 1} of {rounds}: {name:8} {', '.join(said)}", flush=True)
    return rows


def middle(rows, key):
    return statistics.median(r[key] for r in rows)


def span(rows, key, form="{:.1f}"):
    values = [r[key] for r in rows]
    return f"{form.format(statistics.median(values))} ({form.format(min(values))} to {form.format(max(values))})"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown CPU")
    with open("/etc/os-release", encoding="utf-8") as f:
        system = re.search(r'PRETTY_NAME="([^"]*)"', f.read())[1]
    return f"{model}, {os.cpu_count()} CPUs, {system}, Linux {platform.release()}"


def versions():
    def first(*argv):
        r = subprocess.run(argv, capture_output=True, text=True, check=False)
        return (r.stdout + r.stderr).splitlines()[0].strip()
    return f"{first('haproxy', '-v').split(' - ')[0].split(' 20')[0]}, {first('nginx', '-v')}, both as Debian packages them"


def cell(rows, key, form):
    have = [r for r in rows if r.get(key)]
    return span(have, key, form) if have else ""


def latency_cell(rows):
    have = [r["latency_us"] for r in rows if r.get("latency_us")]
    return " / ".join(f"{middle(have, p):,.0f}" for p in ("p50", "p99", "p999")) if have else ""


def tables(memory, rows, args):
    alone = middle(rows["direct"], "machine_us")
    commit = subprocess.run(["git", "-c", "safe.directory=*", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True,
                            check=False).stdout.strip()
    taken = max((r.get("taken_by_others", 0) for v in memory.values() for r in v), default=0)
    out = [f"Measured on {datetime.date.today().isoformat()} at commit {commit} by `{args.command}`: {machine()}. Load average before: "
           f"{args.load:.2f}; other processes took at most {taken:.1%} of the worker's core in memory; steal at most "
           f"{max(r['steal'] for v in rows.values() for r in v):.1%} on veth.", "",
           f"In memory: one worker, generator and backend on the other core, no kernel, no driver; routing and statistics on; {args.rounds} rounds of "
           f"{args.seconds} s, median (range).", "",
           "| scenario | requests per second | busy core cycles per request | Gbit/s | bytes per connection | latency p50 / p99 / p99.9, us |",
           "|---|---|---|---|---|---|"]
    for name, what in SCENARIO_TEXT.items():
        r = memory[name]
        out.append(f"| {what} | {cell(r, 'requests_per_second', '{:,.0f}')} | {cell(r, 'busy_cycles_per_request', '{:,.0f}')} | "
                   f"{cell(r, 'gbit_per_second', '{:.1f}')} | {cell(r, 'bytes_per_connection', '{:,.0f}')} | {latency_cell(r)} |")
    out += ["", f"    build/heddle-bench {' '.join(BENCH_EAL)} -- --scenario http1 --seconds {args.seconds} --json"]
    out += ["",
            f"On veth: AF_PACKET, one worker or thread on CPU {PROXY_CPU}, wrk and two nginx backends on CPU {OTHER_CPU}, {CONNECTIONS} connections, "
            f"1 KB answers, weights 90/10, access logs off, offloads of veth off, {args.rounds} interleaved rounds of {args.seconds} s.", "",
            "| CPU microseconds per request, median (range) | whole machine | less generator and backend | proxy's own run time | requests/s | p99 |",
            "|---|---|---|---|---|---|"]
    for name in ("Heddle", "HAProxy", "nginx"):
        r = rows[name]
        whole = ("not counted", "not counted") if args.shared else (span(r, "machine_us"), f"{middle(r, 'machine_us') - alone:.1f}")
        out.append(f"| {name} | {whole[0]} | {whole[1]} | {span(r, 'run_us')} | "
                   f"{middle(r, 'rate'):,.0f} | {middle(r, 'p99_us') / 1000:.2f} ms |")
    heddle = rows["Heddle"]
    first = ("Others used the machine meanwhile, and the bench ran at the highest priority: what the whole machine spent is not counted."
             if args.shared else f"Generator and backend alone: {alone:.1f} us of the machine per request.")
    out += ["", f"{first} Heddle's worker counted {span(heddle, 'busy_us')} us busy per "
            f"request. {versions()}."]
    return out


def splice(path, lines):
    """Replaces what stands between the two markers."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    begin, end = "<!-- figures: ./dev bench --readme -->\n", "<!-- end of figures -->"
    head, rest = text.split(begin, 1)
    with open(path, "w", encoding="utf-8") as f:
        f.write(head + begin + "\n".join(lines) + "\n" + end + rest.split(end, 1)[1])


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default=os.path.join(ROOT, "build"))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=8)
    p.add_argument("--check", action="store_true", help="only compare instructions with the stored ones; needs no root")
    p.add_argument("--store", action="store_true", help="with --check: store what was counted")
    p.add_argument("--readme", action="store_true", help="write the figures into README.md and docs/performance.md")
    args = p.parse_args()
    build = os.path.abspath(args.build)
    if args.check:
        sys.exit(bench_check.main(build, args.store))
    args.load = os.getloadavg()[0]
    args.shared = args.load > SHARED_LOAD
    if args.shared:
        os.nice(-20)
    args.command = "./dev bench --readme" + "".join(f" --{k} {v}" for k, v in (("rounds", args.rounds), ("seconds", args.seconds))
                                                   if v != p.get_default(k))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    if (os.cpu_count() or 1) < 2:
        sys.exit("bench: two CPUs at least")
    print(f"bench: in memory, {args.rounds} rounds of {', '.join(SCENARIOS)}, {args.seconds} s each")
    memory = in_memory(build, args.rounds, args.seconds)
    print(f"bench: on veth, {args.rounds} rounds of Heddle, HAProxy and nginx, {args.seconds} s each")
    lines = tables(memory, side_by_side(build, args.rounds, args.seconds), args)
    print("\n" + "\n".join(lines), flush=True)
    if args.readme:
        for path in ("README.md", "docs/performance.md"):
            splice(os.path.join(ROOT, path), lines)
        print("\nwritten into README.md and docs/performance.md")


if __name__ == "__main__":
    main()
