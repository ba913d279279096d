"""Secrets are seen nowhere: not in logs, Events, objects, metrics or files, whatever goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.secrecy.canaries import Canary, sung
from tests.secrecy.story import story


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_life_with_errors_of_each_kind_tells_no_secret(cloud: Cloud, tmp_path: Path) -> None:
    with story(tmp_path, cloud) as told:
        told.live()
        places = told.places()
        found = sung(told.canaries, places)

    assert found == []
    # It is looked for where something is, and would be found.
    assert all(places[place] for place in ("virtualmachines", "providers", "Events", "metrics", "the log"))
    for canary in told.canaries:
        assert all(sung([canary], {"somewhere": f"before{form}after"}) for form in canary.forms())
    assert sung([Canary("a word", "Provider")], places)
