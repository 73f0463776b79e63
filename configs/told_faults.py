"""What msgspec finds wrong with a configuration file, in the words of whoever wrote the file."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

_PLACE: Final = re.compile(r"(?<= - at `)\$\.?([^`]*)(?=`)")  # where msgspec found a fault: `$.gateway.fix_port`
_ANY_KEY: Final = "[...]"  # so msgspec tells of an entry of a table whose keys are names: `$.instruments[...].tick`
_PATTERN: Final = re.compile(r"Expected `str` matching regex '.*'(?= - at `)")


def told(error: msgspec.ValidationError, shape: Any, file: Mapping[str, Any]) -> str:
    """
    What msgspec says, with the place as the file writes it, and what may stand there where that can be said.

    Args:
        error: The first fault that it found.
        shape: Of the whole file.
        file: As it was read.
    """
    found = _PLACE.search(str(error))
    if found is None:
        return str(error)
    place = found[1]
    sentence = _PLACE.sub(lambda _: _with_key(place, shape, file), str(error))
    if sentence.startswith("Invalid enum value"):
        return f"{sentence}; choose one of {', '.join(_choices(shape, place))}"
    words = _words(shape, place)
    return _PATTERN.sub(lambda _: f"Expected {words}", sentence) if words else sentence


def _with_key(place: str, shape: Any, file: Mapping[str, Any]) -> str:
    """A place with the name of the entry that is at fault, the first that is, where msgspec does not tell it."""
    table, is_there, rest = place.partition(_ANY_KEY)
    kind = _kind(shape, table)
    if is_there and isinstance(kind, inspect.DictType) and isinstance(kind.value_type, inspect.StructType):
        for key, entry in file[table].items():
            try:
                msgspec.convert(entry, kind.value_type.cls)
            except msgspec.ValidationError:
                return f"{table}.{key}{rest}"
    return place


def _choices(shape: Any, place: str) -> Iterator[str]:
    """What may stand at a place such as `firms[0].sessions[0].kind`; nothing unless that is a list of words."""
    kind = _bare(_kind(shape, place))
    if isinstance(kind, inspect.LiteralType):
        yield from map(str, kind.values)


def _words(shape: Any, place: str) -> str:
    """What a text at a place has to be, as `Meta` describes it; empty if it does not."""
    kind = _kind(shape, place)
    return str((kind.extra_json_schema or {}).get("description", "")) if isinstance(kind, inspect.Metadata) else ""


def _kind(shape: Any, place: str) -> inspect.Type:
    """What has to stand at a place."""
    kind = inspect.type_info(shape)
    for key in re.findall(r"\w+|\[\d+\]|\[\.\.\.\]", place):
        kind = _bare(kind)
        if isinstance(kind, inspect.StructType):
            kind = next(field.type for field in kind.fields if field.encode_name == key)
        elif isinstance(kind, inspect.VarTupleType):
            kind = kind.item_type
        elif isinstance(kind, inspect.DictType):
            kind = kind.value_type
    return kind


def _bare(kind: inspect.Type) -> inspect.Type:
    """Without what is said about it, and without None for a key that may be left out."""
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        else:
            kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    return kind
