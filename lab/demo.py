"""``make demo``: three simulated clouds, the operator under its own account, and an application that becomes Ready on each.

It stays until Ctrl-C, showing what changes. With ``--exit`` it deletes all objects at once and ends by itself: exit code 0
only when every object became Ready, every cloud held exactly what was asked for, and nothing of it afterwards.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.rule import Rule
from rich.text import Text

from lab import demo_stage as stage
from lab.bed import Lab
from lab.cluster import given
from lab.demo_clouds import cloud_table, differences, seen
from lab.demo_figures import metrics_table, requests_table
from lab.demo_next import next_steps
from lab.demo_objects import Row, objects
from lab.demo_screen import Board, board, console
from lab.operator import Operator, install, uninstall, unprotect
from lab.process import LabError

_READY_TIMEOUT = 180.0
_TICK = 0.5
_CALM_TICK = 1.5
_RESTART_INTERVAL = 5.0

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


class Demo:
    """One run. ``cluster`` is the kubeconfig of a cluster to use instead of a control plane of the demo's own."""

    def __init__(self, folder: Path, cluster: Path | None) -> None:
        self.folder = folder
        self.screen = console()
        self.borrowed = cluster is not None
        self.lab = Lab(folder, cluster=functools.partial(given, kubeconfig=cluster) if cluster else None)
        self.providers = folder / "providers.yaml"
        self._operator: Operator | None = None
        self._started_at = 0.0
        self._cleanup = contextlib.ExitStack()

    def begin(self) -> None:
        """Start everything and apply the examples."""
        if self.borrowed:
            self.lab.cluster.wait()
            stage.refuse_when_in_use(self.lab.cluster)
        started = time.monotonic()
        self.say("Starting the lab: a Kubernetes control plane and three simulated clouds (10 to 30 s).")
        self._cleanup.callback(self.lab.stop)
        self.lab.start().wait(lambda name: self.say(f"  {name} is ready after {time.monotonic() - started:.1f} s"))
        if self.borrowed:
            self._cleanup.callback(self._uninstall)
        (self.folder / "operator.log").unlink(missing_ok=True)
        operator = Operator(self.folder, install(self.lab.cluster), options=["--log-format", "plain"])
        self._operator = operator
        if self.lab.prometheus is not None:
            self.lab.prometheus.watch([operator.url.removeprefix("http://")])
        self._cleanup.callback(operator.stop)
        self._spawn(operator)
        operator.wait()
        self.say(
            f"  the operator is ready after {time.monotonic() - started:.1f} s; its account may do only what it must"
        )
        stage.furnish(self.lab.cluster, stage.write_providers(self.lab, self.providers))
        if self.borrowed:
            self._cleanup.callback(self._clear)
        self.say(
            "Applied: a Provider for each cloud, and in a namespace each the application of its folder in examples.\n"
        )

    def watch(self, until: Callable[[list[Row]], bool], *, timeout: float | None, tick: float) -> list[Row]:
        """Show the objects until they are as wanted; the last that was seen of them. LabError when time runs out."""
        deadline = time.monotonic() + timeout if timeout else None
        with board(self.screen) as shown:
            while True:
                self._tend(shown)
                rows = objects(self.lab.cluster, stage.NAMESPACES)
                shown.show(rows)
                if until(rows):
                    return rows
                if deadline and time.monotonic() > deadline:
                    unwell = ", ".join(row.label for row in rows if not row.fine)
                    raise LabError(f"not Ready after {timeout:.0f} s: {unwell}")
                time.sleep(tick)

    def report(self, rows: list[Row]) -> list[str]:
        """Show what clouds, Prometheus and fault proxies say; sentences about what is not as the objects want it."""
        there = seen(self.lab)
        self.title("What each cloud itself reports")
        named = {(row.kind, row.provider, row.id) for row in rows}
        self.screen.print(cloud_table(one for one in there if one.ours or (one.kind, one.cloud, one.id) in named))
        wrong = differences(rows, there)
        for sentence in wrong:
            self.say(f"WRONG: {sentence}")
        self.title("Metrics, from Prometheus")
        if self.lab.prometheus is None:
            self.say("Prometheus is not installed here, so there are none to show: put `prometheus` on PATH.")
        else:
            self.screen.print(metrics_table(self.lab.prometheus, sum(row.machine for row in rows)))
        self.title("Requests that reached each cloud since the start, sweeps included")
        self.screen.print(requests_table(self.lab.proxies))
        return wrong

    def stay(self, rows: list[Row]) -> None:
        """Say what to try, and show what changes until Ctrl-C."""
        self.title("What to try next")
        self.screen.print(next_steps(rows, self.folder, self.providers), soft_wrap=True)
        self.title("The objects now; Ctrl-C ends the demo")
        with contextlib.suppress(KeyboardInterrupt):
            self.watch(lambda _: False, timeout=None, tick=_CALM_TICK)
        self.say("\nEnding.")

    def leave_nothing(self) -> list[str]:
        """Delete all objects; sentences about what a cloud still has."""
        stage.clear_applications(self.lab.cluster)
        stage.clear_providers(self.lab.cluster, self.providers)
        return differences([], seen(self.lab))

    def end(self) -> int:
        """Take away and end all that was started, in the reverse order; 1 when something could not be taken away."""
        # A second Ctrl-C must not leave half of it behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._cleanup.close()
        except LabError as error:
            typer.echo(f"error: {error}", err=True)
            return 1
        return 0

    def title(self, words: str) -> None:
        """A heading."""
        self.screen.print()
        heading = Rule(Text(words, "bold"), align="left", characters="-") if self.screen.is_terminal else f"== {words}"
        self.screen.print(heading)

    def say(self, words: str) -> None:
        """A plain sentence."""
        self.screen.print(words, markup=False, soft_wrap=True)

    def _spawn(self, operator: Operator) -> None:
        operator.start()
        self._started_at = time.monotonic()
        (self.folder / "operator.pid").write_text(f"{operator.process.pid}\n")

    def _tend(self, shown: Board) -> None:
        """An operator that has ended is started again, as Kubernetes would do; not more often than every 5 s."""
        operator = self._operator
        if operator is None or operator.process.alive or time.monotonic() - self._started_at < _RESTART_INTERVAL:
            return
        code = operator.process.returncode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self._spawn(operator)
        shown.say(
            f"The operator {how}; started again. It acts once the Lease of the dead one has run out (at most 15 s)."
        )

    def _clear(self) -> None:
        """Providers last, while the operator still runs."""
        self.say("Removing what the demo put into the cluster.")
        try:
            self.leave_nothing()
        except LabError as error:
            released = stage.release(self.lab.cluster)
            self.say(f"{error}\nThe simulated clouds end now, so these were let go: {', '.join(released)}")

    def _uninstall(self) -> None:
        # What somebody protected is no reason to leave the rest of the demo behind: its cloud ends now.
        unprotect(self.lab.cluster)
        stage.clear_namespaces(self.lab.cluster)
        uninstall(self.lab.cluster)


