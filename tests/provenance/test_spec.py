from __future__ import annotations

import pytest

from aigc.errors import SpecError
from aigc.provenance.spec import Credentials, Provenance
from aigc.specs import build

WRONG = [
    ({"profile": "none"}, "needs reason"),
    ({"profile": "none", "reason": "x", "visible": True}, "remove visible"),
    ({"profile": "none", "reason": "x", "credentials": {}}, "remove credentials"),
    ({"profile": "eu", "reason": "x"}, "reason is for profile none"),
    ({"profile": "china"}, "needs provider"),
    ({"profile": "california"}, "needs provider"),
    (
        {"profile": "china", "provider": "A-1", "visible": {"text": "hello"}},
        "needs AI or 人工智能, and 生成 or 合成 in visible.text, which is 'hello'",
    ),
    ({"profile": "uk"}, "profile"),
    ({"visible": {"height": 0.04}}, r"^(?!.*VisibleLabel)visible\.height"),
    ({"visible": "maybe"}, r"^visible = 'maybe'"),
    ({"credentials": {"authority": "ftp://x"}}, "authority"),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_cannot_be_right_is_refused_in_one_line(given, said) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        build(Provenance, given)
    assert "\n" not in str(caught.value)


def test_the_defaults_state_the_origin_and_sign_nothing() -> None:
    asked = Provenance()
    assert asked.profile == "default"
    assert asked.credentials is None
    assert Credentials().on_outage == "fail"
    assert build(Provenance, {"profile": "none", "reason": "internal tests"}).reason
