"""SQLite's SQL, parsed: sqlglot's own SQLite with every function left as it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

from shared.schema.declared import affinity_of
from shared.schema.dialect.scope import UntranslatableError


class SqliteAsWritten(SQLite):
    """SQLite without sqlglot's ideas of what its functions mean elsewhere: a call is a name and its arguments."""

    class Parser(SQLite.Parser):  # type: ignore[valid-type, misc] # sqlglot makes it in its metaclass
        """Leaves functions and JSON paths alone."""

        FUNCTIONS: Final[dict[str, Any]] = {}
        FUNCTION_PARSERS: Final = {"CAST": SQLite.Parser.FUNCTION_PARSERS["CAST"]}
        CONCAT_OPERATORS: Final = {
            **SQLite.Parser.CONCAT_OPERATORS,
            TokenType.ARROW: lambda _, this, path: exp.JSONExtract(this=this, expression=path),
            TokenType.DARROW: lambda _, this, path: exp.JSONExtractScalar(this=this, expression=path),
        }
        # A plus sign takes a column's affinity away, so it is kept, as a call.
        UNARY_PARSERS: Final = {
            **SQLite.Parser.UNARY_PARSERS,
            TokenType.PLUS: lambda parser: exp.Anonymous(this="+", expressions=[parser._parse_unary()]),  # noqa: SLF001 - that is how sqlglot's own parse it
        }


def parse_sqlite_statement(sql: str) -> Any:
    """Parse one statement of SQLite, functions left as they are written and casts reduced to their affinity.

    Raises:
        UntranslatableError: where it cannot be parsed.
    """
    if len(sql) > _LONGEST:
        msg = f"it has {len(sql):,} characters, and what has more than {_LONGEST:,} is not translated"
        raise UntranslatableError(msg)
    try:
        statements = sqlglot.parse(_with_plain_casts(sql), dialect=SqliteAsWritten)
    except (SqlglotError, RecursionError) as error:
        raise UntranslatableError(_UNPARSED) from error
    if len(statements) != 1 or statements[0] is None or isinstance(statements[0], exp.Command):
        raise UntranslatableError(_UNPARSED)
    return statements[0]


def parse_sqlite_expression(sql: str) -> Any:
    """Parse one expression of SQLite, functions left as they are written and casts reduced to their affinity.

    Raises:
        UntranslatableError: where it cannot be parsed.
    """
    # A comment may end it, and a word after it must not be taken for its alias.
    select = parse_sqlite_statement(f"SELECT (\n{sql}\n)")
    expressions = select.expressions if isinstance(select, exp.Select) else []
    rest = {key for key, value in select.args.items() if value} - {"kind", "expressions"}
    if len(expressions) != 1 or rest or not isinstance(expressions[0], exp.Paren | exp.Tuple | exp.Subquery):
        raise UntranslatableError(_UNPARSED)
    (expression,) = expressions
    if isinstance(expression, exp.Tuple) and not expression.expressions:
        raise UntranslatableError(_UNPARSED)
    return expression.this if isinstance(expression, exp.Paren) else expression


def _with_plain_casts(sql: str) -> str:
    """Replace the type of each CAST by its affinity's name: SQLite takes any words there, and only they count."""
    tokens = sqlglot.tokenize(sql, dialect=SqliteAsWritten)
    for start, end in reversed(list(_cast_types(tokens))):
        sql = sql[:start] + f" {affinity_of(sql[start:end])}".upper() + sql[end:]
    return sql


def _cast_types(tokens: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Where the type names of casts stand: from after AS to the closing parenthesis."""
    opened: list[bool] = []
    since: int | None = None
    depth = 0
    for position, token in enumerate(tokens):
        match token.token_type:
            case TokenType.L_PAREN:
                opened.append(position > 0 and tokens[position - 1].text.upper() == "CAST")
            case TokenType.ALIAS if opened and opened[-1] and since is None:
                since, depth = token.end + 1, len(opened)
            case TokenType.R_PAREN if opened:
                if since is not None and len(opened) == depth:
                    yield since, token.start
                    since = None
                opened.pop()


_UNPARSED: Final = "it cannot be parsed"
_LONGEST: Final = 200_000
"""Characters: what people write is far shorter, and parsing a CHECK of a million took 19 s and 220 MB."""
