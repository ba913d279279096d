"""Answers are decoded in several threads at once, from the first one on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SOURCE = """
import sys, threading
import msgspec
from hybridge.drivers.proxmox.client import _decoded

def kind():
    words = {"__annotations__": dict.fromkeys((f"field_{n}" for n in range(40)), "str"), "__module__": "__main__"}
    return type(msgspec.Struct)("Answer", (msgspec.Struct,), words | dict.fromkeys(words["__annotations__"], ""))

def decode(one, start):
    start.wait()
    assert _decoded("Test", list[one], b'{"data": [{"field_7": "x"}]}')[0].field_7 == "x"

sys.setswitchinterval(1e-6)
for _ in range(150):
    one, start = kind(), threading.Barrier(4)
    threads = [threading.Thread(target=decode, args=(one, start)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_that_meet_a_type_for_the_first_time_at_once_get_their_answers() -> None:
    """In a process of its own, because what goes wrong ends it."""
    ended = subprocess.run(
        [sys.executable, "-c", _SOURCE],
        cwd=Path(__file__).parents[4] / "operator",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
