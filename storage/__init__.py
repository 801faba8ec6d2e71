"""Where everything is kept. It knows nothing of bots: strings and small records in, strings and small records out."""

from storage.engine import Database, InUse, StorageError, StorageTrouble, WrongAddress
from storage.memory import Forgotten, Numbered
from storage.privacy import erase, export, note_left, seen
from storage.purge import Kept, purge
from storage.records import Bill, File, Given, Heard, Line, Offer, Post, Room, RoomMessage, Upload, Used
from storage.rooms import Rooms
from storage.store import Store, open_store

__all__ = [
    "Bill",
    "Database",
    "File",
    "Forgotten",
    "Given",
    "Heard",
    "InUse",
    "Kept",
    "Line",
    "Numbered",
    "Offer",
    "Post",
    "Room",
    "RoomMessage",
    "Rooms",
    "StorageError",
    "StorageTrouble",
    "Store",
    "Upload",
    "Used",
    "WrongAddress",
    "erase",
    "export",
    "note_left",
    "open_store",
    "purge",
    "seen",
]
