"""Names, tags and markers of what exists, whatever it is: on EC2 all three are tags."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TypeVar

from hybridge.core.identity import KEYS, Marker
from hybridge.core.machine import Machine, MachineSpec
from hybridge.core.managed import ManagedObject, ManagedSpec
from hybridge.drivers.aws import launch, mapping
from hybridge.drivers.aws.client import Client

T = TypeVar("T", bound=Machine | ManagedObject)


def retag(
    client: Client, found: T, spec: MachineSpec | ManagedSpec, fields: Collection[str], parts: Sequence[str] = ()
) -> T:
    """The name and the user's tags, in one CreateTags; what is so already is not asked for. Gives it as it is then.

    ``parts``: ids of what belongs to it and is tagged as it is.
    """
    launch.check_tags(spec)
    tags = spec.tags if "tags" in fields else {}
    new = {key: value for key, value in tags.items() if found.tags.get(key) != value}
    name = spec.name if "name" in fields else found.name
    words = new if name == found.name else {**new, mapping.NAME: name}
    if words:
        client.call("CreateTags", Resources=[found.id, *parts], Tags=mapping.words(words))
    return replace(found, name=name, tags={**found.tags, **new})


def mark(
    client: Client, resources: Sequence[str], before: Marker | None, marker: Marker | None, besides: Sequence[str] = ()
) -> None:
    """Puts the marker on resources that carry ``before``, or takes that away, and tags with these keys as well."""
    if marker is not None:
        client.call("CreateTags", Resources=resources, Tags=mapping.words(marker.pairs()))
        return
    # With their values: tags that somebody replaced meanwhile stay.
    gone = mapping.words(before.pairs()) if before else [{"Key": key} for key in KEYS]
    client.call("DeleteTags", Resources=resources, Tags=[*gone, *({"Key": key} for key in besides)])
