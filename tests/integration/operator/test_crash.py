"""kill -9 and lost answers at some of the calls of a machine's life: what ``make chaos`` does at every one of them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from lab.bed import CLOUDS
from lab.faultproxy import Cloud
from tests.crash.bed import CrashBed, crash_beds
from tests.crash.hooks import KILLS, How, drawn
from tests.crash.sendable import UNREACHED, sendable
from tests.crash.stories import STORIES, Story, brief, has
from tests.crash.strike import Result, Strikes, choose

SEED = int(os.environ.get("HYBRIDGE_SEED") or 1)
ERRORS = (How.ERROR, How.RESET)
#: All but a Provider's, by kind.
OBJECTS = {kind: brief(stories) for kind, stories in STORIES.items() if kind != "Provider"}
#: The first life of each kind without what lies between its beginning and its end: each kill costs a start of the operator.
SHORT = {kind: [replace(first, steps=[first.steps[0], first.steps[-1]])] for kind, (first, *_) in OBJECTS.items()}
#: Of what kinds there are lives on which clouds.
LIVES = [(cloud, kind) for cloud in CLOUDS for kind in OBJECTS if has(cloud, kind)]


class Lives:
    """Lives of each kind on each cloud, each lived once; an answer is lost in each of their steps."""

    def __init__(self, beds: Mapping[Cloud, CrashBed]) -> None:
        self._beds = beds
        self._lived: dict[tuple[Cloud, str], tuple[list[Result], set[str]]] = {}

    def live(self, cloud: Cloud, kind: str) -> tuple[list[Result], set[str]]:
        """What came of it, and which requests were sent to the cloud."""
        if (cloud, kind) not in self._lived:
            strikes, stories = Strikes(self._beds[cloud], print, OBJECTS[kind]), OBJECTS[kind]
            blows = drawn(_steps(stories), [cloud, "kubernetes"], ERRORS, _source(cloud))
            self._lived[cloud, kind] = strikes.strike(blows, whole=True), strikes.operations
        return self._lived[cloud, kind]


@pytest.fixture(scope="module")
def beds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Cloud, CrashBed]]:
    """The three clouds with one operator, which any of the tests may kill."""
    print(f"HYBRIDGE_SEED={SEED}")
    with crash_beds(tmp_path_factory.mktemp("crash"), CLOUDS) as beds:
        yield beds


@pytest.fixture(scope="module")
def lives(beds: dict[Cloud, CrashBed]) -> Lives:
    return Lives(beds)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("cloud", "kind"), LIVES)
def test_an_answer_is_lost_in_each_step_of_a_life(lives: Lives, cloud: Cloud, kind: str) -> None:
    """As wanted in the end, without a human hand."""
    results, _ = lives.live(cloud, kind)

    _assert_as_wanted(results)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_request_that_changes_something_is_sent_by_a_life(lives: Lives, cloud: Cloud) -> None:
    """One that a driver learns to send has to be sent by a life."""
    sent = set().union(*(lives.live(cloud, kind)[1] for kind in OBJECTS if has(cloud, kind)))

    assert sorted(sendable(cloud) - sent) == sorted(UNREACHED[cloud])


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("cloud", "kind"), LIVES)
def test_the_operator_is_killed_while_something_is_made_and_deleted(
    beds: dict[Cloud, CrashBed], cloud: Cloud, kind: str
) -> None:
    strikes = Strikes(beds[cloud], print, SHORT[kind])
    asked = strikes.reference().hooks.items()
    hooks = {step: [hook for hook in found if hook.api == cloud and hook.mutating] for step, found in asked}

    results = strikes.strike(choose(hooks, KILLS, SEED, len(hooks)))

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
