# SPDX-License-Identifier: Apache-2.0
"""A caller that shows every byte, and what wrk says as numbers."""
import re
import socket


class Response:
    def __init__(self, status, headers, body, complete=True, interim=()):
        self.status, self.headers, self.body, self.complete, self.interim = status, headers, body, complete, list(interim)

    def get(self, name, default=None):
        for k, v in self.headers:
            if k == name:
                return v
        return default

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:200]!r}{'' if self.complete else ' (cut)'}"


class Caller:
    """One connection; reads whole answers."""

    def __init__(self, sock):
        self.sock, self.buf = sock, b""

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def request(self, method="GET", path="/", headers=(), body=b"", host="api-service"):
        head = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{k}: {v}" for k, v in headers)]
        if body and not any(k.lower() in ("content-length", "transfer-encoding") for k, _ in headers):
            head.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        return self.response(method)

    def more(self):
        data = self.sock.recv(1 << 16)
        self.buf += data
        return bool(data)

    def line(self, end):
        while end not in self.buf:
            if not self.more():
                raise ConnectionError(f"closed inside {self.buf[-80:]!r}")
        text, self.buf = self.buf.split(end, 1)
        return text

    def exactly(self, n):
        while len(self.buf) < n:
            if not self.more():
                raise ConnectionError(f"closed {n - len(self.buf)} bytes short")
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def head(self):
        first, *rest = self.line(b"\r\n\r\n").decode("latin-1").split("\r\n")
        return int(first.split()[1]), [(k.lower(), v.strip()) for k, v in (line.split(":", 1) for line in rest)]

    def chunks(self):
        body = b""
        while n := int(self.line(b"\r\n").split(b";")[0], 16):
            body += self.exactly(n)
            if self.exactly(2) != b"\r\n":
                raise AssertionError("a chunk that does not end in CRLF")
        while self.line(b"\r\n"):
            pass
        return body

    def response(self, method="GET"):
        interim = []
        status, headers = self.head()
        while 100 <= status < 200 and status != 101:
            interim.append(status)
            status, headers = self.head()
        r = Response(status, headers, b"", True, interim)
        if method == "HEAD" or status in (204, 304):
            return r
        if (r.get("transfer-encoding") or "").lower() == "chunked":
            r.body = self.chunks()
        elif r.get("content-length") is not None:
            r.body = self.exactly(int(r.get("content-length")))
        else:
            while self.more():
                pass
            r.body, self.buf = self.buf, b""
        return r

    def is_closed(self):
        """Reads on until the other side ends the connection; False when it says anything or stays open."""
        try:
            return not self.buf and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    def close(self):
        self.sock.close()


def parse_wrk(text):
    """requests, failed, rate, and latency percentiles in microseconds of wrk's report."""
    def number(pattern, default=0):
        m = re.search(pattern, text)
        return float(m[1]) if m else default

    def micros(value):
        m = re.match(r"([\d.]+)(us|ms|s)", value)
        return float(m[1]) * {"us": 1, "ms": 1e3, "s": 1e6}[m[2]]
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed = sum(map(int, errors.groups())) if errors else 0
    failed += int(number(r"Non-2xx or 3xx responses: (\d+)"))
    latency = {p: micros(v) for p, v in re.findall(r"^\s+(50|90|99)%\s+(\S+)", text, re.M)}
    if "requests in" not in text:
        raise AssertionError(f"wrk did not finish: {text}")
    return {"requests": int(number(r"(\d+) requests in")), "failed": failed,
            "rate": number(r"Requests/sec:\s+([\d.]+)"), "latency_us": latency, "text": text}
