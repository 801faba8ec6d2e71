"""The loopback server is as strict as the real one."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.openai import FakeOpenAI


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(record=False) as openai:
        yield openai


CHAT, IMAGE = "/chat/completions", "/images/generations"
HELLO = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CHAT, {"model": "gpt-6-luna"}, "messages"),
        (CHAT, {"model": "gpt-6-luna", "messages": HELLO, "colour": 1}, "colour"),
        (CHAT, {"model": "gpt-6-luna", "messages": [{"role": "me", "content": "x"}]}, "messages[0].role"),
        (CHAT, {"model": "gpt-6-luna", "messages": HELLO, "max_tokens": 5}, "max_tokens"),
        (IMAGE, {"model": "gpt-image-2.6-flare", "prompt": "x", "response_format": "url"}, "response_format"),
        (IMAGE, {"model": "dall-e-3", "prompt": "x", "n": 2}, "n"),
        ("/embeddings", {"model": "text-embedding-3-small", "input": []}, "input"),
    ],
)
async def test_the_loopback_server_refuses_what_openai_refuses(
    openai: FakeOpenAI, path: str, body: dict[str, Any], param: str
) -> None:
    from openai import AsyncOpenAI, BadRequestError

    async with AsyncOpenAI(base_url=openai.url, api_key=openai.key, max_retries=0) as client:
        with pytest.raises(BadRequestError) as refused:
            await client.post(path, body=body, cast_to=object)
    assert refused.value.param == param
