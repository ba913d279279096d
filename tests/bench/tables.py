"""The figures as tables: what each one means, what it should be, and what peers showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from lab.faultproxy import Cloud
from tests.bench import admin, clouds, direct, engine, peers
from tests.bench.clouds import Report
from tests.bench.engine import Engines, Run
from tests.things import THINGS

NAMES: Mapping[Cloud, str] = {"aws": "AWS", "proxmox": "Proxmox VE", "vsphere": "vSphere"}
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure; ``missed`` when it is not what it should be."""

    text: str
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of figure."""

    name: str
    cells: Sequence[Cell]
    aim: str = ""
    peers: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the same columns. ``intro`` says on the page what precedes them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    intro: str = ""


def of_clouds(reports: Mapping[Cloud, Report]) -> list[Table]:
    """A fleet, a minute of rest, and which requests both took."""
    names = [NAMES[cloud] for cloud in reports]
    return [
        Table(f"{clouds.FLEET} machines in each cloud", names, _fleet(reports)),
        Table("At rest with them", names, _rest(reports)),
        *(_requests(NAMES[cloud], report) for cloud, report in reports.items()),
    ]


def _rate(report: Report) -> float:
    return median(fleet.rate for fleet in report.fleets)


def _fleet(reports: Mapping[Cloud, Report]) -> list[Row]:
    most: Mapping[Cloud, float] = {"aws": 1.5, "proxmox": 6, "vsphere": 3}

    def row(
        name: str,
        value: Callable[[Report], float],
        form: str,
        meaning: str,
        *,
        aim: str = "",
        meets: Callable[[Cloud, float], bool] = lambda _cloud, _value: True,
        others: str = "",
    ) -> Row:
        cells = [Cell(form.format(value(report)), not meets(cloud, value(report))) for cloud, report in reports.items()]
        return Row(name, cells, aim, others, meaning)

    return [
        row(
            "machines a second", _rate, "{:.1f}",
            f"{clouds.FLEET} VirtualMachines, applied (server-side) by {admin.PARALLEL} requests at once. From the first of "
            "these requests until the last machine is Ready in a watch. Median of the rounds.",
            aim="at least 30", meets=lambda _, value: value >= 30, others=peers.RATE,
        ),
        row(
            "slowest round", lambda report: min(fleet.rate for fleet in report.fleets), "{:.1f}",
            "Machines a second in it; how far it is from the median tells how quiet the machine was.",
        ),
        row(
            "the simulator itself, a second", lambda report: median(report.simulator), "{:.1f}",
            f"The same machines made in the same simulator through the cloud's SDK by {direct.THREADS} threads, in the "
            "same run, with nothing else at work: no Kubernetes, no operator. Median of the rounds.",
        ),
        row(
            "share of it", lambda report: _rate(report) / median(report.simulator), "{:.2f}",
            "Machines a second to those of the simulator itself.",
        ),
        row(
            "seconds to apply them", lambda report: median(fleet.applied for fleet in report.fleets), "{:.2f}",
            "What the requests that apply the machines took themselves; no operator can be faster.",
        ),
        row(
            "seconds from then", lambda report: median(fleet.behind for fleet in report.fleets), "{:.2f}",
            "From the last of these requests until the last machine is Ready.",
        ),
        row(
            "machines a second with kubectl", lambda report: report.kubectl.rate, "{:.1f}",
            "The same, applied as one file with kubectl, which sends one request after the other; one round.",
        ),
        row(
            "seconds from the end of kubectl", lambda report: report.kubectl.behind, "{:.2f}",
            "How far the operator was behind kubectl in that round.",
        ),
        row(
            "seconds for one alone", lambda report: median(report.alone), "{:.2f}",
            f"From the request that applies one VirtualMachine until its Ready arrives in a watch, while there is no "
            f"other. Median of {clouds.ALONE}.",
            aim="at most 1.5", meets=lambda _, value: value <= 1.5, others=peers.ALONE,
        ),
        row(
            "requests a machine", lambda report: sum(report.requests.values()) / clouds.FLEET, "{:.2f}",
            "All requests that reached the cloud while the fleet became Ready, sweeps included, counted by a proxy "
            "before the cloud, divided by the machines.",
            aim="at most 1.5, 6, 3", meets=lambda cloud, value: value <= most[cloud], others=peers.REQUESTS,
        ),
        *_wares(reports),
        row(
            "Kubernetes writes a machine", lambda report: sum(report.writes.values()) / clouds.FLEET, "{:.2f}",
            "What the operator wrote for the fleet, by the API server's own count: finalizers, statuses, Events.",
            aim="at most 4", meets=lambda _, value: value <= 4, others=peers.WRITES,
        ),
        row(
            "memory, MiB", lambda report: report.rss / _MIB, "{:.0f}",
            "Resident memory of the operator with the fleet Ready; it has connected to this one cloud and no other.",
            others=peers.MEMORY,
        ),
        row(
            "CPU seconds", lambda report: report.cpu, "{:.2f}",
            "CPU time of the operator for the whole fleet, user and system.",
        ),
    ]  # fmt: skip


_ITS_OWN_MACHINE = "; each is made of a machine of its own, whose requests are not counted"


def _wares(reports: Mapping[Cloud, Report]) -> list[Row]:
    """All kinds but machines, a row each; a cloud that does not have it has no figure."""

    def cell(report: Report, kind: str) -> Cell:
        return Cell(f"{report.wares[kind] / clouds.WARES_EACH:.2f}" if kind in report.wares else "none")

    return [
        Row(
            f"requests a {kind}", [cell(report, kind) for report in reports.values()], "", "",
            f"The same for {clouds.WARES_EACH} {kind}s that no machine uses, applied at once"
            f"{_ITS_OWN_MACHINE if THINGS[kind].derived else ''}.",
        )
        for kind in THINGS
        if any(kind in report.wares for report in reports.values())
    ]  # fmt: skip


def _rest(reports: Mapping[Cloud, Report]) -> list[Row]:
    rests = [report.rest for report in reports.values()]
    seconds = rests[0].seconds
    within = [sum(rest.requests.values()) <= rest.sweeps for rest in rests]
    return [
        Row(
            "requests", [Cell(str(sum(rest.requests.values())), not good) for rest, good in zip(rests, within, strict=True)],
            "no more than sweeps", peers.REST_REQUESTS,
            f"Requests to the cloud in {seconds:.0f} s in which nothing changes, once the Provider's status counts the "
            "whole fleet.",
        ),
        Row(
            "sweeps", [Cell(str(rest.sweeps)) for rest in rests], "", "",
            "Bulk looks at the whole cloud in that time. vSphere is asked to answer when something changes, and answers "
            "at the latest after the sweep interval.",
        ),
        Row(
            "status writes", [Cell(str(rest.status_writes), rest.status_writes > 0) for rest in rests],
            "0", peers.REST_WRITES,
            "Writes to the status of any object of ours in that time, by the API server's own count.",
        ),
        Row(
            "CPU seconds", [Cell(f"{rest.cpu:.2f}") for rest in rests], "", "",
            "CPU time of the operator in that time.",
        ),
    ]  # fmt: skip


def _requests(name: str, report: Report) -> Table:
    fleet, rest = report.requests, report.rest.requests
    order = sorted({*fleet, *rest}, key=lambda operation: (-fleet.get(operation, 0), operation))
    return Table(
        f"Requests to {name}",
        ["for the fleet", "at rest"],
        [
            Row(operation, [Cell(str(fleet.get(operation, 0))), Cell(str(rest.get(operation, 0)))])
            for operation in order
        ],
    )


def of_engines(engines: Engines) -> Table:
    """Both engines side by side."""

    def row(name: str, value: Callable[[Run], float], form: str, meaning: str) -> Row:
        ours, theirs = (median(value(run) for run in runs) for runs in (engines.hybridge, engines.controller_runtime))
        cells = [Cell(form.format(ours)), Cell(form.format(theirs)), Cell(f"{ours / theirs:.2f}")]
        return Row(name, cells, meaning=meaning)

    def rate(run: Run) -> float:
        return run.rate

    both = Row(
        "objects a second",
        [
            *row("", rate, "{:.0f}", "").cells[:2],
            Cell(f"{engines.ratio:.2f}", missed=engines.ratio < 1.0),
        ],
        "ratio at least 1.0",
        "",
        f"{engine.OBJECTS} objects that exist already; for each {engine.WORK_MILLISECONDS} ms of work and one patch of "
        f"its status, {engine.WORKERS} at a time. From the first reconcile to the last answer. Medians of "
        f"{len(engines.hybridge)} rounds in which both took turns; the ratio is the median of the rounds' ratios.",
    )
    return Table(
        "The engine alone",
        ["Hybridge", "controller-runtime", "ratio"],
        [
            both,
            Row(
                "slowest and fastest round",
                [
                    *(
                        Cell(f"{min(map(rate, runs)):.0f} to {max(map(rate, runs)):.0f}")
                        for runs in (engines.hybridge, engines.controller_runtime)
                    ),
                    Cell(""),
                ],
                meaning="Objects a second; how far the rounds differ tells how quiet the machine was.",
            ),
            row("memory, MiB", lambda run: run.rss / _MIB, "{:.0f}", "Resident memory when the last object was done."),
            row(
                "CPU seconds", lambda run: run.cpu, "{:.2f}",
                "CPU time of the process, its start (for Python about a second of imports) included.",
            ),
            row(
                "CPU seconds of the servers", lambda run: run.servers, "{:.2f}",
                "CPU time of API server and etcd meanwhile. Where they and the engine fill all cores, as on two, the "
                "rate follows from the sum.",
            ),
        ],
    )  # fmt: skip
