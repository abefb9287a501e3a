"""Which errors a setting means: by type, by code, several of both, or as a predicate says."""

import pytest

from toolcase import ErrorCode, RateLimited, ToolFailed
from toolcase.selection import selecting

TWO = ExceptionGroup("two", [OSError(), KeyError()])


@pytest.mark.parametrize(
    ("given", "meant", "not_meant"),
    [
        (LookupError, KeyError(), OSError()),
        ((LookupError, OSError), ConnectionError(), ValueError()),
        (ErrorCode.RATE_LIMITED, RateLimited(), ToolFailed()),
        (ErrorCode.TOOL_FAILED, ValueError(), RateLimited()),
        ((ErrorCode.RATE_LIMITED, KeyError), KeyError(), ToolFailed()),
        (lambda error: error.args == (1,), ValueError(1), ValueError(2)),
        (LookupError, ExceptionGroup("one", [KeyError()]), TWO),
        (ExceptionGroup, TWO, OSError()),
        ((), None, OSError()),
    ],
)
def test_is_what_the_setting_says_and_no_more(given, meant, not_meant):
    selected = selecting(given, "on")

    assert meant is None or selected(meant)
    assert not selected(not_meant)


@pytest.mark.parametrize("verdict", [1, "yes", [True], None])
def test_a_predicate_says_true_or_does_not_mean_it(verdict):
    assert not selecting(lambda error: verdict, "on")(OSError())


def test_what_a_predicate_raises_comes_through():
    with pytest.raises(ZeroDivisionError):
        selecting(lambda error: 1 / 0, "on")(OSError())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "on takes exception types, error codes or one predicate, got 5"),
        ((OSError, int), "got <class 'int'>"),
        (KeyboardInterrupt, "got <class 'KeyboardInterrupt'>"),
        ("DENIED", "got 'DENIED'; write ErrorCode.DENIED"),
        ("SOON", "got 'SOON'$"),
    ],
)
def test_what_means_no_error_is_refused(given, said):
    with pytest.raises(TypeError, match=said):
        selecting(given, "on")


def test_a_predicate_is_not_async():
    async def later(error):
        return True

    with pytest.raises(TypeError, match="and that is not async, got .*later"):
        selecting(later, "on")
