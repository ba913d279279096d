"""Objects of each kind to walk with, and the words that a cloud of the lab has for their fields."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from hybridge.api.kinds import KINDS
from lab import manifests
from lab.faultproxy import Cloud
from tests.contract.clouds import BEDS
from tests.crash import wishes
from tests.crash.bed import CrashBed
from tests.misoperation import truth
from tests.misoperation.schema import FieldPath, Schema, fields, spec_schemas
from tests.misoperation.walk import Truth, Walk, Walker
from tests.things import WARES
from tests.things.thing import Things

#: Every kind that there is.
PLURALS = tuple(kind.plural for kind in KINDS)


def plurals(cloud: Cloud) -> list[str]:
    """The kinds that a cloud has."""
    lacking = {things.plural for things in WARES if cloud not in things.clouds}
    return [plural for plural in PLURALS if plural not in lacking]


def walk(bed: CrashBed, plural: str, number: int, seed: int) -> Walk:
    """So many objects of a kind, as they should be. KeyError for a kind that has no words here."""
    schema = spec_schemas()[plural]
    so = _TRUTH[plural](bed)
    walkers = _MAKE[plural](bed, number)
    door = bed.doors[bed.cloud]
    made = Walk(
        bed.operator,
        schema,
        offers(schema, bed.cloud, walkers[0].good),
        walkers,
        door.mutating,
        door.reset_counts,
        so,
        random.Random(seed),
    )
    made.begin()
    return made


def offers(schema: Schema, cloud: Cloud, good: Mapping[str, Any]) -> dict[FieldPath, Sequence[Any]]:
    """Values that the cloud has, by path: those of a good spec, and those that the contract chooses among."""
    found: dict[FieldPath, list[Any]] = {}
    for path, _ in fields(schema):
        value: Any = good
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            found[path] = [value]
    for words, values in BEDS[cloud].choices.items():
        path = tuple(words.split("."))
        if path == ("networks",):
            found[path] = [[{"name": "nic0", "id": value}] for value in values]
        elif (one := dict(fields(schema)).get(path)) is not None:
            listed = one.get("type") == "array"
            found[path] = [[value] if listed and isinstance(value, str) else value for value in values]
    return dict(found)


def _machines(bed: CrashBed, number: int) -> list[Walker]:
    """Each in a namespace of its own: machines of one namespace that come to be in the same group concern each other."""
    walkers = []
    for place in range(number):
        namespace = bed.operator.namespace()
        bed.operator.apply(manifests.secret(wishes.SECRET, {"userData": wishes.USER_DATA}, namespace))
        made = manifests.machine(f"walk-{place}", bed.cloud, namespace)
        made["spec"] |= {"lifecycle": {"disruption": "Allow"}, "tags": {"team": "shop"}, "rootDisk": {"size": "10Gi"}}
        made["spec"]["cloudInit"] = {"userData": {"secretRef": {"name": wishes.SECRET, "key": "userData"}}}
        bed.operator.apply(made)
        walkers.append(Walker("virtualmachines", f"walk-{place}", namespace, made["spec"]))
    return walkers


def _wares(things: Things, bed: CrashBed, number: int) -> list[Walker]:
    """What machines can use, used by none; tags are in it to be changed."""
    walkers = []
    for place in range(number):
        namespace = bed.operator.namespace()
        made = things.manifest(bed.cloud, f"walk-{place}", bed.cloud, namespace)
        made["spec"] |= things.change(0)
        bed.operator.apply(*things.sources(bed.cloud, f"walk-{place}", bed.cloud, namespace), made)
        walkers.append(Walker(things.plural, f"walk-{place}", namespace, made["spec"]))
    return walkers


def _providers(bed: CrashBed, number: int) -> list[Walker]:
    walkers = []
    for place in range(number):
        name = f"walk-{place}"
        made = bed.operator.provider(bed.cloud, name, sweepInterval="1s", imports="Managed")
        bed.operator.apply(bed.operator.secret(bed.cloud, name), made)
        walkers.append(Walker("providers", name, "default", made["spec"]))
    return walkers


_MAKE: Mapping[str, Callable[[CrashBed, int], list[Walker]]] = {
    "providers": _providers,
    "virtualmachines": _machines,
    **{things.plural: partial(_wares, things) for things in WARES},
}
_TRUTH: Mapping[str, Callable[[CrashBed], Truth]] = {
    "providers": truth.of_providers,
    "virtualmachines": truth.of_machines,
    **{things.plural: partial(truth.of_wares, things) for things in WARES},
}
