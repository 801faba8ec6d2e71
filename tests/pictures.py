"""Pictures for tests, made on the spot."""

import io
import struct
from typing import Any

import av
import zxingcpp
from PIL import Image

__all__ = ["barcode", "heic", "holiday_photo", "picture"]


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


def heic(size: tuple[int, int] = (64, 48), colour: str = "red") -> bytes:
    """A picture as an iPhone saves it: one frame of HEVC in a HEIF file, put together by hand."""
    film = io.BytesIO()
    with av.open(film, "w", format="mp4") as out:
        stream: Any = out.add_stream("libx265", rate=1, options={"x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        shown = av.VideoFrame.from_image(Image.new("RGB", size, colour))
        for packet in [*stream.encode(shown), *stream.encode(None)]:
            packet.pts = packet.dts = 0
            out.mux(packet)
    film.seek(0)
    with av.open(film) as made:
        setup = bytes(made.streams.video[0].codec_context.extradata or b"")
        frame = next(bytes(packet) for packet in made.demux(video=0) if packet.size)

    def box(kind: bytes, content: bytes, version: int | None = None) -> bytes:
        head = b"" if version is None else struct.pack(">I", version << 24)
        return struct.pack(">I4s", 8 + len(head) + len(content), kind) + head + content

    def meta(at: int) -> bytes:
        item = box(b"infe", struct.pack(">HH4s", 1, 0, b"hvc1") + b"\0", 2)
        place = struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, at, len(frame))
        shape = box(b"ispe", struct.pack(">II", *size), 0)
        known = box(b"ipco", box(b"hvcC", setup) + shape)
        bound = box(b"ipma", struct.pack(">IHBBB", 1, 1, 2, 0x81, 0x02), 0)
        return box(
            b"meta",
            box(b"hdlr", struct.pack(">I4s12x", 0, b"pict") + b"\0", 0)
            + box(b"pitm", struct.pack(">H", 1), 0)
            + box(b"iinf", struct.pack(">H", 1) + item, 0)
            + box(b"iprp", known + bound)
            + box(b"iloc", place, 0),
            0,
        )

    start = box(b"ftyp", b"heic" + struct.pack(">I", 0) + b"mif1heic")
    return start + meta(len(start) + len(meta(0)) + 8) + box(b"mdat", frame)
