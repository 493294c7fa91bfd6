"""Passwords out of everything that is printed, logged or stored."""

from __future__ import annotations

import re

# A password that nobody percent-encoded may hold "/", "?", "#" and "@": all up to the last "@" of the word is hidden.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://)(?P<user>[^\s:/@?#]*):(?P<password>[^\s'\"<>,]*)@")
_KEYWORD_PASSWORD = re.compile(
    r"(?P<name>\b(?:password|passwd|pwd|sslpassword)\s*=\s*)(?:'(?:[^'\\]|\\.)*'|[^\s&;'\"]+)", re.IGNORECASE
)


def redact(text: str) -> str:
    """Replace every password in URLs and connection strings inside `text` by ``***``."""
    text = _URL_CREDENTIALS.sub(lambda m: f"{m['scheme']}{m['user']}:***@" if m["password"] else m[0], text)
    return _KEYWORD_PASSWORD.sub(lambda m: m["name"] + "***", text)
