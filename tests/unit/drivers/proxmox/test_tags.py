"""Pairs go through PVE's tags and come back as they were."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.errors import Refused
from hybridge.drivers.proxmox import tags

_ALPHABET = re.compile(r"[a-z0-9_][a-z0-9_+.-]*")


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
def test_every_pair_comes_back(wanted: dict[str, str]) -> None:
    merged = tags.split(tags.merge([], wanted))

    assert tags.decode(merged) == wanted
    assert all(_ALPHABET.fullmatch(tag) for tag in merged)
    assert tags.OURS in merged


@pytest.mark.parametrize(
    ("key", "value", "tag"),
    [
        ("team", "shop", "team.shop"),
        ("team", "Shop One", "team.+53hop+20+4fne"),
        ("version", "1.2", "version.1.2"),
        ("a.b", "c", "a+2eb.c"),
        ("spot", "", "spot"),
        ("Cost", "1", "_+43ost.1"),
    ],
)
def test_ordinary_pairs_stay_readable(key: str, value: str, tag: str) -> None:
    assert tags.encode(key, value) == tag


def test_tags_of_other_people_are_kept_and_shown() -> None:
    merged = tags.merge(["prod", "team.old", "a+b"], {"team": "new"})

    assert merged == "a+b;hybridge;prod;team.new"
    assert tags.decode(tags.split(merged)) == {"a+b": "", "prod": "", "team": "new"}


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(Refused):
        tags.encode("", "x")
