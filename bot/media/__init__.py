"""Pictures, sounds and documents, handled at arm's length.

Nothing a stranger sent is decoded in this process: a small child with little memory and little time does it
(`apart.py`), and what comes back are facts or freshly encoded bytes. Lengths are measured, not believed.
"""

from bot.media.apart import MediaError, TooLarge, Unreadable
from bot.media.documents import Document, is_document, read_document
from bot.media.pictures import Barcode, PictureFacts, fit_picture, picture_facts
from bot.media.sniffing import extension, sniff
from bot.media.sounds import MOST_SECONDS, SoundFacts, convert_sound, sound_facts

__all__ = [
    "MOST_SECONDS",
    "Barcode",
    "Document",
    "MediaError",
    "PictureFacts",
    "SoundFacts",
    "TooLarge",
    "Unreadable",
    "convert_sound",
    "extension",
    "fit_picture",
    "is_document",
    "picture_facts",
    "read_document",
    "sniff",
    "sound_facts",
]
