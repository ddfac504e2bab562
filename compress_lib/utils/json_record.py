"""JSON serialization of frozen dataclasses, with every type checked on reading."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Self

from compress_lib.errors import CompressionError


class JsonRecord:
    """Base class of dataclasses that are stored as JSON.

    Attributes:
        called: Name of a value in error messages, with its article, e.g. "a plan".
    """

    called: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON-serializable values."""
        kind: Any = type(self)
        return _reader(kind).dump_python(self, mode="json")  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Build a record from JSON values; missing fields take their defaults.

        Raises:
            CompressionError: A field is unknown, missing without a default, or has a wrong type or
                value.
        """
        from pydantic import ValidationError

        kind: Any = cls
        try:
            return _reader(kind).validate_python(data)  # type: ignore[no-any-return]
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            detail = f"{field}: {first['msg']}" if field else first["msg"]
            raise CompressionError(f"This is not {cls.called}: {detail}.") from error


@cache
def _reader(cls: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)
