"""Names and ids in the lab's AWS account, the same in every lab. No moto here."""

from __future__ import annotations

#: Subnets: name to zone and addresses.
SUBNETS = {
    "lab-a": ("a", "10.64.0.0/18"),
    "lab-b": ("b", "10.64.64.0/18"),
    "lab-a-storage": ("a", "10.64.128.0/18"),
}
#: Security groups beside the VPC's own: name to id.
GROUPS = {"web": "sg-0eb00000000000001", "db": "sg-0db00000000000002"}
KEY_PAIRS = ("alice", "bob")
PROFILES = ("web", "db")
#: An image that another account has published: its id, its name and that account.
FOREIGN = ("ami-0f0e1600000000001", "debian-12-amd64-20260801-2000", "136693071363")
