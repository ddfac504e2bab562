"""Runs kept on this machine, found again by the key of their plan."""

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
    """A small database of run records; safe to use from several threads and processes.

    Args:
        path: The database file; in the lab's home folder if None.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or home() / "runs.sqlite"

    def find(self, key: str) -> RunRecord | None:
        """Return the run of a key, if there is one that this version can read."""
        found = self._records("SELECT record FROM runs WHERE key = ?", key)
        return found[0] if found else None

    def add(self, record: RunRecord) -> None:
        """Keep a run, in place of an older one with the same key.

        Raises:
            CompressionError: The disk is full, or the place cannot be written.
        """
        values = (record.key, record.created, record.model.id, json.dumps(record.to_json()))
        with self._connection() as connection:
            connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", values)

    def runs(self, limit: int = 200) -> list[RunRecord]:
        """Return the newest runs that this version can read, newest first."""
        # Times are whole seconds; of runs in the same one, the last added is the newest.
        query = "SELECT record FROM runs ORDER BY created DESC, rowid DESC LIMIT ?"
        return self._records(query, limit)

    def _records(self, query: str, value: str | int) -> list[RunRecord]:
        if not self.path.exists():
            return []
        with self._connection() as connection:
            rows = connection.execute(query, (value,)).fetchall()
        records = []
        for (text,) in rows:
            # What another version wrote is as good as absent: it will be measured again.
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
                f"The runs kept in {self.path} cannot be used ({error}). Move that file away to "
                "start afresh, or set COMPRESS_LAB_HOME to another folder."
            ) from error
