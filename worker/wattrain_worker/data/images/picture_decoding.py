"""From the bytes of a picture to pixels, always the same ones."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Pixels = npt.NDArray[np.uint8]
"""[3, size, size]: red, green and blue, row by row from the top."""
_MOST_PIXELS: Final = 100_000_000
"""Of a picture: 300 MB when decoded. A file of a few kilobytes may claim to have any number."""
_WITHOUT_8_BITS: Final = ("I", "F")
Image.MAX_IMAGE_PIXELS = None  # pillow only warns at first; the limit here is kept below


class UnreadablePicture(Exception):  # noqa: N818
    """The bytes are no picture that can be decoded; the text says why."""


def decoded(content: bytes, size: int) -> Pixels:
    """The square in the middle of a picture, as large as its shorter side, made `size` pixels wide.

    It is turned as its EXIF orientation says. What is transparent is seen over white, grey becomes red, green and blue
    alike, 16 bits of grey become their upper 8, and of several frames the first is taken. Means of pixels are taken
    over all that fall into one (a triangle filter, as in torchvision's antialiased resizing). UnreadablePicture.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise UnreadablePicture(
                    f"it has {image.width:,} x {image.height:,} pixels, and at most {_MOST_PIXELS:,} are decoded"
                )
            image.load()
            return _square(_in_colours(ImageOps.exif_transpose(image)), size)
    except UnreadablePicture:
        raise
    except Image.UnidentifiedImageError as error:
        what = "it is empty" if not content else "it is of no known format"
        raise UnreadablePicture(what) from error
    except Exception as error:  # each of pillow's decoders has errors of its own for bytes that make no sense
        raise UnreadablePicture(" ".join(str(error).split()) or type(error).__name__) from error


def _in_colours(image: Any) -> Any:
    """`image` as red, green and blue of 8 bits."""
    if image.mode in _WITHOUT_8_BITS:
        raise UnreadablePicture(f"its pixels are numbers of 32 bits (mode {image.mode}), whose white is not known")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _square(image: Any, size: int) -> Pixels:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    small = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))


def shorter_side(content: bytes) -> int:
    """Of a picture that can be decoded, in pixels. UnreadablePicture."""
    decoded(content, 1)
    with Image.open(io.BytesIO(content)) as image:
        return int(min(image.size))
