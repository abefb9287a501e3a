"""The tool, as a program calls it."""

from toolcase import Registry

from toolcase_fortune.jar import Jar
from toolcase_fortune.tool import drawing_from


def registry() -> Registry:
    made = Registry()
    made.add(drawing_from(Jar(("rain falls", "the sun shines"))))
    return made


async def test_draws_a_saying_with_the_words_in_it() -> None:
    assert await registry().call("fortune", about="Sun") == "the sun shines"


async def test_tells_a_model_what_to_do_where_no_saying_has_the_words() -> None:
    result = await registry().execute("fortune", {"about": "snow"})

    assert "no saying has 'snow' in it; leave that out to draw any" in result.for_model()
