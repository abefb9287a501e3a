"""One circuit: what opens it, for how long, and what closes it again; time is an argument."""

import math

import pytest

from toolcase.middleware.breaker.circuit import BUCKETS, Circuit, CircuitRules, CircuitState, Tally


def circuit_of(**rules):
    return Circuit(CircuitRules(**{"random": lambda: 0.0, **rules}))


def play(circuit, outcomes, now=0.0):
    """Calls that end at once: `+` well, `s` slowly, `-` badly."""
    for outcome in outcomes:
        ticket = circuit.admit(now)
        if outcome == "-":
            circuit.fail(ticket, now, "OSError")
        else:
            circuit.succeed(ticket, now, slow=outcome == "s")
    return circuit.state


def opened(at=0.0, **rules):
    """One that a failure has opened."""
    circuit = circuit_of(failure_threshold=1, **rules)
    play(circuit, "-", at)
    return circuit


class TestOpening:
    @pytest.mark.parametrize(
        ("outcomes", "state"),
        [
            ("+++++-----", "open"),
            ("++++++----", "closed"),
            ("---------", "closed"),  # nine calls are too few to judge by
            ("---------+", "open"),  # the tenth settles it, whatever it ends with
        ],
    )
    def test_at_half_of_ten_calls(self, outcomes, state):
        assert play(circuit_of(), outcomes) == state

    @pytest.mark.parametrize(
        ("ratio", "outcomes", "state"), [(0.3, "+++++++---", "open"), (1, "+---------", "closed")]
    )
    def test_the_ratio_is_a_setting(self, ratio, outcomes, state):
        assert play(circuit_of(failure_ratio=ratio), outcomes) == state

    @pytest.mark.parametrize(("calls", "state"), [(2, "open"), (3, "closed")])
    def test_how_many_calls_it_takes_is_a_setting(self, calls, state):
        assert play(circuit_of(min_calls=calls), "--") == state

    @pytest.mark.parametrize(
        ("outcomes", "state"), [("---", "open"), ("--+--", "closed"), ("--+---", "open")]
    )
    def test_after_failures_in_a_row(self, outcomes, state):
        assert play(circuit_of(failure_threshold=3), outcomes) == state

    def test_a_threshold_alone_judges_no_ratio(self):
        assert play(circuit_of(failure_threshold=3), "--+" * 20) == "closed"

    def test_failures_in_a_row_may_be_far_apart(self):
        circuit = circuit_of(failure_threshold=2, window_seconds=1)
        play(circuit, "-", now=0)

        assert play(circuit, "-", now=1_000) == "open"

    @pytest.mark.parametrize("outcomes", ["---", "+-" * 5])
    def test_with_both_at_whichever_comes_first(self, outcomes):
        assert play(circuit_of(failure_threshold=3, failure_ratio=0.5), outcomes) == "open"

    @pytest.mark.parametrize(("later", "state"), [(8.9, "open"), (10, "closed")])
    def test_what_is_older_than_the_window_is_forgotten(self, later, state):
        circuit = circuit_of(window_seconds=10, min_calls=4)
        play(circuit, "---", now=0)

        assert play(circuit, "-", now=later) == state

    @pytest.mark.parametrize(
        ("ratio", "outcomes", "state"), [(1, "ssss", "open"), (1, "sss+", "closed"), (0.5, "s+s+", "open")]
    )
    def test_when_too_many_calls_are_slow(self, ratio, outcomes, state):
        assert play(circuit_of(slow_seconds=5, slow_ratio=ratio, min_calls=4), outcomes) == state

    def test_a_slow_call_ends_a_row_of_failures(self):
        assert play(circuit_of(failure_threshold=2), "-s-") == "closed"


