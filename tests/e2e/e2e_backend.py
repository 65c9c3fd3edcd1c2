# SPDX-License-Identifier: Apache-2.0
"""Backends: real nginx with an access log each, a server that tells what it received, and one that does what a test says."""
import hashlib
import http.server
import json
import os
import socket
import socketserver
import subprocess
import threading

import e2e_net


class Nginx:
    """One nginx on some addresses; answers /, /1k and /big, and everything else, with its name in x-version."""

    def __init__(self, net, folder, name, addresses, port=8080):
        e2e_net.need("nginx")
        self.net, self.name, self.folder = net, name, os.path.join(folder, f"nginx-{name}")
        os.makedirs(os.path.join(self.folder, "www"), exist_ok=True)
        self.log = os.path.join(self.folder, "access.log")
        for file, size in (("1k", 1024), ("big", 4 << 20)):
            with open(os.path.join(self.folder, "www", file), "wb") as f:
                f.write((f"{name} " * (size // (len(name) + 1) + 1)).encode()[:size])
        listens = " ".join(f"listen {f'[{a}]' if ':' in a else a}:{port};" for a in addresses)
        self.address, self.port = addresses[0], port
        self.conf = os.path.join(self.folder, "nginx.conf")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(f"""daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 8192; }} worker_rlimit_nofile 16384;
http {{
  log_format brief '$request_method $request_uri $status $http_x_request_id';
  access_log {self.log} brief; keepalive_requests 100000000; keepalive_timeout 300s; client_max_body_size 0;
  client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f;
  uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  server {{
    {listens} root {self.folder}/www; add_header x-version {name};
    location = /1k {{ }}
    location = /big {{ }}
    location / {{ default_type text/plain; return 200 "{name}\\n"; }}
  }}
}}
""")
        self.process = None

    def start(self):
        self.process = self.net.popen(self.net.backends, "nginx", "-c", self.conf, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        e2e_net.wait_for(self.accepts, f"nginx {self.name} to listen on {self.address}:{self.port}")
        return self

    def accepts(self):
        def dial():
            socket.create_connection((self.address, self.port), 1).close()
            return True
        try:
            return self.net.inside(self.net.backends, dial)
        except OSError:
            return False

    def requests(self, marker=""):
        """How many requests its own access log has, of those with the marker in their line."""
        try:
            with open(self.log, encoding="utf-8") as f:
                return sum(marker in line for line in f)
        except FileNotFoundError:
            return 0

    def lines(self, marker=""):
        with open(self.log, encoding="utf-8") as f:
            return [line.strip() for line in f if marker in line]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        self.process = None


class Teller(http.server.BaseHTTPRequestHandler):
    """Tells as JSON what it received: method, path, headers in order, length and SHA-256 of the body."""
    protocol_version = "HTTP/1.1"

    def body(self):
        if (self.headers.get("transfer-encoding") or "").lower() == "chunked":
            data = b""
            while n := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(n)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return data
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self):
        body = self.body()
        text = json.dumps({"method": self.command, "path": self.path, "headers": [list(h) for h in self.headers.items()],
                           "length": len(body), "sha256": hashlib.sha256(body).hexdigest(),
                           "connection": self.client_address[1]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = answer

    def log_message(self, *args):
        pass


class TellerServer(socketserver.ThreadingTCPServer):
    """Not http.server's: that one asks DNS for its own name, which takes seconds where there is none."""
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 512

    def __init__(self, *args):
        self.open = set()
        super().__init__(*args)

    def process_request(self, request, client_address):
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def stop(self):
        """Connections that a pool still holds end too: the next test brings another backend to the same port."""
        self.shutdown()
        self.server_close()
        for request in list(self.open):
            end(request)


def end(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def start_teller(net, address, port):
    server = net.inside(net.backends, lambda: TellerServer((address, port), Teller))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


class Script:
    """A listener whose connections are handled by handler(connection, number) in a thread each."""

    def __init__(self, net, address, port, handler):
        def listen():
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port))
            s.listen(512)
            return s
        self.sock, self.handler, self.accepted, self.open = net.inside(net.backends, listen), handler, 0, set()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            self.accepted += 1
            self.open.add(c)
            threading.Thread(target=self.one, args=(c, self.accepted), daemon=True).start()

    def one(self, c, number):
        try:
            c.settimeout(20)
            self.handler(c, number)
        except OSError:
            pass
        finally:
            self.open.discard(c)
            c.close()

    def stop(self):
        end(self.sock)
        self.sock.close()
        for c in list(self.open):
            end(c)


def read_head(c):
    """The bytes of one request's head, and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = c.recv(65536)
        if not more:
            raise ConnectionError("closed before a whole head")
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    return head, rest