def _all_fine(rows: list[Row]) -> bool:
    return sum(row.machine for row in rows) > 0 and all(row.fine for row in rows)


@app.command()
def run(
    *,
    end: Annotated[
        bool, typer.Option("--exit", help="End by itself; the exit code says whether all went well.")
    ] = False,
    cluster: Annotated[
        Path | None, typer.Option(help="Kubeconfig of a cluster to use instead of a control plane of the demo's own.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the lab lives: its state, logs and data.")] = Path(".lab"),
) -> None:
    """Show Hybridge at work on three simulated clouds."""
    # Whoever ends the demo politely gets the same way out as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        demo = Demo(folder, cluster)
    except LabError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    code = 1
    try:
        started = time.monotonic()
        demo.begin()
        applied = time.monotonic()
        rows = demo.watch(_all_fine, timeout=_READY_TIMEOUT, tick=_TICK)
        demo.say(f"\nAll {len(rows)} objects are Ready, {time.monotonic() - applied:.1f} s after they were applied.")
        wrong = demo.report(rows)
        if end:
            wrong += demo.leave_nothing()
            if not wrong:
                demo.say("\nEach cloud held exactly what was asked for, and holds nothing of it after the deletion.")
            demo.say(f"The demo took {time.monotonic() - started:.0f} s.")
        else:
            demo.stay(rows)
        code = 1 if wrong else 0
    except LabError as error:
        typer.echo(f"error: {error}", err=True)
    except KeyboardInterrupt:
        code = 130
    finally:
        code = demo.end() or code
    sys.exit(code)


if __name__ == "__main__":
    app(prog_name="python -m lab.demo")
