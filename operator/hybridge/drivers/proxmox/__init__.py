"""Proxmox VE: machines are QEMU guests of one cluster or single node.

May import proxmoxer, requests, pycdlib, msgspec, ``hybridge.core`` and ``hybridge.drivers.base``. ``transport`` and
``client`` send, ``answers`` says what is read, ``errors`` classifies. ``guest``, ``tags``, ``changes``, ``limits`` and
``mapping`` translate between PVE's words and the core's. ``picture`` is the bulk list, ``details`` the rolling reading of
what it lacks, ``power`` and ``tasks`` what our own calls have told since; ``estate`` holds them together. ``vmids``,
``placement``, ``seed`` and ``seeds`` serve creation, ``proof`` stands before every change; ``machines`` and ``driver``
are the port.
"""
