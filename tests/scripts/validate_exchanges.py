#!/usr/bin/env python3
"""validate_exchanges.py OPENAPI PROGRAM...: runs the programs with TOUYAN_EXCHANGES set, then holds
each request and reply that they recorded against the schemas of openapi.yaml. A request that was
refused, or a row of which was, may have any form. Exit 77: python3-jsonschema or python3-yaml is not there."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

LEAST = 50  # fewer exchanges than this: nothing was recorded, and nothing was shown


def schema_at(document, path, method, status):
    operation = document["paths"][path][method]
    if status is None:
        return operation["requestBody"]["content"]["application/json"]["schema"]
    response = operation["responses"][str(status)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    return response["content"]["application/json"]["schema"]


class Judge:
    def __init__(self, document):
        self.document = document
        self.validators = {}

    def problems(self, path, method, status, text):
        key = (path, method, status)
        if key not in self.validators:
            schema = dict(schema_at(self.document, *key), components=self.document["components"])
            self.validators[key] = jsonschema.Draft202012Validator(schema)
        return [f"{path} {status}: {error.json_path}: {error.message[:200]}"
                for error in self.validators[key].iter_errors(json.loads(text))]


def judge(document, lines):
    judged = Judge(document)
    problems, count = [], 0
    for line in lines:
        path, method, status, request, reply = line.rstrip("\n").split("\t")
        count += 1
        problems += judged.problems(path, method, int(status), reply)
        if status == "200" and method == "post" and not json.loads(reply).get("bad"):
            problems += judged.problems(path, method, None, request)
    return problems, count


def main():
    document = yaml.safe_load(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        record = pathlib.Path(folder) / "exchanges"
        for program in sys.argv[2:]:
            subprocess.run([program], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL,
                           env=dict(os.environ, TOUYAN_EXCHANGES=str(record)))
        lines = record.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    problems, count = judge(document, lines)
    for problem in sorted(set(problems))[:40]:
        print(problem)
    if count < LEAST:
        print(f"only {count} exchanges were recorded")
    print(f"{count} exchanges, {len(problems)} problems")
    sys.exit(1 if problems or count < LEAST else 0)


main()
