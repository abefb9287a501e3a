"""What a docstring says, read from the forms that people write."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolcase.docstrings import parameters, summary

GOOGLE = """Move a file.

    It is moved, not
    copied.

    Args:
        source (str): where it is
        target (Callable[[str], tuple(int, int)]): where it goes,
            below the root
            Note: not across disks
        **options: the rest

    Returns:
        path: where it is now
    """

FIELDS = """Move a file.

    :param source: where it is
    :param str | None target: where it goes,
        below the root
    :type source: str
    :returns: where it is now
    """

NUMPY = """Move a file.

    Parameters
    ----------
    source : str
        Where it is.
    target: str, optional
        Where it goes,
        below the root.
    mode
        How.

    owner, group : {"a", "b"}
        Who has it then.

    Other Parameters
    ----------------
    *rest, **options
        The rest.

    Returns
    -------
    path
        Where it is now.
    """


class TestSummary:
    """What stands before the first section."""

    @pytest.mark.parametrize(
        "docstring", [FIELDS, NUMPY, "Move a file.", "\n    Move\n    a file.\n", "Move a file.\n\nArgs:\n"]
    )
    def test_ends_at_the_first_section(self, docstring):
        assert summary(docstring) == "Move a file."

    def test_keeps_paragraphs_and_joins_their_lines(self):
        assert summary(GOOGLE) == "Move a file.\n\nIt is moved, not copied."

    @pytest.mark.parametrize(
        "section", ["Args:", "Returns:", "Raises:", "yields:", "Examples:", "Note:", ":raises OSError: no"]
    )
    def test_knows_the_sections(self, section):
        assert summary(f"Move.\n\n{section}\n    more") == "Move."

    def test_ends_at_a_doctest(self):
        assert summary("Move.\n\n>>> move()\n1") == "Move."

    def test_takes_a_word_with_a_colon_in_a_sentence_for_text(self):
        assert summary("Note: it moves.\nArgs: none") == "Note: it moves. Args: none"

    @pytest.mark.parametrize("docstring", ["", "   ", "Args:\n    a: b", "---\n"])
    def test_is_empty_where_nothing_is_said(self, docstring):
        assert summary(docstring).strip("-") == ""


class TestParameters:
    """Descriptions by name."""

    def test_reads_a_google_section(self):
        assert parameters(GOOGLE) == {
            "source": "where it is",
            "target": "where it goes, below the root Note: not across disks",
            "options": "the rest",
        }

    def test_reads_fields(self):
        assert parameters(FIELDS) == {"source": "where it is", "target": "where it goes, below the root"}

    def test_reads_a_numpy_section(self):
        assert parameters(NUMPY) == {
            "source": "Where it is.",
            "target": "Where it goes, below the root.",
            "mode": "How.",
            "owner": "Who has it then.",
            "group": "Who has it then.",
            "rest": "The rest.",
            "options": "The rest.",
        }

    def test_reads_no_other_numpy_section(self):
        assert parameters("Move.\n\nReturns\n-------\npath\n    Where it is.") == {}

    def test_ends_a_numpy_section_at_the_next(self):
        text = "Parameters\n----------\na : int\n    One.\n\nRaises\n------\nOSError\n    If it is gone."

        assert parameters(text) == {"a": "One."}

    def test_passes_over_what_is_no_numpy_parameter(self):
        assert parameters("Parameters\n----------\n(none)\n    text\na\n    One.") == {"a": "One."}

    def test_a_numpy_parameter_without_description_has_none(self):
        assert parameters("Parameters\n----------\na : int\nb : int\n    Two.") == {"b": "Two."}

    def test_ends_a_section_at_text_that_is_not_indented(self):
        assert parameters("Move.\n\nArgs:\n    a: one\nText.\n    b: two") == {"a": "one"}

    def test_ends_a_field_at_an_empty_line(self):
        assert parameters(":param a: one\n\ntext") == {"a": "one"}

    def test_takes_a_description_from_the_next_line(self):
        assert parameters("Move.\n\nArgs:\n    a:\n        one") == {"a": "one"}

    def test_passes_over_what_is_no_parameter(self):
        assert parameters("Move.\n\nArgs:\n    none of note\n    a: one") == {"a": "one"}

    def test_passes_over_empty_lines_in_a_section(self):
        assert parameters("Move.\n\nArgs:\n    a: one\n\n    b: two") == {"a": "one", "b": "two"}

    def test_reads_text_after_a_field_section_that_is_no_parameter(self):
        assert parameters("text\n:returns: it\nmore") == {}


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from(["Args:", "  a: b", ":param a: b", "---", "", " c", ">>> d", "\t"])).map(
        "\n".join
    )
)
def test_never_raises(docstring):
    read = parameters(docstring)

    assert isinstance(summary(docstring), str)
    assert all(isinstance(part, str) for pair in read.items() for part in pair)


@pytest.mark.parametrize(
    "line",
    [
        ":param " + "a " * 20_000,
        "Args:\n  a " + "(" * 20_000,
        "Parameters\n---\n" + "a, " * 20_000 + "(",
        ":a" + " " * 20_000,
    ],
)
def test_reads_a_line_without_end_in_short_time(line):
    assert parameters(line) == {}
