"""Images: which one is meant, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.conditions import Type
from hybridge.core.errors import CloudError
from hybridge.core.image import Copy, Find, Image, ImageSpec, ImageTraits, newer, newest
from hybridge.core.image_plan import Situation, plan
from hybridge.core.lifecycle import Import
from hybridge.core.managed import Phase, State
from hybridge.core.managed_status import Story, phase
from hybridge.core.plan import Bind, Do, Refuse, Release, Rest, Verb, Wait
from hybridge.core.reasons import Reason
from hybridge.core.situation import Record, Sight
from hybridge.core.story import conditions
from tests.unit.core.kinds import IMAGE, Whatever, seen
from tests.unit.core.situations import IDENTITY, NOW

OLD = Image("ami-1", "debian-12-20260101", created_at=100.0, owner=("136693071363", "debian"))
NEW = replace(OLD, id="ami-2", name="debian-12-20260201", created_at=200.0)
OTHERS = (
    replace(NEW, id="ami-3", name="debian-13-20260301", created_at=300.0),
    replace(NEW, id="ami-4", owner=("999999999999",), created_at=300.0),
    replace(NEW, id="ami-5", state=State.PENDING, created_at=300.0),
    replace(NEW, id="ami-6", unfit="a machine, not a template", created_at=300.0),
    replace(NEW, id="ami-7", missing=("disk",), created_at=300.0),
)
FIND = Find("debian-12-*", "debian")


def test_the_newest_that_can_be_used_is_meant() -> None:
    assert newest(FIND, (NEW, OLD, *OTHERS)) == NEW
    assert newest(replace(FIND, owner=None), (NEW, OLD, *OTHERS)) == OTHERS[1]
    assert newest(replace(FIND, name="debian-1?-*"), (NEW, OLD, *OTHERS)) is None
    assert newest(FIND, ()) is None


def test_of_images_of_the_same_moment_always_the_same_is_meant() -> None:
    twin = replace(NEW, id="ami-0")
    assert newest(FIND, (NEW, twin)) == newest(FIND, (twin, NEW)) == NEW


def test_a_newer_image_is_told() -> None:
    assert newer(FIND, OLD, (OLD, NEW)) == NEW
    assert newer(FIND, NEW, (OLD, NEW)) is None
    assert newer(FIND, NEW, (OLD,)) is None


FOUND = ImageSpec("debian", find=FIND, imports=Import(name=FIND.name), observed=True)


def looking(record: Record, *matches: Image, recorded: Image | None = None) -> Situation:
    sight = Sight(settled=True, matches=matches, recorded=recorded)
    return Situation(FOUND, record, sight, ImageTraits(), IMAGE.marker(), IDENTITY, NOW)


def test_what_is_found_is_bound_once_and_stays() -> None:
    assert plan(looking(Record(), NEW)).step == Bind("ami-2")
    bound = looking(Record(id="ami-1", created=True), NEW, recorded=OLD)
    assert plan(bound).step == Rest()


def test_what_was_found_and_is_gone_is_lost_and_not_exchanged() -> None:
    gone = looking(Record(id="ami-1", created=True), NEW)
    step = plan(replace(gone, sight=replace(gone.sight, absent=True))).step
    assert isinstance(step, Refuse)
    assert step.reason is Reason.LOST


def test_nothing_is_made_while_nothing_is_found() -> None:
    step = plan(looking(Record())).step
    assert isinstance(step, Wait)
    assert step.reason is Reason.IMPORT_NOT_FOUND
    assert "debian-12-*" in step.message


def test_what_is_only_looked_at_is_let_go_at_once() -> None:
    assert plan(looking(Record(id="ami-1", created=True, deleting=True), recorded=OLD)).step == Release()


def situation(found: Image, *, deleting: bool = False, **sight: Whatever) -> Whatever:
    spec = ImageSpec("debian", source=Copy("ami-0", "us-east-1"), tags={"team": "shop"})
    return seen(IMAGE, spec, found, ImageTraits(), deleting=deleting, **sight)


MADE = Image("ami-1", "debian")


def test_how_far_an_image_is_made_is_told() -> None:
    step = plan(situation(replace(MADE, state=State.PENDING, progress=40))).step
    assert step == Wait(Reason.CREATING, "ami-1 is being made (40 %)")
    failed = plan(situation(replace(MADE, state=State.FAILED, ended="no such format"))).step
    assert failed == Refuse(Reason.TASK_FAILED, "ami-1 has failed in the cloud: no such format")


def test_an_image_gets_its_tags() -> None:
    step = plan(situation(MADE)).step
    assert isinstance(step, Do)
    assert [action.verb for action in step.actions] == [Verb.RETAG]


@pytest.mark.parametrize(
    ("machines", "users", "told"),
    [
        (("m-1",), (), "ami-1 is used by VirtualMachine shop/web (m-1)"),
        (("m-1", "m-9"), (), "ami-1 is used by m-9, which is no object's of this cluster"),
        ((), ("VirtualMachine shop/web",), "used by VirtualMachine shop/web"),
    ],
)
def test_an_image_that_is_used_stays(machines: tuple[str, ...], users: tuple[str, ...], told: str) -> None:
    owners = {"m-1": "VirtualMachine shop/web"}
    step = plan(situation(replace(MADE, machines=machines), deleting=True, users=users, owners=owners)).step
    assert isinstance(step, Wait | Refuse)
    assert (step.reason, step.message) == (Reason.HAS_DEPENDANTS, told)


def test_an_image_that_is_still_being_made_can_go() -> None:
    step = plan(situation(replace(MADE, state=State.PENDING), deleting=True)).step
    assert isinstance(step, Do)
    assert step.verb is Verb.DELETE


def test_what_is_half_made_is_completed_before_all_else() -> None:
    made = plan(situation(replace(MADE, missing=("disk", "template"))))

    assert isinstance(made.step, Do)
    assert [(one.verb, one.field) for one in made.step.actions] == [
        (Verb.COMPLETE, "parts.disk"),
        (Verb.COMPLETE, "parts.template"),
    ]
    assert [one.verb for one in made.actions[2:]] == [Verb.RETAG]


def test_what_is_only_half_made_is_not_ready_whatever_keeps_it_from_being_made() -> None:
    half = replace(NEW, missing=("disk", "rest"))
    failed = CloudError(Reason.TASK_FAILED, "the checksum is another")
    story = Story(FOUND, None, half, error=failed)

    ready, *_ = conditions(story)

    assert (ready.type, ready.status, ready.message) == (Type.READY, "False", failed.message)
    assert phase(story) is not Phase.READY
    whole = replace(story, found=NEW, error=None, created=True, was_ready=True)
    assert (conditions(whole)[0].status, phase(whole)) == ("True", Phase.READY)
