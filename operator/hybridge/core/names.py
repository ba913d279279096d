"""Names that people mistype, and patterns of names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache


def not_found(what: str, wanted: str, known: Iterable[str]) -> str:
    """A sentence that names what was not found and what comes nearest: at most five names."""
    names = sorted(set(known))
    near = get_close_matches(wanted, names, n=5, cutoff=0.5) or names[:5]
    if not near:
        return f"{what} {wanted!r} was not found, and the Provider sees none at all"
    return f"{what} {wanted!r} was not found; the nearest of {len(names)}: {', '.join(near)}"


def fits(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern, in which ``*`` stands for any characters and nothing else is special."""
    return _expression(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))