class TestOpen:
    def test_lets_nothing_pass_until_its_time_is_over(self):
        circuit = opened(at=100, recovery_time=30)

        assert circuit.admit(129.9) is None
        assert circuit.state == "open"
        assert circuit.admit(130) is not None
        assert circuit.state == "half_open"

    def test_stays_so_when_its_time_never_ends(self):
        circuit = opened(recovery_time=math.inf)

        assert circuit.admit(1e12) is None

    def test_the_time_doubles_with_each_trial_that_fails_up_to_the_cap(self):
        circuit, now, waits = opened(recovery_time=10, recovery_cap=50), 0.0, []
        for _ in range(4):
            waits.append(circuit.until - now)
            now = circuit.until
            play(circuit, "-", now)

        assert waits == [10, 20, 40, 50]

    @pytest.mark.parametrize(("drawn", "wait"), [(0.0, 20), (0.5, 15), (0.999, 10.01)])
    def test_the_longer_time_is_drawn_from_its_upper_half(self, drawn, wait):
        circuit = opened(recovery_time=10, random=lambda: drawn)
        play(circuit, "-", 10.0)

        assert circuit.until - 10 == pytest.approx(wait)

    def test_the_time_is_never_less_than_the_first(self):
        circuit = opened(recovery_time=10, recovery_cap=12, random=lambda: 0.9)
        play(circuit, "-", 10.0)

        assert circuit.until - 10 == 10

    def test_a_time_above_the_cap_stays_as_it_is(self):
        circuit = opened(recovery_time=600)
        play(circuit, "-", 600.0)

        assert circuit.until - 600 == 600

    def test_the_time_is_the_first_again_after_it_was_closed(self):
        circuit = opened(recovery_time=10)
        play(circuit, "-", 10.0)

        play(circuit, "+-", 30.0)

        assert (circuit.state, circuit.until) == ("open", 30 + 10)

    def test_with_a_clock_that_went_back_it_stays_so_no_longer(self):
        circuit = opened(1_000, recovery_time=30)

        assert circuit.admit(5) is None
        assert circuit.admit(34) is None
        assert circuit.admit(35)


class TestHalfOpen:
    def test_lets_so_many_try_at_a_time(self):
        circuit = opened(half_open_permits=2, recovery_time=1)

        tickets = [circuit.admit(1.0) for _ in range(3)]

        assert [ticket is not None for ticket in tickets] == [True, True, False]

    @pytest.mark.parametrize("end", ["leave", "succeed"])
    def test_whoever_ends_makes_place(self, end):
        circuit = opened(recovery_time=1, success_threshold=2)
        ticket = circuit.admit(1.0)
        arguments = (ticket,) if end == "leave" else (ticket, 1.0)

        getattr(circuit, end)(*arguments)

        assert circuit.state == "half_open"
        assert circuit.admit(1.0) is not None

    def test_closes_after_so_many_successes(self):
        circuit = opened(recovery_time=1, success_threshold=3)

        assert play(circuit, "++", 1.0) == "half_open"
        assert play(circuit, "+", 1.0) == "closed"

    def test_begins_to_count_anew_each_time(self):
        circuit = opened(recovery_time=1, success_threshold=2)
        play(circuit, "+-", 1.0)

        assert play(circuit, "+", circuit.until) == "half_open"

    @pytest.mark.parametrize("outcome", ["-", "s"])
    def test_opens_at_the_first_that_is_not_well(self, outcome):
        assert play(opened(recovery_time=1, success_threshold=3), f"+{outcome}", 1.0) == "open"

    def test_closed_it_has_forgotten_what_was_before(self):
        circuit = circuit_of(failure_ratio=0.5, min_calls=4, recovery_time=1)
        play(circuit, "----")
        play(circuit, "+", 1.0)

        assert play(circuit, "---", 1.0) == "closed"

    @pytest.mark.parametrize(
        ("allowed", "moment", "free"), [(0, 11, False), (0, 11.1, True), (30, 31, False), (30, 31.1, True)]
    )
    def test_a_place_is_taken_back_after_the_time_it_was_open_or_a_longer_one_that_is_allowed(
        self, allowed, moment, free
    ):
        circuit = opened(at=-9, recovery_time=10)
        circuit.admit(1.0, allowed)

        assert (circuit.admit(moment, allowed) is not None) is free

    @pytest.mark.parametrize(("outcome", "state"), [("+", "closed"), ("-", "open")])
    def test_whoever_lost_its_place_keeps_its_say(self, outcome, state):
        circuit = opened(recovery_time=1)
        late = circuit.admit(1.0)
        circuit.admit(10.0)

        circuit.succeed(late, 11.0) if outcome == "+" else circuit.fail(late, 11.0, "OSError")

        assert circuit.state == state

    def test_a_trial_of_the_time_before_keeps_its_place(self):
        circuit = opened(recovery_time=1, half_open_permits=2)
        circuit.admit(1.0, allowed=60)
        circuit.fail(circuit.admit(1.0), 1.0, "OSError")

        tickets = [circuit.admit(circuit.until) for _ in range(2)]

        assert [ticket is not None for ticket in tickets] == [True, False]

    @pytest.mark.parametrize("end", ["leave", "succeed", "fail"])
    def test_a_trial_of_the_time_before_gives_back_its_place_however_it_ends(self, end):
        circuit = opened(recovery_time=1)
        late = circuit.admit(1.0, allowed=60)
        circuit.reset()
        play(circuit, "-", 2.0)

        getattr(circuit, end)(
            *{"leave": (late,), "succeed": (late, 2.0), "fail": (late, 2.0, "OSError")}[end]
        )

        assert circuit.admit(3.0) is not None


