"""Proxmox VE: machines are QEMU guests of one cluster or single node.

May import proxmoxer, requests, pycdlib, msgspec, ``hybridge.core`` and ``hybridge.drivers.base``. ``client`` sends and
``errors`` classifies; ``guest``, ``tags`` and ``mapping`` translate; ``picture`` is the bulk list, ``details`` the rolling
reading of what it lacks, ``power`` and ``tasks`` what our own calls have told since; ``vmids``, ``placement`` and ``seed``
serve creation; ``changes`` words the changes; ``machines`` and ``driver`` are the port.
"""
