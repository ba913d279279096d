"""Preparing: reads that find the exact parameters of a create, or say what is wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from hybridge.core.errors import Refused
from hybridge.core.machine import Nic
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver
from tests.contract.bed import GIB, SECRET, Bed, cloud_init


def test_an_image_may_be_named_or_given_by_id(bed: Bed, driver: Driver) -> None:
    by_name = bed.prepared(driver, bed.spec(name="one", image=bed.image))
    by_id = bed.prepared(driver, bed.spec(name="one", image=bed.image_id))

    assert by_name.parameters == by_id.parameters


def test_a_missing_image_is_answered_with_near_names(bed: Bed, driver: Driver) -> None:
    with pytest.raises(Refused) as caught:
        bed.prepared(driver, bed.spec(image="debian-21"))

    assert caught.value.reason is Reason.IMAGE_NOT_FOUND
    assert "debian-21" in caught.value.message
    assert bed.image in caught.value.message


def test_an_image_of_an_id_that_does_not_exist(bed: Bed, driver: Driver) -> None:
    with pytest.raises(Refused) as caught:
        bed.prepared(driver, bed.spec(image=bed.missing_image))

    assert caught.value.reason is Reason.IMAGE_NOT_FOUND


def test_a_machine_is_no_image(bed: Bed, driver: Driver) -> None:
    made = bed.stranger("not-a-template")

    with pytest.raises(Refused) as caught:
        bed.prepared(driver, bed.spec(image=made))

    assert caught.value.reason in {Reason.IMAGE_NOT_FOUND, Reason.INVALID_SPEC}


def test_a_root_disk_smaller_than_the_image_is_refused(bed: Bed, driver: Driver) -> None:
    with pytest.raises(Refused) as caught:
        bed.prepared(driver, bed.spec(root_disk=GIB))

    assert caught.value.reason is Reason.INVALID_SPEC
    assert "rootDisk" in caught.value.message


def test_an_unknown_network_is_refused(bed: Bed, driver: Driver) -> None:
    with pytest.raises(Refused) as caught:
        bed.prepared(driver, bed.spec(networks=(Nic("nic0", "no-such-network"),)))

    assert caught.value.reason in {Reason.NOT_FOUND, Reason.INVALID_SPEC}
    assert "no-such-network" in caught.value.message


def test_an_unknown_option_is_refused(bed: Bed, driver: Driver) -> None:
    with pytest.raises(Refused) as caught:
        bed.prepared(driver, bed.spec(options={"flavour": "vanilla"}))

    assert caught.value.reason in {Reason.UNSUPPORTED, Reason.INVALID_SPEC}
    assert "flavour" in caught.value.message


def test_a_placement_that_the_cloud_does_not_have_is_refused(bed: Bed, driver: Driver) -> None:
    with pytest.raises(Refused) as caught:
        bed.prepared(driver, bed.spec(placement={"rack": "7"}))

    assert caught.value.reason in {Reason.UNSUPPORTED, Reason.INVALID_SPEC}
    assert "rack" in caught.value.message


def test_preparing_changes_nothing(bed: Bed, driver: Driver) -> None:
    bed.proxy.reset_counts()

    bed.prepared(driver, bed.spec(root_disk=20 * GIB, tags={"team": "shop"}, cloud_init=cloud_init("web-1")))

    assert bed.proxy.mutating() == 0


def test_what_is_prepared_holds_no_secret(bed: Bed, driver: Driver) -> None:
    prepared = bed.prepared(driver, bed.spec(cloud_init=cloud_init("web-1")))

    assert SECRET not in repr(prepared)


def test_what_is_looked_up_is_remembered(bed: Bed, driver: Driver) -> None:
    bed.prepared(driver, bed.spec())
    bed.proxy.reset_counts()

    for _ in range(5):
        bed.prepared(driver, bed.spec())

    assert bed.proxy.total() <= 5 * bed.repeated_prepare_cost


def test_ids_that_are_chosen_are_chosen_once(bed: Bed, driver: Driver) -> None:
    spec = bed.spec()
    with ThreadPoolExecutor(4) as pool:
        chosen = [prepared.id for prepared in pool.map(lambda _: bed.prepared(driver, spec), range(12))]

    if not bed.reuses_ids:
        assert set(chosen) == {None}
        return
    assert len(set(chosen)) == len(chosen)
    occupied = [str(int(max(str(one) for one in chosen)) + 1)]
    assert bed.prepared(driver, spec, taken=occupied).id not in {*chosen, *occupied}
