"""Laws 25 to 30: a circuit breaker, against a model of a circuit."""

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from laws.circuit_model import Model
from toolcase import CircuitOpen, Registry
from toolcase.middleware.breaker.circuit import Circuit, CircuitRules
from toolcase.middleware.breaker.circuits import Circuits
from toolcase.runtime import CircuitBreakerMiddleware
from toolcase.testing import Fail, Give, Script, current_clock

KEYS = ("a", "b", "c")
keys = st.sampled_from(KEYS)
few = st.integers(1, 3)
jitters = st.sampled_from([0.0, 0.25, 0.9])


@st.composite
def rules(draw):
    threshold = draw(st.none() | few)
    return {
        "failure_threshold": threshold,
        "failure_ratio": draw(st.sampled_from([None, 0.3, 0.5, 1.0])),
        "window_seconds": 10.0,
        "min_calls": draw(st.integers(1, 5)),
        "slow_seconds": 5.0,
        "slow_ratio": draw(st.sampled_from([0.5, 1.0])),
        "recovery_time": 8.0,
        "recovery_cap": draw(st.sampled_from([4.0, 20.0, 100.0])),
        "success_threshold": draw(few),
        "half_open_permits": draw(few),
    }


class CircuitMachine(RuleBasedStateMachine):
    """Circuits of several keys, and for each a model that sees what happens to this key alone (law 30)."""

    @initialize(drawn=rules(), jitter=jitters)
    def begin(self, drawn, jitter):
        self.rules = CircuitRules(**drawn, random=lambda: jitter)
        self.now, self.told, self.expected = 0.0, [], []
        self.circuits = Circuits(self.rules, 100, self.told.append)
        self.models = {key: Model(self.rules, jitter) for key in KEYS}
        self.running = []

    def step(self, key, act, model_acts):
        """Do the same to the circuit and to its model."""
        circuit, model = self.circuits.get(key), self.models[key]
        was, before = circuit.state, model.state
        act(circuit)
        model_acts(model)
        self.circuits.changed(key, circuit, was if circuit.state is not was else None)
        self.circuits.tell(self.fail)
        if model.state != before:
            self.expected.append((key, before, model.state))

    def fail(self, fault):
        raise fault

    @rule(key=keys, allowed=st.sampled_from([0.0, 0.0, 30.0]))
    def start(self, key, allowed):
        got = []
        self.step(
            key,
            lambda circuit: got.append(circuit.admit(self.now, allowed)),
            lambda model: got.append(model.start(self.now, allowed)),
        )
        ticket, passed = got
        assert (ticket is None) == (passed is None)  # law 28: who has no ticket runs nothing
        if passed is not None:
            self.running.append((key, ticket, passed))

    @rule(at=st.integers(0, 20), outcome=st.sampled_from(["good", "good", "bad", "bad", "slow", "none"]))
    def end(self, at, outcome):
        if not self.running:
            return
        key, ticket, passed = self.running.pop(at % len(self.running))
        self.step(
            key,
            lambda circuit: self.ends(circuit, ticket, outcome),
            lambda model: model.end(passed, self.now, outcome),
        )

    def ends(self, circuit, ticket, outcome):
        quietly = outcome == "good" and ticket.tally is not None and ticket.tally.add_quietly(self.now)
        if outcome == "none":
            circuit.leave(ticket)
        elif outcome == "bad":
            circuit.fail(ticket, self.now, "OSError")
        elif not quietly:
            circuit.succeed(ticket, self.now, slow=outcome == "slow")

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 8.0, 40.0]))
    def tick(self, seconds):
        self.now += seconds

    @rule(key=keys)
    def isolate(self, key):
        self.step(
            key,
            lambda circuit: circuit.isolate("by hand"),
            lambda model: None if model.state == "isolated" else model.turn("isolated"),
        )

    @rule(key=keys)
    def reset(self, key):
        self.step(key, lambda circuit: circuit.reset(), lambda model: model.turn("closed"))

    @invariant()
    def laws_25_and_29_and_30_the_states_are_those_of_the_models(self):
        for key in KEYS:
            circuit, model = self.circuits.find(key), self.models[key]
            assert model.state == ("closed" if circuit is None else circuit.state)
            assert model.state != "open" or circuit.until == model.until
        assert [(change.key, change.before, change.after) for change in self.told] == self.expected

    @invariant()
    def law_26_no_more_are_on_trial_than_may_be(self):
        for key in KEYS:
            on_trial = [
                p for k, _, p in self.running if k == key and p.ends is not None and p.ends >= self.now
            ]
            assert len(on_trial) <= self.rules.half_open_permits

    def teardown(self):
        """Law 27: after enough time and enough successes it is closed, whatever still runs."""
        for key in KEYS:
            circuit = self.circuits.get(key)
            if circuit.state == "isolated":
                continue
            self.now += 1_000.0
            for _ in range(self.rules.success_threshold):
                circuit.succeed(circuit.admit(self.now), self.now)
            assert circuit.state == "closed"


