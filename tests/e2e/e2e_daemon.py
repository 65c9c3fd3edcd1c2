# SPDX-License-Identifier: Apache-2.0
"""The daemon as an operator runs it: a node file, policy files, its log, its socket, heddlectl."""
import json
import os
import signal
import socket
import subprocess
import threading

import e2e_net


def node_object(folder, device="af_packet", idle="adaptive", **spec):
    """A node file for the namespaces of e2e_net, without huge pages, so that it runs on every machine."""
    ports = []
    for i, (name, dev, side, addresses) in enumerate([
            ("front", "c0", "mesh", [e2e_net.FRONT + "/24", e2e_net.FRONT6 + "/64"]),
            ("back", "s0", "workload", [e2e_net.BACK + "/24", e2e_net.BACK6 + "/64"])]):
        ports.append({"name": name, "device": f"net_{device}{i},iface={dev}", "side": side, "addresses": addresses})
    return {"apiVersion": "heddle.dev/v1", "kind": "DataPlane",
            "metadata": {"name": "e2e", "namespace": "istio-system", "labels": {"istio": "ingressgateway"}},
            "spec": {"eal": ["--no-huge", "-m", "1024", "--no-pci", f"--file-prefix={os.path.basename(folder)}"],
                     "workers": [1], "mainLcore": 0, "idle": idle, "ports": ports, "policy": ["mesh.d/"],
                     "control": {"socket": os.path.join(folder, "heddle.sock")},
                     "metrics": {"listen": "127.0.0.1:15020"},
                     "accessLog": {"path": os.path.join(folder, "access.log"), "format": "json"}, **spec}}


class Daemon:
    def __init__(self, net, build, folder):
        self.net, self.folder = net, folder
        self.program, self.ctl_program = os.path.join(build, "heddle"), os.path.join(build, "heddlectl")
        if not os.path.exists(self.program):
            raise RuntimeError(f"{self.program} is not built: ./dev build")
        self.socket, self.access = os.path.join(folder, "heddle.sock"), os.path.join(folder, "access.log")
        self.process, self.lines, self.changed = None, [], threading.Condition()
        self.fakes = os.path.join(build, "tests/lib")
        self.environment = None

    def write(self, name, content):
        """A whole file at once, as a careful operator does: beside it, then renamed."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        hidden = os.path.join(os.path.dirname(path), "." + os.path.basename(path) + ".new")
        with open(hidden, "w", encoding="utf-8") as f:
            f.write(content if isinstance(content, str) else json.dumps(content, indent=1))
        os.rename(hidden, path)
        return path

    def write_config(self, policy, node=None):
        self.write("node.yaml", node or node_object(self.folder))
        os.makedirs(os.path.join(self.folder, "mesh.d"), exist_ok=True)
        for name, content in policy.items():
            self.write(f"mesh.d/{name}", content)

    def run(self, *arguments, timeout=30):
        """Runs it to its end: (exit code, all it said)."""
        r = subprocess.run(self.net.argv(self.net.heddle, self.program, "--config", os.path.join(self.folder, "node.yaml"),
                                         *arguments), capture_output=True, text=True, timeout=timeout, check=False)
        return r.returncode, r.stdout + r.stderr

    def spawn(self, *arguments):
        self.lines = []
        self.process = self.net.popen(self.net.heddle, self.program, "--config", os.path.join(self.folder, "node.yaml"),
                                      *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                      env=self.environment)
        threading.Thread(target=self.read_log, args=(self.process,), daemon=True).start()

    def start(self, *arguments, timeout=30):
        self.spawn(*arguments)
        self.wait_log(lambda line: line.rstrip().endswith("ready"), "the line that ends in `ready`", timeout)
        return self

    def read_log(self, process):
        for line in process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        process.wait()
        with self.changed:
            self.changed.notify_all()

    def wait_log(self, matches, what, timeout=10, since=0):
        def found():
            return next((line for line in self.lines[since:] if matches(line)), None)
        with self.changed:
            self.changed.wait_for(lambda: found() is not None or self.process.poll() is not None, timeout)
            line = found()
        if line is None:
            state = f"it ended with {self.process.returncode}" if self.process.poll() is not None else "it still runs"
            raise AssertionError(f"no {what} within {timeout} s; {state}; log:\n" + "\n".join(self.lines[-25:]))
        return line

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def pid(self):
        """`ip netns exec` becomes the program that it runs."""
        return self.process.pid

    def signal(self, number):
        os.kill(self.pid(), number)

    def stop(self, timeout=20):
        """SIGTERM, and once more when it takes too long; the exit code."""
        if self.process is None:
            return None
        for how in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(how)
                try:
                    self.process.wait(timeout)
                except subprocess.TimeoutExpired:
                    timeout = 5
        code, self.process = self.process.returncode, None
        return code

    def command(self, command, timeout=10, **args):
        """One line to the socket, one line back; the result."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            s.connect(self.socket)
            with s.makefile("rwb") as f:
                f.write(json.dumps({"id": 1, "command": command, "args": args}).encode() + b"\n")
                f.flush()
                reply = json.loads(f.readline())
        if not reply.get("ok"):
            raise RuntimeError(reply.get("error"))
        return reply["result"]

    def ctl(self, *words, timeout=20):
        """heddlectl: (exit code, stdout, stderr)."""
        r = subprocess.run([self.ctl_program, "-s", self.socket, *words], capture_output=True, text=True, timeout=timeout, check=False)
        return r.returncode, r.stdout, r.stderr

    def ctl_json(self, *words):
        code, out, err = self.ctl("-o", "json", *words)
        assert code == 0, f"heddlectl {' '.join(words)} ended with {code}: {out}{err}"
        return json.loads(out)

    def generation(self):
        return self.command("status")["generation"]

    def connections(self):
        return sum(w["connections"] for w in self.command("show workers"))

    def access_lines(self):
        try:
            with open(self.access, encoding="utf-8", errors="replace") as f:
                return [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def cpu_seconds(self):
        with open(f"/proc/{self.pid()}/stat", encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self):
        with open(f"/proc/{self.pid()}/status", encoding="utf-8") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
