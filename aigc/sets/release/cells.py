"""Items as parts of the page, within a bound of bytes whatever their sizes."""

from __future__ import annotations

import html

from aigc.modalities import Delivery
from aigc.modalities.delivery import Form, ItemFormat, data_uri
from aigc.modalities.image import MIME, encode
from aigc.sets.stored import StoredItem
from aigc.strict import Codec
from aigc.types import UInt8Images

MOST_FILE_BYTES = 384 * 2**10
"""A larger file is shown as a picture of it."""
MOST_BYTES = 24 * 2**20
"""Of all files on a page."""
_LOOK_PX, _STRIP_PX = 256, 160
_LOSSLESS_PX = 64
_QUALITY = 88


class PageElements:
    """Makes HTML of items. What is beyond the bound is shown small, as a picture."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._left = most_bytes

    def item(self, item: StoredItem, title: str) -> str:
        """An item of the set: a picture, or a player."""
        job = item.job
        return self.file(job.delivery, job.form, item.format, item.file, title)

    def file(
        self, delivery: Delivery, form: Form, wanted: ItemFormat, file: bytes, title: str
    ) -> str:
        """Any file of `delivery`, as it is if it is small. Raises ValueError for damaged ones."""
        if len(file) <= MOST_FILE_BYTES and len(file) * 2 < self._left:
            found = delivery.element(file, form, wanted, title)
            if len(found) <= self._left:
                self._left -= len(found)
                return found.replace(' loading="lazy"', "")
        looks = delivery.look(delivery.decode(file, form, wanted), form, _LOOK_PX)
        return _picture(looks, title)


def strip_picture(item: StoredItem, title: str) -> str:
    """An item as a small picture, of any kind of content."""
    return _picture(item.look(_STRIP_PX), title)


def _picture(pixels: UInt8Images, title: str) -> str:
    is_small = max(pixels.shape[:2]) <= _LOSSLESS_PX
    codec: Codec = "png" if is_small else "jpeg"
    (file,) = encode(pixels[None], codec, _QUALITY)
    return f'<img alt="{html.escape(title)}" src="{data_uri(file, MIME[codec])}">'
