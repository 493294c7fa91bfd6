"""What the broker said, and what an operator is to do about it."""

from __future__ import annotations

from typing import Final

_AWAY: Final = ("cannot be reached", "start it, or correct PGCONVOY_BROKER_URL")
_LOGIN: Final = ("refuses the login", "correct user and password in PGCONVOY_BROKER_URL")
_TLS: Final = (
    "cannot be reached",
    (
        "in PGCONVOY_BROKER_URL ssl_ca_certs names the authority's file, the host is to be one of the certificate's"
        " names, and ssl_certfile and ssl_keyfile are this client's own"
    ),
)
_FINDINGS: Final = (
    ("CERTIFICATE", _TLS),
    ("SSL", _TLS),
    ("when used memory", ("is full", "give it more memory (Redis: maxmemory); what it did not take is sent again")),
    ("Authentication required", _LOGIN),
    ("invalid username-password", _LOGIN),
    ("ACCESS_REFUSED", _LOGIN),
    ("no permissions", ("forbids what is needed", "give that user all commands and keys (Redis: ACL SETUSER)")),
    ("loading the dataset", ("still loads its data", "wait until it has")),
    ("read only replica", ("is a replica that takes no messages", "name the primary in PGCONVOY_BROKER_URL")),
    ("MISCONF", ("refuses to write", "make room on its disk; its log says more")),
    ("Timeout", ("does not answer in time", "see what keeps it busy; it is asked again")),
    ("timed out", ("does not answer in time", "see what keeps it busy; it is asked again")),
)
"""By what stands in the driver's message; the first that fits."""


def finding_and_advice(said: str) -> tuple[str, str]:
    """Put what the driver said of a broker into words: what is the matter with it, and what to do."""
    return next((known for word, known in _FINDINGS if word in said), _AWAY)
