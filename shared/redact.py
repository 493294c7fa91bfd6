"""Passwords out of everything that is printed, logged or stored."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, quote_plus, unquote

# A password that nobody percent-encoded may hold "/", "?", "#" and "@": all up to the last "@" of the word is hidden.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://)(?P<user>[^\s:/@?#]*):(?P<password>[^\s'\"<>]*)@")
_USER: Final = re.compile(r"[\w+.-]://[^\s:/@?#]*:")
_SPACES: Final = re.compile(r"[\s'\"<>]")
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
    text = _without_logins(text)
    text = _KEYWORD_PASSWORD.sub(lambda m: m["name"] + "***", text)
    text = _SECRET_PARAMETER.sub(lambda m: m["name"] + "***", text)
    for form in sorted(_known, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _without_logins(text: str) -> str:
    """Hide what `_URL_CREDENTIALS` finds, in a time that grows as the text does: data of a source is redacted, too.

    The expression itself would read a long word again from each of its letters, and a word of many URLs from each.
    """
    kept: list[str] = []
    told = place = barren = 0
    while (user := _USER.search(text, place)) is not None:
        begin, place = user.end(), user.start() + 1
        if begin < barren:
            continue
        space = _SPACES.search(text, begin)
        word_end = space.start() if space else len(text)
        at = text.rfind("@", begin, word_end)
        if at > begin:
            kept += [text[told:begin], "***"]
            told = at
        if at >= 0:
            place = at
        else:
            barren = word_end  # nor has another URL a password that begins before it
    return "".join([*kept, text[told:]])


def _secrets_of(url: str) -> set[str]:
    login = _LOGIN.match(url)
    found = {login["password"]} if login else set()
    for pattern in (_KEYWORD_PASSWORD, _SECRET_PARAMETER):
        found |= {match[0][len(match["name"]) :].strip("'") for match in pattern.finditer(url)}
    return found


def _is_telling(secret: str) -> bool:
    return len(secret) >= _SHORTEST and not (secret.isalpha() and len(secret) <= _LONGEST_WORD)
