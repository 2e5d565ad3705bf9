"""The strip of frames."""

import pytest

from demo_app import strip_chart as module
from demo_app.strip_chart import FrameTime, strip_chart


def test_each_tier_has_a_colour_of_its_own_and_frames_keep_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {}
    monkeypatch.setattr(module, "component", lambda name, html: given.update)
    frames = [FrameTime("light", 3.0), FrameTime("heavy", 40.0)]
    strip_chart(frames, 33.3, ("light", "medium", "heavy"), capacity=50, key="k")
    data = given["data"]
    assert data["frames"] == [{"tier": "light", "ms": 3.0}, {"tier": "heavy", "ms": 40.0}]
    assert (data["target_ms"], data["capacity"]) == (33.3, 50)
    assert len(set(data["colors"].values())) == 3
