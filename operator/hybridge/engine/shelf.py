"""What is known of one Provider's cloud objects of one kind: the picture, and which of our objects each concerns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Generic, TypeVar

from hybridge.core.cloudobject import CloudObject
from hybridge.core.errors import CloudError
from hybridge.engine.inventory import Inventory
from hybridge.engine.keys import Key

C = TypeVar("C", bound=CloudObject)


class _Words(Mapping[str, str]):
    """The keys of a mapping, in words for people; made when they are asked for, because there may be thousands."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._keys = keys

    def __getitem__(self, known_id: str) -> str:
        return self._keys[known_id].in_words

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class Shelf(Generic[C]):
    """``owners``: the object that has a cloud object on record, by its id (``owners_in_words``: for people).
    ``max_age``: how old its details may be, in seconds. ``trouble``: why the cloud cannot be asked for this kind.
    """

    def __init__(self) -> None:
        self.inventory: Inventory[C] = Inventory()
        self.trouble: CloudError | None = None
        self.owners: dict[str, Key] = {}
        self.owners_in_words = _Words(self.owners)
        self.max_age: dict[str, float] = {}
        self._observers: dict[str, set[Key]] = {}
        self._bound: dict[Key, tuple[str, bool]] = {}
        self._seekers: set[Key] = set()

    def bind(self, known_id: str, key: Key, max_age: float, *, observed: bool = False) -> None:
        """This is what the object has on record, and no other any more: its changes concern the object, and its details
        may be ``max_age`` seconds old.
        """
        if self._bound.get(key) != (known_id, observed):
            self.release(key)
            self._bound[key] = (known_id, observed)
        if observed:
            self._observers.setdefault(known_id, set()).add(key)
            self.max_age[known_id] = min(max_age, self.max_age.get(known_id, max_age))
            return
        self.owners[known_id] = key
        self.max_age[known_id] = max_age

    def seek(self, key: Key, *, seeking: bool) -> None:
        """Whether every change of the inventory concerns this object, because it looks for something to import."""
        if seeking:
            self._seekers.add(key)
        else:
            self._seekers.discard(key)

    def concerned(self, ids: Collection[str]) -> set[Key]:
        """The objects that changes of these concern, as far as they are bound or seek one."""
        found = set(self._seekers) if ids else set()
        for known_id in ids:
            found |= self._observers.get(known_id, set())
            if known_id in self.owners:
                found.add(self.owners[known_id])
        return found

    def release(self, key: Key) -> None:
        """The object has nothing on record: what it was bound to is free for others."""
        known_id, _ = self._bound.pop(key, ("", False))
        if self.owners.get(known_id) == key:
            del self.owners[known_id]
        observers = self._observers.get(known_id, set())
        observers.discard(key)
        if not observers:
            self._observers.pop(known_id, None)
            if known_id not in self.owners:
                self.max_age.pop(known_id, None)

    def unbind(self, key: Key) -> None:
        """The object is gone, or has nothing here any more: nothing here concerns it."""
        self.release(key)
        self._seekers.discard(key)
