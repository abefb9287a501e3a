"""What must not leave the host, and does not."""

import base64
import copy
import json
import pickle
import threading
import urllib.parse

import pydantic
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolcase import Secrets
from toolcase.secrets import MARK, MOST_SECRETS

KEY = 'p"w/ö €\n1'
"""Every encoding says it in another way."""


def holding(*values):
    """Secrets that hold these."""
    secrets = Secrets()
    secrets.add(*values)
    return secrets


class TestAdding:
    """What can be a secret."""

    @pytest.mark.parametrize(
        "value", ["s3cret", b"s3cret", pydantic.SecretStr("s3cret"), pydantic.SecretBytes(b"s3cret")]
    )
    def test_takes_text_bytes_and_the_secret_types_of_pydantic(self, value):
        assert holding(value).redact("a s3cret b") == "a [redacted] b"

    @pytest.mark.parametrize("value", ["s3cret\n", b" s3cret\r\n"])
    def test_white_space_around_it_is_no_part_of_it(self, value):
        assert holding(value).redact("a s3cret b") == "a [redacted] b"

    @pytest.mark.parametrize("value", [1234, None, ["s3cret"], pydantic.Secret[int](1234)])
    def test_refuses_what_is_no_text_and_does_not_show_it(self, value):
        with pytest.raises(TypeError, match="a secret is text or bytes, got") as caught:
            Secrets().add(value)

        assert "1234" not in str(caught.value)

    @pytest.mark.parametrize("value", ["", "abc", "  abc\n", b"abc"])
    def test_refuses_what_is_too_short_and_does_not_show_it(self, value):
        with pytest.raises(ValueError, match="at least 4") as caught:
            Secrets().add(value)

        assert "abc" not in str(caught.value)

    @pytest.mark.parametrize("value", [MARK, "redacted", "[red", "cted]", base64.b64decode("redacted")])
    def test_refuses_a_piece_of_the_mark(self, value):
        with pytest.raises(ValueError, match=r"a piece of '\[redacted\]'"):
            Secrets().add(value)

    def test_takes_all_or_none(self):
        secrets = Secrets()

        with pytest.raises(ValueError):
            secrets.add("s3cret", "abc")

        assert not secrets

    def test_refuses_more_than_can_be_searched_for(self):
        secrets = holding(*(f"secret-{number}" for number in range(MOST_SECRETS)))

        with pytest.raises(ValueError, match="1,001 secrets are more than 1,000"):
            secrets.add("one more")

        secrets.add("secret-0")
        assert secrets.redact("one more secret-999") == "one more [redacted]"

    def test_forgets_what_is_removed_and_only_that(self):
        secrets = holding("s3cret-a", "s3cret-b")

        secrets.remove("s3cret-a\n", "unknown", "abc")

        assert secrets.redact("s3cret-a s3cret-b") == "s3cret-a [redacted]"

    def test_shows_only_how_many_there_are(self):
        assert repr(holding("s3cret-a", "s3cret-b")) == "<Secrets: 2 registered>"

    def test_is_false_while_there_are_none(self):
        assert not Secrets()
        assert holding("s3cret")

    def test_does_not_leave_its_process(self):
        with pytest.raises(TypeError, match="to_dict"):
            pickle.dumps(holding("s3cret"))

    def test_a_deep_copy_of_what_holds_it_knows_secrets_that_come_later(self):
        secrets = Secrets()

        (again,) = copy.deepcopy([secrets])
        secrets.add("s3cret")

        assert again.redact("s3cret") == MARK


class TestRedact:
    """Text without secrets."""

    @pytest.mark.parametrize(
        "said",
        [
            KEY,
            json.dumps(KEY)[1:-1],
            json.dumps(KEY, ensure_ascii=False)[1:-1],
            repr(KEY)[1:-1],
            repr(KEY.encode())[2:-1],
            urllib.parse.quote(KEY),
            urllib.parse.quote(KEY, safe=""),
            urllib.parse.quote_plus(KEY),
            base64.b64encode(KEY.encode()).decode().rstrip("="),
            base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("="),
        ],
    )
    def test_finds_it_however_it_is_written(self, said):
        assert holding(KEY).redact(f"<{said}>") == "<[redacted]>"
        assert holding(KEY.encode()).redact(f"<{said}>") == "<[redacted]>"

    def test_finds_it_in_the_repr_of_a_text_with_both_quotes(self):
        assert "it" not in holding("it's me").redact(repr("it's me\""))

    def test_finds_bytes_that_are_no_text(self):
        secrets = holding(b"\xff\xfe\xfd\xfc")

        for said in (r"\xff\xfe\xfd\xfc", "%FF%FE%FD%FC", "//79/A=="):
            assert MARK in secrets.redact(said)

    def test_finds_half_a_surrogate_pair(self):
        assert holding("\ud800abc").redact("a \ud800abc") == "a [redacted]"

    def test_puts_one_mark_over_secrets_that_overlap(self):
        assert holding("abcdef", "defghi", "efgh").redact("-abcdefghi-") == "-[redacted]-"

    def test_puts_two_marks_over_secrets_side_by_side(self):
        assert holding("abcd", "efgh").redact("abcdefgh") == "[redacted][redacted]"

    def test_finds_it_inside_itself(self):
        assert holding("ababa").redact("-abababa-") == "-[redacted]-"

    def test_is_done_soon_with_a_text_made_of_nothing_else(self):
        assert holding("aaaa").redact("a" * 100_000) == MARK

    def test_beyond_what_our_messages_can_have_no_cuts_are_looked_for(self):
        secrets = holding("sk-abcdefghijkl")

        assert "sk-abcd" not in secrets.redact("x..." * 199 + "sk-abcd...")
        assert "sk-abcd" in secrets.redact("x..." * 200 + "sk-abcd...")

    def test_leaves_text_without_it_alone(self):
        text = "nothing here"

        assert holding("s3cret").redact(text) is text
        assert Secrets().redact(text) is text

    def test_finds_its_beginning_where_a_message_was_cut(self):
        secrets = holding("sk-abcdefghijkl")

        assert secrets.redact("got 'sk-abcd... or") == "got '[redacted]... or"
        assert (
            secrets.redact("got sk-abcd or sk-... sk-a sk-abX...") == "got sk-abcd or sk-... sk-a sk-abX..."
        )

    def test_a_secret_made_by_a_mark_and_its_neighbour_is_masked_too(self):
        assert "d]xyz" not in holding("s3cret", "d]xyz").redact("s3cretxyz")

    def test_gives_up_on_text_that_is_a_secret_again_after_each_mark(self):
        assert holding("s3cret", "ted]xyz").redact("s3cret...") == MARK


