"""What msgspec finds wrong with a configuration file, in the words of whoever wrote the file."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import inspect

_PLACE: Final = re.compile(r"(?<= - at `)\$\.?([^`]*)(?=`)")  # where msgspec found a fault: `$.gateway.fix_port`


def told(error: msgspec.ValidationError, shape: Any) -> str:
    """What msgspec says, with the place as the file writes it, and the choices where there are some."""
    sentence = _PLACE.sub(r"\1", str(error))
    place = _PLACE.search(str(error))
    if place is None or not sentence.startswith("Invalid enum value"):
        return sentence
    return f"{sentence}; choose one of {', '.join(_choices(shape, place[1]))}"


def _choices(shape: Any, place: str) -> Iterator[str]:
    """What may stand at a place such as `firms[0].sessions[0].kind`; nothing unless that is a list of words."""
    kind = inspect.type_info(shape)
    for key in re.findall(r"\w+|\[\d+\]|\[\.\.\.\]", place):
        if isinstance(kind, inspect.StructType):
            kind = next(field.type for field in kind.fields if field.encode_name == key)
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        if isinstance(kind, inspect.VarTupleType) and key.startswith("["):
            kind = kind.item_type
        if isinstance(kind, inspect.DictType) and key.startswith("["):
            kind = kind.value_type
        if isinstance(kind, inspect.UnionType):  # a key that may be left out
            kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    if isinstance(kind, inspect.LiteralType):
        yield from map(str, kind.values)
