# SPDX-License-Identifier: Apache-2.0
"""A machine with two PCI network cards, in QEMU: Debian's kernel, vfio-pci, busybox, and Heddle. The cards' other ends are
taps in the namespaces of the callers and of the backends. Emulated without KVM: it says nothing about speed."""
import fcntl
import glob
import gzip
import json
import os
import select
import shutil
import struct
import subprocess
import time

import e2e_net
from e2e_net import sh

KERNEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.cache/kernel")  # ./dev setup puts it there
MODULES = ["irqbypass", "vfio_virqfd", "vfio", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci"]
CARDS = ["0000:00:02.0", "0000:00:03.0"]
DRIVERS = ["net_e1000", "net_vmxnet3", "bus_pci", "bus_vdev", "mempool_ring"]
LIBS = "/usr/lib/x86_64-linux-gnu"
TUNSETIFF, IFF_TAP_NO_PI = 0x400454ca, 0x1002
DONE = "-- done --"
INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
mkdir -p /dev/hugepages /var/run /run; mount -t hugetlbfs h /dev/hugepages
for m in {' '.join(MODULES)}; do insmod /modules/$m.ko; done
ifconfig lo 127.0.0.1
for d in {' '.join(CARDS)}; do
	echo vfio-pci >/sys/bus/pci/devices/$d/driver_override; echo $d >/sys/bus/pci/drivers_probe
done
stty -echo; heddle --config /etc/heddle/node.yaml &
while read line; do eval "$line"; echo "{DONE}"; done
"""


def kernel():
    """The kernel's image, or Missing."""
    e2e_net.need("qemu-system-x86_64", "cpio", "busybox")
    images = glob.glob(os.path.join(KERNEL, "boot/vmlinuz-*"))
    if not images or not os.path.exists("/dev/net/tun"):
        raise e2e_net.Missing("no /dev/net/tun" if images else "no kernel to boot in .cache/kernel (./dev setup)")
    return images[0]


class Taps(e2e_net.Net):
    """Callers and backends, each behind a tap whose other end is a file."""

    def lay_out(self):
        for ns in self.all:
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        self.files = [self.tap(self.callers, "c1", [e2e_net.CALLER + "/24", e2e_net.CALLER6 + "/64"], e2e_net.FRONT),
                      self.tap(self.backends, "s1", [a + "/24" for a in e2e_net.BACKENDS], e2e_net.BACK)]

    def tap(self, ns, name, addresses, gateway):
        def go():
            fd = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
            return fd
        fd = self.inside(ns, go)
        for a in addresses:
            sh("ip", "-n", ns, "addr", "add", a, "dev", name, *(["nodad"] if ":" in a else []))
        sh("ip", "-n", ns, "link", "set", name, "up")
        sh("ip", "-n", ns, "route", "add", "default", "via", gateway)
        return fd

    def close(self):
        super().close()
        for fd in getattr(self, "files", []):
            os.close(fd)


class Machine:
    """Boots; `run` types a line at its console. The card is a model of QEMU's."""

    def __init__(self, net, build, folder, card, policy, **spec):
        image = kernel()
        node = {"apiVersion": "heddle.dev/v1", "kind": "DataPlane",
                "metadata": {"name": "machine", "namespace": "istio-system", "labels": {"istio": "ingressgateway"}},
                "spec": {"eal": ["-m", "400"], "workers": [1], "mainLcore": 0, "idle": "adaptive", "policy": ["mesh.d/"],
                         "ports": [{"name": "front", "device": CARDS[0], "side": "mesh",
                                    "addresses": [e2e_net.FRONT + "/24", e2e_net.FRONT6 + "/64"]},
                                   {"name": "back", "device": CARDS[1], "side": "workload", "addresses": [e2e_net.BACK + "/24"]}],
                         "control": {"socket": "/run/heddle.sock"}, **spec}}
        initrd = self.pack(build, folder, {"etc/heddle/node.yaml": node, "etc/heddle/mesh.d/all.json": policy})
        cards = [x for n, fd in enumerate(net.files)
                 for x in ("-netdev", f"tap,id=n{n},fd={fd}", "-device", f"{card},netdev=n{n},addr={n + 2},romfile=")]
        self.said = ""
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "q35,accel=tcg,kernel-irqchip=split", "-cpu", "max", "-smp", "2", "-m", "1200",
             "-device", "intel-iommu,intremap=on,caching-mode=on", "-display", "none", "-nodefaults", "-no-reboot",
             "-serial", "stdio", "-kernel", image, "-initrd", initrd, *cards,
             "-append", "console=ttyS0 quiet panic=-1 intel_iommu=on iommu=pt hugepages=256 mitigations=off tsc=reliable"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=net.files)
        try:
            self.wait(": ready", 120)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def pack(build, folder, objects):
        """A compressed cpio archive of everything that the machine runs."""
        root = os.path.join(folder, "root")
        for d in ("bin", "usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0", "lib64", "modules", "proc", "sys", "dev"):
            os.makedirs(os.path.join(root, d))
        os.symlink("usr/lib", os.path.join(root, "lib"))
        programs = [os.path.join(build, p) for p in ("heddle", "heddlectl")]
        for p in (*programs, shutil.which("busybox")):
            shutil.copy(p, os.path.join(root, "bin"))
        drivers = [f"{LIBS}/librte_{d}.so.23" for d in DRIVERS]
        for line in sh("ldd", *programs, *drivers).splitlines():
            path = next((word for word in line.split() if word.startswith("/") and not word.endswith(":")), None)
            if path:
                shutil.copy(path, os.path.join(root, "lib64" if path.startswith("/lib64") else "usr/lib/x86_64-linux-gnu"))
        for d in drivers:
            shutil.copy(d, root + LIBS)
            os.symlink(f"../../{os.path.basename(d)}", f"{root}{LIBS}/dpdk/pmds-23.0/{os.path.basename(d)}.0")
        for m in MODULES:
            shutil.copy(glob.glob(os.path.join(KERNEL, f"lib/modules/*/kernel/**/{m}.ko"), recursive=True)[0],
                        os.path.join(root, "modules"))
        for name, content in {"init": INIT, **{n: json.dumps(o) for n, o in objects.items()}}.items():
            os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
            with open(os.path.join(root, name), "w", encoding="utf-8") as f:
                f.write(content)
        os.chmod(os.path.join(root, "init"), 0o755)
        archive = subprocess.run("find . | cpio --quiet -o -H newc", shell=True, cwd=root, capture_output=True, check=True).stdout
        with gzip.open(os.path.join(folder, "initrd.gz"), "wb", compresslevel=1) as f:
            f.write(archive)
        return os.path.join(folder, "initrd.gz")

    def wait(self, what, timeout):
        """What the console says until `what`."""
        before, end = len(self.said), time.monotonic() + timeout
        while what not in self.said[before:]:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"the machine did not say {what!r} in {timeout} s:\n{self.said[-3000:]}")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise AssertionError(f"the machine ended before it said {what!r}:\n{self.said[-3000:]}")
            self.said += piece.decode(errors="replace").replace("\r", "")
        return self.said[before:].split(what)[0]

    def run(self, line, timeout=30):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.wait(DONE, timeout)

    def show(self, what):
        return json.loads(self.run(f"heddlectl -o json show {what}"))

    def close(self):
        self.process.kill()
        self.process.wait()
