"""``hybridge run``: the operator."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from enum import StrEnum
from typing import Annotated
from uuid import uuid4

import typer
import uvloop

from hybridge.cli import memory
from hybridge.cli.process import Options, Trouble, operate
from hybridge.kube.audit import INTERVAL
from hybridge.telemetry import logs

#: Seconds after the operator's end in which its process may tidy up.
END_PATIENCE = 5.0


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    PLAIN = "plain"


def run(
    namespace: Annotated[
        str, typer.Option(help="The operator's own namespace.", envvar="POD_NAMESPACE")
    ] = "hybridge-system",
    cluster_id: Annotated[
        str | None, typer.Option(help="What marks cloud objects as this cluster's. [default: the uid of kube-system]")
    ] = None,
    metrics_port: Annotated[int, typer.Option(help="Port of /metrics, /healthz and /readyz.", min=0, max=65535)] = 8080,
    metrics_host: Annotated[str, typer.Option(help="Address on which that port is served; empty: all.")] = "",
    log_format: Annotated[LogFormat | None, typer.Option(help="[default: plain on a terminal, json otherwise]")] = None,
    verbose: Annotated[bool, typer.Option(help="Log more.")] = False,
    identity: Annotated[
        str | None,
        typer.Option(
            help="Holder of the Lease, unique among live processes. [default: the pod's name, else a random one]",
            envvar="POD_NAME",
        ),
    ] = None,
    lease_duration: Annotated[float, typer.Option(help="Seconds for which a Lease is held.", min=3.0)] = 15.0,
    visibility_grace: Annotated[
        float | None,
        typer.Option(
            help="Seconds after which a create that had no answer is certain to be visible in a cloud; only ever "
            "shortens what each driver assumes. [default: the driver's]",
            min=0.0,
        ),
    ] = None,
    audit_interval: Annotated[
        float,
        typer.Option(
            help="Seconds between two lists of all objects, which prove that the watch misses nothing.", min=1.0
        ),
    ] = INTERVAL,
) -> None:
    """Run the operator. It uses KUBECONFIG, or the account of its pod."""
    logs.configure(log_format.value if log_format else None, verbose=verbose)
    options = Options(
        namespace=namespace,
        cluster_id=cluster_id,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        identity=identity or f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}",
        lease_duration=lease_duration,
        visibility=visibility_grace,
        audit=audit_interval,
    )
    memory.prepare()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = 1
            try:
                runner.run(operate(options))
                code = 0
            finally:
                _end_at_last(code)
    except Trouble as trouble:
        typer.echo(f"hybridge: {trouble}", err=True)
        sys.exit(1)


def _end_at_last(code: int) -> None:
    """All is disconnected and the Lease given back: what others of this process still wait for does not keep it alive."""
    last = threading.Timer(END_PATIENCE, os._exit, (code,))
    last.daemon = True
    last.start()
