"""Parley on Discord: the only package that imports discord.py."""

from bot.adapters.discord.adapter import Discord

__all__ = ["Discord"]
