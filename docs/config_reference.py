"""Print docs/config.md: every key of a study's config, its values and its default."""

import json

from polyhead.config import Section, StudyConfig, sections

LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
NAMES = {"string": "text", "integer": "whole number", "boolean": "true or false", "null": "nothing"}


def values(schema: dict) -> str:
    """Return in words which values a JSON schema allows."""
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(map(values, several)))
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if "$ref" in schema:
        return "section"
    if schema["type"] == "object":
        return f"name: {values(schema['additionalProperties'])}, …"
    if schema["type"] == "array":
        return f"list of {values(schema['items'])}"
    limits = " and ".join(f"{sign} {schema[name]}" for name, sign in LIMITS.items() if name in schema)
    return f"{NAMES.get(schema['type'], schema['type'])} {limits}".strip()


def tables(section: type[Section], path: str = "") -> dict[str, str]:
    """Return by title a section's description and table, and those of the sections in it, each once."""
    schema, inner = section.model_json_schema(), {}
    lines = [(section.__doc__ or "").replace("\n    ", "\n").strip(), ""]
    lines += ["| key | values | default |", "| --- | --- | --- |"]
    for name, field in section.model_fields.items():
        below = list(sections(field.annotation))
        for one in below:
            form = f", with `{next(iter(one.model_fields))}`" if len(below) > 1 else ""
            inner |= tables(one, f"{path.partition(',')[0]}.{name}{form}".strip("."))
        what, default = schema["properties"][name], schema["properties"][name].get("default", "needed")
        own = "" if default is None else json.dumps(default, ensure_ascii=False).strip('"')
        if below and isinstance(default, dict):
            own = "see below"
        lines.append(f"| `{name}` | {values(what)} | {own} |")
    return {path or "Top level": "\n".join(lines) + "\n"} | inner


def page() -> str:
    """Return the whole page."""
    parts = "".join(f"\n## {title}\n\n{text}" for title, text in tables(StudyConfig).items())
    return (
        "<!-- Made by `python docs/config_reference.py > docs/config.md` -->\n"
        "# Values of every key\n\nWhat each key of a study's config can be. What they mean, by example: "
        f"[studies](studies.md).\n{parts}"
    )


if __name__ == "__main__":
    print(page(), end="")
