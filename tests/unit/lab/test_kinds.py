"""The lab reads the kinds from the CRDs."""

from __future__ import annotations

from hybridge.api.kinds import KINDS
from lab import kinds


def test_they_are_the_operators() -> None:
    told = {(kind.kind, kind.resource, kind.short, kind.namespaced) for kind in kinds.kinds()}

    assert told == {(kind.kind, f"{kind.plural}.hybridge.io", kind.short, kind.namespaced) for kind in KINDS}
    assert "providers" not in kinds.namespaced()
