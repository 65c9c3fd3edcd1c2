# SPDX-License-Identifier: Apache-2.0
"""Lint that never complains proves nothing: each rule is shown a file that breaks it."""
import os
import shutil
import subprocess
import tempfile

import layers
import rows
import style
import symbols

LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def tree(files):
    root = tempfile.mkdtemp(prefix="heddle-lint-")
    for path, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as f:
            f.write(text)
    return root


def layer_problems(path, include):
    files = {p: LICENCE for p in ("include/heddle/base.h", "dataplane/core/bufq.h", "dataplane/net/net.h", "dataplane/net/net_priv.h",
                                  "dataplane/tcp/tcp.h", "dataplane/http/http.h", "dataplane/proxy/proxy.h", "ctrl/policy/policy.h")}
    files[path] = f"{LICENCE}#include {include}\n"
    root = tree(files)
    try:
        return layers.check(root, sorted(files))
    finally:
        shutil.rmtree(root)


def broken_layers_are_found_with_their_reason():
    for path, include, reason in [
            ("dataplane/http/x.c", '"tcp.h"', "never see each other"), ("dataplane/core/x.c", '"net.h"', "leaf"),
            ("dataplane/proxy/x.c", '"net_priv.h"', "private"), ("ctrl/policy/x.c", '"proxy.h"', "dp.h"),
            ("ctrl/sock/x.c", "<rte_mbuf.h>", "DPDK"), ("ctrl/cli/x.c", "<heddle/snapshot.h>", "snapshot"),
            ("ctrl/cli/x.c", '"policy.h"', "thin client"), ("include/heddle/x.h", '"bufq.h"', "frontier"),
            ("dataplane/tcp/x.c", "<openssl/ssl.h>", "OpenSSL")]:
        found = layer_problems(path, include)
        assert len(found) == 1 and reason in found[0] and found[0].startswith(f"{path}:2:"), (path, include, found)


def layers_in_order_pass():
    for path, include in [("dataplane/http/x.c", '"bufq.h"'), ("dataplane/proxy/x.c", '"tcp.h"'), ("ctrl/sock/x.c", '"policy.h"'),
                          ("ctrl/cli/x.c", "<heddle/base.h>"), ("dataplane/net/x.c", '"net_priv.h"')]:
        assert not layer_problems(path, include), (path, include)


def forbidden_symbols_are_found_in_an_archive():
    root = tree({"x.c": "#include <stdlib.h>\nvoid *f(int n) { return malloc(n); }\n"})
    try:
        os.makedirs(f"{root}/build/dataplane/net")
        subprocess.run(["cc", "-c", "x.c", "-o", "build/net_x.c.o"], cwd=root, check=True)
        subprocess.run(["ar", "rcs", "build/dataplane/net/libnet.a", "build/net_x.c.o"], cwd=root, check=True)
        found = symbols.check(root, f"{root}/build")
        assert len(found) == 1 and "net_x.c: allocates: malloc" in found[0], found
    finally:
        shutil.rmtree(root)


def exceptions_of_the_symbol_gate_are_narrow():
    assert symbols.verdict("dataplane/worker/worker_idle.c", "ppoll") is None
    assert symbols.verdict("dataplane/worker/worker.c", "ppoll") == "calls the system"
    assert symbols.verdict("dataplane/tcp/tcp.c", "rte_zmalloc_socket") is None
    assert symbols.verdict("dataplane/tcp/tcp.c", "malloc") == "allocates"


def style_is_found():
    long_function = "static int f(void)\n{\n" + "\tg();\n" * 101 + "}\n"
    root = tree({"a.c": LICENCE + "int a; \n", "b.c": "int b;\n", "c.c": LICENCE + "        int c;\n", "d.c": LICENCE + long_function,
                 "e.c": LICENCE + "/* One table; it argues for itself. */\n" + long_function, "f.c": LICENCE + "\n" * 1001,
                 "g.c": f"{LICENCE}/* {style.LATER[0]}: later */\n"})
    try:
        lines = style.check_lines(root, ["a.c", "b.c", "c.c"])
        assert [p.split(":")[0] for p in lines] == ["a.c", "b.c", "c.c"], lines
        lengths = style.check_lengths(root, ["d.c", "e.c", "f.c"])
        assert [p.split(":")[0] for p in lengths] == ["d.c", "f.c"], lengths
        assert len(style.check_words(root, ["a.c", "g.c"])) == 1
    finally:
        shutil.rmtree(root)


def areas_of_the_log_are_checked():
    root = tree({"include/heddle/log.h": "#define HD_LOG_AREAS(X) \\\n\tX(ctl) X(tls)\n\nvoid hd_log(void);\n",
                 "a.c": 'hd_log(HD_LOG_ERROR, "tls", "x");\n', "b.c": 'hd_log(a ? HD_LOG_ERROR : b,\n"tsl", "x");\n'})
    try:
        lines = style.check_areas(root, ["a.c", "b.c"])
        assert [p.split(":")[0] for p in lines] == ["b.c"], lines
    finally:
        shutil.rmtree(root)


def rows_without_proof_are_found():
    page = "| C1.1 | a | test |\n| C1.2 | b | test |\n| C1.3 | c | deviation |\n| C1.4 | d | test, and deviation for e |\n"
    root = tree({"docs/tcp-checklist.md": page, "docs/tcp.md": "not so (C1.3)\n", "docs/network.md": "",
                 "a.c": "static void c1_01_and_c1_4_hold(void **state)\nstatic void c2_9_is_nowhere(void **state)\n"})
    try:
        found = rows.check(root, ["a.c"])
        assert len(found) == 3, found
        assert "C1.2 has no test" in found[0] and "C1.4" in found[1] and "c2_9_is_nowhere" in found[2], found
    finally:
        shutil.rmtree(root)


TESTS = [broken_layers_are_found_with_their_reason, layers_in_order_pass, forbidden_symbols_are_found_in_an_archive,
         exceptions_of_the_symbol_gate_are_narrow, style_is_found,
         areas_of_the_log_are_checked, rows_without_proof_are_found]


def problems():
    """Of all tests, as lint says it."""
    out = []
    for test in TESTS:
        try:
            test()
        except Exception as e:
            out.append(f"tests/lint/lint_test.py: {test.__name__}: {type(e).__name__}: {e}")
    return out
