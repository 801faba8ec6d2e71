"""What can go wrong with a model, in words for the person in the channel.

The text of each is shown as it stands. What an operator needs besides (host, status, code) goes to the log where the
error is made; the prompt and the key go nowhere.
"""

from bot.errors import UserError

__all__ = [
    "BadReply",
    "Busy",
    "Empty",
    "ModelError",
    "NoCredit",
    "NotConfigured",
    "Refused",
    "Rejected",
    "TooLong",
    "Truncated",
    "Unavailable",
]


class ModelError(UserError):
    """A model did not do its part. `passes_on` says that the next model in the list may do better, `late` that it may
    well have worked all the while it was waited for.
    """

    passes_on = True
    late = False


class NotConfigured(ModelError):
    """Nobody can do this here until an operator sets something; the text names it."""

    def __init__(self, text: str = "I am not set up for this yet. Whoever runs this bot has to name a model.") -> None:
        super().__init__(text)


class NoCredit(ModelError):
    """The account is empty. Waiting does not help."""

    def __init__(self) -> None:
        super().__init__(
            "The account for the model has run out of credit. Please tell whoever runs this bot to top it up."
        )


class Busy(ModelError):
    """Too many requests. `wait` is the number of seconds the server asked for, `None` where it did not say."""

    def __init__(self, wait: float | None = None) -> None:
        super().__init__(f"The model is busy. Please try again in {_in_words(wait)}.")
        self.wait = wait


class TooLong(ModelError):
    """More text than the model can take at once."""

    def __init__(self) -> None:
        super().__init__("This is too long for the model. Please send less at once, or begin a new conversation.")


class Refused(ModelError):
    """The model, or a filter before or behind it, declined. Asking another one would be going behind its back."""

    passes_on = False

    def __init__(self, reason: str = "") -> None:
        reason = " ".join(reason.split())[:500]
        super().__init__(
            f"The model declined: {reason}" if reason else "The model declined this. Please put it in another way."
        )


class Rejected(ModelError):
    """The server did not understand the request; the reason is in the log."""

    def __init__(self) -> None:
        super().__init__(
            "The model server did not accept this request. Please try something else; if it goes on, tell whoever "
            "runs this bot to look into the log."
        )


class Unavailable(ModelError):
    """No answer, or a fault on the other side."""

    def __init__(self, label: str = "The model", *, late: bool = False) -> None:
        super().__init__(f"{label} cannot be reached just now. Please try again in a few minutes.")
        self.late = late


class BadReply(ModelError):
    """Something came that is no answer."""

    def __init__(self) -> None:
        super().__init__(
            "The model sent an answer that I could not read. Please try again; if it goes on, tell whoever runs "
            "this bot."
        )


class Empty(BadReply):
    """A complete answer with nothing in it."""

    def __init__(self) -> None:
        ModelError.__init__(self, "The model gave no answer. Please ask again, perhaps in other words.")


class Truncated(ModelError):
    """Part of an answer came, and then no more. What came stays."""

    passes_on = False

    def __init__(self, *, limit: bool = False) -> None:
        super().__init__(
            "The answer was cut off at the length limit. Ask me to go on."
            if limit
            else "The answer was cut off: the model stopped in the middle. Ask me to go on."
        )


def _in_words(seconds: float | None) -> str:
    if seconds is None:
        return "a minute"
    if seconds < 90:
        return "a second" if seconds <= 1 else f"{round(seconds)} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours"
