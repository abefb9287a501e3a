"""A first tool: called by name, described for a model, and clear about what was wrong.

Run it with `python examples/first_tool.py`, or look at its tools from a shell:
`toolcase --app examples.first_tool:registry list`.
"""

from __future__ import annotations

import asyncio
import json

from toolcase import Registry, tool

SHELF = {"dune": 3, "emma": 0, "ulysses": 1}


@tool(read_only=True)
async def copies(title: str) -> int:
    """Say how many copies of a book are on the shelf.

    Args:
        title: The title, in lower case.
    """
    return SHELF[title]


@tool(idempotent=False)
def lend(title: str, days: int = 14) -> str:
    """Lend one copy of a book; a synchronous tool, which runs in a thread."""
    if SHELF[title] == 0:
        raise ValueError(f"no copy of {title!r} is left; ask again tomorrow")
    SHELF[title] -= 1
    return f"{title}, for {days} days"


registry = Registry()
registry.add(copies, lend)


async def main() -> None:
    print("A model is told:")
    print(f"  {copies.name}: {copies.description}")
    print(f"  {json.dumps(copies.input_schema['properties'])}")

    print("Python asks, and gets a value:", await registry.call("copies", title="dune"))

    print("A model asks, and gets an answer:")
    for name, arguments in [
        ("lend", '{"title": "dune", "days": "7"}'),
        ("lend", '{"titel": "dune"}'),
        ("lent", '{"title": "dune"}'),
        ("lend", '{"title": "emma"}'),
    ]:
        result = await registry.execute(name, arguments)
        print(f"  {name}({arguments})\n    {result.for_model()}")


if __name__ == "__main__":
    asyncio.run(main())
