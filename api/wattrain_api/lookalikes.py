"""Characters that look like a space, or like nothing, and that YAML takes for letters: they come from web pages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from wattrain_api.problem import Problem

_BLANKS = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_INVISIBLE = "\u200b-\u200f\u2028\u2029\u2060\ufeff"
_FOUND = re.compile(
    rf"^\s*[{_BLANKS}]"  # indentation
    rf"|(?<=[-:,?\[{{])[ {_BLANKS}]*[{_BLANKS}]"  # behind what YAML wants a space after
    rf"|[{_BLANKS}][ {_BLANKS}]*(?=[:,\]}}#]|$)"  # before what ends a value
    rf"|[{_INVISIBLE}]"
)
_LOOKALIKE = re.compile(f"[{_BLANKS}{_INVISIBLE}]")
_LINE_END = re.compile(r"\r\n|\r|\n")


def lookalikes(text: str, file: str) -> Iterator[Problem]:
    """The first such character of each line of `text` that stands where YAML wants a space, or where nothing is seen.

    Quoted text and comments may have them. This is for files that are wrong: a block of text may hold them as well.
    """
    for number, line in enumerate(_LINE_END.split(text), start=1):
        for match in _FOUND.finditer(line):
            if _is_quoted_or_comment(line[: match.start()]):
                continue
            at = next(i for i in range(match.start(), match.end()) if _LOOKALIKE.match(line[i]))
            name = unicodedata.name(line[at], "a character without a name").lower()
            yield Problem(
                file,
                number,
                "",
                "",
                f"column {at + 1}: {name} (U+{ord(line[at]):04X}), which looks like a space or like nothing, and is a "
                "letter to YAML",
                "delete it, and type a space where one is needed",
            )
            break


def _is_quoted_or_comment(before: str) -> bool:
    """Whether what follows `before` in a line is quoted or a comment."""
    return before.count('"') % 2 == 1 or before.count("'") % 2 == 1 or re.search(r"(^|\s)#", before) is not None
