"""Chaos: seeded, so that a run that failed can be played again with ``--seed``."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """What ``make chaos ARGS=…`` takes besides pytest's own."""
    group = parser.getgroup("chaos")
    group.addoption("--seed", type=int, help="the seed of what is left to chance")
    group.addoption("--write", type=Path, help="put the figures of crashes into this page")
    group.addoption("--most", type=int, help="so many blows for each cloud and row of crashes, chosen by the seed")
    group.addoption(
        "--blow", help="only blows that match this glob, as they are told: 'create: kill after: aws ec2:Run*'"
    )


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test; it is printed, and so shown when the test fails."""
    given = request.config.getoption("--seed", None) or os.environ.get("HYBRIDGE_SEED")
    number = int(given or random.randrange(2**32))
    print(f"--seed {number}")
    return number


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says at once how far long work has come."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None

    def say(words: str) -> None:
        with capture.global_and_fixture_disabled():
            print(words, file=sys.stderr, flush=True)

    return say
