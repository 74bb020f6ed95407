#!/usr/bin/env python3
"""Who may include whom, and that each foreign library is known to one file per program."""
import fnmatch
import os
import re
import sys

from sources import files, finish, read

BASE = "gateway/base/"
REPLICA = "sync/replica/"

# The longest folder that fits decides. The county's server is a program of its own on base.
LAYERS = {
    "gateway/base/": [BASE],
    "config/": ["config/", BASE],
    "sync/replica/": [REPLICA, BASE],
    "sync/": ["sync/", BASE],
    "sms/": ["sms/", REPLICA, BASE],
    "mqtt/": ["mqtt/", REPLICA, BASE],
    "gateway/duty/": ["gateway/duty/", REPLICA, BASE],
    "gateway/": [""],
    "tests/": [""],
}

# header pattern: the files that may include it
FOREIGN = {
    "curl/*": ["sync/transport_curl.c", "gateway/cli/client.c"],
    "mosquitto*.h": ["mqtt/client_mosq.c"],
    "openssl/*": ["mqtt/tls.c", "sync/x509.c"],
    "gammu*": ["sms/worker/gammu.c"],
    "microhttpd.h": ["gateway/console/http.c", "sync/county/http.c"],
    "gnutls/*": ["sync/county/http.c"],
    "sqlite3*.h": ["sync/replica/*", "sync/county/db_sqlite.c"],
    "jansson.h": ["gateway/base/json.c"],
    "sodium*": ["sync/replica/seal.c"],
    "confuse.h": ["config/parse.c"],
    "zstd*.h": ["sync/zip.c"],
    "libpq*": ["sync/county/db_pg.c"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def layer_of(path):
    return max((folder for folder in LAYERS if path.startswith(folder)), key=len)


def check_quoted(root, path, name):
    if name.endswith(".inc"):
        return None  # generated into the build folder
    if not os.path.exists(os.path.join(root, name)):
        return f'"{name}" is no path from the repository\'s root'
    if not any(name.startswith(allowed) for allowed in LAYERS[layer_of(path)]):
        return f"{layer_of(path)} may not include {name}"
    return None


def check_angled(path, name):
    if path.startswith("tests/"):
        return None
    for pattern, places in FOREIGN.items():
        if fnmatch.fnmatch(name, pattern) and not any(fnmatch.fnmatch(path, p) for p in places):
            return f"<{name}> belongs in {' or '.join(places)} only"
    return None


def check_file(root, path):
    text = read(root, path)
    own = path[:-2] + ".h"
    includes = list(INCLUDE.finditer(text))
    if path.endswith(".c") and os.path.exists(os.path.join(root, own)):
        firsts = (own, os.path.join(os.path.dirname(path), "internal.h"))
        if not includes or includes[0].group(2) not in firsts:
            yield f"{path}:1: its own header {own} (or the folder's internal.h) comes first"
    for match in includes:
        kind, name = match.groups()
        wrong = check_quoted(root, path, name) if kind == '"' else check_angled(path, name)
        if wrong:
            yield f"{path}:{text.count(chr(10), 0, match.start(2)) + 1}: {wrong}"


def main(root):
    finish([f for path in files(root, (".c", ".h")) for f in check_file(root, path)])


main(sys.argv[1])
