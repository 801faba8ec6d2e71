"""What the Microsoft 365 Agents Playground, a Teams on this machine, does otherwise than Teams."""

from typing import TYPE_CHECKING

from bot.adapters.teams.hosts import is_loopback, parse

if TYPE_CHECKING:
    from bot.adapters.teams.cards import Json

__all__ = ["GREETS_AGAIN_SECONDS", "PACKAGE", "PERSON", "RESTS_SECONDS", "is_playground", "picture_card"]

PACKAGE = "@microsoft/m365agentsplayground@0.2.28"  # the one that is tried here; others may behave otherwise
PERSON = "00000000-0000-0000-0000-0000000000020"  # whoever sits before it has this Entra id

# It loses what is said in a channel before its own request has returned.
RESTS_SECONDS = 0.3
# It says that the bot was added, in two requests, each time its page is opened; the page is empty then.
GREETS_AGAIN_SECONDS = 2.0


def is_playground(service_url: str) -> bool:
    """Whether this is where the Playground takes messages."""
    url = parse(service_url)
    return url is not None and is_loopback(url.host) and url.path.rstrip("/") == "/_connector"


def picture_card(address: str, alt: str) -> "Json":
    """A picture as the Playground shows it: it knows none but those in cards."""
    image = {"type": "Image", "url": address, "altText": alt}
    return {"type": "AdaptiveCard", "version": "1.5", "body": [image]}
