# SPDX-License-Identifier: Apache-2.0
"""Style that can be seen line by line: the kernel's, with tabs of 8."""
import os
import re

COLUMNS_CODE = 100
COLUMNS_STRING = 160  # a line with a text: texts are never broken, so that grep finds them
COLUMNS_HEADER = 150  # tables and one-line contracts
FILE_LINES = 1000
FUNCTION_LINES = 100
EXCUSE = "argues for itself"  # a comment with these words above a function or at the top of a file, and the reason

# Built from halves so that this file does not find itself.
LATER = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK", "not " + "implemented", "un" + "implemented"]


def lines_of(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read().split("\n")


def check_lines(root, files):
    problems = []
    for path in files:
        lines = lines_of(root, path)
        limit = COLUMNS_HEADER if path.endswith(".h") else COLUMNS_CODE
        if not lines[0].startswith("/* SPDX-License-Identifier: Apache-2.0 */"):
            problems.append(f"{path}:1: the first line is not the licence line")
        if lines[-1] != "":
            problems.append(f"{path}:{len(lines)}: no newline at the end")
        for number, line in enumerate(lines, 1):
            if line != line.rstrip():
                problems.append(f"{path}:{number}: space at the end of the line")
            if line.startswith(" " * 8):
                problems.append(f"{path}:{number}: indented with spaces")
            columns = len(line.expandtabs(8))
            if columns > (COLUMNS_STRING if '"' in line else limit) and "http" + "s://" not in line:
                problems.append(f"{path}:{number}: {columns} columns, {limit} at most")
    return problems


def functions(lines):
    """(name, first line, last line) of each function: a body opens with { in column 0 and ends with }."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            head = start - 1
            while head > 1 and lines[head - 1].strip() and lines[head - 1][0] in "\t ":
                head -= 1
            m = re.search(r"(\w+)\s*\(", lines[head - 1])
            yield (m[1] if m else "?"), head, number
            start = None


def check_lengths(root, files):
    problems = []
    for path in files:
        lines = lines_of(root, path)
        if len(lines) > FILE_LINES + 1 and EXCUSE not in "\n".join(lines[:20]):
            problems.append(f"{path}: {len(lines) - 1} lines; split it, or say at its top why it {EXCUSE}")
        for name, first, last in functions(lines) if path.endswith(".c") else ():
            if last - first > FUNCTION_LINES and EXCUSE not in "\n".join(lines[max(0, first - 12):first]):
                problems.append(f"{path}:{first}: {name} has {last - first} lines; split it, or say above it why it {EXCUSE}")
    return problems


def check_words(root, files):
    pattern = re.compile(r"\b(" + "|".join(LATER) + r")\b")
    return [f"{path}:{number}: '{m[1]}': finish it or take it out" for path in files
            for number, line in enumerate(lines_of(root, path), 1) if (m := pattern.search(line))]


def check_sleeps(root, files):
    pattern = re.compile(r"\b(?:time\.sleep|usleep|nanosleep|sleep)\s*\(|^\s*sleep\s+[0-9.]")
    return [f"{path}:{number}: sleeps; wait for what it is waiting for" for path in files
            for number, line in enumerate(lines_of(root, path), 1) if pattern.search(line)]


def check_areas(root, files):
    """Areas of the log are those that `heddlectl log` takes."""
    with open(os.path.join(root, "include/heddle/log.h"), encoding="utf-8") as f:
        known = re.findall(r"X\((\w+)\)", f.read().split("HD_LOG_AREAS(X)", 1)[1].split("\n\n", 1)[0])
    problems = []
    for path in files:
        text = "\n".join(lines_of(root, path))
        problems += [f"{path}:{text.count(chr(10), 0, m.start()) + 1}: area \"{m[1]}\" is not in HD_LOG_AREAS"
                     for m in re.finditer(r'hd_log\(\s*[^,"]+,\s*"(\w+)"', text) if m[1] not in known]
    return problems
