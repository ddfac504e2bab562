"""Values of frozen dataclasses as JSON, and back with every type checked. Knows no torch."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Self

from compress_lib.errors import CompressionError


class JsonRecord:
    """A base for dataclasses whose values are kept as JSON.

    Attributes:
        called: What messages call such a value, with its article.
    """

    called: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        kind: Any = type(self)
        return _reader(kind).dump_python(self, mode="json")  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one back; what is missing takes its default, if it has one.

        Raises:
            CompressionError: A field is unknown, missing, or has a wrong type or value.
        """
        from pydantic import ValidationError

        kind: Any = cls
        try:
            return _reader(kind).validate_python(data)  # type: ignore[no-any-return]
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "it"
            raise CompressionError(f"This is not {cls.called}: {place}: {first['msg']}.") from error


@cache
def _reader(cls: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)
