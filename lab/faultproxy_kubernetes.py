"""A fault proxy before a control plane: whoever uses a kubeconfig that leads through it keeps his own account."""

from __future__ import annotations

from pathlib import Path

import yaml

from lab.controlplane import ControlPlane
from lab.faultproxy import FaultProxy


def before(controlplane: ControlPlane, folder: Path, name: str = "kubernetes") -> FaultProxy:
    """A proxy, not started, that is trusted by whoever trusts the control plane; log and state go to ``folder``."""
    authority = controlplane.authority
    return FaultProxy(
        folder,
        name,
        "kubernetes",
        controlplane.url,
        upstream_ca=authority.bundle,
        certificate=authority.issue(f"{name}-proxy"),
    )


def through(proxy: FaultProxy, kubeconfig: Path) -> Path:
    """A copy of a kubeconfig, beside it, that leads through the running proxy.

    The account must have a token: a client's certificate would end at the proxy.
    """
    config = yaml.safe_load(kubeconfig.read_text())
    for cluster in config["clusters"]:
        cluster["cluster"]["server"] = proxy.endpoint
    led = kubeconfig.with_name(f"through-{proxy.name}-{kubeconfig.name}")
    led.touch(mode=0o600)
    led.write_text(yaml.safe_dump(config))
    return led
