"""Figures that the demo shows: from Prometheus, and from the fault proxies."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.table import Table

from lab.faultproxy import Cloud, FaultProxy
from lab.prometheus import Prometheus

#: What is shown, and the query that answers it.
QUERIES: Mapping[str, str] = {
    "objects that are Ready, by kind": "sum by (kind) (hybridge_resource_ready)",
    "seconds from creation to Ready, mean": "sum by (provider) (hybridge_time_to_ready_seconds_sum)"
    " / sum by (provider) (hybridge_time_to_ready_seconds_count)",
    "requests to the cloud": "sum by (provider) (hybridge_provider_requests_total)",
    "cloud answers (1: yes)": "hybridge_provider_up",
    "requests that one sweep costs": "hybridge_sweep_requests",
    "machines that nobody here owns": "hybridge_unmanaged_resources",
    "writes to Kubernetes, by verb": "sum by (verb) (hybridge_kubernetes_writes_total)",
    "resident memory of the operator, MiB": "process_resident_memory_bytes / 2^20",
}
_SCRAPED = 20.0
_POLL = 0.5
_TARGET_LABELS = {"__name__", "instance", "job"}


def metrics_table(prometheus: Prometheus, machines: int) -> Table:
    """The answers to ``QUERIES``, once Prometheus has seen so many Ready machines (or has had its time)."""
    deadline = time.monotonic() + _SCRAPED
    while time.monotonic() < deadline:
        samples = prometheus.query('sum(hybridge_resource_ready{kind="VirtualMachine"})')
        if samples and samples[0].value >= machines:
            break
        time.sleep(_POLL)
    table = Table("METRIC", "VALUES", box=None, pad_edge=False, header_style="bold")
    for title, query in QUERIES.items():
        answers = []
        for sample in sorted(prometheus.query(query), key=lambda sample: sorted(sample.labels.items())):
            labels = " ".join(value for name, value in sample.labels.items() if name not in _TARGET_LABELS)
            answers.append(f"{labels} {sample.value:.4g}".strip())
        table.add_row(title, ", ".join(answers) or "none")
    return table


def requests_table(proxies: Mapping[Cloud, FaultProxy]) -> Table:
    """Requests that reached each cloud's fault proxy since its start, and the calls that changed something."""
    table = Table("CLOUD", "REQUESTS", "CHANGES", "WHICH", box=None, pad_edge=False, header_style="bold")
    for name, proxy in proxies.items():
        counts = proxy.counts()
        total = sum(count.requests for count in counts.values())
        mutating = {operation: count.requests for operation, count in sorted(counts.items()) if count.mutating}
        which = ", ".join(f"{number} {operation}" for operation, number in mutating.items())
        table.add_row(name, str(total), str(sum(mutating.values())), which)
    return table
