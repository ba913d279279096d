"""Answers are rewritten as they are meant to be, and the same seed gives the same answer."""

from __future__ import annotations

import json
import random
from xml.etree.ElementTree import XML, ParseError

import pytest

from lab.faultproxy_garble import Way, garble

_JSON = json.dumps({"data": [{"vmid": 100, "name": "web", "tags": None}, {"vmid": 101, "up": 1.5}]}).encode()
_XML = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Answer xmlns="urn:x"><set><item><id>i-1</id><size>8</size></item></set>'
    b"<empty/></Answer>"
)
#: These leave a document that a parser reads.
_WELL_FORMED = {Way.MISSING, Way.NULL, Way.TYPE, Way.LONG, Way.MANY}


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("content", [_JSON, _XML, b"plain words", b""], ids=["json", "xml", "text", "nothing"])
def test_every_way_changes_every_answer(content: bytes, way: Way) -> None:
    found = {garble(content, way, random.Random(seed)) for seed in range(20)}

    assert (content not in found) or (way is Way.EMPTY and not content)


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("content", [_JSON, _XML], ids=["json", "xml"])
def test_the_seed_decides(content: bytes, way: Way) -> None:
    assert garble(content, way, random.Random(7)) == garble(content, way, random.Random(7))


@pytest.mark.parametrize("way", sorted(_WELL_FORMED))
def test_what_is_about_values_leaves_the_form(way: Way) -> None:
    for seed in range(50):
        assert json.loads(garble(_JSON, way, random.Random(seed))) != json.loads(_JSON)
        XML(garble(_XML, way, random.Random(seed)))


def test_a_bomb_is_one() -> None:
    bomb = garble(_XML, Way.ENTITIES, random.Random(1))

    assert b"<!ENTITY a11" in bomb
    assert len(bomb) < 4096
    with pytest.raises(ParseError):
        XML(bomb)
