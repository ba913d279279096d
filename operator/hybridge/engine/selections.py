"""Which objects choose machines by their labels, which machines those are, and whom a change of a machine concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from hybridge.api.selections import PATHS, selectors
from hybridge.api.selectors import LabelSelector
from hybridge.engine.cluster import Body
from hybridge.engine.keys import Key

#: A label with its value, in a namespace; without a label: all that is there.
_Place = tuple[str, tuple[str, str] | None]
_NO_LABELS: Mapping[str, str] = {}


class Selections:
    """Machines by their labels, and those who choose them by one label of each selector: neither is ever searched whole."""

    def __init__(self) -> None:
        self._labels: dict[Key, Mapping[str, str]] = {}
        self._machines: defaultdict[_Place, set[Key]] = defaultdict(set)
        self._selectors: dict[Key, tuple[LabelSelector, ...]] = {}
        self._choosers: defaultdict[_Place, set[Key]] = defaultdict(set)

    def chosen(self, namespace: str, selector: LabelSelector) -> frozenset[Key]:
        """The machines of a namespace that a selector chooses."""
        places: list[_Place] = [(namespace, pair) for pair in selector.match_labels.items()] or [(namespace, None)]
        fewest = min((self._machines.get(place, set()) for place in places), key=len)
        return frozenset(key for key in fewest if selector.matches(self._labels[key]))

    def choosing(self, machine: Key) -> frozenset[Key]:
        """The objects that choose this machine."""
        return self._choosing(machine.namespace, self._labels.get(machine))

    def note(self, key: Key, old: Body | None, new: Body | None) -> frozenset[Key]:
        """Takes in that an object came, changed or went; the other objects that this concerns."""
        if key.kind in PATHS:
            self._note_chooser(key, selectors(new) if new is not None else ())
        if key.kind != "VirtualMachine":
            return frozenset()
        before, after = self._labels.get(key), _labels(new)
        if before != after:
            _move(self._machines, key, _places(key.namespace, before), _places(key.namespace, after))
        if after is None:
            self._labels.pop(key, None)
        else:
            self._labels[key] = after
        if before == after and _offer(old) == _offer(new):
            return frozenset()
        return self._choosing(key.namespace, before) | self._choosing(key.namespace, after)

    def _note_chooser(self, key: Key, found: tuple[LabelSelector, ...]) -> None:
        before = self._selectors.pop(key, ())
        if found:
            self._selectors[key] = found
        if found != before:
            _move(self._choosers, key, _entrances(key.namespace, before), _entrances(key.namespace, found))

    def _choosing(self, namespace: str, labels: Mapping[str, str] | None) -> frozenset[Key]:
        if labels is None:
            return frozenset()
        near = {key for place in _places(namespace, labels) for key in self._choosers.get(place, ())}
        return frozenset(key for key in near if any(one.matches(labels) for one in self._selectors[key]))


def _places(namespace: str, labels: Mapping[str, str] | None) -> Iterator[_Place]:
    if labels is not None:
        yield namespace, None
        yield from ((namespace, pair) for pair in labels.items())


def _entrances(namespace: str, found: tuple[LabelSelector, ...]) -> Iterator[_Place]:
    """Where a machine that one of these may choose is certain to be."""
    return ((namespace, next(iter(one.match_labels.items()), None)) for one in found)


def _move(index: defaultdict[_Place, set[Key]], key: Key, old: Iterator[_Place], new: Iterator[_Place]) -> None:
    before, after = set(old), set(new)
    for place in before - after:
        index[place].discard(key)
        if not index[place]:
            del index[place]
    for place in after - before:
        index[place].add(key)


def _labels(body: Body | None) -> Mapping[str, str] | None:
    if body is None:
        return None
    found: Mapping[str, str] = body["metadata"].get("labels") or _NO_LABELS
    return found


def _offer(body: Body | None) -> tuple[object, ...] | None:
    """What of a machine its choosers go by, besides its labels."""
    if body is None:
        return None
    metadata, status = body["metadata"], body.get("status", {})
    told = (status.get("id"), status.get("createdAt"), status.get("addresses"))
    lifecycle = body.get("spec", {}).get("lifecycle") or {}
    return metadata["uid"], bool(metadata.get("deletionTimestamp")), lifecycle.get("management"), told
