"""Write the generated parts of the documentation: `make docs`. tests/house checks that they are what this would write.

Two tables are generated, between marks in the page: the settings, out of the settings class, and the routes, out of the
application's OpenAPI. Everything else in docs/ is written by hand.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from chatkeep.app import create_app
from chatkeep.settings import Settings

HERE = Path(__file__).parent

Json = dict[str, Any]

_GROUPS = {
    "Accounts": ("/auth", "/.well-known", "/admin/users", "/admin/audit"),
    "Chats": ("/chat",),
    "Usage": ("/usage", "/admin/usage"),
    "OpenAI's protocol": ("/v1",),
    "Operations": ("/",),
}


def settings_table() -> str:
    """Every setting: name, default, meaning."""
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `CHATKEEP_{name.upper()}` | {_default(field)} | {_cell(field.description or '')} |")
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    match field.default:
        case None | () | "" | {}:
            return ""
        case bool(value):
            return f"`{str(value).lower()}`"
        case value:
            return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def openapi() -> Json:
    """What the application says of itself; nothing is started for it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), llm_base_url="scripted:", page=False)
        return create_app(settings, "http://127.0.0.1:1").openapi()


def operations(spec: Json) -> Iterator[tuple[str, str, Json]]:
    """(method, path, operation) of every one, in the order of the routes."""
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def routes_tables(spec: Json) -> str:
    """A table for each group of routes."""
    groups: dict[str, list[str]] = {name: [] for name in _GROUPS}
    for method, path, operation in operations(spec):
        group = next(name for name, prefixes in _GROUPS.items() if path.startswith(prefixes))
        who, taken, given = _who(operation["x-authz"]), _taken(spec, operation), _given(spec, operation)
        groups[group].append(f"| `{method} {path}` | {who} | {taken} | {given} |")
    head = "| route | who | takes | gives |\n| --- | --- | --- | --- |\n"
    return "\n\n".join(f"### {name}\n\n{head}" + "\n".join(rows) for name, rows in groups.items() if rows)


def _who(authz: Json) -> str:
    if authz["policy"] == "all_of":
        return ", ".join(map(_who, authz["policies"]))
    words = {"scope": "signed in", "role": f"role {authz.get('role')}"}
    who = words.get(authz["policy"], authz["policy"].replace("_", " "))
    return f"{who}; key: {authz['scope']}" if "scope" in authz else who


def _taken(spec: Json, operation: Json) -> str:
    parts = []
    parameters = operation.get("parameters", [])
    if query := [p["name"] for p in parameters if p["in"] == "query"]:
        parts.append("`?" + "`, `?".join(query) + "`")
    if headers := [p["name"] for p in parameters if p["in"] == "header" and p["name"] != "authorization"]:
        parts.append("`" + "`, `".join(_header(name) for name in headers) + "`")
    bodies = operation.get("requestBody", {}).get("content", {})
    parts += [_fields(spec, media.get("schema", {})) for media in bodies.values()]
    return "; ".join(parts)


def _header(name: str) -> str:
    return "-".join(word.capitalize() if word != "id" else "ID" for word in name.split("-"))


def _given(spec: Json, operation: Json) -> str:
    answers = []
    for status, response in operation["responses"].items():
        if status >= "4":
            continue
        kinds = [_answer(spec, name, media) for name, media in response.get("content", {}).items()]
        answers.append(" ".join([status, *filter(None, kinds)]))
    return "; ".join(answers)


def _answer(spec: Json, kind: str, media: Json) -> str:
    return _fields(spec, media.get("schema", {})) if kind == "application/json" else kind


def _fields(spec: Json, schema: Json) -> str:
    """`{email, password, name?}`: the fields of an object, those that may be missing with a question mark."""
    schema = _resolved(spec, schema)
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return " or ".join(filter(None, (_fields(spec, each) for each in alternatives)))
    if not (properties := schema.get("properties")):
        return ""
    if "items" in properties:
        # A page: what it holds says more than that it is one.
        item = _fields(spec, _resolved(spec, properties["items"]).get("items", {}))
        return f"page of {item}" if "next_cursor" in properties else f"items: {item}"
    required = schema.get("required", [])
    return "`{" + ", ".join(name if name in required else f"{name}?" for name in properties) + "}`"


def _resolved(spec: Json, schema: Json) -> Json:
    while reference := schema.get("$ref"):
        schema = spec["components"]["schemas"][reference.rsplit("/", 1)[1]]
    return schema


def replaced(page: str, mark: str, text: str) -> str:
    """The page with `text` between the marks `<!-- mark -->` and `<!-- end of mark -->`."""
    pattern = re.compile(f"(<!-- {mark} -->\n).*?(<!-- end of {mark} -->)", re.DOTALL)
    changed, count = pattern.subn(lambda found: f"{found[1]}{text}\n{found[2]}", page)
    if count != 1:
        raise ValueError(f"the page has {count} places for {mark}, not one")
    return changed


def pages() -> dict[Path, str]:
    """Every page with a generated part, as it should be."""
    operator, api = HERE / "operations.md", HERE / "api.md"
    return {
        operator: replaced(operator.read_text(), "settings", settings_table()),
        api: replaced(api.read_text(), "routes", routes_tables(openapi())),
    }


def main() -> int:
    """Write them. Returns the exit status."""
    for path, text in pages().items():
        if path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(HERE.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
