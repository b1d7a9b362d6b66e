"""What a new description breaks for callers who keep to the old one; asked by `make check`.

A request that was good must stay good, and an answer must keep what it promised. More routes, more
optional fields, wider bounds, further properties of an answer and further words of an answer's enum
break nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Document = Mapping[str, Any]
Schema = Mapping[str, Any]

_ROLES: Final = ("anyone", "viewer", "trader", "admin")
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def breaks(old: Document, new: Document) -> list[str]:
    """Each thing that breaks a caller, in a sentence; none when the version of the API rose."""
    if old["info"]["version"] != new["info"]["version"]:
        return []
    return sorted(set(_broken_routes(old, new)))


def _broken_routes(old: Document, new: Document) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method, before in methods.items():
            name = f"{method.upper()} {path}"
            after = new["paths"].get(path, {}).get(method)
            if after is None:
                yield f"{name} is gone"
                continue
            # The services' API has no roles: whom IAM lets in may all.
            needs, needed = (one.get("x-role", "anyone") for one in (after, before))
            if _ROLES.index(needs) > _ROLES.index(needed):
                yield f"{name} needs {needs} and needed {needed}"
            pair = _Pair(old, new)
            yield from pair.parameters(name, before, after)
            yield from pair.bodies(name, before, after)
            yield from pair.answers(name, before, after)


class _Pair:
    """Two documents whose schemas are compared."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def parameters(self, name: str, before: Schema, after: Schema) -> Iterator[str]:
        """What a request's path, query and headers may no longer be."""
        old = {(p["in"], p["name"]): p for p in before.get("parameters", ())}
        new = {(p["in"], p["name"]): p for p in after.get("parameters", ())}
        for place, parameter in new.items():
            if parameter["required"] and not old.get(place, {}).get("required"):
                yield f"{name}: {place[1]} must be sent now"
        for place, parameter in old.items():
            if place not in new:
                yield f"{name}: {place[1]} is not read any more"
            else:
                yield from self._taken(f"{name}: {place[1]}", parameter["schema"], new[place]["schema"])

    def bodies(self, name: str, before: Schema, after: Schema) -> Iterator[str]:
        """What a request's body may no longer be."""
        old, new = (one.get("requestBody", {}).get("content", {}) for one in (before, after))
        if new and not old:
            yield f"{name} takes a body now"
        for kind, given in old.items():
            if kind not in new:
                yield f"{name} takes no {kind} any more"
            else:
                yield from self._taken(f"{name}, its body", given["schema"], new[kind]["schema"])

    def answers(self, name: str, before: Schema, after: Schema) -> Iterator[str]:
        """What an answer promises no longer."""
        for status, given in before["responses"].items():
            if not status.startswith("2"):
                continue
            found = after["responses"].get(status)
            if found is None:
                yield f"{name} does not answer {status} any more"
                continue
            for kind, content in given.get("content", {}).items():
                if kind not in found.get("content", {}):
                    yield f"{name} does not answer {kind} any more"
                else:
                    promised = found["content"][kind]["schema"]
                    yield from self._promised(f"{name}, its answer", content["schema"], promised)

    def _taken(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        """A request of the old schema must fit the new one."""
        for one in self._kinds(old, self._old):
            found = [other for other in self._kinds(new, self._new) if _holds(_type_of(other), _type_of(one))]
            if not found and _type_of(one) is not None and self._kinds(new, self._new) != [{}]:
                yield f"{place} may not be {_type_of(one)} any more"
            for other in found[:1]:
                yield from _narrowed(place, one, other)
                yield from self._inside(place, one, other, answers=False)

    def _promised(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        """An answer of the new schema must fit the old one, but for further words of an enum."""
        for one in self._kinds(new, self._new):
            known = self._kinds(old, self._old)
            found = [
                other for other in known if _type_of(other) is None or _holds(_type_of(other), _type_of(one))
            ]
            if not found:
                yield f"{place} may be {_type_of(one) or 'anything'} now"
            for other in found[:1]:
                if other.get("format") not in {one.get("format"), None}:
                    yield f"{place} is no {other['format']} any more"
                yield from self._inside(place, other, one, answers=True)

    def _inside(self, place: str, old: Schema, new: Schema, *, answers: bool) -> Iterator[str]:
        mark = (str(old.get("title")), str(new.get("title")), answers)
        if old.get("title") and mark in self._seen:
            return
        self._seen.add(mark)
        where = str(old["title"]) if old.get("title") else place
        follow = self._promised if answers else self._taken
        properties = new.get("properties", {})
        for name, schema in old.get("properties", {}).items():
            if name not in properties:
                yield f"{where}.{name} is gone"
            else:
                yield from follow(f"{where}.{name}", schema, properties[name])
        demanded, before = (one.get("required", ()) for one in ((old, new) if answers else (new, old)))
        for name in sorted(set(demanded) - set(before)):
            if name in properties:
                yield f"{where}.{name} may be missing now" if answers else f"{where}.{name} must be sent now"
        for key in ("items", "additionalProperties"):
            if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
                yield from follow(f"{where}[]", old[key], new[key])

    def _kinds(self, schema: Schema, document: Document) -> list[Schema]:
        """The alternatives of a schema, references followed."""
        if "$ref" in schema:
            return self._kinds(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
        if "anyOf" in schema:
            return [kind for one in schema["anyOf"] for kind in self._kinds(one, document)]
        types = schema.get("type")
        return [{**schema, "type": one} for one in types] if isinstance(types, list) else [schema]


def _holds(wide: str | None, narrow: str | None) -> bool:
    """Whether all values of the type `narrow` are of the type `wide`: whole numbers are numbers."""
    return wide == narrow or (wide, narrow) == ("number", "integer")


def _type_of(schema: Schema) -> str | None:
    """The JSON type; an enum's is that of its words."""
    if "enum" in schema and "type" not in schema:
        return "string" if all(isinstance(word, str) for word in schema["enum"]) else "integer"
    found = schema.get("type")
    return str(found) if found is not None else None


def _narrowed(place: str, old: Schema, new: Schema) -> Iterator[str]:
    """What of the old schema's values the new one refuses."""
    if "enum" in new:
        lost = sorted(map(str, set(old["enum"]) - set(new["enum"]))) if "enum" in old else ["any text"]
        if lost:
            yield f"{place} may not be {', '.join(lost)} any more"
    for key in _LOWER:
        if key in new and (key not in old or new[key] > old[key]):
            yield f"{place}: {key} is {new[key]} now"
    for key in _UPPER:
        if key in new and (key not in old or new[key] < old[key]):
            yield f"{place}: {key} is {new[key]} now"
    for key in ("pattern", "format"):
        if key in new and new[key] != old.get(key):
            yield f"{place}: its {key} is {new[key]} now"
