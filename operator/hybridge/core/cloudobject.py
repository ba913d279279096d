"""What every kind has in common: the part of a spec that says whose a cloud object is, and the cloud object itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self

from hybridge.core.identity import Marker
from hybridge.core.lifecycle import Drift, Import


class Wanted(Protocol):
    """What a spec of any kind says of the life of its cloud object."""

    @property
    def name(self) -> str:
        """The name in the cloud."""
        ...

    @property
    def named(self) -> bool:
        """The user has chosen the name, so that it is kept also on what was not made by this object."""
        ...

    @property
    def observed(self) -> bool:
        """Nothing is ever written."""
        ...

    @property
    def imports(self) -> Import | None:
        """What exists already and is to be taken; None: it is made."""
        ...

    @property
    def detach(self) -> bool:
        """What is deleted is let go, and left as it is."""
        ...

    @property
    def drift(self) -> Drift:
        """What is done when somebody changed it in the cloud."""
        ...

    @property
    def recreate_lost(self) -> bool:
        """What is lost is made anew."""
        ...

    @property
    def disruption(self) -> bool:
        """A change may disrupt it."""
        ...


class CloudObject(Protocol):
    """One thing as its cloud shows it."""

    @property
    def id(self) -> str:
        """The cloud's own stable id."""
        ...

    @property
    def name(self) -> str:
        """The name in the cloud, which people read."""
        ...

    @property
    def marker(self) -> Marker | None:
        """Which object of ours it belongs to."""
        ...

    @property
    def uuid(self) -> str | None:
        """What we chose to tell it from a copy, where the cloud lets us."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """What people write on it, by key."""
        ...

    @property
    def lock(self) -> str | None:
        """The task that holds it."""
        ...

    @property
    def detailed(self) -> bool:
        """False while only a bulk list has been read."""
        ...

    @property
    def protection(self) -> str:
        """Why the cloud itself forbids to delete it, for people; empty where it does not, or does not say."""
        ...

    @property
    def ended(self) -> str:
        """What the cloud says of how it ended, for people."""
        ...

    @property
    def remains(self) -> bool:
        """It is what is left of one whose own part, which had its id, is gone: nothing by itself, and it goes with that."""
        ...

    @property
    def gone(self) -> bool:
        """The cloud says that it is deleted for good."""
        ...

    @property
    def ending(self) -> bool:
        """The cloud has taken on its deletion, from which there is no way back."""
        ...

    def unlocked(self) -> Self:
        """The same, with the end of the task that held it."""
        ...

    @property
    def unfit(self) -> str:
        """Why nobody can take it over, such as ``a template, not a machine``; empty where it can be."""
        ...
