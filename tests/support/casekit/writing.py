"""Writing expected.json so that a person can read it and a diff shows what changed."""

from __future__ import annotations

import json
from typing import Any

_WIDTH = 110


def as_json(value: Any, indent: int = 0) -> str:
    """Render with one short value a line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= _WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {as_json(each, indent + 2)}" for key, each in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [as_json(each, indent + 2) for each in value]
        opening, closing = "[", "]"
    return opening + "\n" + ",\n".join(pad + part for part in parts) + "\n" + " " * indent + closing
