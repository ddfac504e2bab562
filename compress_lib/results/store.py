"""SQLite store of run records, looked up by the key of their plan."""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from compress_lib.errors import CompressionError
from compress_lib.results.records import RunRecord
from compress_lib.utils.files import disk_errors, home

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    key TEXT PRIMARY KEY,
    created TEXT NOT NULL,
    model TEXT NOT NULL,
    record TEXT NOT NULL
)
"""


class Store:
    """SQLite database of run records; safe for use from several threads and processes.

    Args:
        path: The database file; `runs.sqlite` in the home folder if None.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or home() / "runs.sqlite"

    def find(self, key: str) -> RunRecord | None:
        """Return the run with a key; None if there is none that this version can read."""
        records = self._records("SELECT record FROM runs WHERE key = ?", key)
        return records[0] if records else None

    def add(self, record: RunRecord) -> None:
        """Store a run, replacing an older one with the same key.

        Raises:
            CompressionError: The disk is full, or the file cannot be written.
        """
        values = (record.key, record.created, record.model.id, json.dumps(record.to_json()))
        with self._connection() as connection:
            connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", values)

    def runs(self, limit: int = 200) -> list[RunRecord]:
        """Return the newest runs that this version can read, newest first."""
        # Timestamps are whole seconds, so runs of the same second are ordered by insertion.
        query = "SELECT record FROM runs ORDER BY created DESC, rowid DESC LIMIT ?"
        return self._records(query, limit)

    def _records(self, query: str, value: str | int) -> list[RunRecord]:
        if not self.path.exists():
            return []
        with self._connection() as connection:
            rows = connection.execute(query, (value,)).fetchall()
        records = []
        for (text,) in rows:
            # Records that this version cannot read count as missing and are measured again.
            with suppress(CompressionError, json.JSONDecodeError):
                records.append(RunRecord.from_json(json.loads(text)))
        return records

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with disk_errors(self.path), self._database_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
                connection.execute(SCHEMA)
                yield connection

    @contextmanager
    def _database_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, str(error)) from error
            raise CompressionError(
                f"The run database {self.path} cannot be used ({error}). Move the file away to "
                "start with an empty one, or set COMPRESS_LAB_HOME to another folder."
            ) from error
