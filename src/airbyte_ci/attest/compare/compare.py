"""Compares the contents of two images: reads both with their bases, and returns rows with verdicts."""

from airbyte_ci.attest.compare import difference, image_contents
from airbyte_ci.attest.compare.comparison import ImageComparison, ImageSummary
from airbyte_ci.attest.compare.difference import ComparedImage
from airbyte_ci.attest.compare.find_image import FoundImage
from airbyte_ci.attest.compare.intended import IntendedChange
from airbyte_ci.oci.store.store import Store


def compare_images(
    store: Store, old: FoundImage, new: FoundImage, intended: IntendedChange | None = None
) -> ImageComparison:
    """Returns all facts of the images, without running them. Raises ImageError for a damaged image.

    Differences are expected if they are `intended`.
    """
    # Both images are often built on the same base.
    images = {image.digest: image for item in (old, new) for image in (item.image, item.base) if image}
    contents = {digest: image_contents.read(store, image) for digest, image in images.items()}
    compared_old, compared_new = sides = [
        ComparedImage(
            contents=contents[item.image.digest],
            base=contents[item.base.digest] if item.base else None,
            base_name=item.base_name,
        )
        for item in (old, new)
    ]
    summaries = [
        ImageSummary(
            name=item.name,
            digest=str(item.image.digest),
            base=item.base_name,
            size=side.contents.size,
            origins=side.contents.origins(side.base),
        )
        for item, side in zip((old, new), sides, strict=True)
    ]
    notes = [
        f"the base of {which} image is unknown, so no difference is explained by it → {option}"
        for which, option, item in (("the old", "--old-base IMAGE", old), ("the new", "--new-base IMAGE", new))
        if item.base is None
    ]
    rows = tuple(difference.compare_contents(compared_old, compared_new, intended))
    return ImageComparison(old=summaries[0], new=summaries[1], rows=rows, notes=tuple(notes))
