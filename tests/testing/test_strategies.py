"""The kit's strategies draw what they say."""

import datetime
import enum
import uuid
import warnings
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from toolcase import InvalidArguments, Registry, Stage, tool
from toolcase.runtime import RetryMiddleware, TimeoutMiddleware
from toolcase.testing import Fail, Give, Hang, Script, strategies

ten = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Tree(BaseModel):
    size: Annotated[float, Field(gt=0, lt=1)]
    leaves: "list[Tree]" = []


@tool
def everything(
    whole: Annotated[int, Field(gt=3, lt=9)],
    few: Annotated[list[int], Field(min_length=1, max_length=2)],
    different: set[bool],
    pair: tuple[int, str],
    mapping: dict[str, Annotated[float, Field(ge=0, le=1)]],
    colour: Colour,
    fixed: Literal["only"],
    maybe: str | None,
    tree: Tree,
    code: Annotated[str, Field(pattern="^[a-z]{3}$")],
    word: Annotated[str, Field(min_length=2, max_length=3)],
    day: datetime.date,
    moment: datetime.datetime,
    clock: datetime.time,
    number: uuid.UUID,
    anything: Any,
    flag: bool = False,
) -> None: ...


@tool
def open_ended(a: Annotated[int, Field(ge=1, le=2)], **more: bool) -> None: ...


@ten
@given(given=strategies.arguments(everything))
def test_arguments_fit_a_tool_with_every_type(given):
    assert everything.schema.validate(given)["whole"] in range(4, 9)


@ten
@given(given=strategies.arguments(open_ended))
def test_arguments_fit_a_tool_that_takes_more(given):
    assert open_ended.schema.validate(given)["a"] in (1, 2)


def test_arguments_are_also_drawn_with_more_and_without_defaults():
    @tool
    def lenient(flag: bool = False) -> None: ...

    assert find(strategies.arguments(open_ended), lambda given: len(given) > 1)
    assert find(strategies.arguments(lenient), lambda given: "flag" not in given) == {}


@ten
@given(
    given=st.sampled_from([everything, open_ended]).flatmap(
        lambda t: st.tuples(st.just(t), strategies.misfits(t))
    )
)
def test_misfits_are_refused(given):
    asked, wrong = given

    with pytest.raises(InvalidArguments):
        asked.schema.validate(wrong)


@pytest.mark.parametrize(
    "kind",
    [
        lambda given: "a" not in given,
        lambda given: "no_such_argument" in given,
        lambda given: isinstance(given.get("a"), list),
    ],
)
def test_misfits_are_wrong_in_each_way(kind):
    @tool
    def narrow(a: int) -> None: ...

    assert find(strategies.misfits(narrow), kind) is not None


def test_a_tool_that_takes_anything_has_no_misfits():
    assert strategies.misfits(Script(Give()).tool()).is_empty


@pytest.mark.parametrize("kind", [Give, Fail, Hang])
def test_steps_are_of_each_kind(kind):
    assert isinstance(find(strategies.steps(), lambda step: isinstance(step, kind)), kind)


@ten
@given(outcome=strategies.outcomes())
def test_outcomes_end_by_themselves(outcome):
    assert isinstance(outcome, Give | Fail)


def test_values_of_outcomes_can_be_chosen():
    assert find(strategies.outcomes(st.just("mine")), lambda step: isinstance(step, Give)).value == "mine"


@ten
@given(script=strategies.scripts(max_size=1))
def test_scripts_are_no_longer_than_asked(script):
    assert len(script) == 1


@pytest.mark.parametrize("declared", [None, True, False])
def test_tools_have_the_name_and_every_declaration(declared):
    assert find(strategies.tools("mine"), lambda drawn: drawn.idempotent is declared).name == "mine"


@pytest.mark.parametrize(
    "kind",
    [RetryMiddleware, TimeoutMiddleware, *(lambda m, s=s: getattr(m, "stage", None) is s for s in Stage)],
)
def test_stacks_hold_each_kind(kind):
    fits = (lambda m: isinstance(m, kind)) if isinstance(kind, type) else kind

    assert find(strategies.stacks(max_size=1), lambda drawn: any(map(fits, drawn)))


@ten
@given(stack=strategies.stacks(max_size=1))
def test_stacks_are_no_longer_than_asked(stack):
    assert len(stack) <= 1


@ten
@given(twins=strategies.twins("mine"), used=strategies.stacks())
async def test_twins_end_alike(twins, used):
    ends = []
    for twin in twins:
        registry = Registry()
        with warnings.catch_warnings(action="ignore"):
            registry.use(*used)
            registry.add(twin)
            result = await registry.execute("mine")
        ends.append((result.value, result.error and (result.error.code, result.error.type)))

    assert ends[0] == ends[1] == ends[2]