pieces = st.sampled_from(["[", "[re", "ted]", "]", "[redacted]", "ab", "aab", "...", "redacted", " ", '"'])
words = st.lists(pieces | st.text(max_size=4), max_size=6).map("".join)


def is_secret(value):
    try:
        Secrets().add(value)
    except ValueError:
        return False
    return True


@settings(derandomize=True, max_examples=400, deadline=None)
@example(["d]ab", "abcd"], "abcdab")
@given(st.lists(words.filter(is_secret), min_size=1, max_size=4), words)
def test_no_secret_is_left_and_once_is_enough(values, text):
    secrets = holding(*values)
    text = values[0] + text + "".join(values)

    redacted = secrets.redact(text)

    assert not [value for value in values if value.strip() in redacted]
    assert secrets.redact(redacted) == redacted


class TestKeys:
    """What is masked whatever its value."""

    @pytest.mark.parametrize(
        "key",
        [
            "password", "PASSWORD", "db_password", "dbPassword", "password2", "token", "accessToken",
            "access-token", "ACCESS_TOKEN", "accesstoken", "x-api-key", "apiKey", "APIKey", "apikey",
            "Authorization", "Proxy-Authorization", "Set-Cookie", "private_key", "AWS_SECRET_ACCESS_KEY",
            "client_secret", "secret", "user.credentials",
        ],
    )  # fmt: skip
    def test_hides(self, key):
        assert Secrets().hides(key)

    @pytest.mark.parametrize(
        "key",
        [
            "tokens", "max_tokens", "token_count", "tokenizer", "passwordless", "secretary", "key", "api",
            "keyboard", "password_hint_shown", "author", "cookie_policy", "", "123", "monkey", "public_key",
        ],
    )  # fmt: skip
    def test_shows(self, key):
        assert not Secrets().hides(key)

    def test_hides_more_where_told_so(self):
        secrets = Secrets()

        secrets.add_key("pin code", "plan_b")

        assert secrets.hides("userPinCode")
        assert secrets.hides("PLAN-B")
        assert not Secrets().hides("pin_code")

    def test_refuses_a_key_without_letters(self):
        with pytest.raises(ValueError, match="needs letters"):
            Secrets().add_key("123")

    def test_looks_at_the_end_of_a_key_without_end(self):
        assert Secrets().hides("a_" * 1_000_000 + "password")


class TestData:
    """Arguments and records."""

    def test_masks_keys_and_values_all_the_way_down(self):
        secrets = holding("s3cret")

        data = secrets.redact_data({"a": [{"token": {"b": 1}, "s3cret": "a s3cret"}], "n": (1, 2.5)})

        assert data == {"a": [{"token": MARK, MARK: "a [redacted]"}], "n": [1, 2.5]}

    def test_masks_by_key_where_no_value_is_registered(self):
        assert Secrets().redact_data({"password": "hunter2", "user": "me"}) == {
            "password": MARK,
            "user": "me",
        }

    @pytest.mark.parametrize("value", [None, True, False])
    def test_that_there_is_none_is_no_secret(self, value):
        assert Secrets().redact_data({"password": value}) == {"password": value}

    @pytest.mark.parametrize("value", [12345, 0.12345, -12345])
    def test_masks_a_number_that_says_it(self, value):
        assert holding("12345").redact_data([value, 1234]) == [MARK, 1234]

    @pytest.mark.parametrize("value", ["null", "True", "None"])
    def test_keeps_what_is_no_text(self, value):
        assert holding(value).redact_data([None, True]) == [None, True]

    def test_says_what_is_no_json_by_its_type(self):
        circle = []
        circle.append(circle)

        assert holding("s3cret").redact_data([object(), circle]) == ["<object>", ["<list>"]]

    def test_by_value_alone_keys_stay(self):
        assert holding("s3cret").redact_values({"token": "page 2 s3cret"}) == {"token": "page 2 [redacted]"}

    def test_by_value_alone_data_is_not_copied_where_there_is_no_secret(self):
        data = {"token": "page 2"}

        assert Secrets().redact_values(data) is data


def test_threads_add_and_redact_at_once():
    secrets = holding("s3cret")
    faults = []

    def work(number):
        for step in range(30):
            secrets.add(f"thread-{number}-{step}")
            if secrets.redact(f"s3cret thread-{number}-{step}") != f"{MARK} {MARK}":
                faults.append((number, step))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not faults
    assert repr(secrets) == "<Secrets: 121 registered>"
