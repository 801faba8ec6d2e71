"""The command line: run · try · invite · doctor · models · skills · forget · export.

Nothing heavy is imported before a command needs it, so that `parley --help` answers at once.
"""

import contextlib
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bot.version import __version__

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["main"]

# What a supervisor may conclude from the exit code (see docs/operators.md); the numbers are those of sysexits.h.
USAGE = 64
UPSTREAM = 69
INTERNAL = 70
INPUT_OUTPUT = 74
CONFIGURATION = 78

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help is there in half the time
    help="Parley: a chatbot for Discord and Microsoft Teams, with a web page and a terminal of its own.",
)


def main() -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter still shows the rest
    try:
        app(prog_name="parley")
    except SystemExit as ending:
        sys.exit(USAGE if ending.code == 2 else ending.code)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"parley {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """See each command's own --help."""


@app.command()
def run() -> None:
    """Serve every platform that is set up, and the web page."""
    with _reasons():
        config = _config()
        from bot import log
        from bot.running import serve

        log.configure(config.log_level, secrets=log.secrets_of(config))
        _finish(serve(config))


@app.command(name="try")
def try_() -> None:
    """Talk to Parley here in the terminal, or through a pipe."""
    with _reasons():
        config = _config()
        from bot.running import chat

        came = _finish(chat(config))
    if not came:
        raise typer.Exit(UPSTREAM)


@app.command(short_help="Print the link that adds the bot to a server.")
def invite() -> None:
    """Print the link that adds the bot to a Discord server, with no more rights than it needs."""
    with _reasons():
        config = _config()
        from bot import log
        from bot.doctor import invitations

        log.configure("critical", secrets=log.secrets_of(config))
        found = _finish(invitations(config))
        if wrong := [each.text for each in found if each.mark == "wrong"]:
            _fail(UPSTREAM if config.discord_token else CONFIGURATION, "\n".join(wrong))
        print("\n".join(each.text for each in found))


@app.command()
def doctor(
    discord: Annotated[
        bool, typer.Option("--discord", help="Ask Discord: intents, commands, permissions in each channel.")
    ] = False,
    teams: Annotated[
        bool, typer.Option("--teams", help="Try Microsoft Teams: sign-in, keys, clock, endpoint.")
    ] = False,
) -> None:
    """Say what is on, what is off, why, and what to do about it.

    Exits with 1 when something that is set up cannot work.
    """
    with _reasons():
        config = _config()
        from bot import log
        from bot.doctor import examine, show

        log.configure("critical", secrets=log.secrets_of(config))
        platforms = [name for name, asked in (("discord", discord), ("teams", teams)) if asked]
        findings = _finish(examine(config, platforms=platforms))
    if not show(findings):
        raise typer.Exit(1)


