"""The clouds that the contract is held against."""

from __future__ import annotations

from collections.abc import Mapping

from tests.contract.bed import Bed
from tests.contract.bed_aws import AwsBed
from tests.contract.bed_proxmox import ProxmoxBed
from tests.contract.bed_vsphere import VsphereBed

BEDS: Mapping[str, type[Bed]] = {"aws": AwsBed, "proxmox": ProxmoxBed, "vsphere": VsphereBed}
