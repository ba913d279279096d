"""The lab's cache: things are made once, whole or not at all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.cache import go_program, kept, root, run
from lab.process import LabError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return root()


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()} - {"locks"}


def test_what_is_kept_is_made_once() -> None:
    made: list[Path] = []

    def make(fresh: Path) -> None:
        made.append(fresh)
        (fresh / "file").write_text("content")

    first = kept("thing-1", make, what="making", expect="no time")
    again = kept("thing-1", make, what="making", expect="no time")

    assert first == again
    assert (first / "file").read_text() == "content"
    assert len(made) == 1


def test_who_comes_second_at_the_same_time_waits_and_takes_what_the_first_one_made() -> None:
    made: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def slow(fresh: Path) -> None:
        begun.set()
        assert go_on.wait(30)
        made.append("first")
        (fresh / "file").write_text("first")

    def second(fresh: Path) -> None:
        made.append("second")
        (fresh / "file").write_text("second")

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(kept, "thing", slow, what="making", expect="no time")
        assert begun.wait(30)
        two = pool.submit(kept, "thing", second, what="making", expect="no time")
        go_on.set()
        assert (one.result(30) / "file").read_text() == (two.result(30) / "file").read_text() == "first"
    assert made == ["first"]


def test_nothing_is_kept_of_what_failed(cache: Path) -> None:
    def fail(fresh: Path) -> None:
        (fresh / "half").touch()
        raise LabError("no room")

    with pytest.raises(LabError, match="no room"):
        kept("thing", fail, what="making", expect="no time")
    assert names(cache) == set()


def test_progress_goes_to_stderr_and_says_what_and_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    kept("thing", lambda _: None, what="building the thing", expect="about 5 min")
    captured = capsys.readouterr()
    assert "building the thing (about 5 min)" in captured.err
    assert captured.out == ""


def test_a_program_that_fails_is_an_error_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"code 3:\nout of luck"):
        run(["sh", "-c", "echo out of luck >&2; exit 3"], cwd=tmp_path)


def test_a_module_that_names_no_go_version_is_refused(tmp_path: Path, cache: Path) -> None:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module example.org/x\n")
    with pytest.raises(LabError, match="names no Go version"):
        go_program("x", module)
    assert names(cache) == set()
