"""The engine alone against Go's controller-runtime: the same trivial job on one API server, in turns."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import manifests
from lab.cache import go_program
from lab.controlplane import ControlPlane
from lab.operator import ROOT, install
from lab.process import LabError, clean_environment
from tests.bench.admin import admin

OBJECTS = 1000
WORKERS = 10
WORK_MILLISECONDS = 10


@dataclass(frozen=True, slots=True)
class Run:
    """One process that did the job. ``rss`` in bytes at the end, ``cpu`` in seconds with the start of the process.

    ``servers`` are the CPU seconds of API server and etcd from its start to the end of the job.
    """

    rate: float
    rss: int
    cpu: float
    servers: float


@dataclass(frozen=True, slots=True)
class Engines:
    """All rounds, in which both took turns."""

    hybridge: Sequence[Run]
    controller_runtime: Sequence[Run]

    @property
    def ratio(self) -> float:
        """Median over the rounds of Hybridge's rate to controller-runtime's in the same round."""
        pairs = zip(self.hybridge, self.controller_runtime, strict=True)
        return statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)


def measure(folder: Path, *, rounds: int, say: Callable[[str], None]) -> Engines:
    """A control plane of its own in ``folder``, and both programs in turns."""
    source = Path(__file__).parent / "controller-runtime"
    program = go_program("controller-runtime-job", source, expect="about 2 min, only once")
    ours: list[Run] = []
    theirs: list[Run] = []
    with ControlPlane(folder / "kubernetes") as controlplane:
        kubeconfig = install(controlplane)
        say(f"creating {OBJECTS} objects")
        with admin(controlplane.kubeconfig) as client:
            client.create([manifests.machine(f"object-{number}", "none") for number in range(OBJECTS)])
        for number in range(rounds):
            python: list[str | Path] = [sys.executable, "-m", "tests.bench.trivial_job", f"python-{number}"]
            python += ["--objects", str(OBJECTS), "--workers", str(WORKERS), "--work", str(WORK_MILLISECONDS / 1000)]
            go: list[str | Path] = [program, "-value", f"go-{number}"]
            go += ["-objects", str(OBJECTS), "-workers", str(WORKERS), "-work", f"{WORK_MILLISECONDS}ms"]
            pair = [(ours, python), (theirs, go)]
            # Who goes first changes, so that what one leaves behind is not always the other's burden.
            for runs, argv in pair if number % 2 == 0 else reversed(pair):
                runs.append(_run(argv, kubeconfig, [process.pid for process in controlplane.processes], folder / "log"))
            say(f"round {number + 1}: {ours[-1].rate:.0f}/s, controller-runtime {theirs[-1].rate:.0f}/s")
    return Engines(ours, theirs)


def _run(argv: Sequence[str | Path], kubeconfig: Path, servers: Sequence[int], log: Path) -> Run:
    before = sum(map(cpu_seconds, servers))
    path = f"{ROOT / 'operator'}{os.pathsep}{ROOT}"
    environment = clean_environment({"KUBECONFIG": str(kubeconfig), "PYTHONPATH": path})
    pipe = subprocess.PIPE
    with (
        log.open("a") as words,
        subprocess.Popen(argv, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=words, text=True) as child,
    ):
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise LabError(f"{argv[0]} ended with code {child.wait()} before it was done; see {log}")
        meanwhile = sum(map(cpu_seconds, servers)) - before
        run = Run(OBJECTS / json.loads(line)["seconds"], resident(child.pid), cpu_seconds(child.pid), meanwhile)
        child.communicate()
    return run


def resident(pid: int) -> int:
    """Resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
