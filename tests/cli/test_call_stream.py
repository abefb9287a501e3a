"""`toolcase call --stream`, and what a terminal is shown of a tool's progress."""

import io
import json
import os
import signal
import subprocess
import sys

import pytest

from toolcase import Call, Registry, Stage
from toolcase.cli.call import _unread
from toolcase.cli.progress import CLEAR, ProgressLine, line_of
from toolcase.events import ProgressReported

PROGRAM = [sys.executable, "-c", "from toolcase.cli import main; main()", "--app", "streams:registry"]
SECONDS = 30
BAR = CLEAR + r"[######------------------]  25%  half\x1b[2J" + CLEAR

STREAMS = '''
"""Tools that stream, and one that does not."""

import anyio

from toolcase import Call, Registry

registry = Registry()


@registry.tool
async def words(fails: bool = False):
    yield "one "
    yield "two"
    yield ""
    if fails:
        raise RuntimeError("no third")


@registry.tool
def rows():
    yield {"n": 1}
    yield "text\\n"
    yield [2]


@registry.tool
def data():
    yield b"\\x00\\xff"
    yield b"\\r\\n"


@registry.tool
async def plain() -> int:
    return 5


@registry.tool
async def coloured():
    yield "\\x1b[31mred\\x1b[0m"


@registry.tool
async def works(call: Call):
    call.progress(1, 4, "half\\x1b[2J")
    return "done"


@registry.tool
async def unending(lines: int = 1_000_000):
    try:
        for _ in range(lines):
            yield "line\\n"
            await anyio.sleep(0)
        await anyio.sleep(600)
    finally:
        with open("ended", "w") as file:
            file.write("ended")
'''


@pytest.fixture
def streams(run, folder):
    """Run the program with the tools above."""
    (folder / "streams.py").write_text(STREAMS)
    return lambda *words, **settings: run("--app", "streams:registry", *words, **settings)


class TestChunks:
    def test_of_text_are_printed_as_they_are(self, streams):
        result = streams("call", "words", "--stream")

        assert (result.exit_code, result.stdout, result.stderr) == (0, "one two", "")

    def test_of_text_keep_their_colours(self, streams):
        assert streams("call", "coloured", "--stream").stdout == "\x1b[31mred\x1b[0m"

    def test_of_bytes_are_printed_as_they_are(self, streams):
        assert streams("call", "data", "--stream").stdout_bytes == b"\x00\xff\r\n"

    def test_of_anything_else_are_a_line_of_json_each(self, streams):
        assert streams("call", "rows", "--stream").stdout == '{"n":1}\ntext\n[2]\n'

    def test_the_value_of_a_plain_tool_is_one(self, streams):
        assert streams("call", "plain", "--stream").stdout == "5\n"

    @pytest.mark.parametrize("words", [("--json", "call", "words"), ("call", "words", "--output", "json")])
    def test_can_all_be_lines_of_json(self, streams, words):
        lines = streams(*words, "--stream").stdout.splitlines()

        assert [json.loads(line) for line in lines] == ["one ", "two", ""]

    def test_come_before_the_error(self, streams):
        result = streams("call", "words", "fails=true", "--stream")

        assert (result.exit_code, result.stdout) == (1, "one two")
        assert result.stderr == "Error TOOL_FAILED: RuntimeError: no third\n"

    def test_there_are_none_where_the_arguments_are_wrong(self, streams):
        result = streams("call", "words", "wrong=1", "--stream")

        assert (result.exit_code, result.stdout) == (2, "")


