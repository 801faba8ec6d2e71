"""Pictures for tests, made on the spot."""

import io
from typing import Any

import zxingcpp
from PIL import Image

__all__ = ["barcode", "holiday_photo", "picture"]


def picture(
    mode: str = "RGB", size: tuple[int, int] = (64, 48), colour: Any = "red", kind: str = "PNG", **how: Any
) -> bytes:
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, kind, **how)
    return out.getvalue()


def holiday_photo(size: tuple[int, int] = (3000, 2000), orientation: int = 6) -> bytes:
    """A photo as a phone takes it: lying on its side, with the place where it was taken."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Telephone & Co"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return picture(size=size, colour=(30, 90, 200), kind="JPEG", exif=exif, comment=b"a secret comment")


def barcode(text: str, kind: str = "PNG", **how: Any) -> bytes:
    """A white picture with a QR code in it."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    view = memoryview(zxingcpp.write_barcode_to_image(code, scale=6))
    shown = Image.new("L", (600, 600), 255)
    shown.paste(Image.frombytes("L", (view.shape[1], view.shape[0]), view.tobytes()), (90, 90))
    out = io.BytesIO()
    shown.save(out, kind, **how)
    return out.getvalue()
