"""Laws of plugins: whoever needs whom, whoever fails, and in whatever order they are taken in."""

from hypothesis import given
from hypothesis import strategies as st

from installable.workers import Started, tool_named


@st.composite
def graphs(draw):
    """Plugins, each with those that it needs, without a circle; the order of taking them in; who fails."""
    names = [f"p{n}" for n in range(draw(st.integers(1, 7)))]
    needs = {
        name: draw(st.lists(st.sampled_from(names[:at]), unique=True)) if at else []
        for at, name in enumerate(names)
    }
    fails = draw(st.sets(st.sampled_from(names)))
    return needs, draw(st.permutations(names)), fails


def doomed(needs, fails):
    """Those that fail, and all that need them."""
    out = set(fails)
    for name, those in needs.items():  # each stands after those that it needs
        if out & set(those):
            out.add(name)
    return out


@given(graph=graphs())
async def test_whatever_needs_what_and_whoever_fails(graph):
    needs, order, fails = graph
    started = Started()
    for name in order:
        started.add(name, needs=needs[name], start=ConnectionError() if name in fails else None)

    await started.plugins.initialize_all()
    up = [each.removeprefix("+") for each in started.log]
    await started.plugins.shutdown_all()

    assert set(up) == set(needs) - doomed(needs, fails) == set(started.plugins.loaded)
    assert all(up.index(need) < up.index(name) for name in up for need in needs[name])
    assert started.log[len(up) :] == [f"-{name}" for name in reversed(up)]
    assert len(started.faults()) == len({plugin for plugin, *_ in started.faults()}) == len(needs) - len(up)


@given(graph=graphs(), tools=st.lists(st.sampled_from("xyz"), min_size=7, max_size=7))
def test_the_order_of_taking_them_in_does_not_matter(graph, tools):
    needs, order, _ = graph
    outcomes = []

    for names in (sorted(order), order):
        started = Started()
        for name in names:
            tool = tool_named(tools[int(name[1:])])
            started.add(name, needs=needs[name], tools=[tool])
        outcomes.append((list(started.plugins.loaded), sorted(started.faults())))

    assert outcomes[0] == outcomes[1]
