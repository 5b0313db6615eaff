"""What a YAML file may say, and with which line everything else is refused."""

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.document import MAX_BYTES, MAX_DEPTH, parse_document, parse_scalar, read_document
from pipeline.errors import ConfigError


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, "a.yaml")
    assert caught.value.constraint
    assert caught.value.fix
    return str(caught.value)


def test_values_and_the_line_of_every_key():
    document = parse_document("a: 1\nb:\n  c: [x, 2.5, true]\n  'd.e': null\n", "a.yaml")
    assert document.data == {"a": 1, "b": {"c": ["x", 2.5, True], "d.e": None}}
    assert document.lines == {("a",): 1, ("b",): 2, ("b", "c"): 3, ("b", "d.e"): 4}
    assert document.where(("b", "d.e")) == "a.yaml:4"
    assert document.where(("b", "unwritten")) == "a.yaml:2"
    assert document.where(("unwritten",)) == "a.yaml"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("12:30", "12:30"),
        ("010", 10),
        ("1e-3", 1e-3),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("2020-01-31", "2020-01-31"),
        ("'5'", "5"),
        ('"null"', "null"),
        ("~", None),
        ("-0.05", -0.05),
        (".5", 0.5),
        ("24/7", "24/7"),
        ("1.0.0", "1.0.0"),
    ],
)
def test_scalars_mean_what_they_look_like_and_not_what_yaml_1_1_made_of_them(text, value):
    read = parse_document(f"key: {text}\n", "a.yaml").data["key"]
    assert read == value
    assert type(read) is type(value)


_BARE_FRACTION = re.compile(r"-\.\d+")
"""A number to YAML 1.2, but a text that the library, which speaks YAML 1.1, leaves without quotes."""

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abcXYZ 019._-/", min_size=1, max_size=8).filter(
        lambda text: not _BARE_FRACTION.fullmatch(text)
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcd", min_size=1), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("klmn", min_size=1), _VALUES, min_size=1, max_size=4))
def test_what_a_yaml_library_writes_is_read_back_unchanged(values):
    assert parse_document(yaml.safe_dump(values), "a.yaml").data == values


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key a stands twice"),
        ("a:\n  b: 1\n  b: 1\n", 3, "the key b stands twice"),
        ("a: &x 1\nb: *x\n", 1, "anchors and aliases"),
        ("a: {<<: *base}\n", 1, "aliases"),
        ("a: .nan\n", 1, "not a finite number"),
        ("a: 1\nb: -.inf\n", 2, "not a finite number"),
        ("a: nan\n", 1, "not a finite number"),
        ("a: 1e999\n", 1, "not a finite number"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tag"),
        ("a: !!str 5\n", 1, "tag"),
        ("1: one\n", 1, "a key is not a text"),
        ("? [a, b]\n: 1\n", 1, "a key is not a text"),
        ("'': 1\n", 1, "a key is not a text"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("a: [1, 2\nb: 3\n", 2, "not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: 'open\n", 2, "not valid YAML"),
        ("a: " + "9" * 5000 + "\n", 1, "too long"),
        ("a: " + "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2) + "\n", 1, "nested too deep"),
        ("a: " + "[" * 100_000, 1, "nested too deep"),
    ],
)
def test_what_yaml_would_let_pass_silently_is_refused_with_its_line(text, line, says):
    message = refusal(text)
    assert f"a.yaml:{line}:" in message
    assert says in message


def test_an_alias_bomb_is_refused_before_it_grows():
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "aliases" in refusal(bomb)


@pytest.mark.parametrize("text", ["", "   \n", "# only words\n", "---\n", "null\n"])
def test_an_empty_file_is_refused(text):
    assert "the file is empty" in refusal(text)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words\n", "5\n"])
def test_a_file_without_keys_is_refused(text):
    assert "not a mapping" in refusal(text)


def file_refusal(path, root=None) -> str:
    with pytest.raises(ConfigError) as caught:
        read_document(path, root=root)
    assert caught.value.fix
    return str(caught.value)


def test_files_that_are_no_settings(tmp_path):
    assert "does not exist" in file_refusal(tmp_path / "none.yaml")
    assert "this is not a file" in file_refusal(tmp_path)
    big = tmp_path / "big.yaml"
    big.write_text("a: 1 #" + "x" * MAX_BYTES)
    assert "too large" in file_refusal(big)
    nul = tmp_path / "nul.yaml"
    nul.write_bytes(b"a: 1\nb: 2\0\n")
    assert "nul.yaml:2: the file holds a NUL byte" in file_refusal(nul)
    for encoding in ("utf-16", "latin-1"):
        other = tmp_path / f"{encoding}.yaml"
        other.write_bytes("a: café\n".encode(encoding))
        assert "not UTF-8" in file_refusal(other)
    control = tmp_path / "control.yaml"
    control.write_bytes(b"a: \x07\n")
    assert "not valid YAML" in file_refusal(control)


def test_a_byte_order_mark_is_no_harm_and_messages_name_the_file_from_the_root(tmp_path):
    (tmp_path / "configs").mkdir()
    path = tmp_path / "configs" / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    document = read_document(path, root=tmp_path)
    assert document.data == {"a": 1}
    assert document.name == "configs/a.yaml"
    assert document.where(("a",)) == "configs/a.yaml:1"


def test_a_pipe_is_not_opened(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    assert "this is not a file" in file_refusal(tmp_path / "pipe.yaml")


def test_an_option_that_cannot_be_read_is_named_and_a_secret_is_not_shown():
    with pytest.raises(ConfigError) as caught:
        parse_scalar("[hunter2", "api_key")
    assert "api_key" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text("ab:-[]{}&*!|>'\"#%@,? \n\t0.e", max_size=60))
def test_any_text_is_read_or_refused_and_nothing_else_happens(text):
    try:
        read = parse_document(text, "a.yaml").data
    except ConfigError as error:
        read = str(error)
    assert isinstance(read, dict) or read.startswith("a.yaml")
