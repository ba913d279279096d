"""The plan for an image: a pure function of what is wanted, what is on record and what is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hybridge.core import situation
from hybridge.core.convergence import planned, unused
from hybridge.core.difference import counts_name, name_change, tag_changes
from hybridge.core.image import Image, ImageSpec, ImageTraits
from hybridge.core.plan import Action, Plan, Verb


@dataclass(frozen=True, slots=True)
class Situation(situation.Situation[ImageSpec, Image]):
    """An image's. Of what ``spec.find`` means, ``sight.matches`` holds the newest alone."""

    noun: ClassVar[str] = "image"

    traits: ImageTraits


def plan(situation: Situation) -> Plan:
    """The next step and all that is left to do. Never raises; the same arguments give the same plan."""
    return planned(
        situation,
        lambda found: differences(situation.spec, found, named=counts_name(situation)),
        lambda found: unused(situation, found, found.machines),
    )


def differences(spec: ImageSpec, image: Image, *, named: bool = False) -> tuple[Action, ...]:
    """What has to change: what an image is made from is what it stays. ``named``: its name counts.

    What is only half made is completed first.
    """
    missing = (Action(Verb.COMPLETE, f"parts.{part}", "", part) for part in image.missing)
    return (*missing, *name_change(spec, image, named=named), *tag_changes(spec.tags, image))
