"""What counts as proof that there is no machine: the vCenter's own word that it has no managed object of this id.

Source: ManagedObjectNotFound in the vSphere Web Services API reference; its ``obj`` is what was not found. An answer
without the machine, a refusal, or the absence of something else says nothing of it.
"""

from __future__ import annotations

from hybridge.core.errors import CloudError, Disposition
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.sdk import moid


def absent(error: CloudError) -> str | None:
    """The id of the object that the vCenter says it has not; None where the error says nothing of the kind."""
    found = getattr(error.__cause__, "obj", None) if caused_by(error, "ManagedObjectNotFound") else None
    return moid(found) if found is not None else None


def unclear(machine_id: str) -> CloudError:
    """The vCenter's answer is without the machine, and does not say that it is gone; nothing was changed."""
    return CloudError(
        Reason.PROVIDER_DOWN,
        f"the vCenter's answer is without {machine_id}, and does not say that it is gone",
        disposition=Disposition.WAIT,
    )
