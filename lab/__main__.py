"""The lab's command line: ``python -m lab --help``."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lab import programs, prometheus, state
from lab.bed import CLOUDS, Lab
from lab.cache import progress
from lab.controlplane import HOUSEKEEPING
from lab.faultproxy import Cloud
from lab.faultproxy_cli import app as fault
from lab.kstatus import program as kstatus
from lab.person import app as person
from lab.process import LabError
from lab.state import LabState
from lab.vsphere_server import program as vcsim

app = typer.Typer(
    help="A real Kubernetes control plane, three simulated clouds, their fault proxies, and Prometheus.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.add_typer(fault, name="fault")
app.add_typer(person, name="person")

_READY_TIMEOUT = 300.0
_TICK = 0.5

Folder = Annotated[Path, typer.Option(help="Where the lab lives: its state, logs and data.")]
_DEFAULT = Path(".lab")


@app.command()
def up(
    folder: Folder = _DEFAULT,
    cloud: Annotated[list[str] | None, typer.Option(help="Only this cloud; may be given again.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="host:port that Prometheus scrapes.")] = None,
    detach: Annotated[bool, typer.Option(help="Return when it is ready; `down` ends it.")] = False,
) -> None:
    """Start a lab, and keep it until Ctrl-C."""
    clouds = [_known(name) for name in cloud or CLOUDS]
    _build(clouds)
    if detach:
        _detached(folder, clouds, target or [])
        _show(state.read(folder))
        return
    # `down` and Ctrl-C take the same way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = Lab(folder, clouds=clouds, controllers=HOUSEKEEPING, targets=target or [])
    try:
        _wait(lab.start())
        _show(lab.state())
        with contextlib.suppress(KeyboardInterrupt):
            _watch(lab)
    finally:
        lab.stop()


@app.command()
def down(folder: Folder = _DEFAULT) -> None:
    """End the lab."""
    if not state.running(folder):
        typer.echo(f"No lab runs in {folder}.")
        return
    state.end(folder)
    typer.echo("The lab has ended.")


@app.command()
def status(folder: Folder = _DEFAULT) -> None:
    """Show where the lab's servers are, and which of them live."""
    _show(state.read(folder))


@app.command()
def env(folder: Folder = _DEFAULT) -> None:
    """Print what points a shell's kubectl at the lab, for `eval`."""
    kubernetes = state.read(folder).kubernetes
    for name, value in kubernetes.environment.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    if shutil.which("kubectl") != kubernetes.kubectl:
        typer.echo(f"export PATH={shlex.quote(str(Path(kubernetes.kubectl).parent))}:$PATH")


@app.command()
def build() -> None:
    """Build and fetch what the lab needs and this machine lacks; the first time takes about ten minutes."""
    _build(CLOUDS)
    kstatus()


def _build(clouds: Sequence[Cloud]) -> None:
    for program in (programs.etcd, programs.kube_apiserver, programs.kubectl, programs.kube_controller_manager):
        program()
    if "vsphere" in clouds:
        vcsim()
    prometheus.available()


def _known(name: str) -> Cloud:
    for cloud in CLOUDS:
        if cloud == name:
            return cloud
    raise typer.BadParameter(f"{name!r} is none of {', '.join(CLOUDS)}")


def _wait(lab: Lab) -> None:
    console = Console(stderr=True)
    if not console.is_terminal:
        started = time.monotonic()
        lab.wait(lambda name: console.print(f"{name} is ready after {time.monotonic() - started:.1f} s"))
        return
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as display:
        bars = {name: display.add_task(name, total=1) for name in lab.servers}
        lab.wait(lambda name: display.update(bars[name], completed=1))


def _watch(lab: Lab) -> None:
    """Until Ctrl-C, say which servers have died: a chaos test may mean it, a person wants to know."""
    dead: set[str] = set()
    while True:
        now = {name for name, process in lab.processes.items() if not process.alive}
        for name in sorted(now - dead):
            typer.echo(f"{name} has ended; its last words:\n{lab.processes[name].tail()}", err=True)
        dead = now
        time.sleep(_TICK)


def _detached(folder: Path, clouds: Sequence[Cloud], targets: Sequence[str]) -> None:
    """Start another process that keeps the lab, and wait until it is ready. LabError with its log when it gives up."""
    if state.running(folder):
        raise LabError(f"a lab runs in {folder} already: end it with `python -m lab down --folder {folder}`")
    folder.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "lab", "up", "--folder", str(folder)]
    argv += [word for cloud in clouds for word in ("--cloud", cloud)]
    argv += [word for target in targets for word in ("--target", target)]
    log = folder / "lab.log"
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + _READY_TIMEOUT
    with progress("starting the lab", "10 to 30 s"):
        while time.monotonic() < deadline and keeper.poll() is None:
            if state.ready(folder):
                return
            time.sleep(_TICK)
    if keeper.poll() is None:
        keeper.terminate()
        keeper.wait()
    raise LabError(f"the lab did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _show(lab: LabState) -> None:
    table = Table("server", "where", "PID", "memory")
    where = {"apiserver": lab.kubernetes.url, "prometheus": lab.prometheus or ""}
    for name, cloud in lab.clouds.items():
        where |= {name: cloud.direct, f"{name} fault proxy": cloud.endpoint}
    for name, pid in lab.processes.items():
        table.add_row(name, where.get(name, ""), str(pid), _memory(pid))
    console = Console()
    console.print(table)
    console.print(f"export KUBECONFIG={lab.kubernetes.kubeconfig}", soft_wrap=True)


def _memory(pid: int) -> str:
    """Resident memory of a process, or that it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return "[red]ended[/red]"
    found = [line.split()[1] for line in text.splitlines() if line.startswith("VmRSS:")]
    return f"{int(found[0]) // 1024} MiB" if found else "[red]ended[/red]"


def main() -> None:
    """Run the command line; what the lab cannot do is a sentence on stderr and exit code 1."""
    try:
        app(prog_name="python -m lab")
    except LabError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
