"""What the status of a Volume tells of its volume."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hybridge.api.volume import VolumeStatus
from hybridge.core.managed import Phase
from hybridge.core.volume import Volume
from hybridge.engine.volumes import VolumeNature


def test_a_class_without_a_name_is_not_told() -> None:
    """An empty text is none that the API server takes."""
    found = Volume("vol-1", "data", settings={"class": ("",), "placement.storage": ("ds1", "datastore-1")})

    told = VolumeNature().status(VolumeStatus(), cast("Any", SimpleNamespace(found=found)), Phase.READY)

    assert (told.class_, told.storage) == (None, "ds1")