class TestGenerations:
    def test_what_ends_after_it_has_opened_changes_nothing(self):
        circuit = circuit_of(failure_threshold=1)
        late = [circuit.admit(0.0) for _ in range(3)]
        circuit.fail(late[0], 1.0, "OSError")

        assert circuit.fail(late[1], 2.0, "ValueError") is None
        assert circuit.succeed(late[2], 3.0) is None
        assert (circuit.state, circuit.until, circuit.cause) == ("open", 31.0, "OSError")

    def test_what_began_before_it_opened_is_no_trial(self):
        circuit = circuit_of(failure_threshold=1, recovery_time=1)
        late = circuit.admit(0.0)
        play(circuit, "-")
        circuit.admit(1.0)

        assert circuit.succeed(late, 1.0) is None
        assert circuit.state == "half_open"

    def test_what_runs_when_it_is_reset_is_not_counted(self):
        circuit = circuit_of(failure_threshold=1)
        late = circuit.admit(0.0)
        circuit.reset()

        assert circuit.fail(late, 1.0, "OSError") is None
        assert circuit.state == "closed"


class TestByHand:
    def test_isolated_nothing_passes_at_any_time(self):
        circuit = circuit_of()

        assert circuit.isolate("maintenance") == "closed"
        assert circuit.admit(1e9) is None
        assert (circuit.state, circuit.cause) == ("isolated", "maintenance")

    def test_isolated_again_it_has_another_reason_and_no_other_state(self):
        circuit = circuit_of()
        circuit.isolate("one")

        assert circuit.isolate("two") is None
        assert circuit.cause == "two"

    @pytest.mark.parametrize("before", ["closed", "open", "isolated"])
    def test_reset_it_is_closed_and_says_if_it_was_not(self, before):
        circuit = opened() if before == "open" else circuit_of()
        if before == "isolated":
            circuit.isolate("")

        assert circuit.reset() == (None if before == "closed" else before)
        assert (circuit.state, circuit.cause) == ("closed", "")

    def test_reset_while_closed_it_forgets_what_was_counted(self):
        circuit = circuit_of(failure_threshold=3)
        play(circuit, "--")
        circuit.reset()

        assert play(circuit, "--") == "closed"


class TestAdopting:
    """What another instance says of it."""

    @pytest.mark.parametrize("before", ["closed", "open", "isolated"])
    def test_open_it_is_so_for_what_remains_of_the_others_time(self, before):
        circuit = opened() if before == "open" else circuit_of()
        if before == "isolated":
            circuit.isolate("")

        changed = circuit.adopt(CircuitState.OPEN, 100.0, remaining=20.0, cause="OSError")

        assert changed == (None if before == "open" else before)
        assert (circuit.state, circuit.until, circuit.cause) == ("open", 120.0, "OSError")

    @pytest.mark.parametrize("before", ["open", "isolated"])
    def test_closed_it_is_reset(self, before):
        circuit = opened() if before == "open" else circuit_of()
        if before == "isolated":
            circuit.isolate("")

        assert circuit.adopt(CircuitState.CLOSED, 1.0, remaining=0.0, cause="") == before
        assert (circuit.state, circuit.cause) == ("closed", "")

    def test_closed_already_it_goes_on_counting(self):
        circuit = circuit_of(failure_threshold=2)
        play(circuit, "-")

        assert circuit.adopt(CircuitState.CLOSED, 1.0, remaining=0.0, cause="") is None
        assert play(circuit, "-", 1.0) == "open"

    def test_isolated_it_is_so_for_the_others_reason(self):
        circuit = circuit_of()

        changed = circuit.adopt(CircuitState.ISOLATED, 1.0, remaining=0.0, cause="maintenance")

        assert (changed, circuit.state, circuit.cause) == ("closed", "isolated", "maintenance")


