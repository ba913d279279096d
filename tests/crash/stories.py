"""Which lives there are, by kind: a kind without one fails a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab.faultproxy import Cloud
from tests.crash import firewall, image, life, network, provider, snapshot, volume
from tests.crash.bed import CrashBed
from tests.crash.step import Step, Subject
from tests.things import THINGS


@dataclass(frozen=True, slots=True)
class Story:
    """A whole life of an object: what lives it, and its steps. No two steps of all stories have the same name."""

    subject: Callable[[CrashBed], Subject]
    steps: Sequence[Step[Any]]


#: By the kind's name in the API.
STORIES: Mapping[str, Sequence[Story]] = {
    "Provider": [Story(provider.ProviderLife, steps) for steps in provider.STORIES.values()],
    "Volume": [Story(volume.VolumeLife, steps) for steps in volume.STORIES.values()],
    "Network": [Story(network.NetworkLife, steps) for steps in network.STORIES.values()],
    "Firewall": [Story(firewall.FirewallLife, steps) for steps in firewall.STORIES.values()],
    "Image": [Story(image.ImageLife, steps) for steps in image.STORIES.values()],
    "Snapshot": [Story(snapshot.SnapshotLife, steps) for steps in snapshot.STORIES.values()],
    "VirtualMachine": [Story(life.Life, steps) for steps in life.STORIES.values()],
}


def told(cloud: Cloud) -> list[Story]:
    """All lives of the kinds that a cloud has."""
    return [story for kind, stories in STORIES.items() for story in stories if has(cloud, kind)]


def brief(stories: Sequence[Story]) -> list[Story]:
    """The same without what takes long even when all goes well."""
    return [replace(story, steps=[step for step in story.steps if not step.long]) for story in stories]


def has(cloud: Cloud, kind: str) -> bool:
    """Whether a cloud has things of a kind."""
    return kind not in THINGS or cloud in THINGS[kind].clouds
