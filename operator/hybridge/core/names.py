"""Names that people mistype."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def not_found(what: str, wanted: str, known: Iterable[str]) -> str:
    """A sentence that names what was not found and what comes nearest: at most five names."""
    names = sorted(set(known))
    near = get_close_matches(wanted, names, n=5, cutoff=0.5) or names[:5]
    if not near:
        return f"{what} {wanted!r} was not found, and the Provider sees none at all"
    return f"{what} {wanted!r} was not found; the nearest of {len(names)}: {', '.join(near)}"
