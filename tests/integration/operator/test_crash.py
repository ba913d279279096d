"""kill -9 and lost answers at some of the calls of a machine's life: what ``make chaos`` does at every one of them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence

import pytest

from hybridge.api.kinds import KINDS
from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash.bed import CrashBed, crash_beds
from tests.crash.hooks import KILLS, How, drawn
from tests.crash.life import Create, Delete, Life
from tests.crash.sendable import UNREACHED, sendable
from tests.crash.stories import STORIES, Story
from tests.crash.strike import Result, Strikes

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)
ERRORS = (How.ERROR, How.RESET)
MACHINES = STORIES["VirtualMachine"]
#: A life that is short, because each kill costs a start of the operator.
SHORT = [Story(Life, [Create(), Delete()])]


@pytest.fixture(scope="module")
def beds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Cloud, CrashBed]]:
    """The three clouds with one operator, which any of the tests may kill."""
    print(f"HYBRIDGE_SEED={SEED}")
    with crash_beds(tmp_path_factory.mktemp("crash"), CLOUDS) as beds:
        yield beds


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_answer_is_lost_in_each_step_of_a_life(beds: dict[Cloud, CrashBed], cloud: Cloud) -> None:
    """As wanted in the end, without a human hand; and no request that changes something escapes."""
    strikes = Strikes(beds[cloud], print, MACHINES)

    results = strikes.strike(drawn(_steps(MACHINES), [cloud, "kubernetes"], ERRORS, _source(cloud)), whole=True)

    _assert_as_wanted(results)
    # One that a driver learns to send has to be sent by a life.
    assert sendable(cloud) - strikes.operations == set(UNREACHED[cloud])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_operator_is_killed_while_a_machine_is_made_and_deleted(beds: dict[Cloud, CrashBed], cloud: Cloud) -> None:
    results = Strikes(beds[cloud], print, SHORT).strike(drawn(_steps(SHORT), [cloud], KILLS, _source(cloud)))

    _assert_as_wanted(results)


@pytest.mark.timeout(300)
def test_a_provider_is_struck_in_each_step_of_its_life(beds: dict[Cloud, CrashBed]) -> None:
    source, stories = random.Random(SEED), STORIES["Provider"]
    cloud = source.choice(CLOUDS)

    results = Strikes(beds[cloud], print, stories).strike(
        drawn(_steps(stories), ["kubernetes"], (*ERRORS, *KILLS), source)
    )

    _assert_as_wanted(results)


def _steps(stories: Sequence[Story]) -> list[str]:
    return [step.name for story in stories for step in story.steps]


def _source(cloud: Cloud) -> random.Random:
    return random.Random(f"{SEED} {cloud}")


def _assert_as_wanted(results: Sequence[Result]) -> None:
    assert [(str(result.blow), result.found) for result in results if result.found] == []
    assert any(result.reached for result in results)


def test_every_kind_has_a_life() -> None:
    assert STORIES.keys() == {kind.kind for kind in KINDS}
    names = [step.name for stories in STORIES.values() for story in stories for step in story.steps]
    assert len(names) == len(set(names)) > 0