class TestTheReaderOfTheOutput:
    """Or who sits before it."""

    @pytest.mark.parametrize("silent", [[], ["lines=1"]])
    def test_may_leave(self, streams, folder, silent):
        with subprocess.Popen(
            [*PROGRAM, "call", "unending", *silent, "--stream"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout.readline() == b"line\n"
            process.stdout.close()
            said = process.stderr.read()
            process.wait(SECONDS)

        assert said == b""
        assert (folder / "ended").read_text() == "ended"

    def test_is_noticed_to_have_left_by_a_look(self, streams, folder, monkeypatch):
        monkeypatch.setattr("toolcase.cli.call.WATCH_SECONDS", 0.01)
        looks = iter([False, False])
        monkeypatch.setattr("toolcase.cli.call._unread", lambda: next(looks, True))

        result = streams("call", "unending", "lines=1", "--stream")

        assert (result.exit_code, result.stdout, result.stderr) == (1, "line\n", "")
        assert (folder / "ended").read_text() == "ended"

    def test_is_there_as_long_as_the_other_end_is_open(self, monkeypatch):
        ours, theirs = os.pipe()
        with open(theirs, "w") as output:
            monkeypatch.setattr(sys, "stdout", output)
            assert not _unread()
            os.close(ours)
            assert _unread()

    @pytest.mark.parametrize("output", [None, io.StringIO()])
    def test_is_there_where_the_output_is_no_file(self, monkeypatch, output):
        monkeypatch.setattr(sys, "stdout", output)

        assert not _unread()

    def test_may_interrupt(self, streams, folder):
        with subprocess.Popen(
            [*PROGRAM, "call", "unending", "--stream"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=SECONDS)

        assert (process.returncode, said) == (130, b"")
        assert (folder / "ended").read_text() == "ended"

    @pytest.mark.parametrize(
        ("words", "shown"),
        [
            (["works"], CLEAR + r"[######------------------]  25%  half\x1b[2J" + CLEAR + "done\n"),
            (
                ["works", "--stream"],
                CLEAR + r"[######------------------]  25%  half\x1b[2J" + CLEAR + "done\n",
            ),
            (["words", "--stream"], "one two\n"),
            (["rows", "--stream"], '{"n":1}\ntext\n[2]\n'),
        ],
    )
    def test_sees_progress_and_whole_lines_on_a_terminal(self, streams, words, shown):
        pty = pytest.importorskip("pty")
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*PROGRAM, "call", *words], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ}
        )
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 4096):
                said += part
        except OSError:  # Linux says so that the other end is closed
            pass
        os.close(ours)

        assert process.wait(SECONDS) == 0
        assert said.decode().replace("\r\n", "\n") == shown

    def test_sees_the_same_as_in_this_process(self, streams, monkeypatch):
        monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda stream: True)

        assert streams("call", "works").stderr == BAR
        assert streams("call", "works", "--stream").output == BAR + "done\n"
        assert streams("call", "words", "--stream").stdout == "one two\n"

    def test_sees_no_progress_where_it_is_no_terminal(self, streams):
        assert streams("call", "works").stderr == ""


@pytest.mark.parametrize(
    ("done", "total", "message", "line"),
    [
        (0, 4, "", "[------------------------]   0%"),
        (4, 4, "all", "[########################] 100%  all"),
        (9, 4, "", "[########################] 100%"),
        (3, None, "files", "3  files"),
        (2.5, 0, "", "2.5"),
        (1, None, "\x1b[2J\r\nup\u202e", r"1  \x1b[2J\r\nup\u202e"),
    ],
)
def test_a_line_of_progress(done, total, message, line):
    assert line_of(ProgressReported(tool="t", done=done, total=total, message=message), message) == line


class TestProgressLine:
    @pytest.fixture
    def line(self):
        return ProgressLine()

    @pytest.fixture
    def registry(self, line):
        registry = Registry()
        registry.use(line)

        @registry.tool
        async def work(call: Call, says: list[int], total: int = 9, message: str = ""):
            for done in says:
                call.progress(done, total, message)

        return registry

    async def test_observes(self, line):
        assert line.stage is Stage.OBSERVE

    async def test_is_drawn_no_more_often_than_anybody_can_read_but_at_the_end(self, registry, capsys):
        await registry.call("work", says=[1, 2, 3, 9])

        drawn = capsys.readouterr().err.split(CLEAR)[1:]
        assert [line[-4:] for line in drawn] == [" 11%", "100%"]

    async def test_is_no_longer_than_the_terminal_is_wide(self, registry, capsys, monkeypatch):
        monkeypatch.setenv("COLUMNS", "20")
        await registry.call("work", says=[1], message="m" * 100)

        assert len(capsys.readouterr().err.removeprefix(CLEAR)) == 19

    async def test_masks_secrets(self, registry, capsys):
        registry.secrets.add("hunter2hunter2")
        await registry.call("work", says=[1], message="with hunter2hunter2")

        assert "hunter2" not in capsys.readouterr().err

    async def test_is_not_drawn_into_a_line_of_text(self, registry, line, capsys):
        line.hidden = True
        await registry.call("work", says=[1])
        line.clear()

        assert capsys.readouterr().err == ""

    async def test_is_that_of_the_outermost_tool(self, registry, capsys):
        @registry.tool
        async def outer():
            await registry.call("work", says=[1])

        await registry.call("outer")

        assert capsys.readouterr().err == ""
