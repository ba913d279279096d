"""The lab's Proxmox VE cluster as a program: ``python -m lab.proxmox_server --port 8006 --cert … --key … --config …``.

The configuration is a JSON file: ``{"tokens": {"user@realm!name": "secret", …}}``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.proxmox_cluster import Cluster
from lab.proxmox_estate import furnish


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    config = json.loads(options.config.read_text())
    pve = Cluster(host=options.host, port=options.port)
    furnish(pve, config["tokens"])
    pve.pace(task_seconds=options.task_seconds, time_scale=options.time_scale)
    pve.resources_lag = options.resources_lag
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await pve.start(options.cert, options.key)
    sys.stdout.write(f"Proxmox VE of the lab listens on {pve.url}\n")
    sys.stdout.flush()
    await ended.wait()
    await pve.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="lab.proxmox_server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", type=Path, required=True, help="PEM certificate")
    parser.add_argument("--key", type=Path, required=True, help="PEM key of the certificate")
    parser.add_argument("--config", type=Path, required=True, help="JSON file with the API tokens")
    parser.add_argument("--time-scale", type=float, default=0.0, help="real seconds a PVE second takes; 0 is instant")
    parser.add_argument("--task-seconds", type=float, default=0.0, help="real seconds that every task takes besides")
    parser.add_argument("--resources-lag", type=float, default=0.0, help="greatest age of guests' states in lists")
    asyncio.run(serve(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
