"""What a structural schema allows, and what it does not: every field by its path, and values that chance chooses."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Schema = Mapping[str, Any]
#: From the spec down to a field.
FieldPath = tuple[str, ...]

CRDS = Path(__file__).parents[2] / "crds"
#: Chances that a value is one that the cloud has, where it is known to have some, and that a text has the form that the
#: schema asks for. Those that have the form, and that the cloud does not have, are the mistakes that the API server takes.
_OFFERED, _FITTING = 0.35, 0.75
_FORM = re.compile(r"self\.matches\('(.*)'\)")
#: Texts of many kinds: what one field takes is nonsense for most others.
WORDS: Sequence[str] = (
    *("web", "no-such-thing", "Nothing Of This Name", "*", "team-*", "a.b.c", "x" * 63, "0", "-1"),
    *("1s", "90s", "10m", "24h", "1", "512Mi", "4Gi", "6Gi", "12Gi", "16Gi", "60Ti", "1e3", "0.5"),
    *("https://127.0.0.1:1", "http://169.254.169.254/latest", "https://user:word@127.0.0.1:1", "file:///etc/passwd"),
    *("02:00:00:00:00:01", "192.0.2.7", "192.0.2.7/24", "2001:db8::7", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@here"),
    *("../../etc/passwd", "a\nb: c", "é日本", "<a>&'\"", "; reboot", "sha256:" + "ab" * 32, "arn:aws:iam::1:role/none"),
    *("eu-west-9", "vmx-99", "none.large", "sg-0123456789abcdef0", "arn:aws:iam::123456789012:role/none"),
    "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----",
)


def spec_schemas() -> dict[str, Schema]:
    """The schema of each kind's spec, by the kind's plural."""
    found = {}
    for file in sorted(CRDS.glob("*.yaml")):
        crd = yaml.safe_load(file.read_text())
        version = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        found[crd["spec"]["names"]["plural"]] = version["properties"]["spec"]
    return found


def fields(schema: Schema, path: FieldPath = ()) -> Iterator[tuple[FieldPath, Schema]]:
    """Every field by its path, structures and what is in them; lists and maps are fields as a whole."""
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name), inner
        yield from fields(inner, (*path, name))


def allowed(schema: Schema, source: random.Random, offers: Sequence[Any] = ()) -> Any:
    """A value that the schema allows: one of ``offers``, or any other."""
    if offers and source.random() < _OFFERED:
        return source.choice(offers)
    if "enum" in schema:
        return source.choice(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return source.choice([source.randint(1, 9), *WORDS])
    match schema.get("type"):
        case "boolean":
            return source.random() < 0.5
        case "integer":
            near = [schema.get("minimum", 0), schema.get("minimum", 0) + 1, 2, 3, 4, 8, 1024, schema.get("maximum", 9)]
            return source.choice(near)
        case "string":
            return source.choice(_words(schema, source))[: schema.get("maxLength", 1024)]
        case "array":
            most = min(3, schema.get("maxItems", 3))
            return [allowed(schema["items"], source) for _ in range(source.randint(0, most))]
        case "object" if "additionalProperties" in schema:
            inner = schema["additionalProperties"]
            return {source.choice(WORDS): allowed(inner, source) for _ in range(source.randint(0, 3))}
    required = set(schema.get("required", ()))
    return {
        name: allowed(inner, source)
        for name, inner in schema.get("properties", {}).items()
        if name in required or source.random() < 0.4
    }


def _words(schema: Schema, source: random.Random) -> Sequence[str]:
    """Texts to choose among: most often those of the form that the schema asks for, else all."""
    if source.random() >= _FITTING:
        return WORDS
    rules = [rule["rule"] for rule in schema.get("x-kubernetes-validations", ())]
    forms = [form[1] for form in map(_FORM.fullmatch, rules) if form]
    return [word for word in WORDS if all(re.search(form, word) for form in forms)] or WORDS


def forbidden(schema: Schema, source: random.Random) -> Any:
    """A value that the schema does not allow."""
    others: list[Any] = [["a", "list"], {"an": "object"}, 1.5, "text", 7, True]
    wrong = [value for value in others if not _is_of(value, schema)]
    if "maxLength" in schema:
        wrong += ["x" * (schema["maxLength"] + 1), ""]
    if "enum" in schema:
        wrong.append("NoneOfThese")
    if "maximum" in schema and schema.get("type") == "integer":
        wrong += [schema["maximum"] + 1, schema["minimum"] - 1, 10**30]
    if "maxItems" in schema:
        wrong.append([allowed(schema["items"], source) for _ in range(schema["maxItems"] + 1)])
    if "maxProperties" in schema:
        wrong.append({f"key-{number}": "x" for number in range(schema["maxProperties"] + 1)})
    return source.choice(wrong)


def _is_of(value: Any, schema: Schema) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, int | str) and not isinstance(value, bool)
    kinds: Mapping[str, tuple[type, ...]] = {
        "array": (list,),
        "boolean": (bool,),
        "integer": (int,),
        "object": (dict,),
        "string": (str,),
    }
    return isinstance(value, kinds[schema["type"]]) and (schema["type"] == "boolean" or not isinstance(value, bool))
