"""Lives of one cloud side by side, each with an API server, a cloud and an operator of its own: a life mostly waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

from lab.faultproxy import Cloud
from tests.crash.bed import CrashBed, crash_bed
from tests.crash.hooks import Blow
from tests.crash.strike import Reference, Result, Strikes, Tell


@contextmanager
def lanes(folder: Path, cloud: Cloud, number: int) -> Iterator[Lanes]:
    """So many beds, which share nothing."""
    with ExitStack() as stack:
        beds = []
        for lane in range(number):
            own = folder / f"lane-{lane}"
            own.mkdir()
            beds.append(stack.enter_context(crash_bed(own, cloud)))
        yield Lanes(beds)


class Lanes:
    """Strikes the lives of several beds at once."""

    def __init__(self, beds: Sequence[CrashBed]) -> None:
        self._beds = beds

    def reference(self, tell: Tell) -> Reference:
        """Lives that nothing disturbs, in the first bed. AssertionError when one of them goes wrong."""
        return Strikes(self._beds[0], tell).reference()

    def strike(self, chosen: Sequence[Blow], tell: Tell) -> list[Result]:
        """Every blow once, each lane with its share of every step. AssertionError as in ``Strikes.strike``."""
        with ThreadPoolExecutor(len(self._beds)) as pool:
            # The threads live until the beds are ended: an operator ends with the thread that started it.
            shares = dealt(chosen, len(self._beds))
            running = [
                pool.submit(Strikes(bed, _named(tell, lane)).strike, share)
                for lane, (bed, share) in enumerate(zip(self._beds, shares, strict=True))
            ]
            return list(chain.from_iterable(one.result() for one in running))


def dealt(chosen: Sequence[Blow], lanes: int) -> list[list[Blow]]:
    """Shares of blows, of each step as many as of any other share, or one more."""
    shares: list[list[Blow]] = [[] for _ in range(lanes)]
    by_step = sorted(chosen, key=lambda blow: blow.step)
    for place, blow in enumerate(by_step):
        shares[place % lanes].append(blow)
    return shares


def _named(tell: Tell, lane: int) -> Callable[[str], None]:
    return lambda words: tell(f"lane {lane}: {words}")
