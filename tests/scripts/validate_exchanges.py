#!/usr/bin/python3
"""validate_exchanges.py OPENAPI LEAST PROGRAM...: runs the programs (each a command line) with
TOUYAN_EXCHANGES set, then holds each request and reply that they recorded against openapi.yaml.

What a real station wrote must be right in any case; what a test wrote by hand may have any form when
it was refused, or when a row of it was. Less than LEAST exchanges: nothing was shown."""
import collections
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import urllib.parse

import jsonschema
import yaml

FIELDS = 6
EACH = 400  # of one path, status and program: what comes after them has the same form


class Judge:
    def __init__(self, document):
        self.document = document
        self.validators = {}

    def at(self, node):
        while "$ref" in node:
            target = self.document
            for step in node["$ref"][2:].split("/"):
                target = target[step]
            node = target
        return node

    def validator(self, key, schema):
        if key not in self.validators:
            whole = dict(schema, components=self.document["components"])
            self.validators[key] = jsonschema.Draft202012Validator(whole)
        return self.validators[key]

    def body(self, name, schema, text):
        return [f"{name}: {error.json_path}: {error.message[:200]}"
                for error in self.validator(name, schema).iter_errors(json.loads(text))]

    def operation(self, path, method):
        return self.document["paths"].get(path, {}).get(method)

    def request(self, path, method, query, text):
        name, operation = f"{method} {path}", self.operation(path, method)
        if method == "post":
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            return self.body(f"{name}, the request", schema, text)
        return self.query(name, operation, dict(urllib.parse.parse_qsl(query, True)))

    def query(self, name, operation, given):
        problems = []
        for parameter in operation.get("parameters", []):
            what, schema = f"{name}, {parameter['name']}", parameter["schema"]
            value = given.pop(parameter["name"], None)
            if value is None:
                problems += [f"{what}: is missing"] if parameter.get("required") else []
                continue
            if schema["type"] == "integer" and value.isdigit():
                value = int(value)
            problems += [f"{what}: {error.message[:200]}"
                         for error in self.validator(what, schema).iter_errors(value)]
        return problems + [f"{name}: has no parameter {other}" for other in given]

    def reply(self, path, method, status, text):
        name, responses = f"{method} {path} {status}", self.operation(path, method)["responses"]
        if status not in responses:
            return [f"{name}: no such answer is described: {text[:200]}"]
        schema = self.at(responses[status])["content"]["application/json"]["schema"]
        return self.body(f"{name}, the reply", schema, text)

    def exchange(self, who, address, method, status, request, reply):
        path, _, query = address.partition("?")
        if self.operation(path, method) is None:
            return [f"{method} {path}: is not described"] if status != "404" else []
        problems = self.reply(path, method, status, reply) if status != "0" else []
        accepted = status == "200" and not json.loads(reply).get("bad")
        if who == "station" or (accepted and (query or method == "post")):
            problems += self.request(path, method, query, request)
        return problems


def recorded(command):
    with tempfile.TemporaryDirectory() as folder:
        record = pathlib.Path(folder) / "exchanges"
        done = subprocess.run(shlex.split(command), capture_output=True, text=True,
                              env=dict(os.environ, TOUYAN_EXCHANGES=str(record)))
        if done.returncode != 0:
            sys.exit(f"{command}: ended with {done.returncode}: {done.stdout}{done.stderr}")
        if not record.exists():
            sys.exit(f"{command}: recorded nothing")
        with open(record, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                fields = line.rstrip("\n").split("\t")
                if len(fields) == FIELDS and line.endswith("\n"):  # else killed while it wrote
                    yield fields


def main():
    judge = Judge(yaml.safe_load(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
    problems, kinds = collections.Counter(), collections.Counter()
    for command in sys.argv[3:]:
        seen = collections.Counter()
        for who, address, method, status, request, reply in recorded(command):
            kind = f"{method} {address.partition('?')[0]} {status}"
            seen[kind] += 1
            if seen[kind] <= EACH:
                problems.update(judge.exchange(who, address, method, status, request, reply))
        kinds.update(seen)
    for problem, times in problems.most_common(40):
        print(f"{times} x {problem}")
    count = sum(kinds.values())
    print(f"{count} exchanges ({', '.join(f'{k}: {n}' for k, n in sorted(kinds.items()))}), "
          f"{len(problems)} problems")
    sys.exit(1 if problems or count < int(sys.argv[2]) else 0)


main()
