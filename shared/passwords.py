"""Passwords that stand beside their URLs, in settings of their own: in files that nobody has to percent-encode."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

_URL: Final = re.compile(r"(?P<scheme>[\w+.-]+://)(?:(?P<user>[^/?#]*)@)?(?P<rest>[^@]*)", re.DOTALL)
_LOGIN: Final = re.compile(r"[\w+.-]+://[^:@/?#]*:(?P<password>.*)@", re.DOTALL)
_LEGAL: Final = re.compile(r"(?:[^\s@/?#%\[\]]|%[0-9A-Fa-f]{2})*")
_IN_QUERY: Final = re.compile(r"[?&]password=")
_WITHOUT_LOGIN: Final = ("redis+socket://", "socket://")
"""Unix sockets, which the file system guards."""


def is_legible(url: str) -> bool:
    """Whether whoever reads a URL finds its password where it ends: a bare ``@``, ``/``, ``[`` … would cut it."""
    found = _LOGIN.match(url)
    if found and not _LEGAL.fullmatch(found["password"]):
        return False
    try:
        return urlsplit(url).port != 0
    except ValueError:  # a port that is no number, a host in open brackets
        return False


def with_password(url: str, password: str) -> str:
    """Write a password into a URL that has none; one that has its own stays as it is."""
    found = _URL.fullmatch(url)
    if found is None or url.startswith(_WITHOUT_LOGIN) or _IN_QUERY.search(url):
        return url
    user = found["user"] or ""
    if ":" in user:
        return url
    return f"{found['scheme']}{user}:{quote(password, safe='')}@{found['rest']}"
