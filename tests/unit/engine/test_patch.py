"""Merge patches as RFC 7396 applies them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hybridge.engine.patch import merge_patch

# A null cannot be stored by a merge patch: it means removal.
scalars = st.one_of(st.booleans(), st.integers(-3, 3), st.text(max_size=3))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


def apply(target: Any, patch: Any) -> Any:
    """The algorithm of RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply(result.get(name), value)
    return result


@given(objects, objects)
def test_the_patch_turns_the_old_into_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert apply(old, merge_patch(old, new)) == new


@given(objects)
def test_what_is_equal_needs_no_patch(same: dict[str, Any]) -> None:
    assert merge_patch(same, same) == {}


@given(objects, objects)
def test_the_patch_names_only_what_differs(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = merge_patch(old, new)
    assert patch.keys() == {
        name for name in old.keys() | new.keys() if (name in old, old.get(name)) != (name in new, new.get(name))
    }


def test_what_is_gone_is_removed_and_lists_are_replaced() -> None:
    old = {"id": "1", "task": {"id": "t", "progress": 3}, "drift": [1, 2], "phase": "Running"}
    new = {"id": "1", "task": {"id": "t"}, "drift": [2]}
    assert merge_patch(old, new) == {"task": {"progress": None}, "drift": [2], "phase": None}
