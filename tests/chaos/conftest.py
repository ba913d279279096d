"""Chaos: seeded, so that a run that failed can be played again with ``--seed``."""

from __future__ import annotations

import os
import random
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.reliability import page
from tests.reliability.report import Report
from tests.reliability.rows import Row


def pytest_addoption(parser: pytest.Parser) -> None:
    """What ``make chaos ARGS=…`` takes besides pytest's own."""
    group = parser.getgroup("chaos")
    group.addoption("--seed", type=int, help="the seed of what is left to chance")
    group.addoption("--write", type=Path, help="put the figures into this page: docs/reliability.md")
    group.addoption("--minutes", type=int, default=60, help="how long the storm of a soak lasts")
    group.addoption("--machines", type=int, default=1000, help="how many machines a soak has")
    group.addoption("--most", type=int, help="so many blows for each cloud and row of crashes, chosen by the seed")
    group.addoption("--lanes", type=int, default=4, help="how many beds crashes and deceit have side by side")
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


@pytest.fixture
def report(request: pytest.FixtureRequest, seed: int, tell: Callable[[str], None]) -> Report:
    """Tells what a test of a row has found; it is called once, at its end."""
    began = time.monotonic()
    name = request.node.originalname
    chosen = getattr(request.node, "callspec", None)
    expression = f"{name} and {chosen.id}" if chosen else name

    def told(
        row: Row, cloud: str, tried: str, found: Sequence[str], *, besides: str = "", words: Sequence[str] = ()
    ) -> None:
        args = " ".join([f'-k "{expression}"', f"--seed {seed}", *words])
        seconds = time.monotonic() - began
        figures = page.Figures(row, cloud, tried, found, seconds, seed, f"make chaos ARGS={shlex.quote(args)}", besides)
        tell(figures.line())
        if target := request.config.getoption("--write"):
            page.write(target, figures)
        assert not found, "\n".join([f"--seed {seed}", *found])

    return told
