"""Law 89: what is registered is in nothing that leaves the host."""

from functools import partial

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from toolcase import Denied, Json, Registry, Resource, Text


def can_be_one(value):
    """Whether it is long enough, and no piece of the mark."""
    try:
        Registry().secrets.add(value)
    except ValueError:
        return False
    return True


secrets = st.lists(st.text(min_size=4, max_size=8).filter(can_be_one), min_size=1, max_size=3)


def texts(value):
    """Every text in plain data, and every number as one."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts(part)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [] if value is None else [str(value)]


def shown(result):
    """All that a result says to others."""
    parts = [
        text
        for part in result.content
        for text in texts([getattr(part, name) for name in part.__struct_fields__])
    ]
    said = result.to_dict()
    return [
        result.for_model(),
        *parts,
        *texts(said["value"]),
        *texts(said["error"] and said["error"]["message"]),
    ]


@settings(derandomize=True, max_examples=100, deadline=None)
@given(secrets, st.data())
def test_no_secret_is_in_what_a_call_shows(values, data):
    secret = st.sampled_from(values)
    around = st.builds("{}{}{}".format, st.text(max_size=3), secret, st.text(max_size=3))
    plain = st.recursive(around, lambda inner: st.lists(inner) | st.dictionaries(around, inner), max_leaves=5)
    part = st.builds(Text, around) | st.builds(Json, plain) | st.builds(Resource, uri=around, text=around)
    value = data.draw(plain | part | st.lists(part | plain))
    registry = Registry()
    registry.secrets.add(*values)

    @registry.tool
    async def get(fails: bool) -> object:
        if fails:
            raise Denied(str(value))
        return value

    for fails in (False, True):
        result = anyio.run(partial(registry.execute, "get", {"fails": fails}))
        assert not [(one, text) for one in values for text in shown(result) if one.strip() in text]
