"""Half an hour without one of three clouds: the others do not notice, and when it is back it is not run over."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Mapping

import pytest

from hybridge.core.errors import Throttled, Unreachable
from hybridge.engine.clouds import CLOUDS
from tests.unit.engine.estate import PATIENCE, Estate, Request, Trouble, estate, within
from tests.unit.engine.virtual_threads import ThreadedLoop, run

#: In each cloud.
MACHINES = 70
BEGIN, END, LAST = 120.0, 1920.0, 2220.0
#: Seconds after the end of the trouble in which all has to be as it should be: the longest pause of the breaker, and time
#: for some two hundred requests at the rate of the Provider.
SOON = 60.0
WAYS: Mapping[str, Trouble] = {
    "nobody there": Trouble(lambda: Unreachable("connection refused"), 0.01),
    "silence": Trouble(lambda: Unreachable("no answer in time", took_effect_possible=True), PATIENCE),
    "throttled": Trouble(lambda: Throttled("Rate exceeded"), 0.05),
}
#: Requests to a cloud in trouble: the sweeps, twice a minute, and of changes those that find out whether it is over.
MOST_ASKED = {"nobody there": 120, "silence": 120, "throttled": 1800}


class Day:
    """What was seen. ``recovered``: seconds from the end of the trouble until all of its cloud was settled."""

    def __init__(self) -> None:
        self.logs: dict[str, list[Request]] = {}
        self.recovered = 0.0


def ask(all_there: Estate, minute: int) -> None:
    """What users ask for in this minute, of every cloud the same."""
    for cloud in CLOUDS:
        all_there.make(f"{cloud}-new-{minute}", cloud)
        for number in (2 * minute, 2 * minute + 1):
            all_there.change(f"{cloud}-{number}", tags={"minute": str(minute)})
        if minute % 3 == 0:
            all_there.delete(f"{cloud}-{MACHINES - 1 - minute // 3}")


def day(broken: str, trouble: Trouble | None) -> Day:
    """Three hundred machines; then half an hour in which one cloud is in trouble, and in all of them much is asked for."""
    loop, seen = ThreadedLoop(), Day()

    async def story() -> None:
        async with estate(loop, CLOUDS) as all_there:
            for cloud in CLOUDS:
                for number in range(MACHINES):
                    all_there.make(f"{cloud}-{number}", cloud)
            for cloud in CLOUDS:
                await all_there.settle(cloud, BEGIN / 2)
            await asyncio.sleep(BEGIN - loop.time())
            all_there.clouds[broken].trouble = trouble
            for minute in range(30):
                ask(all_there, minute)
                await asyncio.sleep(60.0)
            assert loop.time() == pytest.approx(END)
            for cloud in CLOUDS:
                left = all_there.unsettled(cloud)
                assert bool(left) == (cloud == broken and trouble is not None), (cloud, left)
            all_there.clouds[broken].trouble = None
            seen.recovered = await all_there.settle(broken, LAST - END) - END
            await asyncio.sleep(LAST - loop.time())
            seen.logs = {name: list(cloud.log) for name, cloud in all_there.clouds.items()}
            for name, remote in all_there.clouds.items():
                assert len(remote.there) == MACHINES + 20, name
                assert len(remote.created) == MACHINES + 30, name

    run(loop, story())
    return seen


def moments(log: list[Request]) -> Counter[tuple[float, str]]:
    """How often what was sent when, to the millisecond."""
    return Counter((round(request.time, 3), request.operation) for request in log)


@pytest.fixture(scope="module")
def quiet() -> Day:
    """The day without any trouble."""
    return day(next(iter(CLOUDS)), None)


@pytest.mark.parametrize(("broken", "way"), list(zip(itertools.cycle(CLOUDS), WAYS, strict=False)))
def test_half_an_hour_without_a_cloud(broken: str, way: str, quiet: Day) -> None:
    seen = day(broken, WAYS[way])

    for name in CLOUDS:
        # Not one request of the others is a moment earlier or later.
        if name != broken:
            assert moments(seen.logs[name]) == moments(quiet.logs[name])
        assert within(seen.logs[name]) > -1e-6
    asked = sum(BEGIN <= request.time < END for request in seen.logs[broken])
    after = sum(request.time >= END for request in seen.logs[broken])
    print(f"{broken}, {way}: {asked} requests in the dark, {after} after it; settled {seen.recovered:.1f} s after it")
    assert seen.recovered < SOON
    assert asked < MOST_ASKED[way]
