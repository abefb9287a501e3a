"""Every Python block in the READMEs and in docs/ runs as the page says, and every link resolves."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from house.pages import CONSOLE, PYTHON, anchors, blocks, links
from house.source import ROOT, pages, shown
from toolcase.cli import main

README = ROOT / "README.md"
RUN = [page for page in pages() if page == README or page.relative_to(ROOT).parts[0] in ("docs", "plugins")]
PAGE_SECONDS = 60
PROGRAM = Path(__file__).with_name("pages.py")
PYTHON_IN_OTHER_WORDS = ("python", "py", "pycon", "python3", "ipython")


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def plugins_for(page: Path) -> dict[str, str]:
    """The environment in which a plugin's page has that plugin alone, and any other page none."""
    folder, name, *_ = (*page.relative_to(ROOT).parts, "")
    return {"TOOLCASE_LOAD_PLUGINS": name} if folder == "plugins" else {"TOOLCASE_DISABLE_PLUGINS": "*"}


@pytest.mark.parametrize("page", RUN, ids=shown)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(PROGRAM), str(page)]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | plugins_for(page),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PAGE_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", RUN, ids=shown)
def test_no_block_of_python_escapes_being_run(page: Path) -> None:
    escaped = [
        f"line {block.line}: ```{block.info}"
        for block in blocks(read(page))
        if block.info.lower().startswith(PYTHON_IN_OTHER_WORDS) and block.info != PYTHON
    ]

    assert not escaped, f"{shown(page)}: {'; '.join(escaped)}: write ```{PYTHON}, and let it run"


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_the_commands_of_a_page_exist(page: Path) -> None:
    wrong = [
        f"line {number}: {fault}"
        for block in blocks(read(page))
        if block.info == CONSOLE
        for number, line in enumerate(block.code.splitlines(), block.line + 1)
        if line.startswith("$ ")
        for step in line.removeprefix("$ ").split(" && ")
        if (fault := fault_in(step))
    ]

    assert not wrong, f"{shown(page)}: {'; '.join(wrong)}"


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = [link for link in links(read(page)) if not resolves(link, page)]

    assert not broken, f"{shown(page)}: nothing is at {', '.join(broken)}"


def fault_in(command: str) -> str:
    """What is wrong with a line that calls toolcase: a command or a long option that does not exist."""
    words = shlex.split(command.partition(" | ")[0], comments=True)
    words = (
        words[words.index("run") + 1 :] if words[:1] and words[0].endswith("uv") and "run" in words else words
    )
    if words[:1] != ["toolcase"]:
        return ""
    found: click.Command = main
    value = False
    for word in words[1:]:
        if value:
            value = False
        elif word.startswith("--"):
            name, given, _ = word.partition("=")
            option = option_of(found, name)
            if option is None and not takes_any_option(found) and name not in ("--help", "--"):
                return f"`{found.name}` has no option {name}"
            value = option is not None and not option.is_flag and not given
        elif isinstance(found, click.Group):
            command_of = found.get_command(click.Context(found), word)
            if command_of is None:
                return f"there is no command `toolcase {word}`"
            found = command_of
    return ""


def option_of(command: click.Command, name: str) -> click.Option | None:
    options = (option for option in command.params if isinstance(option, click.Option))
    return next((option for option in options if name in (*option.opts, *option.secondary_opts)), None)


def takes_any_option(command: click.Command) -> bool:
    """Whether its options are a tool's own parameters."""
    return bool(command.context_settings.get("ignore_unknown_options"))


def resolves(link: str, page: Path) -> bool:
    if link.startswith(("https://", "http://", "mailto:")):
        return True  # the network is not ours to test
    name, _, anchor = unquote(link).partition("#")
    target = (page.parent / name).resolve() if name else page
    if link.startswith("/") or not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(read(target))


# The reader of pages itself

PAGE = """\
# One page

It awaits at the top level, and keeps its names:

```python
import asyncio
x = await asyncio.sleep(0, 1)
print(x)
```

```text
1
```

1. In a list:

    ```python
    print(x + 1)
    ```

    ```text
    {second}
    ```
"""


def test_a_page_that_says_what_its_code_prints_is_right(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.format(second=2), encoding="utf-8")

    assert run_alone(page) == (0, "")


def test_a_page_that_says_something_else_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.format(second=3), encoding="utf-8")

    status, said = run_alone(page)

    assert status == 1
    assert f"{page}:21: the page says" in said


FILES = """\
`box/a.py`:

```python
X = {x}
```

`box/a.py`, at its end:

```python
Y = X + 1
```

`box/b.py`:

```python
from box.a import Y
```

And then:

```python
import box.b
print(box.b.Y)
```

```text
{y}
```

"""


def test_a_block_below_a_path_is_a_file_that_others_import(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(FILES.format(x=1, y=2) + FILES.format(x=2, y=3), encoding="utf-8")

    assert run_alone(page) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


def test_an_error_names_the_line_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\nx = 1\nx / 0\n```\n", encoding="utf-8")

    _, said = run_alone(page)

    assert f'File "{page}", line 5' in said
    assert "x / 0" in said


def run_alone(page: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(page)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def test_a_block_that_is_not_closed_is_an_error() -> None:
    with pytest.raises(ValueError, match="opens on line 2 is not closed"):
        blocks("a\n```python\nx = 1\n")


def test_finds_links_outside_of_code() -> None:
    text = '[a](b.md) `[c](d.md)` ![e](f.svg)\n[g]: h.md\n```text\n[i](j.md)\n```\n<img src="k.png">\n'

    assert links(text) == ["b.md", "f.svg", "h.md", "k.png"]


def test_spells_anchors_as_code_hosts_do() -> None:
    assert anchors("# The `tool`, [once](x.md)\n## Why not?\n## Why not?\n") == {
        "the-tool-once",
        "why-not",
        "why-not-1",
    }


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("toolcase list --json", ""),
        ("uv run toolcase --app my:registry list", ""),
        ("pip install uv", ""),
        ("toolcase lsit", "there is no command `toolcase lsit`"),
        ("uv run toolcase list --jsno", "`list` has no option --jsno"),
    ],
)
def test_knows_the_commands(command: str, fault: str) -> None:
    assert fault_in(command) == fault
