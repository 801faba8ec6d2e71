"""The one exception that people are meant to read."""

__all__ = ["UserError"]


class UserError(Exception):
    """Something that a person can understand and act upon: its text is shown to them as it stands.

    Write one or two sentences that say what is wrong and what to do about it. Every other exception is shown as
    a reference number only.
    """
