"""Passwords out of everything that is printed, logged or stored."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, quote_plus, unquote

# A password that nobody percent-encoded may hold "/", "?", "#" and "@": all up to the last "@" of the word is hidden.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://)(?P<user>[^\s:/@?#]*):(?P<password>[^\s'\"<>]*)@")
_KEYWORD_PASSWORD = re.compile(
    r"(?P<name>\b(?:(?:ssl_?)?password|ssl_keyfile_password|pgpassword|passwd|pwd)\s*=\s*)"
    r"(?:'(?:[^'\\]|\\.)*'|[^\s&;'\"]+)",
    re.IGNORECASE,
)
# Parameters of a URL that are secrets by their names. A path to a key (libpq's sslkey) is none.
_SECRET_PARAMETER = re.compile(
    r"(?P<name>[?&](?:[\w.-]*(?:token|secret|signature|credentials?|passphrase|api[_-]?key|access[_-]?key)|key|sig|auth)=)"
    r"[^\s&'\"<>]+",
    re.IGNORECASE,
)
_LOGIN: Final = re.compile(r"[\w+.-]+://[^:/@?#]*:(?P<password>.*)@", re.DOTALL)
_SHORTEST: Final = 6
"""A shorter secret is hidden by its place alone: by itself it would blank out parts of other words."""
_LONGEST_WORD: Final = 11
"""Letters alone, up to so many, may be a word (postgres), the name of a table or of a role."""
_known: Final[set[str]] = set()


def remember_secrets(url: str) -> None:
    """Hide the secrets of a URL from now on in this process wherever they stand, also torn out of their URL.

    Drivers quote parts of what they were given: a host's name with half a password before it, a decoded user name.
    """
    for secret in _secrets_of(url):
        for form in {secret, unquote(secret), quote(unquote(secret), safe=""), quote_plus(unquote(secret))}:
            if _is_telling(form):
                _known.add(form)


def redact(text: str) -> str:
    """Replace every password in URLs and connection strings inside `text` by ``***``, and every remembered secret."""
    text = _URL_CREDENTIALS.sub(lambda m: f"{m['scheme']}{m['user']}:***@" if m["password"] else m[0], text)
    text = _KEYWORD_PASSWORD.sub(lambda m: m["name"] + "***", text)
    text = _SECRET_PARAMETER.sub(lambda m: m["name"] + "***", text)
    for form in sorted(_known, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _secrets_of(url: str) -> set[str]:
    login = _LOGIN.match(url)
    found = {login["password"]} if login else set()
    for pattern in (_KEYWORD_PASSWORD, _SECRET_PARAMETER):
        found |= {match[0][len(match["name"]) :].strip("'") for match in pattern.finditer(url)}
    return found


def _is_telling(secret: str) -> bool:
    return len(secret) >= _SHORTEST and not (secret.isalpha() and len(secret) <= _LONGEST_WORD)
