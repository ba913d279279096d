"""The record of an attempt."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.attempt import Intent

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_parameters_are_as_a_cluster_keeps_them(parameters: dict[str, object]) -> None:
    """An API server drops null values of objects, however deep they are; those of lists stay."""
    kept = json.loads(json.dumps(parameters), object_hook=_kept)

    assert Intent(1, "t", "web-1", "uuid", "identity", 0.0, parameters).parameters == kept


def _kept(found: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in found.items() if value is not None}
