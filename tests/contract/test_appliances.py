"""Images that a vCenter fetches as appliances: whatever is lost on the way, one template comes of them and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import cast

import pytest

from hybridge.core.errors import CloudError, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.image import Copy, Download, Image, ImageSpec
from hybridge.core.reasons import Reason
from hybridge.core.task import TaskState
from hybridge.drivers.base import Driver
from hybridge.drivers.vsphere.appliance_words import item_id, template_notes
from lab.faultproxy import Answer, Delay, LoseAnswer, Rule
from lab.vsphere import VsphereCloud
from lab.vsphere_library import appliance
from lab.vsphere_sdk import vim
from tests.contract.bed import Bed
from tests.contract.eye import error_of
from tests.contract.galleries_vsphere import VsphereGallery
from tests.contract.image_eye import ImageEye, complete, image_eye

pytestmark = pytest.mark.parametrize("shared_bed", ["vsphere"], indirect=True)

_URL = "https://images.example/appliance.ova"
_ITEM, _UPDATE = "/api/content/library/item", "/api/content/library/item/update-session"
#: The requests that change something, in order.
STEPS = (
    f"POST {_ITEM}",
    f"POST {_UPDATE}",
    f"POST {_UPDATE}/{{id}}/file",
    f"POST {_UPDATE}/{{id}}?complete",
    "POST /api/vcenter/ovf/library-item/{id}?deploy",
    "ReconfigVM_Task",
    "MarkAsTemplate",
    f"DELETE {_ITEM}/{{id}}",
)


@pytest.fixture
def gallery(bed: Bed) -> Iterator[VsphereGallery]:
    gallery = VsphereGallery(bed)
    yield gallery
    bed.tidy()
    gallery.tidy()


@pytest.fixture
def cloud(bed: Bed) -> VsphereCloud:
    return cast("VsphereCloud", bed.cloud)


@pytest.fixture
def eye(bed: Bed, driver: Driver) -> ImageEye:
    eye = image_eye(bed, driver)
    eye.eye.settle()
    return eye


@pytest.fixture
def source(cloud: VsphereCloud) -> Download:
    return Download(_URL, cloud.libraries.publish(_URL))


def begun(eye: ImageEye, spec: ImageSpec, marker: Marker) -> Image:
    """What there is first, however often it has to be asked for."""
    intent = eye.intent(eye.part.normalize(spec), marker)
    known = eye.insist(lambda: eye.part.create(intent, eye.part.normalize(spec), marker)).id
    assert known is not None
    return eye.see(known)


def alone(bed: Bed, gallery: VsphereGallery, image: Image) -> bool:
    """Whether the one template of its name is marked, and nothing else was left behind."""
    assert image.marker is not None
    (shown,) = [one for one in gallery.shown().values() if one.name == image.name]
    machines = [one for one in cast("VsphereCloud", bed.cloud).machines() if one.name == image.name]
    return (shown.id, shown.owner, len(machines)) == (image.id, image.marker.owner, 1)


def test_an_image_is_an_item_until_it_is_a_template(
    bed: Bed, cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, source: Download
) -> None:
    before, marker, spec = bed.leftovers(), gallery.marker(), gallery.spec(source, tags={"team": "shop"})

    half = begun(eye, spec, marker)
    whole = complete(eye, spec, half)

    assert (half.missing, whole.missing, half.uuid == whole.uuid) == (("file", "template"), (), True)
    assert (whole.unfit, dict(whole.tags)) == ("", {"team": "shop"})
    assert "making" not in cloud.machine(whole.id).annotation
    assert eye.part.get(half.id) is None
    assert alone(bed, gallery, whole)
    assert bed.leftovers() == before


@pytest.mark.parametrize("step", STEPS)
def test_a_lost_answer_makes_no_second_one(
    bed: Bed, gallery: VsphereGallery, eye: ImageEye, source: Download, step: str
) -> None:
    before, marker, spec = bed.leftovers(), gallery.marker(), gallery.spec(source)
    bed.proxy.inject(Rule(step, LoseAnswer(), times=1))

    image = complete(eye, spec, begun(eye, spec, marker))

    assert alone(bed, gallery, image)
    assert bed.leftovers() == before


@pytest.mark.parametrize("wrong", ["checksum", "url"])
def test_what_cannot_be_fetched_is_told_in_the_vcenters_words_and_tried_again(
    bed: Bed, cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, wrong: str
) -> None:
    before, marker, url = bed.leftovers(), gallery.marker(), f"https://images.example/{gallery.spec().name}.ova"
    checksum = cloud.libraries.publish(_URL)
    if wrong == "checksum":
        cloud.libraries.publish(url, b"something else")
    spec = gallery.spec(Download(url, checksum))
    image = begun(eye, spec, marker)

    task = eye.eye.end(eye.part.configure(image, spec, {"parts.file"}, None, marker))

    assert task is not None
    assert task.state is TaskState.FAILED
    assert {"checksum": "checksum of file", "url": "no route to host"}[wrong] in task.error
    cloud.libraries.publish(url)
    assert alone(bed, gallery, complete(eye, spec, image))
    assert bed.leftovers() == before


@pytest.mark.parametrize("calls", range(5))
def test_it_is_deleted_at_any_moment(
    bed: Bed, cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, source: Download, calls: int
) -> None:
    before, marker, spec = bed.leftovers(), gallery.marker(), gallery.spec(source)
    machines = {one.moid for one in cloud.machines()}
    image = begun(eye, spec, marker)
    for _ in range(calls):
        part = {f"parts.{image.missing[0]}"}
        started = eye.insist(partial(eye.part.configure, image, spec, part, None, marker))
        if calls > 1:  # else it goes while the file is fetched
            eye.eye.finish(started)
        image = eye.see(started.id or image.id)
        if not image.missing:
            break

    eye.delete(image)

    assert {one.moid for one in cloud.machines()} == machines
    assert bed.leftovers() == before


def test_a_name_that_is_taken_stays_whose_it_is(
    bed: Bed, cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, source: Download
) -> None:
    marker, spec = gallery.marker(), gallery.spec(source)
    intent = eye.intent(eye.part.normalize(spec), marker)
    image = eye.see(eye.part.create(intent, spec, marker).id or "")
    eye.eye.finish(eye.insist(lambda: eye.part.configure(image, spec, {"parts.file"}, None, marker)))
    stranger = cloud.create(spec.name)

    error = error_of(lambda: eye.part.configure(image, spec, {"parts.template"}, None, marker))

    assert isinstance(error, Refused)
    assert error.reason is Reason.NAME_TAKEN
    assert cloud.machine(stranger).annotation == ""
    eye.delete(image)
    assert cloud.machine(stranger).moid == stranger


@pytest.fixture
def several(cloud: VsphereCloud) -> Download:
    """An appliance of several machines, of which a vCenter makes a vApp."""
    url = "https://images.example/several.ova"
    return Download(url, cloud.libraries.publish(url, appliance(several=True)))


def refused(eye: ImageEye, image: Image, spec: ImageSpec, marker: Marker) -> Reason | None:
    """Why no template is made of an item that has its file."""
    error = error_of(lambda: eye.part.configure(image, spec, {"parts.template"}, None, marker))
    return error.reason if error is not None else None


def fetched(eye: ImageEye, spec: ImageSpec, marker: Marker) -> Image:
    """An item with its file."""
    image = begun(eye, spec, marker)
    eye.eye.finish(eye.insist(lambda: eye.part.configure(image, spec, {"parts.file"}, None, marker)))
    return image


def test_a_vapp_is_taken_back_and_not_made_again(
    bed: Bed, cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, several: Download
) -> None:
    before, marker, spec = bed.leftovers(), gallery.marker(), gallery.spec(several)
    image = fetched(eye, spec, marker)

    assert refused(eye, image, spec, marker) is Reason.UNSUPPORTED

    eye.eye.until(lambda: spec.name not in cloud.vapps(), f"{spec.name} gone")
    bed.proxy.reset_counts()
    assert refused(eye, image, spec, marker) is Reason.UNSUPPORTED
    assert STEPS[4] not in bed.proxy.counts()
    eye.delete(image)
    assert bed.leftovers() == before


@pytest.mark.parametrize("lost", ["deployment", "deletion"])
def test_a_vapp_that_nobody_heard_of_is_taken_back(
    bed: Bed, cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, several: Download, lost: str
) -> None:
    marker, spec = gallery.marker(), gallery.spec(several)
    image = fetched(eye, spec, marker)
    fault = LoseAnswer() if lost == "deployment" else Answer(503, body="")
    bed.proxy.inject(Rule({"deployment": STEPS[4], "deletion": "Destroy_Task"}[lost], fault, times=1))
    assert refused(eye, image, spec, marker) is not Reason.UNSUPPORTED
    assert spec.name in cloud.vapps()

    assert refused(eye, image, spec, marker) is Reason.UNSUPPORTED

    eye.eye.until(lambda: spec.name not in cloud.vapps(), f"{spec.name} gone")
    eye.delete(image)


def test_a_vapp_goes_with_its_image(
    bed: Bed, cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, several: Download
) -> None:
    before, marker, spec = bed.leftovers(), gallery.marker(), gallery.spec(several)
    image = fetched(eye, spec, marker)
    cloud.deny(["VApp.Delete"])
    assert refused(eye, image, spec, marker) is Reason.NOT_PERMITTED
    cloud.deny([])
    assert spec.name in cloud.vapps()

    eye.delete(image)

    assert spec.name not in cloud.vapps()
    assert bed.leftovers() == before


def test_a_vapp_of_somebody_else_stays(
    bed: Bed, cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, several: Download
) -> None:
    marker, spec = gallery.marker(), gallery.spec(several)
    image = fetched(eye, spec, marker)
    given = eye.intent(eye.part.normalize(spec), marker).parameters
    words = {
        "deployment_spec": {"name": spec.name, "default_datastore_id": given["datastore"]},
        "target": {"resource_pool_id": given["pool"], "folder_id": given["folder"]},
    }
    cloud.libraries.call("POST", f"/api/vcenter/ovf/library-item/{item_id(image.id)}?action=deploy", words)

    assert refused(eye, image, spec, marker) is Reason.NAME_TAKEN
    eye.delete(image)

    assert cloud.vapps()[spec.name] == ""


def test_an_item_of_another_is_not_touched(gallery: VsphereGallery, eye: ImageEye, source: Download) -> None:
    marker, spec = gallery.marker(), gallery.spec(source)
    image = begun(eye, spec, marker)

    other = replace(image, marker=gallery.marker())

    with pytest.raises(NotProven):
        eye.part.delete(other)
    with pytest.raises(NotProven):
        eye.part.configure(other, spec, {"parts.file"}, None, gallery.marker())
    with pytest.raises(Refused, match="half made"):
        eye.part.mark(image, None)
    assert eye.part.get(image.id) == image
    eye.delete(image)


def test_an_item_of_a_library_is_deployed_and_stays(
    bed: Bed, cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, source: Download
) -> None:
    item = cloud.offer("offered", source.url)
    before, marker, spec = bed.leftovers(), gallery.marker(), gallery.spec(Copy(item))
    bed.proxy.inject(Rule("POST /api/vcenter/ovf/library-item/{id}?deploy", LoseAnswer(), times=1))
    bed.proxy.reset_counts()

    image = complete(eye, spec, begun(eye, spec, marker))

    assert alone(bed, gallery, image)
    assert bed.leftovers() == before
    assert not any("/file" in name for name in bed.proxy.counts())
    eye.delete(image)
    assert cloud.libraries.item(item).size


def test_an_item_of_another_type_is_refused(cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye) -> None:
    library = cloud.libraries.item(cloud.offer("offered", _URL)).library
    words = {"library_id": library, "name": gallery.spec().name, "type": "vm-template"}
    item = cloud.libraries.call("POST", _ITEM, words)

    with pytest.raises(Refused, match=r"spec\.source\.copy\.id: .* type vm-template"):
        eye.part.prepare(gallery.spec(Copy(item)), ())

    cloud.libraries.destroy(item)


def test_who_may_no_longer_ask_is_told_and_everything_else_is_seen(
    cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, source: Download
) -> None:
    marker, spec = gallery.marker(), gallery.spec(source)
    image = begun(eye, spec, marker)
    cloud.deny(["ContentLibrary.UpdateSession"])
    refused = error_of(lambda: eye.part.configure(image, spec, {"parts.file"}, None, marker))
    cloud.deny([])

    assert isinstance(refused, Refused)
    assert (refused.reason, "ContentLibrary.UpdateSession" in refused.message) == (Reason.NOT_PERMITTED, True)
    eye.delete(complete(eye, spec, image))


def test_a_dark_library_hides_nothing_else(bed: Bed, gallery: VsphereGallery, eye: ImageEye, source: Download) -> None:
    marker, spec = gallery.marker(), gallery.spec(source)
    image = begun(eye, spec, marker)
    started = eye.part.configure(image, spec, {"parts.file"}, None, marker)
    assert started.task is not None
    bed.proxy.inject(Rule(f"GET {_UPDATE}/*", Answer(503, body="")))

    sweep = eye.eye.look(tasks=[started.task], refresh=[gallery.bed.image_id])

    assert sweep.tasks[started.task.id].state is TaskState.RUNNING
    bed.proxy.clear()
    eye.eye.finish(started)
    eye.delete(image)


def test_the_item_that_copied_notes_name_is_not_theirs_to_delete(
    cloud: VsphereCloud, gallery: VsphereGallery, eye: ImageEye, source: Download
) -> None:
    marker, spec = gallery.marker(), gallery.spec(source)
    image = begun(eye, spec, marker)
    stranger = gallery.stranger("with-copied-notes")
    other = gallery.marker()
    notes = template_notes(other, item_id(image.id))
    cloud.reconfigure(stranger, vim.vm.ConfigSpec(annotation=notes))
    found = eye.see(stranger, lambda seen: bool(seen.missing))

    eye.configure(found, gallery.spec(), {"parts.rest"}, other)

    assert eye.part.get(image.id) == image
    eye.delete(image)


def test_a_session_that_has_ended_is_begun_anew(
    bed: Bed, gallery: VsphereGallery, eye: ImageEye, source: Download
) -> None:
    marker, spec = gallery.marker(), gallery.spec(source)
    bed.proxy.inject(Rule(f"POST {_UPDATE}", Answer(401, body="{}"), times=1))
    bed.proxy.reset_counts()

    image = complete(eye, spec, begun(eye, spec, marker))

    assert bed.proxy.counts()["POST /api/session"].requests == 2
    eye.delete(image)


def test_a_deployment_that_takes_its_time_is_waited_for(
    bed: Bed, gallery: VsphereGallery, eye: ImageEye, source: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the vCenter is at it nobody takes it for down."""
    marker, spec = gallery.marker(), gallery.spec(source)
    image = begun(eye, spec, marker)
    eye.eye.finish(eye.insist(lambda: eye.part.configure(image, spec, {"parts.file"}, None, marker)))
    monkeypatch.setattr("hybridge.drivers.vsphere.automation._READ_TIMEOUT", 0.5)
    bed.proxy.inject(Rule("POST /api/vcenter/ovf/library-item/{id}?deploy", Delay(1.5), times=1))

    error = error_of(lambda: eye.part.configure(image, spec, {"parts.template"}, None, marker))

    assert isinstance(error, CloudError)
    assert (error.reason, error.took_effect_possible) == (Reason.LOCKED, False)
    assert alone(bed, gallery, complete(eye, spec, image))
