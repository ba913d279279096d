"""Which guests are read when. Time is an argument."""

from collections.abc import Iterable

from hybridge.drivers.base import SweepRequest
from hybridge.drivers.proxmox.answers import Resource
from hybridge.drivers.proxmox.details import Book
from hybridge.drivers.proxmox.guest import Configuration
from hybridge.drivers.proxmox.mapping import details
from hybridge.drivers.proxmox.picture import Picture
from hybridge.drivers.proxmox.power import LAG

MIB = 2**20
NOTHING = SweepRequest()


def row(vmid: int, **words: object) -> Resource:
    given = {"status": "stopped", "name": f"vm-{vmid}", "maxcpu": 1, "maxmem": 512 * MIB, "node": "pve1", **words}
    return Resource("qemu", vmid=vmid, **given)  # type: ignore[arg-type]  # words of any type


def picture(rows: Iterable[Resource], taken_at: float = 0.0) -> Picture:
    return Picture.of([Resource("node", node="pve1", status="online"), *rows], taken_at)


def book() -> Book:
    return Book(range(1000, 2000), 30.0)


def learn(known: Book, listed: Resource, now: float, **words: str) -> None:
    config = {"name": listed.name, "cores": str(int(listed.maxcpu)), "memory": str(listed.maxmem // MIB), **words}
    known.learn(str(listed.vmid), details(Configuration(config, config)), listed, now)


def test_guests_that_could_be_ours_are_read_and_others_are_not() -> None:
    seen = picture([row(1000), row(50), row(51, tags="a;hybridge"), row(1001, template=1)])

    assert set(book().due(seen, NOTHING, 0.0)) == {"1000", "51"}
    assert book().unread(seen)


def test_once_all_of_them_are_read_a_sweep_is_settled() -> None:
    known, listed = book(), row(1000)
    learn(known, listed, 0.0)

    assert not known.unread(picture([listed, row(50)]))
    assert list(known.due(picture([listed]), NOTHING, 1.0)) == []


def test_what_is_asked_for_comes_first() -> None:
    seen = picture([row(1000), row(50)])

    assert list(book().due(seen, SweepRequest(refresh=["50", "777"]), 0.0)) == ["50", "1000"]


def test_details_have_their_age() -> None:
    known, rows = book(), [row(1000), row(1001)]
    for listed in rows:
        learn(known, listed, 0.0)
    request = SweepRequest(max_age={"1000": 60.0}, default_max_age=600.0)

    assert list(known.due(picture(rows), request, 61.0)) == ["1000"]
    assert list(known.due(picture(rows), request, 601.0)) == ["1000", "1001"]


def test_many_are_read_over_several_sweeps_the_oldest_first() -> None:
    known, rows = book(), [row(vmid) for vmid in range(1000, 1400)]
    for index, listed in enumerate(rows):
        learn(known, listed, float(-index))

    due = list(known.due(picture(rows), NOTHING, 700.0))

    assert due[0] == "1399"
    assert 20 < len(due) < 100


def test_a_change_in_the_list_is_followed_but_not_its_lag() -> None:
    known, listed = book(), row(1000)
    learn(known, listed, 0.0)
    changed = picture([row(1000, maxcpu=4)])

    assert list(known.due(changed, NOTHING, LAG / 2)) == []
    assert list(known.due(changed, NOTHING, LAG + 1)) == ["1000"]


def test_a_list_that_catches_up_with_our_own_change_costs_nothing() -> None:
    known, before, after = book(), row(1000, name="old"), row(1000, name="new", maxcpu=2)
    config = {"name": "new", "cores": "2", "memory": "512"}
    known.learn("1000", details(Configuration(config, config)), before, 0.0)

    assert list(known.due(picture([after]), NOTHING, LAG + 1)) == []


def test_a_guest_that_was_being_made_is_read_again_when_it_is_done() -> None:
    known, listed = book(), row(1000, lock="clone")
    learn(known, listed, 0.0, lock="clone")

    assert list(known.due(picture([listed]), NOTHING, 1.0)) == []
    assert list(known.due(picture([row(1000)]), NOTHING, 1.0)) == ["1000"]


def test_a_clone_of_our_own_is_left_until_it_is_configured() -> None:
    known, listed = book(), row(1000)
    known.made("1000", 0.0)

    assert list(known.due(picture([listed]), NOTHING, 1.0)) == []
    assert not known.unread(picture([listed]))


def test_a_clone_that_never_came_is_not_taken_for_ours() -> None:
    known = book()
    known.made("1000", 0.0)
    known.keep(picture([], taken_at=LAG + 1))

    assert list(known.due(picture([row(1000)]), NOTHING, LAG + 2)) == ["1000"]


def test_guests_on_offline_nodes_cannot_be_read_and_keep_a_sweep_unsettled() -> None:
    seen = Picture.of([Resource("node", node="pve1", status="offline"), row(1000)], 0.0)

    assert list(book().due(seen, SweepRequest(refresh=["1000"]), 0.0)) == []
    assert book().unread(seen)


def test_what_is_gone_is_forgotten_unless_it_was_learned_later() -> None:
    known = book()
    learn(known, row(1000), 0.0)
    learn(known, row(1001), 10.0)

    known.keep(picture([], taken_at=5.0))

    assert known.get("1000") is None
    assert known.get("1001") is not None