def test_laws_25_to_30_a_circuit_refines_its_model(profile):
    run_state_machine_as_test(CircuitMachine, settings=settings(profile, stateful_step_count=60))


@given(drawn=rules(), jitter=jitters)
def test_law_27_trials_that_never_end_do_not_keep_it_from_being_closed(drawn, jitter):
    circuit, now = Circuit(CircuitRules(**drawn, random=lambda: jitter)), 0.0
    while circuit.state == "closed":
        circuit.fail(circuit.admit(now), now, "OSError")
    assert all(circuit.admit(circuit.until) for _ in range(drawn["half_open_permits"]))
    assert circuit.admit(circuit.until) is None

    now = circuit.until + 1_000.0
    for _ in range(drawn["success_threshold"]):
        circuit.succeed(circuit.admit(now), now)

    assert circuit.state == "closed"


class Watched:
    """A breaker around tools whose starts and ends are told to a model of each, as they happen."""

    def __init__(self, drawn, jitter):
        self.breaker = CircuitBreakerMiddleware(**drawn, random=lambda: jitter)
        self.models = {name: Model(self.breaker, jitter) for name in KEYS}
        self.most = dict.fromkeys(KEYS, 0)
        self.registry = Registry(clock=current_clock())
        self.registry.use(self.breaker)
        for name in KEYS:
            self.registry.tool(self.function(name), name=name)

    def function(self, name):
        model, on_trial = self.models[name], set()

        async def run(seconds: float, fails: bool) -> None:
            began = current_clock().now
            passed = model.start(began)
            assert passed is not None
            if passed.ends is not None:
                on_trial.add(passed)
            alive = [trial for trial in on_trial if trial.ends >= began]
            self.most[name] = max(self.most[name], len(alive))
            outcome = "none"
            try:
                await anyio.sleep(seconds)
                outcome = "bad" if fails else "good" if seconds < 5.0 else "slow"
                if fails:
                    raise OSError
            finally:
                on_trial.discard(passed)
                model.end(passed, current_clock().now, outcome)

        return run

    async def call(self, wait, name, seconds, fails, patience):
        await anyio.sleep(wait)
        with anyio.move_on_after(patience):
            result = await self.registry.execute(name, {"seconds": seconds, "fails": fails})
            if result.error and result.error.code == "CIRCUIT_OPEN":
                assert self.models[name].start(current_clock().now) is None
            assert self.breaker.state(name) == self.models[name].state


calls = st.tuples(
    st.integers(0, 60).map(float),
    keys,
    st.sampled_from([0.0, 1.0, 2.0, 6.0, 30.0]),
    st.booleans(),
    st.sampled_from([1_000.5, 1_000.5, 1_000.5, 0.5, 1.5]),
)


@given(drawn=rules(), jitter=jitters, made=st.lists(calls, max_size=40))
async def test_laws_25_and_26_and_28_and_30_however_calls_overlap(drawn, jitter, made):
    watched = Watched(drawn, jitter)

    async with anyio.create_task_group() as tasks:
        for call in made:
            tasks.start_soon(watched.call, *call)

    for name in KEYS:
        assert watched.breaker.state(name) == watched.models[name].state
        assert watched.most[name] <= drawn["half_open_permits"]


@given(permits=few, waiting=st.integers(1, 100), seconds=st.sampled_from([0.0, 1.0]))
async def test_law_26_of_many_that_wait_for_it_so_many_are_let_in(permits, waiting, seconds):
    registry, script = Registry(), Script(Fail(OSError()), Give(after=seconds))
    breaker = CircuitBreakerMiddleware(
        failure_threshold=1, recovery_time=30, half_open_permits=permits, success_threshold=1_000
    )
    registry.use(breaker)
    registry.add(script.tool("t"))
    await registry.execute("t")
    began = current_clock().now

    async def waits():
        await anyio.sleep(began + 30 - current_clock().now)
        await registry.execute("t")

    async with anyio.create_task_group() as tasks:
        for _ in range(waiting):
            tasks.start_soon(waits)

    assert len(script.starts) - 1 == (min(permits, waiting) if seconds else waiting)


@given(steps=st.lists(st.sampled_from(["-", "+"]), min_size=1, max_size=30))
async def test_law_28_who_is_refused_starts_nothing(steps):
    registry = Registry()
    script = Script(*(Fail(OSError()) if step == "-" else Give() for step in steps))
    registry.use(CircuitBreakerMiddleware(failure_threshold=1))
    registry.add(script.tool("t"))

    ends = [await registry.execute("t") for _ in range(len(steps) + 5)]

    refused = [end for end in ends if end.error and isinstance(end.error.cause, CircuitOpen)]
    assert len(script.starts) + len(refused) == len(ends)
    assert all(end.attempts == 0 for end in refused)
