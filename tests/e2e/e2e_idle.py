#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens connections, does one request on each, says so, and holds them until its input ends: a process of its own, because
one process may only open so many files. Arguments: address, port, how many."""
import resource
import socket
import sys

REQUEST = b"GET /idle HTTP/1.1\r\nHost: api-service\r\n\r\n"
BATCH = 50


def open_batch(address, port, n):
    fresh = []
    for _ in range(n):
        s = socket.create_connection((address, port), 20)
        s.sendall(REQUEST)
        fresh.append(s)
    for s in fresh:
        data = b""
        while not data.endswith((b"v1\n", b"v2\n")):
            more = s.recv(4096)
            if not more:
                sys.exit("closed before its answer")
            data += more
    return fresh


def main():
    address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = []
    while len(held) < count:
        held += open_batch(address, port, min(BATCH, count - len(held)))
    print(len(held), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
