"""Looks at images, and brings them to their specs."""

from __future__ import annotations

from hybridge.core.image import Image, ImageSpec
from hybridge.core.image_plan import differences
from hybridge.core.kinds import CloudKind
from hybridge.drivers.base import Driver
from tests.contract.bed import Bed
from tests.contract.object_eye import ObjectEye

ImageEye = ObjectEye[ImageSpec, Image]


def image_eye(bed: Bed, driver: Driver) -> ImageEye:
    """All its sweeps look at images, too."""
    assert driver.images is not None
    return ObjectEye(bed, driver, CloudKind.IMAGE, driver.images)


def complete(eye: ImageEye, spec: ImageSpec, image: Image) -> Image:
    """Brings an image to its spec, a step at a time, as a plan does."""
    assert image.marker is not None
    for _ in range(12):
        fields = {change.field for change in differences(eye.part.normalize(spec), image, named=True)}
        if not fields:
            return image
        known = eye.configure(image, spec, fields, image.marker)
        eye.eye.look()
        image = eye.see(known)
    raise AssertionError(f"it never comes to its spec: {image}")
