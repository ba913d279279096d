"""Who may use a Provider, and what they may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase


def allows(names: Sequence[str], labels: Mapping[str, str] | None, namespace: str, own: Mapping[str, str]) -> bool:
    """Whether ``namespace`` with its labels ``own`` is granted: by a name pattern, or by carrying all of ``labels``.

    Neither given: nobody is. ``labels`` None means that no selector is given; an empty one would grant everybody, so it
    grants nobody.
    """
    if any(fnmatchcase(namespace, pattern) for pattern in names):
        return True
    return bool(labels) and all(own.get(key) == value for key, value in (labels or {}).items())
