"""The operator's metrics as a test reads them."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from lab.operator import Operator


def samples(operator: Operator, /, **labels: str) -> list[Sample]:
    """All samples that have these labels."""
    return [
        sample
        for family in text_string_to_metric_families(operator.metrics())
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    ]


def value(operator: Operator, name: str, /, **labels: str) -> float:
    """The sum of the samples of this name and these labels; 0 when there is none."""
    return sum(sample.value for sample in samples(operator, **labels) if sample.name == f"hybridge_{name}")


def families(operator: Operator) -> Mapping[str, str]:
    """Name to type of every family, counters with their ``_total``."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in text_string_to_metric_families(operator.metrics())
    }
