"""Activities are read as botbuilder reads them, only faster: the same object, or refused in the same cases."""

from typing import Any

import pytest
from botbuilder.schema import Activity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msrest.exceptions import DeserializationError

from bot.adapters.teams.reading import read_activity
from tests.fakes.teams import FakeTeams

WORDS = st.text(max_size=8)
PLAIN = st.none() | st.booleans() | st.integers(-5, 5) | WORDS
ANY = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))
MOMENTS = st.sampled_from(
    [
        "2026-11-26T02:10:36.123Z",
        "2026-11-26T02:10:36.1234567Z",
        "2026-11-26T02:10:36+01:00",
        "2026-11-26T02:10:36",
        "2026-11-26 02:10:36Z",
        "2026-11-26",
        "2026-02-30T00:00:00Z",
        "20261126T021036Z",
        "9999999-01-01T00:00:00Z",
        "yesterday",
        "",
    ]
)
ACCOUNT = st.fixed_dictionaries(
    {}, optional={"id": PLAIN, "name": PLAIN, "aadObjectId": WORDS, "role": WORDS, "x": ANY}
)
CONVERSATION = st.fixed_dictionaries(
    {}, optional={"id": WORDS, "conversationType": PLAIN, "isGroup": PLAIN, "tenantId": WORDS, "name": PLAIN}
)
ENTITY = st.fixed_dictionaries({"type": PLAIN}, optional={"mentioned": ANY, "text": PLAIN})
ATTACHED = st.fixed_dictionaries(
    {}, optional={"contentType": PLAIN, "content": ANY, "name": PLAIN, "thumbnailUrl": PLAIN}
)
ACTIVITIES = st.fixed_dictionaries(
    {},
    optional={
        "type": WORDS,
        "text": PLAIN,
        "timestamp": MOMENTS | PLAIN,
        "from": ACCOUNT | ANY,
        "recipient": ACCOUNT | st.none(),
        "conversation": CONVERSATION | ANY,
        "entities": st.lists(ENTITY | st.none(), max_size=3) | ANY,
        "attachments": st.lists(ATTACHED, max_size=3) | ANY,
        "membersAdded": st.lists(ACCOUNT, max_size=2),
        "channelData": ANY,
        "value": ANY,
        "listenFor": st.lists(PLAIN, max_size=2) | ANY,
        "suggestedActions": ANY,
        "importance": PLAIN,
        "anything": ANY,
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIVITIES)
def test_what_the_library_reads_is_read_alike_and_what_it_refuses_is_refused(body: dict[str, Any]) -> None:
    try:
        expected = Activity().deserialize(body)
    except (DeserializationError, ValueError, TypeError, AttributeError, OverflowError):
        with pytest.raises((DeserializationError, ValueError, TypeError, AttributeError, OverflowError)):
            read_activity(body)
        return
    assert read_activity(body) == expected


def test_a_message_as_teams_writes_it_keeps_all_its_parts() -> None:
    teams = FakeTeams()
    ada = teams.person("Ada")
    room = teams.thread("plans", ada)
    body = teams.message(room, ada, "what is a bottle?", attachments=[teams.picture(b"png")])
    activity = read_activity(body)
    assert activity == Activity().deserialize(body)
    assert activity.from_property.aad_object_id == ada.account["aadObjectId"]
    assert activity.entities[1].additional_properties["mentioned"]["id"] == teams.bot_account["id"]
    assert activity.timestamp.utcoffset().total_seconds() == 0
