# SPDX-License-Identifier: Apache-2.0
"""The symbol gate: what the objects of the fast rooms may not call, by nm on each room's archive.

The request path never waits: no allocation outside pools, no print, no lock, no clock of its own, no system call. A file that
owns a slow path (start-up, sleeping when idle) is an exception with a reason; nothing else is.
"""
import fnmatch
import glob
import os
import re
import subprocess

ROOMS = ["core", "net", "tcp", "tls", "http", "proxy", "worker"]

FORBIDDEN = {
    "allocates": "malloc calloc realloc reallocarray free posix_memalign aligned_alloc memalign strdup strndup asprintf vasprintf "
                 "rte_malloc* rte_zmalloc* rte_calloc* rte_realloc* rte_free rte_mempool_create* rte_pktmbuf_pool_create* rte_memzone_reserve*",
    "prints": "printf fprintf dprintf vprintf vfprintf __printf_chk __fprintf_chk __vfprintf_chk puts fputs fputc putchar fwrite "
              "perror fopen fopen64 fclose fflush syslog rte_log rte_vlog openlog_* hd_log*",
    "locks": "pthread_mutex_* pthread_rwlock_* pthread_cond_* pthread_spin_* pthread_barrier_* sem_*",
    "asks the clock": "clock_gettime gettimeofday time localtime* gmtime* ftime",
    "calls the system": "read write readv writev send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg socket connect accept accept4 bind "
                        "listen open open64 openat close poll ppoll epoll_* select pselect ioctl fcntl fcntl64 mmap mmap64 munmap "
                        "eventfd* nanosleep clock_nanosleep usleep sleep sched_* syscall getrandom getenv secure_getenv system fork "
                        "pthread_create pthread_join rte_delay_us_sleep",
    "ends the process": "exit _exit abort rte_exit",
}

# (file, symbols, reason).
EXCEPTIONS = [
    ("*/worker_pool.c", "mmap mmap64 munmap", "makes the packet pools at start"),
    ("*/worker_launch.c", "*", "start and stop: implements dp.h on the control thread, before and after the loop"),
    ("*/worker_eal.c", "*", "makes DPDK's command line at start"),
    ("*/worker_idle.c", "*", "an idle worker sleeps here; a busy one never comes by"),
    ("*/tls_memory.c", "mmap mmap64 munmap", "makes the pools for keys at start"),
    ("*/tls_bundle.c", "*", "the slow half of tls: never on a worker (docs/decisions/0014)"),
    ("*/tls_context.c", "*", "the slow half of tls"),
    ("*/tls_credential.c", "*", "the slow half of tls"),
    ("*/tls_guard.c", "*", "the slow half of tls: OpenSSL's own memory"),
    ("*/tls_handshake.c", "*", "the slow half of tls"),
    ("*/tls_identity.c", "*", "the slow half of tls; a worker only calls tls_identity_put, which stores one word"),
    ("*/tls_names.c", "*", "the slow half of tls"),
    ("*/tls_session.c", "*", "the slow half of tls"),
    ("*/tls_store.c", "*", "the slow half of tls"),
    ("*/tls_threads.c", "*", "the slow half of tls: the threads themselves"),
    ("*/tls_ticket.c", "*", "the slow half of tls"),
    ("*/tls_verify.c", "*", "the slow half of tls"),
    ("*/net_port.c", "*", "opens and closes ethdevs at start and stop"),
    ("*", "rte_zmalloc_socket rte_free rte_mempool_create* rte_pktmbuf_pool_create*",
     "pools are made by *_create and freed by *_destroy, which no request reaches"),
]


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, p) for p in patterns.split())


def verdict(source, symbol):
    """Why the symbol may not be used by the file, or None."""
    for what, names in FORBIDDEN.items():
        if matches(symbol, names):
            if any(fnmatch.fnmatchcase(source, f) and matches(symbol, s) for f, s, _ in EXCEPTIONS):
                return None
            return what
    return None


def undefined(archive):
    """(source file, symbol) pairs."""
    out = subprocess.run(["nm", "-A", "--undefined-only", archive], capture_output=True, text=True).stdout
    for line in out.splitlines():
        # build/dataplane/net/libnet.a:net_rx.c.o:                 U memcpy
        m = re.match(r"(.*?)[:\[]?([^:\[\]/]+\.c)\.o\]?:.* [Uw] (\S+)$", line)
        if m:
            yield m[2], m[3].split("@")[0]


def check(root, build):
    problems = []
    archives = [(r, a) for r in ROOMS for a in glob.glob(f"{build}/dataplane/{r}/*.a")]
    for room, archive in archives:
        for name, symbol in undefined(archive):
            # meson names objects of files in sub-folders with underscores; here every file lies in its room.
            source = f"dataplane/{room}/{name.split('_.._')[-1]}"
            what = verdict(source, symbol)
            if what:
                problems.append(f"{source}: {what}: {symbol} (a fast room; name an exception with a reason in {os.path.relpath(__file__, root)})")
    return sorted(set(problems)) if archives else None
