# SPDX-License-Identifier: Apache-2.0
"""Three network namespaces in a row, callers - heddle - backends, joined by veth pairs; and sockets born inside one."""
import ctypes
import os
import shutil
import socket
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)

CALLER, CALLER6 = "10.1.0.2", "fd00:1::2"
FRONT, FRONT6 = "10.1.0.1", "fd00:1::1"  # Heddle's addresses
BACK, BACK6 = "10.2.0.1", "fd00:2::1"
VIP, VIP6 = "10.1.0.10", "fd00:1::10"    # of the Service
BACKENDS = ["10.2.0.11", "10.2.0.12", "10.2.0.13"]
BACKENDS6 = ["fd00:2::11", "fd00:2::12"]


class Missing(Exception):
    """Something that the machine lacks: the test is skipped, and says so."""


def sh(*argv, check=True, timeout=60):
    r = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {r.stderr.strip() or r.stdout.strip()}")
    return r.stdout


def wait_for(condition, what, timeout=10.0, every=0.02):
    """The first true value of condition(); AssertionError with `what` after the timeout."""
    pause, end = threading.Event(), time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:g} s for {what}")
        pause.wait(every)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Missing(f"{program} is not installed (./dev setup)")


class Net:
    """Owns the namespaces; `close` takes them away, with whatever still runs inside."""

    def __init__(self, tag):
        if os.geteuid() != 0:
            raise Missing("network namespaces need root")
        need("ip", "ethtool")
        self.callers, self.heddle, self.backends = (f"{tag}-{x}" for x in ("callers", "heddle", "backends"))
        self.all = [self.callers, self.heddle, self.backends]
        try:
            self.lay_out()
        except Exception:
            self.close()
            raise

    def lay_out(self):
        for ns in self.all:
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
            for key in ("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0", "net.ipv4.tcp_tw_reuse=1",
                        "net.ipv4.ip_local_port_range=1024 65000", "net.core.somaxconn=8192"):
                self.run(ns, "sysctl", "-qw", key, check=False)
        sh("ip", "link", "add", "c1", "netns", self.callers, "type", "veth", "peer", "name", "c0", "netns", self.heddle)
        sh("ip", "link", "add", "s1", "netns", self.backends, "type", "veth", "peer", "name", "s0", "netns", self.heddle)
        ends = [(self.callers, "c1", [CALLER + "/24", CALLER6 + "/64"]), (self.heddle, "c0", []), (self.heddle, "s0", []),
                (self.backends, "s1", [a + "/24" for a in BACKENDS] + [a + "/64" for a in BACKENDS6])]
        for ns, dev, addresses in ends:
            # A frame as it would be on a wire: no segment larger than the MTU, no checksum left for a NIC to fill in.
            for offload in ("tx", "rx", "tso", "gso", "gro"):
                self.run(ns, "ethtool", "-K", dev, offload, "off", check=False)
            if not addresses:
                self.run(ns, "sysctl", "-qw", f"net.ipv6.conf.{dev}.disable_ipv6=1", check=False)
            for a in addresses:
                sh("ip", "-n", ns, "addr", "add", a, "dev", dev, *(["nodad"] if ":" in a else []))
            sh("ip", "-n", ns, "link", "set", dev, "up")
        sh("ip", "-n", self.callers, "route", "add", "default", "via", FRONT)
        sh("ip", "-n", self.backends, "route", "add", "default", "via", BACK)

    def argv(self, ns, *argv):
        return ["ip", "netns", "exec", ns, *argv]

    def run(self, ns, *argv, check=True, timeout=60):
        return sh(*self.argv(ns, *argv), check=check, timeout=timeout)

    def popen(self, ns, *argv, **kw):
        return subprocess.Popen(self.argv(ns, *argv), stdin=subprocess.DEVNULL, **kw)

    def inside(self, ns, call):
        """The result of call() in a thread that entered the namespace: what sockets it makes stay there."""
        box = {}

        def go():
            try:
                fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
                try:
                    if LIBC.setns(fd, CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                finally:
                    os.close(fd)
                box["value"] = call()
            except BaseException as e:  # handed to the caller's thread
                box["error"] = e
        t = threading.Thread(target=go)
        t.start()
        t.join()
        if "error" in box:
            raise box["error"]
        return box["value"]

    def connect(self, address=VIP, port=80, timeout=10.0, receive_buffer=None):
        def go():
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            s.settimeout(timeout)
            if receive_buffer:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            s.connect((address, port))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return s
        return self.inside(self.callers, go)

    def close(self):
        for ns in self.all:
            if not os.path.exists(f"/run/netns/{ns}"):
                continue
            for pid in sh("ip", "netns", "pids", ns, check=False).split():
                try:
                    os.kill(int(pid), 9)
                except (OSError, ValueError):
                    pass
            sh("ip", "netns", "del", ns, check=False)
