#!/usr/bin/env python3
"""What the gateway refuses an operator stands in gateway/cli/refusals.def with its Chinese, and what
stands there is said somewhere."""
import re
import sys

from sources import files, finish, read

# whose err_set(), reply_error() and reply_one() reach `touyan`
SOURCES = ("gateway/base/csv.c", "gateway/base/privacy.c", "gateway/card.c",
           "gateway/console/console.c", "gateway/desk.c", "gateway/hand.c", "gateway/ledger.c",
           "gateway/lists.c", "gateway/roster.c", "gateway/view.c", "mqtt/commands.c")
FOLDERS = ("gateway/duty/",)
NOT_FOLDERS = ("gateway/duty/roster/",)  # what no operator's input can cause
TABLE = "gateway/cli/refusals.def"

TEXT = r'"(?:[^"\\]|\\.)*"'
SAID = re.compile(r'\b(?:err_set|reply_error|reply_one)\([^";{}]*?((?:' + TEXT + r'\s*)+)', re.S)
ENTRY = re.compile(r'^REFUSAL\(((?:\s*' + TEXT + r')+),', re.M)


def joined(literals):
    """One text of several literals; how much of a word fits is not part of the sentence."""
    return re.sub(r"%\.\d+s", "%s", "".join(t[1:-1] for t in re.findall(TEXT, literals, re.S)))


def said_by(root):
    """{format: where it is first said}; a format that is all conversion has words from elsewhere."""
    said = {}
    mine = [p for p in files(root, (".c",), ("gateway", "mqtt"))
            if p in SOURCES or (p.startswith(FOLDERS) and not p.startswith(NOT_FOLDERS))]
    for path in mine:
        for match in SAID.finditer(read(root, path)):
            text = joined(match.group(1))
            if not re.fullmatch(r"(%s[: ]*)*", text):
                said.setdefault(text, path)
    return said


# of the interface itself: `touyan` never causes them
OF_PROGRAMS = re.compile(r'the body needs|no such address|does not take that method')


def findings(root):
    table = {joined(m.group(1)) for m in ENTRY.finditer(read(root, TABLE))}
    said = said_by(root)
    for text, path in sorted(said.items()):
        if text not in table and not OF_PROGRAMS.search(text):
            yield f'{path}: "{text}" has no Chinese in {TABLE}'
    for text in sorted(table - set(said)):
        if "%" in text or text.count(" ") > 1:
            yield f'{TABLE}: nobody says "{text}"'


if __name__ == "__main__":
    finish(findings(sys.argv[1]))
