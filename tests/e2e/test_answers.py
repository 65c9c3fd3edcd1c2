# SPDX-License-Identifier: Apache-2.0
"""Answers as a broken or hostile backend writes them: what the caller sees, and that nothing of them reaches the next request.

One backend writes the answer that the path of a request names. After each the next request must get its own answer, and on
another connection when bytes of the first one could still be in the way."""
import socket
import threading
import time

import e2e_backend
import e2e_http
import e2e_policy

OK, CL, TE = b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"
PLAIN, CHUNKS, LAST = OK + CL + b"\r\nhello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n"
STOLEN = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"
SAFE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"

# How the caller's answer ended: all of it; short of its length or its last chunk by a clean end; by a reset; not at all.
WHOLE, CUT, RESET, OPEN = "whole", "cut", "reset", "open"


class Case:
    """want: a status with its body; "bad": an error of the daemon's own; "cut": begun, and not passed on as whole.
    keeps: the backend's connection serves the next request too; None: does not matter."""

    def __init__(self, name, raw, want, body=b"hello", keeps=False, method="GET", close=False, pieces=None, pause=0.0):
        self.name, self.raw, self.want, self.body, self.keeps, self.method = name, raw, want, body, keeps, method
        self.close, self.pieces, self.pause = close, pieces, pause

    def parts(self):
        if self.pieces is None:
            return [self.raw]
        if isinstance(self.pieces, int):
            return [self.raw[i:i + self.pieces] for i in range(0, len(self.raw), self.pieces)]
        cuts = [0, *self.pieces, len(self.raw)]
        return [self.raw[a:b] for a, b in zip(cuts, cuts[1:])]


class Backend:
    """Writes what the case in the path says, on each connection in turn; SAFE for any other path."""

    def __init__(self, cases):
        self.cases, self.connection_of, self.lock, self.never = cases, {}, threading.Lock(), threading.Event()

    def serve(self, c, number):
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            head, _ = e2e_backend.read_head(c)
            path = head.split()[1].decode()
            with self.lock:
                self.connection_of[path] = number
            index = path.rsplit("/", 1)[-1]
            if not path.startswith("/case/"):
                c.sendall(SAFE)
                continue
            case = self.cases[int(index)]
            for part in case.parts():
                c.sendall(part)
                if case.pause:
                    self.never.wait(case.pause)
            if case.close:
                return


def outcome(caller, method):
    """(status or None, body, how it ended)."""
    try:
        r = caller.response(method)
        return r.status, r.body, WHOLE
    except ConnectionResetError:
        return None, b"", RESET
    except ConnectionError:
        return None, b"", CUT
    except socket.timeout:
        return None, caller.buf, OPEN


def judge(case, backend, path, status, body, how, tail):
    """What is wrong, or None."""
    if case.want == "bad" and (how != WHOLE or status not in (502, 503)):
        return f"should be 502 or 503: {status} {how} {body[:60]!r}"
    if case.want == "cut" and how not in (CUT, RESET):
        return f"a cut answer came as {status} {how} {body[:60]!r}"
    if isinstance(case.want, int) and (how != WHOLE or status != case.want or body != case.body):
        return f"should be {case.want} whole: {status} {how} {body[:60]!r}"
    if tail.status != 200 or tail.body != b"next":
        return f"the next request got {tail}"
    kept = backend.connection_of[path] == backend.connection_of[f"/next{path}"]
    if case.keeps is not None and kept != case.keeps:
        return f"the connection to the backend was {'kept' if kept else 'not kept'}"
    return None


def run(world, cases):
    backend, failures, began = Backend(cases), [], time.monotonic()
    world.script(backend.serve)
    daemon = world.heddle(e2e_policy.single())
    for i, case in enumerate(cases):
        path = f"/case/{i}"
        caller = e2e_http.Caller(world.net.connect(timeout=3.0))
        caller.send(f"{case.method} {path} HTTP/1.1\r\nHost: api-service\r\n\r\n")
        status, body, how = outcome(caller, case.method)
        other = e2e_http.Caller(world.net.connect(timeout=3.0))
        wrong = judge(case, backend, path, status, body, how, other.request(path=f"/next{path}"))
        if wrong:
            failures.append(f"{case.name}: {wrong}")
        caller.close()
        other.close()
    assert daemon.alive()
    assert not failures, "\n".join([f"{len(failures)} of {len(cases)} in {time.monotonic() - began:.1f} s", *failures])


def error_line(name, line, close=False):
    return Case(f"status line {name}", line + b"\r\n" + CL + b"\r\nhello", "bad", close=close)


def field(name, line):
    return Case(f"field {name}", OK + line + CL + b"\r\nhello", "bad")


