"""VMware vSphere: machines through a vCenter's Web Services API (7.0 and later).

pyvmomi is imported here and nowhere else, and only through ``sdk``. Nothing reads an attribute of a managed object:
each would be a request. ``watch`` keeps the picture that the PropertyCollector pushes, ``inventory`` what machines are
placed on, ``clone`` turns both into the one call that makes a machine.
"""
