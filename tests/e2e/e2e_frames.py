# SPDX-License-Identifier: Apache-2.0
"""Frames by hand on the callers' interface, for what the kernel cannot be told to send: 802.1Q tags where it has no 8021q."""
import socket
import struct

AUXDATA, VLAN_VALID = 8, 0x10  # PACKET_AUXDATA and TP_STATUS_VLAN_VALID of linux/if_packet.h


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip(dotted):
    return socket.inet_aton(dotted)


class Station:
    """A host on c1 with an address of its own that speaks with a tag, or without (vlan 0)."""

    def __init__(self, net, address, vlan):
        def go():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            s.setsockopt(263, AUXDATA, 1)  # SOL_PACKET
            s.bind(("c1", 0))
            s.settimeout(0.2)
            return s
        self.socket, self.address, self.vlan = net.inside(net.callers, go), address, vlan
        self.mac = b"\x02\x00\x00\x00\x0e\x2e"

    def send(self, to, ethertype, payload):
        tag = struct.pack("!HH", 0x8100, self.vlan) if self.vlan else b""
        self.socket.send(to + self.mac + tag + struct.pack("!H", ethertype) + payload)

    def heard(self, matches):
        """The payload (and its VLAN) of the first frame to us that matches; None after a second of others or of silence."""
        for _ in range(5):
            try:
                frame, extra, _, _ = self.socket.recvmsg(2048, 128)
            except socket.timeout:
                continue
            aux = next((d for level, kind, d in extra if level == 263 and kind == AUXDATA), bytes(20))
            status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", aux[:20])
            if frame[:6] == self.mac and matches(frame[12:14], frame[14:]):
                return frame[14:], tci & 0xfff if status & VLAN_VALID else 0
        return None

    def ask_mac(self, of):
        """(MAC, VLAN of the answer) by ARP; None: silence."""
        self.send(b"\xff" * 6, 0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + self.mac + ip(self.address) + bytes(6) + ip(of))
        got = self.heard(lambda kind, p: kind == b"\x08\x06" and p[6:8] == b"\x00\x02" and p[14:18] == ip(of))
        return got and (got[0][8:14], got[1])

    def syn(self, mac, to, port):
        """(TCP flags, VLAN) of the answer to a SYN; None: silence."""
        tcp = struct.pack("!HHIIBBHHH", 40000, port, 7, 0, 5 << 4, 2, 65535, 0, 0)
        pseudo = ip(self.address) + ip(to) + struct.pack("!HH", 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + ip(self.address) + ip(to)
        self.send(mac, 0x0800, head[:10] + struct.pack("!H", checksum(head)) + head[12:] + tcp)
        got = self.heard(lambda kind, p: kind == b"\x08\x00" and p[9] == 6 and p[12:20] == ip(to) + ip(self.address))
        return got and (got[0][33], got[1])

    def close(self):
        self.socket.close()
