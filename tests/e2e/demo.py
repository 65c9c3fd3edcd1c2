#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev demo`: a small mesh on this machine, real requests through it, and what happened in plain words.

Ends with 0 only if everything that it announces was seen. Whatever happens, it takes away what it made."""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import e2e_backend  # noqa: E402
import e2e_daemon  # noqa: E402
import e2e_http  # noqa: E402
import e2e_net  # noqa: E402
import e2e_tls  # noqa: E402

EXAMPLES = os.path.abspath(os.path.join(HERE, "../../docs/examples"))
URL = f"http://{e2e_net.VIP}"
HOST = "Host: api-service"
LOAD_SECONDS = 6


class Demo:
    def __init__(self, build, xdp):
        self.build, self.driver = build, "af_xdp" if xdp else "af_packet"
        self.folder = tempfile.mkdtemp(prefix="heddle-demo-")
        os.chmod(self.folder, 0o755)  # nginx gives up root
        self.wrong, self.steps = [], 0
        self.net = self.daemon = self.v1 = self.v2 = None

    # What is printed.
    def step(self, text):
        self.steps += 1
        print(f"\n{self.steps}. {text}", flush=True)

    def say(self, text, indent="   "):
        for line in text.rstrip("\n").split("\n"):
            print(indent + line, flush=True)

    def expect(self, seen, text):
        self.say(("ok: " if seen else "NOT AS EXPECTED: ") + text)
        if not seen:
            self.wrong.append(text)

    def table(self, *words):
        code, out, err = self.daemon.ctl(*words)
        self.say(f"$ heddlectl {' '.join(words)}")
        self.say(out or err, "     ")
        self.expect(code == 0, f"heddlectl {' '.join(words)} answers")

    # What is done.
    def lay_out(self):
        self.step("Three network namespaces, joined by veth pairs:")
        self.net = e2e_net.Net(f"hddemo{os.getpid()}")
        self.say(f"""callers {e2e_net.CALLER} ---- c0 [ heddle {e2e_net.FRONT} | {e2e_net.BACK} ] s0 ---- backends {e2e_net.BACKENDS[0]} (v1), {e2e_net.BACKENDS[1]} (v2)
