"""Every event that reaches an open dashboard has its words in the list, and names the reads it touches."""

from __future__ import annotations

import re

import pytest

from alpaquero.events.schemas import EVENTS, NoticeGiven
from laptop.layout import REPOSITORY

SOURCE = REPOSITORY / "frontend" / "src"
# A person's word to people goes to the topic alone.
NOT_PUSHED = {NoticeGiven.__name__}


def silent() -> set[str]:
    """What the list leaves out, because another event says it better."""
    found = re.search(r"const SILENT = new Set\(\[(.*?)\]\)", (SOURCE / "live" / "feed.ts").read_text())
    assert found
    return set(re.findall(r'"(\w+)"', found.group(1)))


@pytest.mark.parametrize(
    ("file", "beside"),
    [("panels/event-words.ts", silent()), ("live/touches.ts", {"OrderPassedOver"})],  # which is in no book
)
def test_every_event_is_known_to_the_page(file: str, beside: set[str]) -> None:
    """No event is shown by its bare name or leaves old figures on the page, and none is named that is not."""
    named = set(re.findall(r"^  (\w+): ", (SOURCE / file).read_text(), re.MULTILINE))
    assert set(EVENTS) - NOT_PUSHED - beside <= named
    assert {name for name in named if name[0].isupper()} <= set(EVENTS)
