"""Passwords that stand beside their URLs, in settings of their own: in files that nobody has to percent-encode."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_URL: Final = re.compile(r"(?P<scheme>[\w+.-]+://)(?:(?P<user>[^/?#]*)@)?(?P<rest>[^@]*)", re.DOTALL)
_IN_QUERY: Final = re.compile(r"[?&]password=")
_WITHOUT_LOGIN: Final = ("redis+socket://", "socket://")
"""Unix sockets, which the file system guards."""


def with_password(url: str, password: str) -> str:
    """Write a password into a URL that has none; one that has its own stays as it is."""
    found = _URL.fullmatch(url)
    if found is None or url.startswith(_WITHOUT_LOGIN) or _IN_QUERY.search(url):
        return url
    user = found["user"] or ""
    if ":" in user:
        return url
    return f"{found['scheme']}{user}:{quote(password, safe='')}@{found['rest']}"
