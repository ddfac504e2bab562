"""Texts to choose by and to judge by: what every corpus promises, and what a file may be."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from compress_lib.data.corpora import CORPORA, Split, Text, read_text
from compress_lib.data.text_spec import OWN_TEXT, TextSpec
from compress_lib.errors import CompressionError

SPLITS: tuple[Split, Split] = ("evaluation", "calibration")
LOCAL = sorted(name for name, corpus in CORPORA.items() if not corpus.needs_network)
REMOTE = sorted(set(CORPORA) - set(LOCAL))


def read(corpus: str, split: Split = "evaluation", text: str | None = None) -> Text:
    return read_text(TextSpec(corpus=corpus, text=text), split)


# Every corpus.


def test_those_that_were_promised_are_there() -> None:
    assert {"wikitext-2", "python-docs", "prose"} <= set(CORPORA)
    assert OWN_TEXT not in CORPORA


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_a_corpus_says_what_it_is(name: str) -> None:
    corpus = CORPORA[name]
    assert corpus.name == name
    assert corpus.label
    assert corpus.license
    assert corpus.__doc__


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", LOCAL)
def test_both_splits_have_text_that_never_changes(name: str, split: Split) -> None:
    text = read(name, split)
    assert text.name == name
    assert len(text.content.split()) > 1000
    assert text == read(name, split)
    assert text.digest == hashlib.sha256(text.content.encode()).hexdigest()
    assert "\r" not in text.content
    assert "\0" not in text.content
    assert "\ufeff" not in text.content


@pytest.mark.parametrize("name", LOCAL)
def test_splits_never_mix(name: str) -> None:
    lines = [
        {line.strip() for line in read(name, split).content.splitlines() if len(line.strip()) > 80}
        for split in SPLITS
    ]
    assert all(lines)
    assert not lines[0] & lines[1]


def test_the_prose_is_long_and_of_several_registers() -> None:
    texts = [read("prose", split).content for split in SPLITS]
    assert sum(len(text.split()) for text in texts) >= 3000
    assert all(len(text.split()) >= 1000 for text in texts)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", REMOTE)
def test_one_from_the_network_says_what_to_do_without_it(
    name: str, split: Split, hub_cache: Path
) -> None:
    with pytest.raises(CompressionError, match=r"cannot be reached .* prose or python-docs"):
        read(name, split)


# One's own.


def test_a_text_of_ones_own_is_taken_as_it_is() -> None:
    found = read(OWN_TEXT, text="Two lines,\nand é.\n")
    assert found == Text("own text", "Two lines,\nand é.\n")


def test_a_file_is_named_by_its_name_alone(tmp_path: Path) -> None:
    file = tmp_path / "letters.txt"
    file.write_text("Dear reader,\n", encoding="utf-8")
    assert read(str(file)) == Text("letters.txt", "Dear reader,\n")
    # A file has no splits: the run that would calibrate on its own evaluation is refused later.
    assert read(str(file), "calibration") == read(str(file))


def test_a_file_may_be_given_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.txt").write_text("Mine.", encoding="utf-8")
    assert read("~/mine.txt").content == "Mine."


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_newlines_and_byte_order_marks_change_nothing(
    tmp_path: Path, newline: str, mark: str
) -> None:
    content = mark + "One.\n\nTwo é.\n".replace("\n", newline)
    file = tmp_path / "text.txt"
    file.write_bytes(content.encode())
    assert read(str(file)).content == "One.\n\nTwo é.\n"
    assert read(OWN_TEXT, text=content).content == "One.\n\nTwo é.\n"


def test_the_same_text_has_the_same_digest_wherever_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(b"One.\r\nTwo.\r\n")
    pasted = read(OWN_TEXT, text="One.\nTwo.\n")
    assert read(str(tmp_path / "text.txt")).digest == pasted.digest


# What is none.


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "The text of text.txt is empty"),
        (b" \n\t\r\n", "The text of text.txt is empty"),
        (b"\xef\xbb\xbf", "The text of text.txt is empty"),
        (b"\x89PNG\r\n\x1a\n\xff\xd8", "text.txt is not UTF-8 text"),
        (b"caf\xe9", "text.txt is not UTF-8 text"),
        ("UTF-16 text".encode("utf-16"), "text.txt is not UTF-8 text"),
        ("UTF-16 text".encode("utf-16-le"), "text.txt is not UTF-8 text"),
        (b"PK\x03\x04\x00\x00", "text.txt is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_text_gets_a_sentence(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(CompressionError, match=complaint):
        read(str(tmp_path / "text.txt"))


@pytest.mark.parametrize("text", ["half a \ud83d", "nul \0 byte"])
def test_pasted_text_that_is_no_text_gets_a_sentence(text: str) -> None:
    with pytest.raises(CompressionError, match="own text is not UTF-8 text"):
        read(OWN_TEXT, text=text)


@pytest.mark.parametrize("text", [None, "", " \n", "\ufeff"])
def test_empty_text_gets_a_sentence(text: str | None) -> None:
    with pytest.raises(CompressionError, match="is empty"):
        read(OWN_TEXT, text=text)


@pytest.mark.parametrize("place", ["missing.txt", "no/such/file", "/", "./", "tests/"])
def test_a_file_that_is_not_there_gets_a_sentence(place: str) -> None:
    with pytest.raises(CompressionError, match=f"There is no text file '{place}'"):
        read(place)


@pytest.mark.parametrize("place", ["~nobody-of-that-name/text.txt", "x" * 5000 + ".txt"])
def test_a_path_that_cannot_be_gets_a_short_sentence(place: str) -> None:
    with pytest.raises(CompressionError, match="cannot be read") as caught:
        read(place)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("given", "nearest"),
    [("pros", "prose"), ("wikitext2", "wikitext-2"), ("python_docs", "python-docs")],
)
def test_an_unknown_corpus_is_told_the_nearest(given: str, nearest: str) -> None:
    with pytest.raises(CompressionError, match=f"Unknown corpus '{given}'.*Did you mean"):
        read(given)
    with pytest.raises(CompressionError, match=f"Did you mean '{nearest}'.*Allowed: .*own"):
        read(given)