class TestTally:
    def test_has_no_more_buckets_than_fit_into_its_time(self):
        tally = Tally(10)
        for tenth in range(10_000):
            tally.add(tenth / 10)

        assert len(tally._buckets) <= BUCKETS + 1
        assert 91 <= tally.calls <= 101

    @pytest.mark.parametrize("what", ["failed", "slow"])
    def test_forgets_bucket_by_bucket(self, what):
        tally, left = Tally(10), []
        for moment in (0.0, 0.95, 1.0):
            tally.add(moment, **{what: True})

        for moment in (9.9, 10.0, 10.9, 11.0):
            tally.add(moment)
            left.append(tally.failures + tally.slow)

        assert left == [3, 1, 1, 0]

    def test_an_infinite_time_is_one_bucket(self):
        tally = Tally(math.inf)
        for second in range(1_000):
            tally.add(float(second), failed=True)

        assert (len(tally._buckets), tally.failures) == (1, 1_000)

    @pytest.mark.parametrize("before", [{"failed": True}, {"slow": True}])
    def test_counts_nothing_quietly_near_what_is_not_well(self, before):
        tally = Tally(10)
        tally.add(0.0, **before)

        assert not tally.add_quietly(0.0)
        assert tally.calls == 1

    def test_counts_quietly_again_when_what_was_not_well_is_forgotten(self):
        tally = Tally(10)
        tally.add(0.0, failed=True)
        tally.add(20.0)

        assert tally.add_quietly(20.0)
        assert (tally.calls, tally.failures, tally.row) == (2, 0, 0)

    def test_counts_quietly_in_the_newest_bucket(self):
        tally = Tally(10)
        for moment in (0.0, 1.0):
            tally.add(moment)

        assert tally.add_quietly(1.9)

    def test_forgets_what_it_counted_quietly_with_its_bucket(self):
        tally = Tally(10)
        tally.add(0.0)
        tally.add_quietly(0.5)

        tally.add(10.0)

        assert tally.calls == 1

    def test_counts_nothing_quietly_where_a_new_bucket_must_begin(self):
        tally = Tally(10)

        assert not tally.add_quietly(0.0)
        tally.add(0.0)
        assert tally.add_quietly(0.9)
        assert not tally.add_quietly(1.0)

    def test_with_a_clock_that_went_back_it_counts_anew(self):
        tally = Tally(10)
        tally.add(1_000, failed=True)

        tally.add(5, slow=True)
        tally.add(14)

        assert (tally.calls, tally.failures, tally.slow, tally.row) == (2, 0, 1, 0)

    def test_with_a_clock_that_went_back_a_little_it_counts_anew_too(self):
        tally = Tally(10)
        for moment in (0, 5, 3):
            tally.add(moment)

        assert tally.calls == 1

    def test_so_it_does_where_the_clock_went_back_by_less_than_it_remembers(self):
        tally = Tally(10)
        tally.add(1_000, failed=True)
        tally.add(1_004, failed=True)

        tally.add(1_002)

        assert (tally.calls, tally.failures) == (1, 0)


class TestRules:
    @pytest.mark.parametrize(
        "setting", ["failure_threshold", "min_calls", "success_threshold", "half_open_permits"]
    )
    @pytest.mark.parametrize("value", [0, -1, True, 1.5, "2"])
    def test_counts_are_whole_numbers(self, setting, value):
        with pytest.raises((TypeError, ValueError), match=f"{setting} must be"):
            CircuitRules(**{setting: value})

    @pytest.mark.parametrize("setting", ["window_seconds", "slow_seconds", "recovery_time", "recovery_cap"])
    @pytest.mark.parametrize("value", [0, -1, True, math.nan, "2"])
    def test_durations_are_above_0(self, setting, value):
        with pytest.raises((TypeError, ValueError), match=f"{setting} must be"):
            CircuitRules(**{setting: value})

    @pytest.mark.parametrize("setting", ["failure_ratio", "slow_ratio"])
    @pytest.mark.parametrize("value", [0, -0.1, 1.1, True, math.nan, "2"])
    def test_ratios_are_above_0_and_at_most_1(self, setting, value):
        with pytest.raises((TypeError, ValueError), match=f"{setting} must be"):
            CircuitRules(**{setting: value})

    def test_there_is_always_a_ratio_of_slow_calls(self):
        with pytest.raises(TypeError, match="slow_ratio must be a number, got None"):
            CircuitRules(slow_ratio=None)

    def test_a_ratio_holds_where_nothing_is_said(self):
        assert CircuitRules().failure_ratio == 0.5
        assert CircuitRules(failure_threshold=5).failure_ratio is None

    def test_half_a_minute_counts_and_five_are_the_cap_where_nothing_is_said(self):
        rules = CircuitRules()

        assert (rules.window_seconds, rules.recovery_time, rules.recovery_cap) == (30, 30, 300)


def test_flags_are_given_by_name():
    circuit = circuit_of()
    ticket = circuit.admit(0.0)

    for given in (
        lambda: circuit.succeed(ticket, 0.0, True),
        lambda: circuit.adopt(CircuitState.OPEN, 0.0, 5.0, "OSError"),
        lambda: Tally(10).add(0.0, True),
    ):
        with pytest.raises(TypeError, match="positional"):
            given()