@app.command(short_help="List which models are used, and what they cost.")
def models(
    test: Annotated[
        bool, typer.Option("--test", help="Try each with a tiny call, which may cost a cent or two.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List which models are used for what, in order, what their servers offer, and what they cost.

    Exits with 78 when something has to be set or corrected, with 69 when a server does not answer or a try fails.
    """
    with _reasons():
        config = _config()
        from bot import log
        from bot.modelcheck import look, show

        log.configure("critical", secrets=log.secrets_of(config))
        report = _finish(look(config, test=test))
    show(report, as_json=as_json)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


@app.command()
def skills() -> None:
    """List the installed skills, and those that were refused."""
    with _reasons():
        from bot import log
        from bot.printing import show_skills

        log.configure("critical")
        show_skills()


@app.command()
def forget(
    platform: Annotated[str, typer.Argument(help="discord, teams, web or console")],
    person: Annotated[str, typer.Argument(help="Their id on that platform; yours is owner on the page")],
) -> None:
    """Forget a person: what they said, and what was answered to it. Parley has to be stopped."""
    with _reasons():
        from bot.people import forget as forget_person

        lines = _finish(forget_person(_config(), platform, person))
        print(f"Forgotten: {lines} lines of conversation, and everything else kept of {person} on {platform}.")


@app.command()
def export(
    platform: Annotated[str, typer.Argument(help="discord, teams, web or console")],
    person: Annotated[str, typer.Argument(help="Their id on that platform; yours is owner on the page")],
) -> None:
    """Print everything kept of a person, as JSON. Parley has to be stopped."""
    with _reasons():
        from bot.people import export as export_person

        print(_finish(export_person(_config(), platform, person)))


teams_commands = typer.Typer(no_args_is_help=True, help="What Microsoft Teams needs besides a running Parley.")
app.add_typer(teams_commands, name="teams")


@teams_commands.callback()
def _teams() -> None:
    """See each command's own --help."""


@teams_commands.command(name="try", short_help="Try Parley in a Teams on this machine.")
def try_teams() -> None:
    """Try Parley in a Teams on this machine: Microsoft's Agents Playground, which needs Node.js and no account."""
    with _reasons():
        config = _config()
        from bot import log
        from bot.adapter import AdapterOff
        from bot.running import try_teams as play

        log.configure(config.log_level, secrets=log.secrets_of(config))
        try:
            _finish(play(config))
        except AdapterOff as error:
            _fail(UPSTREAM, str(error))


@teams_commands.command(short_help="Build the app package to upload to Teams.")
def package(
    out: Annotated[Path, typer.Option(help="Where to write it.")] = Path("parley-teams.zip"),
    messages: Annotated[
        bool, typer.Option(help="Ask owners for the right to read messages: to catch up, search and see pictures.")
    ] = True,
) -> None:
    """Build the app package that is uploaded to Teams, from the configuration and the installed skills."""
    with _reasons():
        config = _config()
        from bot import log
        from bot.adapter import AdapterOff
        from bot.commands import commands_of
        from bot.discovery import find_adapters, find_skills

        log.configure("critical", secrets=log.secrets_of(config))
        commands = commands_of(found.skill for found in find_skills() if found.skill is not None)
        try:
            content = find_adapters()["teams"]().package(config, commands, messages=messages)
        except AdapterOff as error:
            _fail(CONFIGURATION, str(error))
        try:
            out.write_bytes(content)
        except OSError as error:
            _fail(INPUT_OUTPUT, f"{out} cannot be written: {error.strerror}.")
        print(f"{out}: upload it in the Teams admin center, or in Teams under Apps → Manage your apps → Upload an app.")


def _config() -> "Config":
    from bot.config import load_config

    return load_config()


def _finish(work: Coroutine[Any, Any, Any]) -> Any:
    import asyncio
    import gc

    try:
        return asyncio.run(work)
    finally:
        gc.freeze()  # all is written: on a busy machine, looking through what is left takes seconds


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Turn what keeps a command from working into a sentence and an exit code."""
    from bot.config import ConfigError

    try:
        yield
    except ConfigError as error:
        _fail(CONFIGURATION, f"Parley cannot start with this configuration:\n{_indented(str(error))}")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except typer.Exit:
        raise
    except Exception as error:
        import structlog

        from bot.app import Refused
        from bot.errors import UserError
        from bot.server import PortTaken
        from storage import StorageError, WrongAddress

        if isinstance(error, WrongAddress | Refused):
            _fail(CONFIGURATION, str(error))
        if isinstance(error, StorageError | PortTaken):
            _fail(INPUT_OUTPUT, str(error))
        if isinstance(error, UserError):
            _fail(USAGE, str(error))
        log = structlog.get_logger(__name__)
        log.exception("ended by an error")
        _fail(INTERNAL, f"Parley ended by an error of its own ({type(error).__name__}). The log above has the details.")


def _fail(code: int, text: str) -> NoReturn:
    print(text, file=sys.stderr, flush=True)
    raise typer.Exit(code) from None


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
