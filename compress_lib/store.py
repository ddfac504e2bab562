"""Runs kept on this machine, found again by the key of their plan."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from compress_lib.results import RunRecord
from compress_lib.storage import disk_errors, home

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    key TEXT PRIMARY KEY,
    created TEXT NOT NULL,
    model TEXT NOT NULL,
    record TEXT NOT NULL
)
"""


class Store:
    """A small database of run records; safe to use from several threads and processes.

    Args:
        path: The database file; in the lab's home folder if None.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or home() / "runs.sqlite"

    def find(self, key: str) -> RunRecord | None:
        """Return the run of a key, if there is one."""
        if not self.path.exists():
            return None
        with self._connection() as connection:
            row = connection.execute("SELECT record FROM runs WHERE key = ?", (key,)).fetchone()
        return RunRecord.from_json(json.loads(row[0])) if row else None

    def add(self, record: RunRecord) -> None:
        """Keep a run, in place of an older one with the same key.

        Raises:
            CompressionError: The disk is full.
        """
        values = (record.key, record.created, record.model.id, json.dumps(record.to_json()))
        with disk_errors(self.path), self._connection() as connection:
            connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", values)

    def runs(self, limit: int = 200) -> list[RunRecord]:
        """Return the newest runs, newest first."""
        if not self.path.exists():
            return []
        with self._connection() as connection:
            query = "SELECT record FROM runs ORDER BY created DESC LIMIT ?"
            rows = connection.execute(query, (limit,)).fetchall()
        return [RunRecord.from_json(json.loads(row[0])) for row in rows]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
            connection.execute(SCHEMA)
            yield connection