def length(name, line):
    return Case(f"length {name}", OK + line + b"\r\nhello", "bad")


def coding(name, value):
    return Case(f"coding {name}", OK + b"Transfer-Encoding: " + value + b"\r\n\r\n" + CHUNKS, "bad")


def chunks(name, body, close=False):
    return Case(f"chunks {name}", OK + TE + b"\r\n" + body, "cut", close=close)


def test_answers_that_are_fine_pass_and_their_connections_are_kept(world):
    none = {"body": b"", "keeps": True}
    run(world, [
        Case("length", PLAIN, 200, keeps=True),
        Case("length of zero", OK + b"Content-Length: 0\r\n\r\n", 200, **none),
        Case("chunks", OK + TE + b"\r\n" + CHUNKS, 200, keeps=True),
        Case("chunk extensions", OK + TE + b"\r\n5;a=b\r\nhello\r\n0;x\r\n\r\n", 200, keeps=True),
        Case("trailers", OK + TE + b"\r\n5\r\nhello\r\n0\r\nX-T: v\r\n\r\n", 200, keeps=True),
        Case("many chunks", OK + TE + b"\r\n" + b"1\r\nx\r\n" * 5000 + LAST, 200, b"x" * 5000, keeps=True),
        Case("coding in capitals", OK + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n" + CHUNKS, 200, keeps=True),
        Case("until close", OK + b"\r\nhello", 200, close=True),
        Case("until close, empty", OK + b"\r\n", 200, b"", close=True),
        Case("1.0", b"HTTP/1.0 200 OK\r\n" + CL + b"\r\nhello", 200),
        Case("1.0 keep-alive", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + CL + b"\r\nhello", 200, keeps=None),
        Case("connection: close, and it stays", OK + b"Connection: close\r\n" + CL + b"\r\nhello", 200),
        Case("204", b"HTTP/1.1 204 No Content\r\n\r\n", 204, **none),
        Case("205", b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", 205, **none),
        Case("304", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 304, **none),
        Case("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, **none),
        Case("HEAD with a length", OK + CL + b"\r\n", 200, method="HEAD", **none),
        Case("HEAD with chunked", OK + TE + b"\r\n", 200, method="HEAD", **none),
        Case("HEAD without either", OK + b"\r\n", 200, b"", method="HEAD", keeps=None),
        Case("100 first", b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, 200, keeps=True),
        Case("102 and 103 first", b"HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + PLAIN, 200, keeps=True),
        Case("a storm of 1xx", b"HTTP/1.1 102 P\r\n\r\n" * 1000 + PLAIN, 200, keeps=True),
        Case("no reason", b"HTTP/1.1 200\r\n" + CL + b"\r\nhello", 200, keeps=None),
        Case("reason of 8 bits", b"HTTP/1.1 200 caf\xe9\r\n" + CL + b"\r\nhello", 200, keeps=True),
        Case("599", b"HTTP/1.1 599 X\r\n" + CL + b"\r\nhello", 599, keeps=True),
        Case("90 fields", OK + b"".join(b"X-%d: v\r\n" % i for i in range(90)) + CL + b"\r\nhello", 200, keeps=True),
        Case("a long field", OK + b"X-A: " + b"v" * 8000 + b"\r\n" + CL + b"\r\nhello", 200, keeps=True),
        Case("an empty field", OK + b"X-A:\r\n" + CL + b"\r\nhello", 200, keeps=True),
        Case("a large body", OK + b"Content-Length: 1000000\r\n\r\n" + b"z" * 1000000, 200, b"z" * 1000000, keeps=True),
    ])


def test_surplus_bytes_of_an_answer_reach_nobody(world):
    no_body = {"body": b""}
    run(world, [
        Case("behind a length", PLAIN + STOLEN, 200),
        Case("behind chunks", OK + TE + b"\r\n" + CHUNKS + STOLEN, 200),
        Case("behind a 204", b"HTTP/1.1 204 No\r\n\r\n" + STOLEN, 204, **no_body),
        Case("behind a 304", b"HTTP/1.1 304 N\r\n\r\n" + STOLEN, 304, **no_body),
        Case("a body on 304", b"HTTP/1.1 304 N\r\n" + CL + b"\r\nhello", 304, **no_body),
        Case("a body on HEAD", OK + CL + b"\r\nhello", 200, method="HEAD", **no_body),
        Case("chunks on HEAD", OK + TE + b"\r\n" + CHUNKS, 200, method="HEAD", **no_body),
        Case("an answer as the body of HEAD", OK + b"Content-Length: %d\r\n\r\n" % len(STOLEN) + STOLEN, 200, method="HEAD", **no_body),
        Case("one byte", PLAIN + b"x", 200),
        Case("an empty line", PLAIN + b"\r\n", 200),
    ])


def test_answers_that_are_no_http_become_errors(world):
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    run(world, [
        Case("101 unasked", switch + b"xxxx", "bad"),
        Case("101 bare", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "bad"),
        Case("100 and no more", b"HTTP/1.1 100 Continue\r\n\r\n", "bad", close=True),
        Case("nothing", b"", "bad", close=True),
        Case("half a head", OK + b"Content-Le", "bad", close=True),
        Case("both framings", OK + CL + TE + b"\r\n" + CHUNKS, "bad"),
        Case("both framings, swapped", OK + TE + CL + b"\r\n" + CHUNKS, "bad"),
        Case("chunked in 1.0", b"HTTP/1.0 200 OK\r\n" + TE + b"\r\n" + CHUNKS, "bad"),
        Case("204 with a length", b"HTTP/1.1 204 N\r\n" + CL + b"\r\nhello", "bad"),
        Case("204 with chunks", b"HTTP/1.1 204 N\r\n" + TE + b"\r\n" + CHUNKS, "bad"),
        Case("100 with a length", b"HTTP/1.1 100 C\r\n" + CL + b"\r\n" + PLAIN, "bad"),
        Case("100 with chunks", b"HTTP/1.1 100 C\r\n" + TE + b"\r\n" + PLAIN, "bad"),
        Case("TLS", b"\x15\x03\x01\x00\x02\x02\x16", "bad", close=True),
        Case("a field of 1 MB", OK + b"X-A: " + b"v" * 1000000 + b"\r\n" + CL + b"\r\nhello", "bad"),
        Case("a field of 70 kB", OK + b"X-A: " + b"v" * 70000 + b"\r\n" + CL + b"\r\nhello", "bad"),
        Case("300 fields", OK + b"".join(b"X-%d: v\r\n" % i for i in range(300)) + CL + b"\r\nhello", "bad"),
        Case("lines without end", OK + b"X: y\r\n" * 200000, "bad"),
        Case("LF alone", PLAIN.replace(b"\r\n", b"\n"), "bad"),
        error_line("of HTTP/2", b"HTTP/2.0 200 OK"), error_line("of HTTP/3", b"HTTP/3 200 OK"), error_line("of 0.9", b"HTTP/0.9 200 OK"),
        error_line("without a dot", b"HTTP/11 200 OK"), error_line("of ICY", b"ICY 200 OK"), error_line("in small letters", b"http/1.1 200 OK"),
        error_line("with two spaces", b"HTTP/1.1  200 OK"), error_line("with a tab", b"HTTP/1.1\t200 OK"),
        error_line("of two digits", b"HTTP/1.1 20 OK"), error_line("of four digits", b"HTTP/1.1 2000 OK"),
        error_line("with a minus", b"HTTP/1.1 -20 OK"), error_line("with a plus", b"HTTP/1.1 +20 OK"),
        error_line("in hex", b"HTTP/1.1 0xC OK"), error_line("of 099", b"HTTP/1.1 099 OK"), error_line("of 000", b"HTTP/1.1 000 OK"),
        error_line("of letters", b"HTTP/1.1 abc OK"), error_line("without a space", b"HTTP/1.1 200OK"),
        error_line("behind a space", b" HTTP/1.1 200 OK"), error_line("with NUL", b"HTTP/1.1 200 O\0K"),
        error_line("with CR", b"HTTP/1.1 200 O\rK"), error_line("of zeros", b"\0\1\2\3", close=True),
        error_line("of a request", b"GET / HTTP/1.1"), error_line("that is empty", b"", close=True),
        field("folded", b"X-A: b\r\n c\r\n"), field("without a colon", b"X-A\r\n"), field("without a name", b": v\r\n"),
        field("with a space in its name", b"X A: v\r\n"), field("with a space before the colon", b"X-A : v\r\n"),
        field("with NUL", b"X-A: a\0b\r\n"), field("with CR", b"X-A: a\rb\r\n"), field("name of 8 bits", b"X-\xe9: v\r\n"),
        field("with a control byte", b"X-A: \x01\r\n"), field("behind a space", b" X-A: v\r\n"), field("that ends in LF", b"X-A: v\n"),
        length("twice, unlike", b"Content-Length: 5\r\nContent-Length: 6\r\n"), length("list, unlike", b"Content-Length: 5, 6\r\n"),
        length("negative", b"Content-Length: -5\r\n"), length("with a plus", b"Content-Length: +5\r\n"),
        length("in hex", b"Content-Length: 0x5\r\n"), length("empty", b"Content-Length:\r\n"), length("of letters", b"Content-Length: abc\r\n"),
        length("of 20 digits", b"Content-Length: 99999999999999999999\r\n"), length("of 2^64 + 5", b"Content-Length: 18446744073709551621\r\n"),
        length("with a space", b"Content-Length: 5 5\r\n"), length("with NUL", b"Content-Length: 5\0\r\n"),
        length("before a space and a colon", b"Content-Length : 5\r\n"), length("with a vertical tab", b"Content-Length: \x0b5\r\n"),
        coding("gzip", b"gzip"), coding("identity", b"identity"), coding("gzip, chunked", b"gzip, chunked"),
        coding("chunked, gzip", b"chunked, gzip"), coding("chunked twice", b"chunked, chunked"), coding("unknown", b"xchunked"),
        coding("quoted", b'"chunked"'), coding("with a parameter", b"chunked;a=b"), coding("empty", b""), coding("with NUL", b"chunked\0"),
        coding("with a vertical tab", b"\x0bchunked"),
        Case("coding in two lines", OK + TE + TE + b"\r\n" + CHUNKS, "bad"),
    ])


def test_bad_chunks_cut_the_answer(world):
    run(world, [
        chunks("size in 0x", b"0x5\r\nhello\r\n" + LAST), chunks("size with a plus", b"+5\r\nhello\r\n" + LAST),
        chunks("size with a minus", b"-5\r\nhello\r\n" + LAST), chunks("size empty", b"\r\nhello\r\n" + LAST),
        chunks("size of g", b"g\r\nhello\r\n" + LAST), chunks("size of 2^64 + 5", b"10000000000000005\r\nhello\r\n" + LAST),
        chunks("size of 2^64 - 1", b"ffffffffffffffff\r\nhello\r\n" + LAST), chunks("lines of LF", b"5\nhello\n0\n\n"),
        chunks("data without CRLF", b"5\r\nhello" + LAST), chunks("data and junk", b"5\r\nhelloXX\r\n" + LAST),
        chunks("data and LF", b"5\r\nhello\n" + LAST), chunks("space before the size", b" 5\r\nhello\r\n" + LAST),
        chunks("NUL behind the size", b"5\0\r\nhello\r\n" + LAST), chunks("LF in an extension", b"5;a\nb\r\nhello\r\n" + LAST),
        chunks("NUL in an extension", b"5;\0\r\nhello\r\n" + LAST), chunks("junk in trailers", b"5\r\nhello\r\n0\r\nno colon\r\n\r\n"),
        chunks("endless extension", b"5;" + b"x" * 200000), chunks("endless trailers", b"0\r\n" + b"X: y\r\n" * 40000),
    ])


def test_an_answer_closed_at_any_byte_is_never_taken_for_whole(world):
    cases = []
    for name, raw in (("length", PLAIN), ("chunks", OK + TE + b"\r\n" + CHUNKS)):
        head = raw.index(b"\r\n\r\n") + 4
        cases += [Case(f"{name}, {i} bytes", raw[:i], "bad" if i < head else "cut", close=True) for i in range(len(raw))]
    run(world, cases)


def test_an_answer_split_at_any_byte_is_the_same(world):
    raw = OK + TE + b"X-A: b\r\n\r\n" + CHUNKS
    run(world, [Case(f"split at {i}", raw, 200, keeps=True, pieces=[i], pause=0.001) for i in range(1, len(raw))] +
        [Case("byte by byte", raw, 200, keeps=True, pieces=1), Case("a slow drip", raw, 200, keeps=True, pieces=1, pause=0.004),
         Case("a slow drip of 1xx", b"HTTP/1.1 102 P\r\n\r\n" * 5 + raw, 200, keeps=True, pieces=7, pause=0.003)])


def test_answers_in_small_writes_do_not_wait_for_our_acknowledgements(world):
    """Nagle's algorithm holds the second write back until the first is acknowledged."""
    def backend(c, _number):
        while True:
            e2e_backend.read_head(c)
            for part in (OK + TE + b"\r\n", b"5\r\nhello\r\n", LAST):
                c.sendall(part)
    world.script(backend)
    world.heddle(e2e_policy.single())
    caller, began = world.caller(), time.monotonic()
    for _ in range(50):
        assert caller.request().body == b"hello"
    took = time.monotonic() - began
    assert took < 1.0, f"{took / 50 * 1000:.1f} ms an answer"


def test_bytes_that_come_late_behind_an_answer_reach_nobody(world):
    """They come in a segment of their own: before the next request, or across it."""
    at = len(PLAIN)
    run(world, [Case(f"late {i}", PLAIN + STOLEN, 200, keeps=None, pieces=[at + i], pause=0.0005 * (i % 3)) for i in range(12)])
