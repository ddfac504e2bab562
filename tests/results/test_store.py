"""Runs kept on disk: found again, newest first, through threads, old versions and full disks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from compress_lib.errors import CompressionError
from compress_lib.results.store import Store
from tests.support.compressed import run_record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs" / "runs.sqlite")


def test_an_empty_store_makes_no_file(store: Store) -> None:
    assert store.find("0123456789abcdef") is None
    assert store.runs() == []
    assert not store.path.parent.exists()


def test_a_run_is_found_by_its_key(store: Store) -> None:
    record = run_record("a")
    store.add(record)
    assert store.find("a") == record
    assert Store(store.path).find("a") == record
    assert store.find("b") is None
    assert store.find("a' OR '1'='1") is None


def test_the_home_folder_is_the_place_if_none_is_named(own_home: Path) -> None:
    Store().add(run_record("a"))
    assert (own_home / "runs.sqlite").is_file()
    assert [record.key for record in Store().runs()] == ["a"]


def test_a_run_takes_the_place_of_an_older_one(store: Store) -> None:
    store.add(run_record("a", created="2026-01-01T00:00:00+00:00"))
    newer = run_record("a", created="2026-01-02T00:00:00+00:00", text=())
    store.add(newer)
    assert store.runs() == [newer]


def test_runs_come_newest_first(store: Store) -> None:
    for day in (2, 3, 1):
        store.add(run_record(f"day {day}", created=f"2026-01-0{day}T00:00:00+00:00"))
    assert [record.key for record in store.runs()] == ["day 3", "day 2", "day 1"]
    assert [record.key for record in store.runs(limit=1)] == ["day 3"]


def test_of_runs_in_the_same_second_the_last_comes_first(store: Store) -> None:
    for key in ("c", "a", "b", "a"):
        store.add(run_record(key))
    assert [record.key for record in store.runs()] == ["a", "b", "c"]


def test_threads_write_at_once(store: Store) -> None:
    def write(name: str) -> None:
        for number in range(15):
            Store(store.path).add(run_record(f"{name}{number}"))
            assert Store(store.path).find(f"{name}{number}") is not None

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ["a", "b"]))
    assert len(store.runs()) == 30


def test_what_another_version_wrote_is_as_good_as_absent(store: Store) -> None:
    store.add(run_record("good"))
    old = run_record("old").to_json()
    del old["agreement"]
    with closing(sqlite3.connect(store.path)) as connection, connection:
        for key, text in (("old", json.dumps(old)), ("torn", '{"key": ')):
            values = (key, "2027", "tiny", text)
            connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", values)
    assert [record.key for record in store.runs()] == ["good"]
    assert store.find("old") is None
    assert store.find("torn") is None
    store.add(run_record("old"))
    assert store.find("old") == run_record("old")


def test_a_file_that_is_no_database_gets_a_sentence(store: Store) -> None:
    store.path.parent.mkdir(parents=True)
    store.path.write_text("Dear diary, " * 100, encoding="utf-8")
    for action in (store.runs, lambda: store.find("a"), lambda: store.add(run_record("a"))):
        with pytest.raises(CompressionError, match=r"runs\.sqlite cannot be used .*not a database"):
            action()
    assert store.path.read_text(encoding="utf-8").startswith("Dear diary")


@pytest.fixture
def tiny_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let SQLite find the disk full once a file has eight pages."""
    connect = sqlite3.connect

    def small(*place: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*place, **more)
        connection.execute("PRAGMA max_page_count = 8")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    yield


def test_a_full_disk_gets_a_sentence_and_keeps_what_was_there(
    store: Store, tiny_disk: None
) -> None:
    store.add(run_record("a"))
    huge = run_record("b", environment={"noise": "x" * 100_000})
    with pytest.raises(CompressionError, match="The disk is full"):
        store.add(huge)
    assert [record.key for record in store.runs()] == ["a"]


def test_a_place_that_is_none_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(CompressionError, match="cannot be written"):
        Store(tmp_path / "file" / "runs.sqlite").add(run_record("a"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(CompressionError, match="cannot be used"):
        Store(tmp_path / "folder").runs()
