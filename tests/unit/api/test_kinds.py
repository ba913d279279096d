"""Every kind takes part in every suite; ``tests.things`` says what whoever adds one has to write."""

from __future__ import annotations

from hybridge.api.kinds import KINDS
from hybridge.engine.natures import NATURES
from tests.crash.stories import STORIES
from tests.integration.api.bodies import LEAST
from tests.soak.crowd import LIVES
from tests.things import THINGS

NAMES = {kind.kind for kind in KINDS}
WORDS = "see tests/things/__init__.py"


def test_suites_that_run_an_operator_have_things_of_every_kind() -> None:
    assert THINGS.keys() | {"Provider"} == NAMES, WORDS
    assert {things.plural for things in THINGS.values()} <= {kind.plural for kind in KINDS}
    for things in THINGS.values():
        for cloud in things.clouds:
            made = things.manifest(cloud, "name", "provider", "namespace")
            assert (made["kind"], made["spec"]["providerRef"]["name"]) == (things.kind, "provider")
        assert things.change(1) != things.change(2)
        assert things.creation.keys() == set(things.clouds)


def test_every_kind_lives_and_is_killed_at_every_call() -> None:
    assert STORIES.keys() == NAMES, WORDS
    names = [step.name for stories in STORIES.values() for story in stories for step in story.steps]
    assert len(names) == len(set(names)) > 0


def test_a_soak_stirs_every_kind_that_needs_no_other() -> None:
    assert LIVES.keys() == NAMES - {things.kind for things in THINGS.values() if things.derived}, WORDS


def test_there_is_a_valid_object_of_every_kind() -> None:
    assert LEAST.keys() >= NAMES, WORDS
    assert all(LEAST[name]("name")["kind"] == name for name in NAMES)


def test_every_kind_is_reconciled() -> None:
    assert {nature.kind.value for nature in NATURES} | {"Provider", "VirtualMachine"} >= NAMES
