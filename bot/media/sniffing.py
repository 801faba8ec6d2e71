"""What a file really is, by its first bytes: names and declared types are not to be believed."""

__all__ = ["extension", "sniff"]

_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heic",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/webm": "webm",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/x-caf": "caf",
    "audio/aiff": "aiff",
    "audio/x-ms-wma": "wma",
    "video/mp4": "mp4",
    "video/x-msvideo": "avi",
    "image/jp2": "jp2",
    "image/x-icon": "ico",
    "image/svg+xml": "svg",
    "image/vnd.adobe.photoshop": "psd",
    "image/jxl": "jxl",
    "application/pdf": "pdf",
}

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\x1a\x45\xdf\xa3", "audio/webm"),
    (b"#!AMR", "audio/amr"),
    (b"caff", "audio/x-caf"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "audio/x-ms-wma"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"%PDF-", "application/pdf"),
)

_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
}


def sniff(data: bytes) -> str:
    """The media type that the first bytes of `data` show, or `""` for what is not known here.

    A Matroska, MP4 or Windows Media file says only inside whether it holds pictures: the first and the last are taken
    for a voice note, MP4 for a video unless its brand says that it is sound.
    """
    head = bytes(data[:16])
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12], "")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    for start, media_type in _STARTS:
        if head.startswith(start):
            return media_type
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" and b"<svg" in bytes(data[:2048]).lower():
        return "image/svg+xml"
    return _mpeg_audio(head)


def extension(media_type: str) -> str:
    """The usual file name extension of a media type, without the dot; `"bin"` for one not known here."""
    return _EXTENSIONS.get(media_type.partition(";")[0].strip().lower(), "bin")


def _mpeg_audio(head: bytes) -> str:
    """An MPEG frame begins with eleven set bits; the layer bits tell AAC (none) from MP3 (layer III)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return ""
    layer = head[1] >> 1 & 3
    if layer == 0:
        return "audio/aac" if head[1] & 0xF6 == 0xF0 else ""
    forbidden = head[1] >> 3 & 3 == 1 or head[2] >> 4 == 15 or head[2] >> 2 & 3 == 3
    return "" if forbidden else "audio/mpeg"