Heddle reads the ends c0 and s0 through DPDK's net_{self.driver}; the kernel there has no address and sees no TCP.""")

    def start_backends(self):
        self.step("Two real backends: nginx as v1 and v2, each with an access log of its own.")
        self.v1, self.v2 = (e2e_backend.Nginx(self.net, self.folder, n, [e2e_net.BACKENDS[i]]).start() for i, n in enumerate(("v1", "v2")))
        self.say("both listen on port 8080")

    def start_heddle(self):
        self.step("Heddle, with the policy of docs/examples/: the article's five documents verbatim, and the Service,\n"
                  "   EndpointSlices and Pods that they need.")
        folder = os.path.join(self.folder, "heddle")
        shutil.copytree(EXAMPLES, folder)
        if self.driver == "af_xdp":
            shutil.copy(os.path.join(folder, "node-xdp.yaml"), os.path.join(folder, "node.yaml"))
        self.daemon = e2e_daemon.Daemon(self.net, self.build, folder)
        code, out = self.daemon.run("--check")
        self.say(f"$ heddle --config node.yaml --check     (exit code {code})")
        self.say(self.short(out), "     ")
        self.expect(code == 1 and "31-peer-authentication.yaml:" in out,
                    "refused: the article demands mutual TLS (STRICT), and this node has no identity to speak it with")
        self.certificates(folder)
        code, out = self.daemon.run("--check")
        self.say(f"$ heddle --config node.yaml --check     (exit code {code})")
        self.expect(code == 0, "with a certificate of the mesh in the node file all of it is accepted")
        self.daemon.start()
        ready = next(line for line in self.daemon.lines if line.rstrip().endswith("ready"))
        self.say("\n".join(self.short(line) for line in self.daemon.lines if re.search(r"\.yaml:\d+", line)), "     ")
        self.expect(True, f"it runs: {ready}")

    def certificates(self, folder):
        ca, foreign = e2e_tls.Authority(self.folder), e2e_tls.Authority(self.folder, "foreign")
        self.pairs = {"node": ca.issue("URI:spiffe://cluster.local/ns/istio-system/sa/edge"), "frontend": ca.spiffe("frontend"),
                      "batch": ca.spiffe("batch"), "expired": ca.spiffe("frontend", end="20210101000000Z"),
                      "foreign": foreign.spiffe("frontend"), "other-domain": ca.spiffe("frontend", domain="other.domain")}
        node = self.pairs["node"]
        path = os.path.join(folder, "node.yaml")
        with open(path, encoding="utf-8") as f:
            text = f.read().rstrip("\n")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"{text}\n  identity: {{certificate: {node.certificate}, key: {node.key}, trustBundle: {ca.root}}}\n")
        self.say("openssl makes a certificate authority and identities: sa/edge (this node), sa/frontend, sa/batch, and bad ones")

    def short(self, text):
        return text.replace(os.path.join(self.folder, "heddle") + "/", "")

    def curl(self, path, *more):
        return self.net.run(self.net.callers, "curl", "-sS", "-m", "60", "-H", HOST, *more, f"{URL}{path}", check=False, timeout=90)

    def counts(self, marker):
        return self.v1.requests(marker), self.v2.requests(marker)

    def split(self, marker, count, wanted):
        codes = self.curl(f"/{marker}/[1-{count}]", "-o", "/dev/null", "-w", "%{http_code}\n").split()
        good = codes.count("200")
        self.expect(good == count, f"{count} curl requests to http://api-service/{marker}/…: {good} answered 200")
        try:
            seen = e2e_net.wait_for(lambda: sum(c := self.counts(f"/{marker}/")) >= good and c, "the backends' logs", 5)
        except AssertionError:
            seen = self.counts(f"/{marker}/")
        self.expect(seen == wanted, f"the backends' own access logs: v1 {seen[0]}, v2 {seen[1]} (expected {wanted[0]} and {wanted[1]})")

    def tls_curl(self, who, path):
        pair = self.pairs.get(who)
        return self.net.run(self.net.callers, "curl", "-sS", "-i", "-k", "-m", "10", "-H", HOST,
                            *(("--cert", pair.certificate, "--key", pair.key) if pair else ()),
                            f"https://{e2e_net.VIP}:80{path}", check=False)

    def secure(self):
        self.step("Strict mutual TLS and authorization: the article's PeerAuthentication and AuthorizationPolicy, verbatim.")
        answer = self.tls_curl("frontend", "/api/users")
        self.say(answer, "     ")
        self.expect(answer.startswith("HTTP/1.1 200"), "curl with the certificate of sa/frontend: GET /api/users is answered")
        for who, path, why in (("batch", "/api/users", "another identity"), ("frontend", "/admin", "a path that the policy does not list")):
            answer = self.tls_curl(who, path)
            self.expect(answer.startswith("HTTP/1.1 403") and answer.endswith("RBAC: access denied"), f"sa/{who}, {path}: 403, {why}")
        for who, why in (("nobody", "no certificate"), ("expired", "an expired certificate"), ("foreign", "a certificate of another authority"),
                         ("other-domain", "the same authority, another trust domain")):
            self.expect(self.tls_curl(who, "/api/refused") == "", f"curl with {why}: refused in the handshake")
        self.expect(self.curl("/api/refused", "-i") == "", "curl in plaintext: reset")
        pair = self.pairs["frontend"]
        said = self.net.run(self.net.callers, "sh", "-c",
                            f"printf 'GET /api/users HTTP/1.1\\r\\nHost: api-service\\r\\nConnection: close\\r\\n\\r\\n' | timeout 10 openssl "
                            f"s_client -connect {e2e_net.VIP}:80 -cert {pair.certificate} -key {pair.key} -alpn istio -quiet -ign_eof "
                            "2>/dev/null", check=False)
        self.expect(said.startswith("HTTP/1.1 200"), "openssl s_client as sa/frontend is answered as well")
        self.expect(self.counts("/api/refused") == (0, 0) and self.counts("/admin") == (0, 0), "no backend saw any of what was refused")
        reasons = {r["name"]: r["value"] for r in self.daemon.command("stats") if r["value"]}
        wanted = ["tls.no_certificate", "tls.certificate_expired", "tls.unknown_ca", "tls.wrong_trust_domain", "proxy.plaintext_refused",
                  "proxy.denied"]
        self.say("\n".join(f"{name} {reasons.get(name, 0)}" for name in wanted), "     ")
        self.expect(all(reasons.get(name) for name in wanted), "each refusal is counted by its reason")
        for words in (["show", "certs"], ["show", "policies"], ["tls"]):
            self.table(*words)
        self.say("The rest of this demo is about traffic in the clear, so these two files are taken away.")
        generation = self.daemon.command("status")["generation"]
        for name in ("31-peer-authentication.yaml", "32-authorization-policy.yaml"):
            os.unlink(os.path.join(self.daemon.folder, "mesh.d", name))
        self.daemon.signal(signal.SIGHUP)
        e2e_net.wait_for(lambda: self.daemon.command("status")["generation"] > generation, "the policy to be gone")

    def send_requests(self):
        self.step("1,000 requests by curl, and where they went (the VirtualService says 90/10).")
        self.say(self.curl("/hello", "-i"), "     ")
        self.split("split", 1000, (900, 100))

    def requests(self):
        return sum(w["requests"] for w in self.daemon.command("show workers"))

    def load(self, seconds):
        before = self.requests()
        process = self.net.popen(self.net.callers, "wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", "-H", HOST, f"{URL}:80/1k",
                                 stdout=-1, stderr=-2, text=True)
        e2e_net.wait_for(lambda: process.poll() is not None or self.requests() > before + 100, "requests to flow")
        if process.poll() is not None:
            raise RuntimeError(f"wrk ended early: {process.stdout.read()}")
        return process

    def change_under_load(self):
        self.step(f"A load of 64 connections for {LOAD_SECONDS} s (wrk, 1 KB answers); in the middle of it the weights change to 50/50,\n"
                  "   and then somebody applies a broken file.")
        before = self.daemon.command("show workers")
        process = self.load(LOAD_SECONDS)
        for path, good in (("weights-50-50.yaml", True), ("broken.yaml", False)):
            code, out, err = self.daemon.ctl("config", "apply", os.path.join(self.daemon.folder, path))
            self.say(f"$ heddlectl config apply {path}")
            self.say(self.short(out + err), "     ")
            if good:
                self.expect(code == 0, "applied while requests flow")
            else:
                self.expect(code != 0 and re.search(r"broken\.yaml:14:\d+: ", out + err), "refused, with the file, line and column")
        self.expect(process.poll() is None, "the load was still running")
        result = e2e_http.parse_wrk(process.communicate(timeout=60)[0])
        self.expect(result["failed"] == 0, f"{result['requests']} requests in the load, {result['failed']} failed")
        after = self.daemon.command("show workers")
        self.split("even", 200, (100, 100))
        return result, before, after

    def kill_backend(self):
        self.step("Backend v1 is killed. What a caller then sees, where the weights still send half to v1:")
        self.v1.stop()
        answer = ""
        for _ in range(2):  # even weights: one of two goes to v1
            answer = self.curl("/after-the-kill", "-i")
            if " 503 " in answer.split("\n")[0]:
                break
        self.say(answer, "     ")
        self.expect(answer.startswith("HTTP/1.1 503") and "upstream connect error or disconnect/reset before headers" in answer,
                    "503 with Envoy's body, at once")
        codes = self.curl("/one-alive/[1-20]", "-o", "/dev/null", "-w", "%{http_code}\n").split()
        self.expect(codes.count("200") == 10 and codes.count("503") == 10, "of 20 more, 10 are answered by v2 and 10 are 503")
        self.v1.start()
        codes = self.curl("/both-alive/[1-20]", "-o", "/dev/null", "-w", "%{http_code}\n").split()
        self.expect(codes.count("200") == 20, "v1 runs again: 20 of 20 answered 200")

    def apply(self, file):
        code, out, err = self.daemon.ctl("config", "apply", os.path.join(self.daemon.folder, file))
        self.say(f"$ heddlectl config apply {file}")
        self.say(self.short(out + err), "     ")
        self.expect(code == 0, f"{file} is applied")

    def ask(self, address, host, count):
        out = self.net.run(self.net.callers, "curl", "-sS", "-m", "60", "-H", f"Host: {host}", "-o", "/dev/null", "-w", "%{http_code}\n",
                           f"http://{address}/{host}/[1-{count}]", check=False, timeout=90)
        return out.split()

    def outlier(self, address):
        return next((o for o in self.daemon.command("show outliers") if o["address"] == address and "|shop." in o["cluster"]), {})

    def eject(self):
        self.step("Outlier detection: the Service `shop` has both backends; three failures in a row take one out of rotation for 2 s.\n"
                  "   v1 is killed, and callers ask on; then it runs again.")
        self.apply("resilience.yaml")
        v1 = f"{self.v1.address}:8080"
        self.v1.stop()
        codes = self.ask("10.1.0.20", "shop", 40)
        self.expect(codes.count("200") == 40, f"40 requests while v1 is dead: {codes.count('200')} answered 200 (failed tries go to v2)")
        self.table("show", "outliers")
        o = self.outlier(v1)
        self.expect(o.get("health") == "ejected", f"{v1} is ejected: {o.get('text')}, until {o.get('until')}")
        self.v1.start()
        try:
            e2e_net.wait_for(lambda: self.outlier(v1).get("health") == "healthy", "its return", 15)
        except AssertionError:
            pass
        for line in self.daemon.lines:
            if "is ejected for" in line or "back in rotation" in line:
                self.say(line, "     ")
        before = self.v1.requests("/shop/")
        codes = self.ask("10.1.0.20", "shop", 20)
        e2e_net.wait_for(lambda: self.v1.requests("/shop/") >= before + 10, "its share", 5)
        self.expect(self.v1.requests("/shop/") == before + 10, "it is back: of 20 requests 10 went to v1")

    def overload(self):
        self.step("Circuit breaking: the Service `narrow` lets one request through at a time. 16 connections ask at once for 2 s.")
        process = self.net.popen(self.net.callers, "wrk", "-t1", "-c16", "-d2s", "-H", "Host: narrow", "http://10.1.0.21/big",
                                 stdout=-1, stderr=-2, text=True)
        refused = ""
        while process.poll() is None and not refused.startswith("HTTP/1.1 503"):
            refused = self.net.run(self.net.callers, "curl", "-sS", "-i", "-m", "10", "-r", "0-9", "-H", "Host: narrow", "http://10.1.0.21/1k",
                                   check=False)
        self.say(refused, "     ")
        self.expect(refused.startswith("HTTP/1.1 503") and "x-envoy-overloaded: true" in refused and "reset reason: overflow" in refused,
                    "refused as Envoy refuses: 503, x-envoy-overloaded")
        result = e2e_http.parse_wrk(process.communicate(timeout=60)[0])
        self.expect(0 < result["failed"] < result["requests"], f"of {result['requests']} requests {result['failed']} were refused at once, the others answered")
        self.table("show", "failures")
        def counted():  # records reach the table some milliseconds later; what the ring could not take is counted apart
            lost = self.daemon.command("stats", glob="worker.access_ring_full")[0]["value"]
            rows = [f["count"] for f in self.daemon.command("show failures") if f["flags"] == "UO"]
            return len(rows) == 1 and rows[0] + lost >= result["failed"]
        try:
            seen = e2e_net.wait_for(counted, "the table", 3)
        except AssertionError:
            seen = False
        self.expect(seen, "the table counts all of them in one row, with the line of the limit")

    def show_tables(self):
        self.step("What an operator sees.")
        for words in (["status"], ["show", "services"], ["show", "routes"], ["show", "endpoints"], ["show", "workers"], ["show", "drops"],
                      ["explain", "GET", "http://api-service/hello"]):
            self.table(*words)

    def end(self):
        self.step("SIGTERM: Heddle drains and stops.")
        self.daemon.signal(signal.SIGTERM)
        try:
            code = self.daemon.process.wait(30)
        except subprocess.TimeoutExpired:
            code = "none: it still runs after 30 s"
        if code != 0:
            self.say("\n".join([f"exit code {code}; its log ends with:", *self.daemon.lines[-8:]]))
        self.expect(code == 0, "it ended by itself with exit code 0")

    def figures(self, result, before, after):
        def grown(key):
            return sum(w[key] for w in after) - sum(w[key] for w in before)
        requests = max(1, grown("requests"))
        hz = after[0]["tsc_hz"]
        self.step(f"Measured in that load, on this machine, over veth with net_{self.driver}, one worker, callers and backends on the same CPUs:")
        self.say(f"""{result['rate']:,.0f} requests per second; latency p50 {result['latency_us'].get('50', 0) / 1000:.2f} ms, p99 {result['latency_us'].get('99', 0) / 1000:.2f} ms
Heddle's worker was busy {grown('busy_cycles') / hz / requests * 1e6:.2f} microseconds per request ({grown('busy_cycles') / requests:,.0f} TSC ticks), the driver's system calls included""")

    def run(self):
        e2e_net.need("nginx", "curl", "wrk", "openssl")
        self.lay_out()
        self.start_backends()
        self.start_heddle()
        self.secure()
        self.send_requests()
        measured = self.change_under_load()
        self.kill_backend()
        self.eject()
        self.overload()
        self.show_tables()
        self.end()
        self.figures(*measured)

    def close(self):
        if self.daemon and self.daemon.alive():
            self.daemon.stop(5)
        for backend in (self.v1, self.v2):
            if backend:
                backend.stop()
        if self.net:
            self.net.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default=os.path.join(HERE, "../../build"))
    p.add_argument("--xdp", action="store_true", help="AF_XDP instead of AF_PACKET")
    args = p.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    demo = Demo(os.path.abspath(args.build), args.xdp)
    try:
        demo.run()
    except (AssertionError, RuntimeError, OSError, e2e_net.Missing) as e:
        demo.expect(False, f"{type(e).__name__}: {e}")
    finally:
        demo.close()
    print()
    if demo.wrong:
        print(f"demo: {len(demo.wrong)} of the expected things did not happen:")
        for text in demo.wrong:
            print(f"  - {text.splitlines()[0]}")
        return 1
    print("demo: everything happened as announced; all of it is taken down again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
