"""Where everything is kept. It knows nothing of bots: strings and small records in, strings and small records out."""

from storage.engine import Database, InUse, StorageError, WrongAddress
from storage.memory import Forgotten, Numbered
from storage.records import Bill, File, Given, Heard, Line, Offer, Post, Room, RoomMessage, Used
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
    "Line",
    "Numbered",
    "Offer",
    "Post",
    "Room",
    "RoomMessage",
    "Rooms",
    "StorageError",
    "Store",
    "Used",
    "WrongAddress",
    "open_store",
]
