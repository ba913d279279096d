"""The program's doors. May import everything below; decides nothing."""

from __future__ import annotations

import typer

from hybridge.cli.run import run

app = typer.Typer(
    name="hybridge",
    help="One Kubernetes API over AWS, Proxmox VE and VMware vSphere.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)


@app.callback()
def _root() -> None:
    """One Kubernetes API over AWS, Proxmox VE and VMware vSphere."""


def main() -> None:
    """The entry point of ``hybridge`` and of ``kubectl hybridge``."""
    app()
