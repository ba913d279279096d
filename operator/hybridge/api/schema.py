"""Models as structural OpenAPI v3 schemas: everything inline, no references, absent instead of null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import inspect

from hybridge.api.fields import Model, Rule

Schema = dict[str, Any]

_RULES = "x-kubernetes-validations"
_INT32 = 2**31 - 1
_SCALARS: Mapping[type[inspect.Type], Schema] = {
    inspect.StrType: {"type": "string"},
    inspect.IntType: {"type": "integer", "format": "int64"},
    inspect.BoolType: {"type": "boolean"},
}


def schema_of(model: type[Model]) -> Schema:
    """The schema of ``model``. TypeError for a type that a structural schema cannot hold."""
    return _schema(inspect.type_info(model))


def _schema(kind: inspect.Type) -> Schema:
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return _with(_schema(inner), extra or {})
        case inspect.UnionType(types=types):
            return _union([member for member in types if not isinstance(member, inspect.NoneType)])
        case inspect.StructType():
            return _object(kind)
        case inspect.VarTupleType(item_type=item):
            return {"type": "array", "items": _schema(item)}
        case inspect.DictType(value_type=inspect.CustomType()):
            return {"type": "object"}
        case inspect.DictType(value_type=value):
            return {"type": "object", "additionalProperties": _schema(value)}
        case inspect.EnumType(cls=words):
            return {"type": "string", "enum": [word.value for word in words]}
    if type(kind) not in _SCALARS:
        raise TypeError(f"no structural schema for {kind!r}")
    return dict(_SCALARS[type(kind)])


def _union(types: list[inspect.Type]) -> Schema:
    if len(types) == 1:
        return _schema(types[0])
    if {type(member) for member in types} == {inspect.IntType, inspect.StrType}:
        return {"x-kubernetes-int-or-string": True}
    raise TypeError(f"no structural schema for the union of {types!r}")


def _object(struct: inspect.StructType) -> Schema:
    rules: tuple[Rule, ...] = getattr(struct.cls, "RULES", ())
    schema: Schema = {"description": _prose(struct.cls.__doc__), "type": "object"}
    if required := [field.encode_name for field in struct.fields if field.required]:
        schema["required"] = required
    if struct.fields:
        schema["properties"] = {field.encode_name: _schema(field.type) for field in struct.fields}
    if rules:
        schema[_RULES] = [rule.schema() for rule in rules]
    return schema


def _with(schema: Schema, extra: Mapping[str, Any]) -> Schema:
    """``schema`` with what its field says of it: the field's sentence wins, its rules come before the type's."""
    merged: Schema = {"description": "", **schema, **extra}
    if rules := [*extra.get(_RULES, ()), *schema.get(_RULES, ())]:
        merged[_RULES] = rules
    if merged.get("type") == "integer" and merged["maximum"] <= _INT32:
        merged["format"] = "int32"
    return merged


def _prose(docstring: str | None) -> str:
    return " ".join((docstring or "").split())
