"""Storages for kopf that keep nothing.

kopf prepares a diff and the progress of handlers for every event, with deep copies of the whole object, also when only
``on.event`` handlers exist, which use neither.
"""

from __future__ import annotations

from typing import Any

import kopf


class NoDiff(kopf.DiffBaseStorage):
    """Objects have no last-handled state."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """See kopf."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """See kopf."""
        return None

    def store(self, **_: Any) -> None:
        """See kopf."""


class NoProgress(kopf.ProgressStorage):
    """Handlers have no progress."""

    def fetch(self, **_: Any) -> None:
        """See kopf."""

    def store(self, **_: Any) -> None:
        """See kopf."""

    def purge(self, **_: Any) -> None:
        """See kopf."""

    def touch(self, **_: Any) -> None:
        """See kopf."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """See kopf."""
        return essence
