"""Images: what machines start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.image import Find, Image, ImageSpec, newest
from hybridge.core.machine import Power
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.task import TaskState
from hybridge.drivers.base import Driver, ImageDriver
from lab.faultproxy import LoseAnswer, Rule
from tests.contract.bed import SECRET, Bed, Requests, cloud_init
from tests.contract.clouds import GALLERIES
from tests.contract.eye import error_of
from tests.contract.galleries import Gallery
from tests.contract.image_eye import ImageEye, complete, image_eye

pytestmark = pytest.mark.parametrize("shared_bed", sorted(GALLERIES), indirect=True)


@pytest.fixture(scope="session")
def shared_gallery(shared_bed: Bed) -> Gallery:
    return GALLERIES[shared_bed.kind](shared_bed)


@pytest.fixture
def gallery(shared_gallery: Gallery, bed: Bed) -> Iterator[Gallery]:
    yield shared_gallery
    bed.tidy()
    shared_gallery.tidy()


@pytest.fixture
def images(driver: Driver) -> ImageDriver:
    assert driver.images is not None
    return driver.images


@pytest.fixture
def eye(bed: Bed, driver: Driver) -> ImageEye:
    """All sweeps of these tests look at images, too."""
    eye = image_eye(bed, driver)
    eye.eye.settle()
    return eye


def made(eye: ImageEye, gallery: Gallery, spec: ImageSpec | None = None) -> Image:
    """An image as its spec says."""
    spec = spec or gallery.spec()
    return complete(eye, spec, eye.create(spec, gallery.marker()))


# ------------------------------------------------------------------ being made


def test_an_image_is_made_as_a_copy_and_machines_start_from_it(bed: Bed, gallery: Gallery, eye: ImageEye) -> None:
    marker, spec = gallery.marker(), gallery.spec(tags={"team": "shop"})

    image = complete(eye, spec, eye.create(spec, marker))

    (shown,) = [one for one in gallery.shown().values() if one.owner == marker.owner]
    assert (shown.id, shown.name) == (image.id, spec.name)
    assert image.marker is not None
    assert (image.marker.owner, image.unfit) == (marker.owner, "")
    assert not gallery.tags or dict(image.tags) == {"team": "shop"}
    machine = eye.eye.make(bed.spec(image=image.id, power=Power.STOPPED), bed.marker())
    assert machine.marker is not None
    assert machine.marker.kind == "VirtualMachine"
    assert [one.id for one in eye.part.find(marker, None)] == [image.id]
    eye.delete(image)
    assert machine.id in bed.machines()


def test_an_image_is_made_of_a_machine_and_tells_nothing_of_it(bed: Bed, gallery: Gallery, eye: ImageEye) -> None:
    machine = eye.eye.make(bed.spec(cloud_init=cloud_init("web-1")), bed.marker())
    marker = gallery.marker()

    image = complete(eye, spec := gallery.spec(gallery.of(machine)), eye.create(spec, marker))

    assert image.marker is not None
    assert image.marker.owner == marker.owner
    assert SECRET not in gallery.text(image.id)
    assert eye.eye.see(machine.id).power is Power.RUNNING
    assert [one.id for one in eye.part.find(marker, None)] == [image.id]
    eye.eye.make(bed.spec(image=image.id, power=Power.STOPPED), bed.marker())


def test_an_image_is_made_once_from_each_source_and_nothing_of_it_is_left(
    bed: Bed, gallery: Gallery, eye: ImageEye
) -> None:
    stopped = eye.eye.make(bed.spec(power=Power.STOPPED), bed.marker())
    before = bed.leftovers()
    for source in gallery.sources(stopped).values():
        marker, spec = gallery.marker(), eye.part.normalize(gallery.spec(source, tags={"team": "shop"}))
        intent = eye.intent(spec, marker)
        image = complete(eye, spec, eye.create(spec, marker, intent))

        again = error_of(partial(repeat, eye, intent, spec, marker))

        assert again is None or eye.part.traits.token_lifetime == 0
        (shown,) = [one for one in gallery.shown().values() if one.owner == marker.owner]
        assert (shown.id, image.state, image.machines) == (image.id, State.READY, ())
        eye.delete(image)
        assert bed.leftovers() == before


def repeat(eye: ImageEye, intent: Intent, spec: ImageSpec, marker: Marker) -> None:
    """A create once more, to its end."""
    eye.eye.end(eye.part.create(intent, spec, marker))


def test_what_the_cloud_cannot_make_is_told_with_its_words(gallery: Gallery, eye: ImageEye) -> None:
    if gallery.broken is None:
        return
    marker, spec = gallery.marker(), eye.part.normalize(gallery.spec(gallery.broken))
    intent = eye.intent(spec, marker)

    task = eye.eye.end(eye.part.create(intent, spec, marker))

    assert task is not None
    assert (task.state, bool(task.error)) == (TaskState.FAILED, True)
    again = error_of(lambda: eye.part.create(intent, spec, marker))
    assert again is None or task.error in again.message
    assert [one for one in gallery.shown().values() if one.owner == marker.owner] == []


def test_repeating_a_create_makes_no_second_image(gallery: Gallery, eye: ImageEye) -> None:
    marker, spec = gallery.marker(), eye.part.normalize(gallery.spec())
    intent = eye.intent(spec, marker)
    image = eye.create(spec, marker, intent)

    again = error_of(lambda: eye.eye.end(eye.part.create(intent, spec, marker)))

    assert again is None or eye.part.traits.token_lifetime == 0
    assert [one.id for one in gallery.shown().values() if one.owner == marker.owner] == [image.id]


def test_a_create_whose_answer_was_lost_is_found(bed: Bed, gallery: Gallery, eye: ImageEye) -> None:
    marker, spec = gallery.marker(), eye.part.normalize(gallery.spec())
    intent = eye.intent(spec, marker)
    bed.proxy.inject(Rule(gallery.create_call, LoseAnswer(), times=1))

    error = error_of(lambda: eye.eye.end(eye.part.create(intent, spec, marker)))

    assert error is not None
    assert error.took_effect_possible

    def found() -> list[Image]:
        return eye.insist(lambda: eye.part.find(marker, intent))

    eye.eye.until(lambda: bool(found()), "the image of the lost answer")
    (image,) = found()
    assert [one.id for one in gallery.shown().values() if one.owner == marker.owner] == [image.id]


def test_nothing_is_found_of_a_marker_that_nothing_carries(gallery: Gallery, eye: ImageEye) -> None:
    assert eye.part.find(gallery.marker(), None) == []


def test_what_is_found_is_what_is_seen(gallery: Gallery, eye: ImageEye) -> None:
    image = made(eye, gallery)
    assert image.marker is not None

    assert eye.part.find(image.marker, None) == [image] == [eye.part.get(image.id)]


def test_what_does_not_exist_is_known_not_to(gallery: Gallery, eye: ImageEye) -> None:
    image = made(eye, gallery)
    gallery.destroy(image.id)

    for one in (image.id, gallery.missing):
        found = eye.part.get(one)
        assert found is None or found.gone


def test_what_went_before_a_sweep_saw_it_is_told_to_who_asks_for_it(gallery: Gallery, eye: ImageEye) -> None:
    eye.eye.look()
    image = gallery.stranger("short-lived")
    gallery.destroy(image)

    portion = eye.eye.look(refresh=[image]).portions[eye.kind]

    assert portion.full or image in portion.gone
    assert image not in portion.objects


def test_what_the_cloud_cannot_do_is_refused_in_words(gallery: Gallery, images: ImageDriver) -> None:
    for words in gallery.impossible:
        with pytest.raises(Refused) as refusal:
            images.prepare(images.normalize(gallery.spec(**words)), ())
        assert refusal.value.reason in {
            Reason.UNSUPPORTED,
            Reason.INVALID_SPEC,
            Reason.NOT_FOUND,
            Reason.IMAGE_NOT_FOUND,
        }
        assert "spec." in refusal.value.message


# ------------------------------------------------------- what there is already


def test_an_image_that_people_made_is_seen_and_sought(gallery: Gallery, eye: ImageEye, images: ImageDriver) -> None:
    stranger = gallery.stranger("by-hand")

    found = eye.see(stranger)

    assert found.marker is None
    assert images.get(stranger) == found
    sought = images.seek(Find("by-hand*"))
    assert {one.id for one in sought} >= {stranger}
    chosen = newest(Find("by-hand*"), sought)
    assert chosen is not None
    assert images.seek(Find("no-such-image-*")) == []


def test_the_newest_is_meant(gallery: Gallery, eye: ImageEye, images: ImageDriver) -> None:
    first = eye.see(gallery.stranger("aging"))
    second = eye.see(gallery.stranger("aging"))

    chosen = newest(Find("aging*"), images.seek(Find("aging*")))

    assert (first.created_at or 0.0) <= (second.created_at or 0.0)
    assert chosen is not None
    assert chosen.id == max((first, second), key=lambda one: (one.created_at or 0.0, one.id)).id


def test_an_image_that_people_made_can_be_taken_over_and_let_go(gallery: Gallery, eye: ImageEye) -> None:
    found, marker = eye.see(gallery.stranger("to-be-adopted")), gallery.marker()
    if not gallery.marks:
        assert found.unfit
        with pytest.raises(Refused):
            eye.part.mark(found, marker)
        return

    taken = eye.mark(found, marker)
    eye.mark(taken, None)

    assert gallery.shown()[found.id].owner is None


def test_an_image_of_somebody_else_is_only_looked_at(gallery: Gallery, eye: ImageEye, images: ImageDriver) -> None:
    if gallery.foreign is None:
        return
    found = newest(gallery.foreign, images.seek(gallery.foreign))
    assert found is not None
    assert found.marker is None

    eye.eye.look()
    assert found.id not in eye.seen
    eye.eye.look(max_age={found.id: 600.0})
    assert eye.seen[found.id] == found == images.get(found.id)
    with pytest.raises(Refused) as refusal:
        images.mark(found, gallery.marker())
    assert refusal.value.reason is Reason.NOT_PERMITTED


# --------------------------------------------------------------------- changes


def test_name_and_tags_change(gallery: Gallery, eye: ImageEye) -> None:
    spec = gallery.spec(tags={"team": "shop"})
    image = made(eye, gallery, spec)
    wanted = replace(spec, tags={"team": "web", "tier": "gold"})
    if gallery.renames:
        wanted = replace(wanted, name=f"{spec.name}-2")

    image = complete(eye, wanted, image)

    assert not gallery.tags or dict(image.tags) == {"team": "web", "tier": "gold"}
    assert not gallery.renames or gallery.shown()[image.id].name == wanted.name


def test_what_people_change_is_seen_and_made_good(gallery: Gallery, eye: ImageEye) -> None:
    spec = gallery.spec(tags={"team": "shop"})
    image = made(eye, gallery, spec)

    if gallery.tags:
        gallery.tag(image.id, "team", "thieves")
        image = eye.see(image.id, lambda seen: seen.tags.get("team") == "thieves")
    if gallery.renames:
        gallery.rename(image.id, f"{spec.name}-stolen")
        image = eye.see(image.id, lambda seen: seen.name == f"{spec.name}-stolen")

    complete(eye, spec, image)


# -------------------------------------------------------------------- deletion


def test_an_image_is_deleted_and_may_be_deleted_again(bed: Bed, gallery: Gallery, eye: ImageEye) -> None:
    before = bed.leftovers()
    image = made(eye, gallery)

    eye.delete(image)

    assert image.id not in gallery.shown()
    assert bed.leftovers() == before
    eye.eye.end(eye.part.delete(image))
    found = eye.part.get(image.id)
    assert found is None or found.gone


def test_a_copy_of_a_marker_is_no_proof_for_another(gallery: Gallery, eye: ImageEye) -> None:
    """A copy is found beside the image, so that the plan sees two; what is deleted is the one that is named."""
    image = made(eye, gallery)
    assert image.marker is not None
    copy = gallery.copy(image.id)
    if copy is None:
        return
    eye.see(copy)

    assert {one.id for one in eye.part.find(image.marker, None)} == {image.id, copy}
    eye.delete(image)

    assert copy in gallery.shown()


def test_what_carries_another_marker_is_not_touched(gallery: Gallery, eye: ImageEye) -> None:
    image = made(eye, gallery)
    other = gallery.marker()
    before = gallery.shown()[image.id]

    with pytest.raises(NotProven):
        eye.part.delete(replace(image, marker=other))
    with pytest.raises(NotProven):
        eye.part.mark(replace(image, marker=other), gallery.marker())

    assert gallery.shown()[image.id] == before


def test_a_stranger_is_not_deleted(gallery: Gallery, eye: ImageEye) -> None:
    found = eye.see(gallery.stranger("precious"))

    with pytest.raises(NotProven):
        eye.part.delete(replace(found, marker=gallery.marker()))

    assert found.id in gallery.shown()


# ----------------------------------------------------------------------- costs


def test_a_settled_sweep_of_images_costs_little(bed: Bed, gallery: Gallery, eye: ImageEye, requests: Requests) -> None:
    """However many there are, and nothing is asked of each; and nothing is changed."""
    for _ in range(3):
        made(eye, gallery)
    for _ in range(3):
        eye.eye.look(wait=0.0)
    bed.proxy.reset_counts()
    before = len(requests.metered)

    quiet = [eye.eye.look(wait=0.0) for _ in range(4)]

    assert bed.proxy.total() <= 4 * (bed.sweep_cost + gallery.sweep_cost)
    assert bed.proxy.mutating() == 0
    assert sum(sweep.requests for sweep in quiet) == len(requests.metered) - before == bed.proxy.total()


def test_few_requests_make_an_image_and_delete_it(gallery: Gallery, eye: ImageEye, requests: Requests) -> None:
    before, swept = len(requests.metered), len(eye.eye.sweeps)

    eye.delete(made(eye, gallery))

    spent = len(requests.metered) - before - sum(sweep.requests for sweep in eye.eye.sweeps[swept:])
    assert spent <= gallery.life_cost
