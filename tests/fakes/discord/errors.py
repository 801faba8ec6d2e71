"""The error answers of the REST interface, each with Discord's own code."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.body = {"message": message, "code": code, **more}


def unauthorized() -> ApiError:
    return ApiError(401, 0, "401: Unauthorized")


def not_found() -> ApiError:
    return ApiError(404, 0, "404: Not Found")


def unknown_channel() -> ApiError:
    return ApiError(404, 10003, "Unknown Channel")


def unknown_guild() -> ApiError:
    return ApiError(404, 10004, "Unknown Guild")


def unknown_message() -> ApiError:
    return ApiError(404, 10008, "Unknown Message")


def unknown_user() -> ApiError:
    return ApiError(404, 10013, "Unknown User")


def too_large() -> ApiError:
    return ApiError(413, 40005, "Request entity too large")


def missing_access() -> ApiError:
    return ApiError(403, 50001, "Missing Access")


def not_yours() -> ApiError:
    return ApiError(403, 50005, "Cannot edit a message authored by another user")


def empty_message() -> ApiError:
    return ApiError(400, 50006, "Cannot send an empty message")


def closed_to_you() -> ApiError:
    return ApiError(403, 50007, "Cannot send messages to this user")


def entry_point_missing() -> ApiError:
    return ApiError(
        400,
        50240,
        "You cannot remove this app's Entry Point command in a bulk update operation. Please include the Entry Point "
        "command in your update request or delete it separately.",
    )


def missing_permissions() -> ApiError:
    return ApiError(403, 50013, "Missing Permissions")


def unknown_webhook() -> ApiError:
    return ApiError(404, 10015, "Unknown Webhook")


def unknown_interaction() -> ApiError:
    return ApiError(404, 10062, "Unknown interaction")


def already_acknowledged() -> ApiError:
    return ApiError(400, 40060, "Interaction has already been acknowledged.")


def invalid_webhook_token() -> ApiError:
    return ApiError(401, 50027, "Invalid Webhook Token")


def archived() -> ApiError:
    return ApiError(400, 50083, "Tried to perform an operation on an archived thread, such as editing a message")


def not_json() -> ApiError:
    return ApiError(400, 50109, "The request body contains invalid JSON.")


def bad_voice_message() -> ApiError:
    return ApiError(400, 50160, "Voice messages must have a single audio attachment.")


def needs_history() -> ApiError:
    return ApiError(403, 160002, "Cannot reply without permission to read message history")


def locked() -> ApiError:
    return ApiError(403, 160005, "Thread is locked")


def invalid_form(errors: dict[str, Any]) -> ApiError:
    """`errors` maps a field to (code, message), or to a further map."""

    def spell(branch: dict[str, Any]) -> dict[str, Any]:
        return {
            key: spell(value) if isinstance(value, dict) else {"_errors": [{"code": value[0], "message": value[1]}]}
            for key, value in branch.items()
        }

    return ApiError(400, 50035, "Invalid Form Body", errors=spell(errors))
