"""Items of libraries that are to become templates: what they say of themselves, and what the vCenter says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import Busy, CloudError, IdTaken, Refused, Throttled, Unreachable
from hybridge.core.identity import Marker, read_notes
from hybridge.core.image import Download
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import appliance_words, errors
from hybridge.drivers.vsphere.appliance_words import FILE, TEMPLATE, Item, Where

MARKER = Marker("cluster", "uid-1", "Image", "shop", "debian")
WHERE = Where("debian-1", "group-v3", "resgroup-8", "datastore-5", "host-9")
ID, UUID = "11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
ITEM = Item(ID, appliance_words.item_name(UUID), appliance_words.described(MARKER, WHERE))


def test_an_item_says_whose_it_is_and_what_it_is_for() -> None:
    assert (ITEM.marker, ITEM.uuid, ITEM.where) == (MARKER, UUID, WHERE)
    anywhere = replace(WHERE, host=None)
    assert replace(ITEM, notes=appliance_words.described(MARKER, anywhere)).where == anywhere
    of = replace(WHERE, of=ID)
    deployed = replace(ITEM, notes=appliance_words.described(MARKER, of))
    assert (deployed.where, appliance_words.image(deployed).missing) == (of, (TEMPLATE,))


def test_what_is_left_to_do_is_told_by_its_content() -> None:
    empty, full = appliance_words.image(ITEM), appliance_words.image(replace(ITEM, size=4096))

    assert (empty.id, empty.name, empty.uuid, empty.marker) == (f"item-{ID}", "debian-1", UUID, MARKER)
    assert (empty.missing, full.missing) == ((FILE, TEMPLATE), (TEMPLATE,))
    assert "no template" in empty.unfit


@pytest.mark.parametrize(
    "notes",
    ["", "of the web team", "hybridge.io/making: {", "hybridge.io/making: [1]", 'hybridge.io/making: {"name": 1}'],
)
def test_what_people_wrote_is_no_plan(notes: str) -> None:
    assert replace(ITEM, notes=notes).where is None
    assert replace(ITEM, name="debian").uuid is None


def test_a_template_names_its_item_until_it_is_forgotten() -> None:
    notes = f"of the web team\n{appliance_words.template_notes(MARKER, ID)}"

    left = appliance_words.forgotten(notes)

    assert (appliance_words.made_of(notes), appliance_words.made_of(left)) == (ID, None)
    assert read_notes(left) == MARKER
    assert left.startswith("of the web team\n")


def test_ids_of_items_are_no_others() -> None:
    assert appliance_words.is_item_id(appliance_words.known_as(ID))
    assert appliance_words.item_id(appliance_words.known_as(ID)) == ID
    assert not any(map(appliance_words.is_item_id, (ID, "vm-7", "item-7", "group-v3")))


def test_a_file_is_named_and_checked_as_the_vcenter_wants_it() -> None:
    source = Download("https://images.example/a b/De bian%20.OVA?x=1", "sha512:ab")

    assert appliance_words.file_name(source) == "De_bian_20.OVA"
    assert appliance_words.checksum(source) == {"algorithm": "SHA512", "checksum": "ab"}


@pytest.mark.parametrize(
    ("status", "kind", "made", "reason"),
    [
        (401, "UNAUTHENTICATED", errors.Unauthenticated, Reason.AUTHENTICATION_FAILED),
        (403, "UNAUTHORIZED", Refused, Reason.NOT_PERMITTED),
        (404, "NOT_FOUND", Refused, Reason.NOT_FOUND),
        (400, "ALREADY_EXISTS", IdTaken, Reason.NAME_TAKEN),
        (400, "NOT_ALLOWED_IN_CURRENT_STATE", Busy, Reason.LOCKED),
        (500, "RESOURCE_BUSY", Busy, Reason.LOCKED),
        (500, "ERROR", CloudError, Reason.CLOUD_ERROR),
        (404, None, Refused, Reason.UNSUPPORTED),
        (503, None, Unreachable, Reason.PROVIDER_DOWN),
        (429, None, Throttled, Reason.THROTTLED),
    ],
)
def test_answers_say_what_to_do_next(status: int, kind: str | None, made: type[CloudError], reason: Reason) -> None:
    told = {"error_type": kind, "messages": [{"default_message": "so it is"}]} if kind else None

    error = errors.answered(status, told, "CreateLibraryItem", "3", changes=True)

    assert (type(error), error.reason) == (made, reason)
    assert kind is None or error.message == f"{kind}: CreateLibraryItem: so it is"
    assert error.took_effect_possible == (kind == "ERROR" or status == 503)
