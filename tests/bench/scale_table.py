"""What one process does with ten thousand machines, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from tests.bench.scale import INTERVAL, LISTS, Report
from tests.bench.tables import NAMES, Cell, Row, Table

_MIB = 2**20
_INTRO = """\
The limits of the Providers are raised as above; by default Proxmox VE is asked at most 50 times a second, so that its
managed machines, which are read one by one at a start, take a second for each 25. The simulators are the same as above
(no recorded answers), and are given their machines at once (`lab/fleet.py`). An operator has been at work before and has
written what it had to; what is measured is a new process, behind the proxies that count requests.
"""


def of_scale(reports: Sequence[Report]) -> Table:
    """A column for each estate."""
    return Table(
        "Ten thousand machines and one process",
        [report.estate.name for report in reports],
        [*_estate(reports), *_start(reports), *_rest(reports), *_drift(reports)],
        intro=_INTRO,
    )


def _row(
    reports: Sequence[Report],
    name: str,
    value: Callable[[Report], float | None],
    form: str,
    meaning: str,
    *,
    most: float | None = None,
) -> Row:
    """``most``: the aim; None as a value: not measured for this estate."""
    cells = []
    for report in reports:
        found = value(report)
        missed = most is not None and found is not None and found > most
        cells.append(Cell("" if found is None else form.format(found), missed))
    aim = "" if most is None else f"at most {most:g}" if most else "0"
    return Row(name, cells, aim, meaning=meaning)


def _estate(reports: Sequence[Report]) -> list[Row]:
    def split(numbers: Callable[[Report], dict[str, int]]) -> list[Cell]:
        return [Cell(", ".join(f"{name} {number:,}" for name, number in numbers(one).items())) for one in reports]

    return [
        Row(
            "machines",
            split(lambda report: {NAMES[cloud]: number for cloud, number in report.estate.machines.items()}),
            meaning="Running machines in the simulators, each listed in every sweep.",
        ),
        Row(
            "of them managed",
            split(lambda report: {NAMES[cloud]: number for cloud, number in report.estate.managed.items()}),
            meaning="Machines of a VirtualMachine that is Ready, with the status that the operator itself once wrote. The "
            "others carry no marker.",
        ),
    ]


def _start(reports: Sequence[Report]) -> list[Row]:
    return [
        _row(
            reports, "seconds until settled", lambda report: report.start.seconds, "{:.1f}",
            "From the start of the process, as after a restart, until all objects were found to be as they should. The "
            "Lease is free. The simulators take their share of the time: compare the CPU seconds.",
            most=20,
        ),
        _row(
            reports, "CPU seconds until settled", lambda report: report.start.cpu, "{:.1f}",
            "CPU time of the operator until then, about a second and a half of imports included.",
        ),
        _row(
            reports, "requests until settled", lambda report: sum(map(_total, report.start.requests.values())), "{:.0f}",
            "To all clouds, counted by proxies before them. Proxmox VE shows notes, UUIDs and addresses only machine by "
            "machine: two requests for each of its managed machines.",
        ),
        _row(
            reports, "memory then, MiB", lambda report: report.start.rss / _MIB, "{:.0f}",
            "Resident memory when it was settled.",
        ),
        _row(
            reports, "most memory ever, MiB", lambda report: report.peak / _MIB, "{:.0f}",
            "The greatest resident memory of the process from its start to its end.",
            most=350,
        ),
    ]  # fmt: skip


def _rest(reports: Sequence[Report]) -> list[Row]:
    seconds = reports[0].rest.seconds
    return [
        _row(
            reports, "cores at rest", lambda report: report.rest.cpu / report.rest.seconds, "{:.3f}",
            f"CPU time of the operator in {seconds:.0f} s in which nothing changes, divided by these seconds; sweeps each "
            f"{INTERVAL:.0f} s, as by default.",
            most=0.1,
        ),
        _row(
            reports, "requests a page and sweep", _lists, "{:.2f}",
            "In that time: requests that list machines, divided by sweeps and by the pages that a list has; of the cloud "
            "with the greatest figure. vSphere pushes changes: it has no pages, and is asked once a sweep.",
            most=1,
        ),
        _row(
            reports, "other requests", _others, "{:.0f}",
            "In that time, all that list nothing.",
        ),
        _row(
            reports, "requests that change something", lambda report: report.mutating, "{:.0f}",
            "From the start of the process to the end of the rest.",
            most=0,
        ),
        _row(
            reports, "writes to Kubernetes", lambda report: sum(report.writes.values()), "{:.0f}",
            "In the same time, of anything but Leases, by the API server's own count. A Provider's status, which tells of "
            "the last sweep every five minutes, may be among them.",
        ),
        _row(
            reports, "of them of objects", lambda report: sum(
                count for name, count in report.writes.items() if not name.startswith("providers")
            ), "{:.0f}",
            "Those of VirtualMachines and Events.",
            most=0,
        ),
    ]  # fmt: skip


def _drift(reports: Sequence[Report]) -> list[Row]:
    def of(pick: Callable[[Sequence[float]], float]) -> Callable[[Report], float | None]:
        return lambda report: pick(report.delays) / INTERVAL if report.delays else None

    changes = max(len(report.delays) // len(report.estate.managed) for report in reports)
    how = (
        f"{changes} managed machines of each cloud were switched off by hand, in all clouds at once and one after the other "
        "over one sweep interval. From then until the machine ran again"
    )
    return [
        _row(
            reports, "drift: median", of(median), "{:.2f}",
            f"{how}, in sweep intervals. vSphere tells at once, and while one machine is corrected its cloud is looked at "
            "more often, which finds others sooner.",
        ),
        _row(
            reports, "drift: longest", of(max), "{:.2f}",
            "The longest of these: an interval until it is seen, then the sweep, the start, and the look at it.",
            most=1.5,
        ),
    ]  # fmt: skip


def _total(requests: Mapping[str, int]) -> int:
    return sum(requests.values())


def _others(report: Report) -> int:
    found = report.rest.requests.items()
    return sum(_total(requests) - requests.get(LISTS[cloud][0], 0) for cloud, requests in found)


def _lists(report: Report) -> float:
    """Of the worst cloud."""
    rest = report.rest
    found = []
    for cloud, requests in rest.requests.items():
        pages = 1 if cloud == "vsphere" else rest.pages[cloud]
        found.append(requests.get(LISTS[cloud][0], 0) / (pages * max(1, rest.sweeps[cloud])))
    return max(found)
