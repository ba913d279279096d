"""Markers survive the forms that clouds keep them in."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.identity import (
    KEYS,
    OWNER,
    Marker,
    machine_uuid,
    read_notes,
    replace_notes,
    token,
    write_notes,
)

words = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
markers = st.builds(Marker, words, words, words, words, words)
lines = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=20)
texts = st.lists(lines, max_size=5).map("\n".join)


@given(markers)
def test_a_marker_comes_back_from_tags(marker: Marker) -> None:
    assert Marker.read({"Name": "x", **marker.pairs()}) == marker
    assert set(marker.pairs()) == set(KEYS)


@given(texts, markers)
def test_a_marker_comes_back_from_notes_that_people_wrote_around_it(text: str, marker: Marker) -> None:
    noted = replace_notes(text, marker)
    assert read_notes(noted) == marker
    assert read_notes(f"{noted}\nand something below") == marker
    assert replace_notes(noted, marker) == noted


@given(texts, markers, markers)
def test_only_the_marker_is_replaced(text: str, first: Marker, second: Marker) -> None:
    changed = replace_notes(replace_notes(text, first), second)
    assert read_notes(changed) == second
    assert replace_notes(changed, None) == replace_notes(text, None)
    assert read_notes(replace_notes(changed, None)) is None


@given(texts)
def test_notes_without_a_marker_lose_nothing_but_empty_ends(text: str) -> None:
    assert replace_notes(text, None).split("\n") == text.rstrip().split("\n") or not text.strip()
    assert read_notes(text) is None


def test_a_malformed_owner_is_no_marker() -> None:
    for owner in ("", "cluster", "/uid", "cluster/", "/"):
        assert Marker.read({OWNER: owner}) is None
    assert read_notes("hybridge.io/owner") is None


@given(markers, words)
def test_an_earlier_object_in_our_place_is_told_from_any_other(marker: Marker, other: str) -> None:
    assert marker.names_same_object(replace(marker, uid=other))
    for field in ("cluster", "kind", "namespace", "name"):
        changed = {"cluster": f"{other}!"} if field == "cluster" else {field: f"{other}!"}
        assert not marker.names_same_object(replace(marker, **changed))


@given(st.uuids().map(str), st.integers(1, 10**6), st.integers(1, 10**6))
def test_each_attempt_has_a_token_and_a_uuid_of_its_own(uid: str, first: int, second: int) -> None:
    assert len(token(uid, first)) <= 64
    assert token(uid, first).isascii()
    assert (token(uid, first) == token(uid, second)) == (first == second)
    assert (machine_uuid(uid, first) == machine_uuid(uid, second)) == (first == second)


@given(markers)
def test_notes_are_lines_of_key_and_value(marker: Marker) -> None:
    assert write_notes(marker).count("\n") == len(KEYS) - 1
