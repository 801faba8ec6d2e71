"""Pictures, sounds and documents, handled at arm's length.

Nothing a stranger sent is decoded in this process: a small child with little memory and little time does it
(`apart.py`), and what comes back are facts or freshly encoded bytes. Lengths are measured, not believed.
"""

from bot.media.apart import MediaError, TooLarge, Unreadable
from bot.media.documents import Document, is_document, read_document
from bot.media.listening import MOST_RECORDING_BYTES, Recording, SoundPart, listen
from bot.media.pictures import Barcode, Look, PictureFacts, fit_picture, look_at, picture_facts, shrink_picture
from bot.media.sniffing import extension, sniff
from bot.media.sounds import MOST_SECONDS, SoundFacts, convert_sound, sound_facts, voice_message

__all__ = [
    "MOST_RECORDING_BYTES",
    "MOST_SECONDS",
    "Barcode",
    "Document",
    "Look",
    "MediaError",
    "PictureFacts",
    "Recording",
    "SoundFacts",
    "SoundPart",
    "TooLarge",
    "Unreadable",
    "convert_sound",
    "extension",
    "fit_picture",
    "is_document",
    "listen",
    "look_at",
    "picture_facts",
    "read_document",
    "shrink_picture",
    "sniff",
    "sound_facts",
    "voice_message",
]
