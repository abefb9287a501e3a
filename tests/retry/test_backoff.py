"""How long to wait before the next attempt."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolcase.runtime import ExponentialBackoff


def most():
    """The largest number that a random source gives."""
    return math.nextafter(1.0, 0.0)


class TestWait:
    """It grows, up to the cap."""

    def test_doubles_from_half_a_second_up_to_thirty(self):
        backoff = ExponentialBackoff(jitter=False)

        assert [backoff.wait(k, most) for k in range(1, 9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]

    def test_begins_at_the_base(self):
        assert ExponentialBackoff(base=3, jitter=False).wait(1, most) == 3

    def test_grows_by_the_factor(self):
        assert ExponentialBackoff(base=1, factor=3, jitter=False).wait(3, most) == 9

    def test_a_factor_of_one_does_not_grow(self):
        assert ExponentialBackoff(base=2, factor=1, jitter=False).wait(10**6, most) == 2

    def test_ends_at_the_cap(self):
        assert ExponentialBackoff(cap=7, jitter=False).wait(10**6, most) == 7

    def test_a_base_above_the_cap_waits_the_cap(self):
        assert ExponentialBackoff(base=9, cap=7, jitter=False).wait(1, most) == 7

    @pytest.mark.parametrize("share", [0.0, 0.25, 0.75])
    def test_jitter_takes_a_share_of_the_whole(self, share):
        assert ExponentialBackoff(base=4).wait(1, lambda: share) == 4 * share

    def test_asks_for_no_chance_without_jitter(self):
        assert ExponentialBackoff(jitter=False).wait(1, None) == 0.5


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    base=st.floats(5e-324, 1e308),
    factor=st.floats(1, 1e308),
    cap=st.floats(5e-324, 1e308),
    attempt=st.integers(1, 10**6),
    share=st.floats(0, 1, exclude_max=True),
    jitter=st.booleans(),
)
@example(base=5e-324, factor=2.0, cap=1e308, attempt=10**6, share=0.5, jitter=False)
@example(base=1e308, factor=1e308, cap=1e308, attempt=2, share=0.5, jitter=False)
def test_law_14_waits_lie_between_zero_and_the_limit(base, factor, cap, attempt, share, jitter):
    wait = ExponentialBackoff(base=base, factor=factor, cap=cap, jitter=jitter).wait(attempt, lambda: share)

    growth = (attempt - 1) * math.log(factor) + math.log(base)
    limit = cap if growth > math.log(cap) else min(cap, base * factor ** (attempt - 1))
    assert 0 <= wait <= limit
    assert math.isfinite(wait)


class TestSettings:
    """Finite durations, and a factor that does not shrink."""

    @pytest.mark.parametrize("setting", ["base", "cap"])
    @pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 10**400])
    def test_refuses_what_is_no_finite_duration(self, setting, value):
        with pytest.raises(ValueError, match=f"{setting} must be .* seconds, got "):
            ExponentialBackoff(**{setting: value})

    @pytest.mark.parametrize("setting", ["base", "cap", "factor"])
    @pytest.mark.parametrize("value", [True, "1", None])
    def test_refuses_what_is_no_number(self, setting, value):
        with pytest.raises(TypeError, match=f"{setting} must be a number.*, got {value!r}"):
            ExponentialBackoff(**{setting: value})

    @pytest.mark.parametrize("factor", [0.99, -2, math.nan, math.inf, 10**400])
    def test_refuses_a_factor_that_shrinks_or_has_no_end(self, factor):
        with pytest.raises(ValueError, match="factor must be a finite number of at least 1, got "):
            ExponentialBackoff(factor=factor)
