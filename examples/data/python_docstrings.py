"""Writes texts with classes, of which no copy is needed here: what functions and classes of Python's library say of
themselves, each with the part of the library that it is of (PSF licence).

    python examples/data/python_docstrings.py python-docstrings.jsonl
"""

import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path

AREAS = {
    "concurrency": "asyncio concurrent.futures multiprocessing.managers multiprocessing.pool subprocess threading",
    "files": "configparser csv gzip os pathlib shutil tarfile tempfile zipfile",
    "internet": "email.headerregistry email.message ftplib http.client http.cookies imaplib mailbox poplib smtplib "
    "socketserver ssl urllib.parse urllib.request xmlrpc.client",
    "numbers": "cmath datetime decimal fractions ipaddress math numbers random statistics",
    "source": "ast dis inspect symtable tokenize types typing",
    "testing": "doctest logging trace unittest unittest.mock",
}
SHORTEST = 60
"""Characters: shorter texts say little."""


def members(name: str) -> Iterator[object]:
    """The functions and classes of a module, and the methods of its classes."""
    module = importlib.import_module(name)
    for value in vars(module).values():
        if getattr(value, "__module__", None) == name or inspect.isbuiltin(value):
            yield value
            if inspect.isclass(value):
                yield from vars(value).values()


def texts() -> Iterator[tuple[str, str]]:
    """Each text once, with its part of the library."""
    seen: set[str] = set()
    for area, names in AREAS.items():
        for name in names.split():
            for member in members(name):
                text = inspect.getdoc(member) or "" if callable(member) or isinstance(member, property) else ""
                if len(text) >= SHORTEST and text not in seen:
                    seen.add(text)
                    yield area, text


if __name__ == "__main__":
    lines = [json.dumps({"area": area, "text": text}) + "\n" for area, text in texts()]
    Path(sys.argv[1]).write_text("".join(lines), encoding="utf-8")
    print(f"{len(lines)} documents are in {sys.argv[1]}")
