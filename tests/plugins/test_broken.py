"""Twelve broken plugins, installed beside healthy ones: the host is up, and each is told of once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from installable.distributions import BLOCKS, BROKEN, CALLS, HEALTHY, Shipped
from toolcase import PluginError, PluginRegistry, Registry
from toolcase.plugins.installed import DISABLE

named = pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)


async def used(plugins: PluginRegistry) -> None:
    """A host that enters its registry, calls all healthy tools, and leaves."""
    registry = Registry()
    plugins.install(registry)
    registry.use(plugins.middleware("polite"))
    async with registry:
        for name, (arguments, value) in CALLS.items():
            assert (await registry.execute(name, arguments)).value == value


def told(broken: Shipped) -> tuple[str, str, str, str, str]:
    """What is to be said of it: by name, distribution, when, what is wrong and what mends it."""
    twin = broken.entry in {each.name for each in HEALTHY}
    alive = twin or broken.during == "stop"
    leave_out = "" if alive else f", or leave it out with {DISABLE}={broken.plugin}"
    return broken.plugin, f"{broken.name} 1.0", broken.during, broken.said, broken.mend + leave_out


def faults(plugins: PluginRegistry) -> list[tuple[str, str, str, str, str]]:
    return [(it.plugin, it.distribution, it.during, shortened(it.said), it.mend) for it in plugins.faults]


def shortened(said: str) -> str:
    """Without the path that Python itself adds to a failed import."""
    return said.partition(" (/")[0]


@named
async def test_the_host_is_up_and_it_is_told_of_once(broken, install, logged):
    install(*HEALTHY, broken)

    plugins = PluginRegistry.load()
    await used(plugins)

    assert faults(plugins) == [told(broken)]
    assert [said.splitlines()[0] for said in logged] == [str(plugins.faults[0])]


async def test_all_at_once(install, logged):
    install(*HEALTHY, *BROKEN)

    plugins = PluginRegistry.load()
    await used(plugins)

    assert sorted(faults(plugins)) == sorted(map(told, BROKEN))
    assert len(logged) == len(BROKEN)
    assert set(plugins.loaded) == {*(each.name for each in HEALTHY), "fails-to-stop"}


@named
def test_one_that_is_required_ends_the_load(broken, install):
    if broken.during == "stop" or broken.entry:
        return  # the one did load, and of the other's name there is one that does
    install(*HEALTHY, broken)

    with pytest.raises(PluginError) as raised:
        PluginRegistry.load(required=[broken.name])

    assert shortened(raised.value.said) == f"plugin {broken.name!r} is required: {broken.said}"
    assert raised.value.mend == told(broken)[4]


def test_one_that_never_ends_to_load_can_be_left_out(install, monkeypatch):
    install(*HEALTHY, BLOCKS)
    monkeypatch.setenv(DISABLE, "blocks")

    plugins = PluginRegistry.load()

    assert set(plugins.loaded) == {each.name for each in HEALTHY}
    assert plugins.faults == ()
    assert plugins.left_out == {"blocks": DISABLE}


HOST = """
import asyncio, json, sys
import msgspec
from toolcase import PluginRegistry, Registry

async def main():
    plugins, registry = PluginRegistry.load(), Registry()
    plugins.install(registry)
    async with registry:
        calls = json.loads(sys.argv[1])
        values = {name: (await registry.execute(name, given)).value for name, (given, _) in calls.items()}
    return {
        "values": values,
        "faults": {fault.distribution: [fault.during, fault.mend] for fault in plugins.faults},
        "loaded": list(plugins.loaded),
    }

print(json.dumps(asyncio.run(main())))
"""


def test_installed_by_an_installer(tmp_path):
    wheels = [str(each.wheel(tmp_path)) for each in (*HEALTHY, *BROKEN, BLOCKS)]
    target = tmp_path / "installed"
    uv = os.environ.get("UV") or shutil.which("uv")
    install = (
        [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    )
    offline = ["--no-index", "--no-deps", "--quiet", "--target", str(target)]
    subprocess.run([*install, *offline, *wheels], check=True, timeout=60)

    said = run(HOST, json.dumps(CALLS), target=target, disabled="blocks")

    assert said["values"] == {name: value for name, (_, value) in CALLS.items()}
    ours = {f"{each.name} 1.0" for each in BROKEN}
    assert {name: told for name, told in said["faults"].items() if name in ours} == {
        f"{each.name} 1.0": [each.during, told(each)[4]] for each in BROKEN
    }


def run(program: str, *words: str, target: Path, disabled: str) -> dict:
    """What a program of its own prints, with these distributions on its path."""
    settings = {"PYTHONPATH": str(target), DISABLE: disabled}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *words],
        cwd=target,
        env=inherited | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
