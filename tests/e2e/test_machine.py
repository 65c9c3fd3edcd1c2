# SPDX-License-Identifier: Apache-2.0
"""Heddle on PCI cards by vfio-pci, in a machine of QEMU's: the way that operators run it, apart from the speed."""
import contextlib
import os
import tempfile
import time

import e2e_backend
import e2e_machine
import e2e_net
import e2e_policy


@contextlib.contextmanager
def machine(world, card, **spec):
    e2e_machine.kernel()
    policy = e2e_policy.as_list(e2e_policy.service(), e2e_policy.pod("v1", e2e_net.BACKENDS[0], "v1"))
    with tempfile.TemporaryDirectory(dir=world.folder) as folder, contextlib.ExitStack() as undo:
        os.chmod(folder, 0o755)  # nginx drops root
        net = e2e_machine.Taps(f"hdpci{os.getpid()}")
        undo.callback(net.close)
        nginx = e2e_backend.Nginx(net, folder, "v1", [e2e_net.BACKENDS[0]]).start()
        undo.callback(nginx.stop)
        booted = e2e_machine.Machine(net, world.build, folder, card, policy, **spec)
        undo.callback(booted.close)
        yield booted, net, nginx


def get(net, path, address=e2e_net.VIP):
    host = f"[{address}]" if ":" in address else address
    return net.run(net.callers, "curl", "-sS", "-g", "-m", "30", f"http://{host}{path}")


def test_a_card_by_its_pci_address_carries_requests_and_four_megabytes(world):
    with machine(world, "e1000e") as (booted, net, nginx):
        for address in (e2e_net.VIP, e2e_net.VIP6):
            assert get(net, "/", address) == "v1\n"
        with open(os.path.join(nginx.folder, "www/big"), encoding="ascii") as f:
            assert get(net, "/big") == f.read()  # segments whose checksums the card makes and checks
        assert " 0% packet loss" in net.run(net.callers, "ping", "-c", "3", "-i", "0.1", "-W", "5", e2e_net.FRONT6)
        ports = booted.show("ports")
        for p in ports:
            assert p["driver"] == "net_e1000_em" and p["link_up"] and "tx-tcp-checksum" in p["offloads"], p
        assert ports[0]["rx_packets"] > 10 and ports[0]["tx_bytes"] > 4 << 20, ports
        assert not [d for d in booted.show("drops") if "checksum" in d["reason"]]


def test_an_idle_worker_sleeps_until_its_card_interrupts(world):
    with machine(world, "vmxnet3") as (booted, net, _):
        assert "rx-interrupt" in booted.show("ports")[0]["offloads"]
        assert get(net, "/") == "v1\n"  # each queue has interrupted a sleep: now they are relied upon

        def ticks():
            return sum(int(x) for x in booted.run("cat /proc/$(pidof heddle)/stat").split(")")[1].split()[11:13])
        before, began = ticks(), time.monotonic()
        e2e_net.wait_for(lambda: time.monotonic() - began > 4, "four idle seconds")
        busy = (ticks() - before) / 100 / (time.monotonic() - began)
        assert busy < 0.05, f"{busy:.1%} of a core while idle, in an emulated machine; 11% and more when it polls"
        interrupts = booted.run("grep vfio /proc/interrupts")
        assert any(int(line.split()[k]) > 0 for line in interrupts.splitlines() if "vfio" in line for k in (1, 2)), interrupts
        assert get(net, "/") == "v1\n"
