"""``python -m tests.bench``: measures, shows, and writes the page of the documentation."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console

from lab.faultproxy import Cloud
from lab.process import CA_VARIABLES, LabError
from tests.bench import clouds, engine, machine, page, scale, scale_table, tables, told

_CLOUDS: tuple[Cloud, ...] = get_args(Cloud)
ROWS = (*_CLOUDS, "engine", "scale", "drift")
#: Rows that may be written to the page alone: the parts of it that have no others beside them.
_ALONE = ("scale", "drift")
#: Machines that are switched off by hand in each cloud of an estate.
_CHANGES = 8
#: Columns, where no terminal says how many there are.
_WIDTH = 160


def main(
    rows: Annotated[str, typer.Option(help="What to measure, separated by commas.")] = ",".join(ROWS),
    write: Annotated[
        Path | None, typer.Option(help="Also write this page; needs all rows, or none but scale and drift.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often each speed is measured.", min=1)] = 3,
    engine_rounds: Annotated[int, typer.Option(help="How often the engines take turns.", min=1)] = 5,
    rest: Annotated[float, typer.Option(help="Seconds at rest.", min=1.0)] = 60.0,
) -> None:
    """Measure the operator against the simulators and against controller-runtime, on this machine, in one run."""
    wanted = rows.split(",")
    if unknown := sorted(set(wanted) - set(ROWS)):
        raise typer.BadParameter(f"unknown rows: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if write and set(wanted) != set(ROWS) and not set(wanted) <= set(_ALONE):
        raise typer.BadParameter(f"the page needs all rows, or none but {' and '.join(_ALONE)} for these parts of it")
    for name in CA_VARIABLES:
        # What a shell exports would take the place of the lab's own CA.
        os.environ.pop(name, None)
    folder = Path(tempfile.mkdtemp(prefix="hybridge-bench-"))
    try:
        _measure(wanted, write, folder, rounds=rounds, engine_rounds=engine_rounds, rest=rest)
    except LabError as error:
        sys.exit(f"bench: {error}\nThe logs are in {folder}")
    shutil.rmtree(folder)


def _measure(
    wanted: Sequence[str], write: Path | None, folder: Path, *, rounds: int, engine_rounds: int, rest: float
) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    loads = [_load("began")]
    reports = {
        cloud: clouds.measure(cloud, folder / cloud, rounds=rounds, rest=rest, say=_teller(cloud))
        for cloud in _CLOUDS
        if cloud in wanted
    }
    shown = tables.of_clouds(reports) if reports else []
    both = None
    if "engine" in wanted:
        both = tables.of_engines(engine.measure(folder / "engine", rounds=engine_rounds, say=_teller("engine")))
    parts = []
    if "scale" in wanted:
        parts.append(_scale(folder, rest))
    if "drift" in wanted:
        delays = [told.measure(cloud, folder / f"drift-{cloud}", say=_teller("drift")) for cloud in _CLOUDS]
        parts.append(told.table(delays))
    loads.append(_load("ended"))
    about = machine.describe()
    for line in (*about, *loads):
        console.print(line, style="dim")
    page.show(console, [*shown, *filter(None, [both]), *parts])
    if write:
        text = page.markdown(about, loads, shown, both) if both else write.read_text()
        for part in parts:
            text = page.with_part(text, part, about, loads)
        write.write_text(text)


def _scale(folder: Path, rest: float) -> tables.Table:
    return scale_table.of_scale(
        [
            scale.measure(estate, folder / f"scale-{number}", rest=rest, changes=_CHANGES, say=_teller("scale"))
            for number, estate in enumerate(scale.ESTATES)
        ]
    )


def _load(word: str) -> str:
    return f"load averages (1, 5, 15 minutes) when the run {word}: {machine.load()}"


def _teller(what: str) -> Callable[[str], None]:
    began = time.monotonic()

    def say(words: str) -> None:
        sys.stderr.write(f"{what:8} {time.monotonic() - began:5.0f} s  {words}\n")

    return say


if __name__ == "__main__":
    typer.run(main)
