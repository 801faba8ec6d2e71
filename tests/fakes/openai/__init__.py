"""A small and strict OpenAI-compatible server on loopback, for tests and for trying things by hand.

async with FakeOpenAI() as openai:
    ...  # a client at openai.url with openai.key
    openai.reply_with("Hello there")
    openai.fail_with(faults.status(429, retry_after=1))
    assert openai.calls[0].body["model"] == "gpt-6-luna"
"""

from tests.fakes.openai import faults
from tests.fakes.openai.answers import Calls
from tests.fakes.openai.server import Call, FakeOpenAI, Upload

__all__ = ["Call", "Calls", "FakeOpenAI", "Upload", "faults"]
