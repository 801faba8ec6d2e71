"""Tools: offered, called, answered, refused; and the other road that models take which think while they use them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.models import NotConfigured, Prompt, Tool, ToolCall, Truncated
from bot.models.practice import Practice
from bot.models.profiles import PROFILES
from bot.testing import models_of as models_by
from tests.fakes.openai import Calls, FakeOpenAI, faults
from tests.model_rig import Turn, models_at, models_of

DRAW = Tool("draw", "Draw a picture", {"type": "object", "properties": {"prompt": {"type": "string"}}})
ROLL = Tool("roll", "Roll dice", {"type": "object", "properties": {}})


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        yield openai


@pytest.fixture
async def turn(openai: FakeOpenAI) -> AsyncIterator[Turn]:
    async with models_at(openai) as turn:
        yield turn


async def test_a_model_calls_two_tools_is_told_what_came_of_them_and_answers(openai: FakeOpenAI, turn: Turn) -> None:
    openai.reply_with(Calls([("draw", '{"prompt": "a fox"}'), ("roll", "")], text="One moment."))
    text, calls = await turn.converse("draw a fox and roll a die", tools=[DRAW, ROLL])
    assert text == "One moment."
    assert [(call.name, call.arguments) for call in calls] == [("draw", {"prompt": "a fox"}), ("roll", {})]
    openai.reply_with("Here is your fox, and a four.")
    history = [
        Prompt("user", "draw a fox and roll a die"),
        Prompt("assistant", text, calls=tuple(calls)),
        Prompt("tool", "drawn", call=calls[0].id),
        Prompt("tool", "4", call=calls[1].id),
    ]
    assert (await turn.converse(*history, tools=[DRAW, ROLL]))[0] == "Here is your fox, and a four."
    offered, answered = openai.of()
    assert offered.body["tools"][0] == {
        "type": "function",
        "function": {"name": "draw", "description": "Draw a picture", "parameters": DRAW.schema},
    }
    assert [message["role"] for message in answered.messages] == ["user", "assistant", "tool", "tool"]
    assert json.loads(answered.messages[1]["tool_calls"][0]["function"]["arguments"]) == {"prompt": "a fox"}
    assert len(turn.used) == 2


@pytest.mark.parametrize(
    "pieces",
    [
        # no number, whole calls
        [{"id": "a", "function": {"name": "draw", "arguments": '{"prompt": "x"}'}},
         {"id": "b", "function": {"name": "roll"}}],
        # neither number nor id, in pieces
        [{"function": {"name": "draw"}}, {"function": {"arguments": '{"prompt"'}},
         {"function": {"arguments": ': "x"}'}},
         {"function": {"name": "roll", "arguments": "{}"}}],
        # every call has the number 0, as some gateways send it
        [{"index": 0, "id": "a", "function": {"name": "draw", "arguments": '{"prompt": "x"}'}},
         {"index": 0, "id": "b", "function": {"name": "roll", "arguments": "{}"}}],
        # mixed up, and with the name in each piece
        [{"index": 0, "id": "a", "function": {"name": "draw", "arguments": ""}},
         {"index": 1, "id": "b", "function": {"name": "roll", "arguments": "{"}},
         {"index": 0, "function": {"name": "draw", "arguments": '{"prompt": '}},
         {"index": 1, "function": {"arguments": "}"}}, {"index": 0, "function": {"arguments": '"x"}'}}],
        # arguments that have been read already, or quoted twice
        [{"function": {"name": "draw", "arguments": {"prompt": "x"}}},
         {"function": {"name": "roll", "arguments": '"{}"'}}, {"function": None}, "nonsense"],
    ],
)  # fmt: skip
async def test_calls_are_understood_in_whatever_pieces_they_come(
    openai: FakeOpenAI, turn: Turn, pieces: list[Any]
) -> None:
    openai.fail_with(_stream(*({"tool_calls": [piece]} for piece in pieces)))
    _, calls = await turn.converse("go", tools=[DRAW, ROLL])
    assert [(call.name, call.arguments) for call in calls] == [("draw", {"prompt": "x"}), ("roll", {})]
    assert len({call.id for call in calls}) == 2
    assert all(call.id for call in calls)


@pytest.mark.parametrize("written", ['{"prompt": "a fox', "a fox", "[1]", "7"])
async def test_arguments_that_are_no_object_are_said_to_be_so(openai: FakeOpenAI, turn: Turn, written: str) -> None:
    openai.reply_with(Calls([("draw", written)]))
    _, calls = await turn.converse("draw", tools=[DRAW])
    assert [(call.name, call.arguments) for call in calls] == [("draw", None)]
    openai.reply_with("Sorry.")  # what is sent back is readable, for servers that read it
    said = [
        Prompt("user", "x"),
        Prompt("assistant", "", calls=tuple(calls)),
        Prompt("tool", "broken", call=calls[0].id),
    ]
    assert (await turn.converse(*said, tools=[DRAW]))[0] == "Sorry."
    assert openai.of()[1].messages[1]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize("fault", [faults.cut(2), faults.no_finish(2), faults.length(2)])
async def test_a_call_that_was_cut_off_is_not_made(openai: FakeOpenAI, turn: Turn, fault: faults.Fault) -> None:
    openai.reply_with(Calls([("draw", '{"prompt": "a fox in the snow"}')], text="Let me draw that."))
    openai.fail_with(fault)
    text, error = await turn.fail("draw", tools=[DRAW])
    assert (text, type(error)) == ("Let me", Truncated)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "registry.ollama.ai/library/gemma:latest does not support tools"),
        (404, "No endpoints found that support tool use. Try disabling tools."),
        (500, "tools param requires --jinja flag"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        (422, "Unrecognized request argument supplied: tools"),
    ],
)
async def test_a_model_without_tools_chats_without_them_and_is_not_asked_again(
    openai: FakeOpenAI, turn: Turn, status: int, message: str
) -> None:
    openai.fail_with(faults.status(status, message))
    used = ToolCall("call_1", "draw", {"prompt": "a fox"})
    said = [Prompt("user", "hi"), Prompt("assistant", "", calls=(used,)), Prompt("tool", "drawn", call="call_1")]
    for _ in range(2):
        assert (await turn.converse(*said, "thanks", tools=[DRAW]))[0].startswith("echo: thanks")
    assert ["tools" in call.body for call in openai.of()] == [True, False, False]
    assert [message["content"] for message in openai.of()[2].messages] == [
        "hi",
        '[draw {"prompt":"a fox"}]',
        "[What came of it: drawn]",
        "thanks",
    ]


async def test_a_model_that_thinks_is_asked_for_tools_on_the_other_road(openai: FakeOpenAI) -> None:
    openai.models = ("gpt-6-astra",)
    openai.reply_with(Calls([("draw", '{"prompt": "a fox"}')], text="Drawing."))
    async with models_of(openai.url, "gpt-6-astra", key=openai.key, profile=PROFILES["openai"]) as turn:
        text, calls = await turn.converse(Prompt("system", "Be kind."), "draw a fox", tools=[DRAW])
        assert (text, calls[0].arguments) == ("Drawing.", {"prompt": "a fox"})  # and not what it thought
        openai.reply_with("Done.")
        said = [Prompt("user", "draw a fox"), Prompt("assistant", text, calls=tuple(calls))]
        done, _ = await turn.converse(*said, Prompt("tool", "drawn", call=calls[0].id), tools=[DRAW])
        assert done == "Done."
        assert await turn.ask("and now without tools") == "Done."
    assert [call.path for call in openai.calls] == ["/responses", "/responses", "/chat/completions"]
    first = openai.calls[0].body
    assert (first["store"], first["instructions"], first["reasoning"]) == (False, "Be kind.", {"effort": "low"})
    assert turn.used[0].input_tokens > 0
    assert not turn.used[0].estimated


async def test_a_model_that_need_not_think_keeps_the_usual_road(openai: FakeOpenAI) -> None:
    async with models_of(openai.url, "gpt-6-luna", key=openai.key, profile=PROFILES["openai"]) as turn:
        await turn.converse("hello", tools=[DRAW])
    assert [(call.path, call.body["reasoning_effort"]) for call in openai.calls] == [("/chat/completions", "none")]


async def test_a_server_that_points_to_the_other_road_is_followed_once_and_for_all(openai: FakeOpenAI) -> None:
    openai.reply_with("Hello.")
    openai.fail_with(
        faults.status(
            400,
            "Function tools with reasoning_effort are not supported for this model in /v1/chat/completions. Please use "
            "/v1/responses instead.",
            param="reasoning_effort",
        )
    )
    async with models_of(openai.url, "gpt-6-luna", key=openai.key) as turn:
        for _ in range(2):
            assert (await turn.converse("hi", tools=[DRAW]))[0] == "Hello."
    assert [call.path for call in openai.calls] == ["/chat/completions", "/responses", "/responses"]


async def test_where_there_is_no_other_road_the_chat_goes_on_as_well_as_it_can(openai: FakeOpenAI) -> None:
    openai.models = ("gpt-6-astra",)
    openai.fail_with(faults.status(404, "Not found"), path="/responses")
    async with models_of(openai.url, "gpt-6-astra", key=openai.key, profile=PROFILES["openai"]) as turn:
        for _ in range(2):
            assert (await turn.converse("hi", tools=[DRAW]))[0].startswith("echo: hi")
    paths = [call.path for call in openai.calls if call.status == 200]
    assert paths == ["/chat/completions", "/chat/completions"]
    assert len(openai.of("/responses")) == 1


@pytest.mark.parametrize(
    ("events", "text", "says"),
    [
        ([{"type": "response.output_text.delta", "delta": "so "}], "so ", "cut off: the model stopped"),
        ([{"type": "response.output_text.delta", "delta": "so "},
          {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}],
         "so ", "length limit"),
        ([{"type": "response.incomplete", "response": {"incomplete_details": {"reason": "content_filter"}}}],
         "", "declined"),
        ([{"type": "response.refusal.delta", "delta": "No, not that."},
          {"type": "response.completed", "response": {"status": "completed"}}], "", "No, not that."),
        ([{"type": "response.failed", "response": {"error": {"code": "server_error", "message": "x"}}}],
         "", "cannot be reached"),
        ([{"type": "error", "code": "insufficient_quota", "message": "x"}], "", "run out of credit"),
        ([{"type": "response.completed", "response": {"status": "completed"}}], "", "gave no answer"),
    ],
)  # fmt: skip
async def test_what_goes_wrong_on_the_other_road_has_the_same_words(
    openai: FakeOpenAI, events: list[dict[str, Any]], text: str, says: str
) -> None:
    openai.models = ("gpt-6-astra",)
    stream = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    openai.fail_with(faults.raw(stream, "text/event-stream"), path="/responses")
    async with models_of(openai.url, "gpt-6-astra", key=openai.key, profile=PROFILES["openai"]) as turn:
        said, error = await turn.fail(tools=[DRAW])
    assert said == text
    assert says in str(error)


async def test_the_practice_model_takes_tools_and_calls_none() -> None:
    turn = Turn(models_by(Practice(pace=0)))
    text, calls = await turn.converse("draw a fox", tools=[DRAW])
    assert "practice model" in text
    assert calls == []
    for wanted in (turn.models.speak("hello"), turn.models.moderate("hello")):
        with pytest.raises(NotConfigured):
            await wanted


def _stream(*deltas: dict[str, Any]) -> faults.Fault:
    """A stream of these deltas that ends as one with calls does."""
    chunks: list[dict[str, Any]] = [{"choices": [{"delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    return faults.raw(body + b"data: [DONE]\n\n", "text/event-stream")


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (2, ["system", "user 2", "user", "assistant calls", "tool", "tool", "assistant calls", "tool"]),
        (0, ["system", "user", "assistant calls", "tool"]),
    ],
)
async def test_a_conversation_that_is_too_long_loses_no_call_without_its_result(
    openai: FakeOpenAI, turn: Turn, before: int, kept: list[str]
) -> None:
    """Servers refuse the one without the other."""
    earlier = [Prompt("user", f"user {number + 1}") for number in range(before)]
    calls = ToolCall("a", "roll"), ToolCall("b", "roll"), ToolCall("c", "roll")
    asked = [
        Prompt("system", "Be brief."),
        *earlier,
        Prompt("user", "roll three dice"),
        Prompt("assistant", "", calls=calls[:2]),
        Prompt("tool", "4", call="a"),
        Prompt("tool", "5", call="b"),
        Prompt("assistant", "", calls=calls[2:]),
        Prompt("tool", "6", call="c"),
    ]
    openai.fail_with(faults.status(400, "Too much", code="context_length_exceeded"))
    openai.reply_with("Fifteen.")
    assert (await turn.converse(*asked, tools=[ROLL]))[0] == "Fifteen."

    def shown(message: dict[str, Any]) -> str:
        if message["content"] in ("user 1", "user 2"):
            return str(message["content"])
        return f"{message['role']} calls" if message.get("tool_calls") else str(message["role"])

    assert [shown(each) for each in openai.of()[-1].messages] == kept
