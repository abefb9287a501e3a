"""How long to wait before the next attempt."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolcase.runtime import (
    ConstantBackoff,
    DecorrelatedJitterBackoff,
    ExponentialBackoff,
    LinearBackoff,
)


def most():
    """The largest number that a random source gives."""
    return math.nextafter(1.0, 0.0)


class TestExponential:
    """It grows by a factor, up to the cap."""

    def test_doubles_from_half_a_second_up_to_thirty(self):
        backoff = ExponentialBackoff(jitter=False)

        assert [backoff.wait(k, most, 0.0) for k in range(1, 9)] == [
            0.5,
            1.0,
            2.0,
            4.0,
            8.0,
            16.0,
            30.0,
            30.0,
        ]

    def test_begins_at_the_base(self):
        assert ExponentialBackoff(base=3, jitter=False).wait(1, most, 0.0) == 3

    def test_grows_by_the_factor(self):
        assert ExponentialBackoff(base=1, factor=3, jitter=False).wait(3, most, 0.0) == 9

    def test_a_factor_of_one_does_not_grow(self):
        assert ExponentialBackoff(base=2, factor=1, jitter=False).wait(10**6, most, 0.0) == 2

    def test_ends_at_the_cap(self):
        assert ExponentialBackoff(cap=7, jitter=False).wait(10**6, most, 0.0) == 7

    def test_a_base_above_the_cap_waits_the_cap(self):
        assert ExponentialBackoff(base=9, cap=7, jitter=False).wait(1, most, 0.0) == 7

    @pytest.mark.parametrize("share", [0.0, 0.25, 0.75])
    def test_jitter_takes_a_share_of_the_whole(self, share):
        assert ExponentialBackoff(base=4).wait(1, lambda: share, 0.0) == 4 * share

    def test_asks_for_no_chance_without_jitter(self):
        assert ExponentialBackoff(jitter=False).wait(1, None, 0.0) == 0.5


class TestConstant:
    """It does not grow."""

    def test_waits_a_second_each_time(self):
        backoff = ConstantBackoff(jitter=False)

        assert [backoff.wait(k, most, 0.0) for k in (1, 2, 10**6)] == [1.0, 1.0, 1.0]

    def test_waits_what_it_is_told(self):
        assert ConstantBackoff(seconds=3, jitter=False).wait(1, most, 0.0) == 3

    def test_jitter_takes_a_share_of_the_whole(self):
        assert ConstantBackoff(seconds=4).wait(1, lambda: 0.25, 0.0) == 1


class TestLinear:
    """It grows by the same each time, up to the cap."""

    def test_grows_by_half_a_second_up_to_thirty(self):
        backoff = LinearBackoff(jitter=False)

        assert [backoff.wait(k, most, 0.0) for k in (1, 2, 3, 60, 61, 10**6)] == [0.5, 1, 1.5, 30, 30, 30]

    def test_grows_by_the_base(self):
        assert LinearBackoff(base=2, jitter=False).wait(3, most, 0.0) == 6

    def test_ends_at_the_cap(self):
        assert LinearBackoff(cap=7, jitter=False).wait(10**6, most, 0.0) == 7

    def test_jitter_takes_a_share_of_the_whole(self):
        assert LinearBackoff(base=4).wait(2, lambda: 0.25, 0.0) == 2


class TestDecorrelated:
    """It lies between the base and three times the wait before."""

    @pytest.mark.parametrize(("share", "wait"), [(0.0, 0.5), (0.5, 1.0)])
    def test_begins_between_the_base_and_three_times_that(self, share, wait):
        assert DecorrelatedJitterBackoff().wait(1, lambda: share, 0.0) == wait

    @pytest.mark.parametrize(("share", "wait"), [(0.0, 1), (0.5, 6.5), (0.75, 9.25)])
    def test_goes_on_up_to_three_times_the_wait_before(self, share, wait):
        assert DecorrelatedJitterBackoff(base=1).wait(2, lambda: share, 4.0) == wait

    def test_does_not_depend_on_how_many_attempts_there_were(self):
        backoff = DecorrelatedJitterBackoff()

        assert backoff.wait(1, lambda: 0.5, 4.0) == backoff.wait(10**6, lambda: 0.5, 4.0)

    def test_begins_at_the_base_though_three_times_that_is_beyond_all_floats(self):
        assert DecorrelatedJitterBackoff(base=1e308, cap=1.7e308).wait(1, lambda: 0.0, 0.0) == 1e308

    def test_ends_at_the_cap(self):
        assert DecorrelatedJitterBackoff(cap=7).wait(9, most, 6.0) == 7


LAW = settings(derandomize=True, max_examples=100, deadline=None)
ANY = st.floats(5e-324, 1e308)
SHARE = st.floats(0, 1, exclude_max=True)


@LAW
@given(
    base=ANY,
    factor=st.floats(1, 1e308),
    cap=ANY,
    attempt=st.integers(1, 10**6),
    share=SHARE,
    jitter=st.booleans(),
)
@example(base=5e-324, factor=2.0, cap=1e308, attempt=10**6, share=0.5, jitter=False)
@example(base=1e308, factor=1e308, cap=1e308, attempt=2, share=0.5, jitter=False)
def test_law_14_exponential_waits_lie_between_zero_and_the_limit(base, factor, cap, attempt, share, jitter):
    wait = ExponentialBackoff(base=base, factor=factor, cap=cap, jitter=jitter).wait(
        attempt, lambda: share, 0.0
    )

    growth = (attempt - 1) * math.log(factor) + math.log(base)
    limit = cap if growth > math.log(cap) else min(cap, base * factor ** (attempt - 1))
    assert 0 <= wait <= limit
    assert math.isfinite(wait)


@LAW
@given(base=ANY, cap=ANY, attempt=st.integers(1, 10**6), share=SHARE, jitter=st.booleans())
@example(base=1e308, cap=1e308, attempt=10**6, share=0.5, jitter=False)
@example(base=10**308, cap=10**308, attempt=10**6, share=0.5, jitter=False)
def test_law_14_linear_waits_lie_between_zero_and_the_limit(base, cap, attempt, share, jitter):
    wait = LinearBackoff(base=base, cap=cap, jitter=jitter).wait(attempt, lambda: share, 0.0)

    assert 0 <= wait <= min(cap, float(base) * attempt)
    assert math.isfinite(wait)


@LAW
@given(seconds=ANY, attempt=st.integers(1, 10**6), share=SHARE, jitter=st.booleans())
def test_law_14_constant_waits_lie_between_zero_and_the_limit(seconds, attempt, share, jitter):
    wait = ConstantBackoff(seconds=seconds, jitter=jitter).wait(attempt, lambda: share, 0.0)

    assert 0 <= wait <= seconds


@LAW
@given(base=ANY, cap=ANY, shares=st.lists(SHARE, min_size=1, max_size=50))
@example(base=1e308, cap=1e308, shares=[0.0, 0.5])
@example(base=5e-324, cap=1e308, shares=[math.nextafter(1.0, 0.0)] * 50)
def test_law_14_decorrelated_waits_lie_between_zero_and_the_cap(base, cap, shares):
    backoff, wait = DecorrelatedJitterBackoff(base=base, cap=cap), 0.0

    for attempt, share in enumerate(shares, 1):
        limit = min(cap, 3 * max(base, wait))
        wait = backoff.wait(attempt, lambda share=share: share, wait)

        assert min(base, cap) <= wait <= limit
        assert math.isfinite(wait)


EVERY = [
    (ConstantBackoff, "seconds"),
    (LinearBackoff, "base"),
    (LinearBackoff, "cap"),
    (ExponentialBackoff, "base"),
    (ExponentialBackoff, "cap"),
    (DecorrelatedJitterBackoff, "base"),
    (DecorrelatedJitterBackoff, "cap"),
]


class TestSettings:
    """Finite durations, and a factor that does not shrink."""

    @pytest.mark.parametrize("kind", dict.fromkeys(kind for kind, _ in EVERY))
    def test_are_given_by_name(self, kind):
        with pytest.raises(TypeError, match="positional"):
            kind(1.0)

    @pytest.mark.parametrize(("kind", "setting"), EVERY)
    @pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, -math.inf, 10**400])
    def test_refuses_what_is_no_finite_duration(self, kind, setting, value):
        with pytest.raises(ValueError, match=f"{setting} must be .* seconds, got "):
            kind(**{setting: value})

    @pytest.mark.parametrize(("kind", "setting"), [*EVERY, (ExponentialBackoff, "factor")])
    @pytest.mark.parametrize("value", [True, "1", None])
    def test_refuses_what_is_no_number(self, kind, setting, value):
        with pytest.raises(TypeError, match=f"{setting} must be a number.*, got {value!r}"):
            kind(**{setting: value})

    @pytest.mark.parametrize("factor", [0.99, -2, math.nan])
    def test_refuses_a_factor_that_shrinks(self, factor):
        with pytest.raises(ValueError, match=f"factor must be at least 1, got {factor}"):
            ExponentialBackoff(factor=factor)

    @pytest.mark.parametrize("factor", [math.inf, 10**400])
    def test_a_factor_without_end_is_at_the_cap_at_once(self, factor):
        assert ExponentialBackoff(factor=factor, cap=7, jitter=False).wait(2, most, 0.0) == 7
