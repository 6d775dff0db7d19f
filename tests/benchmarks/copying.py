"""COPY in binary form by the bare driver: the fastest way of rows into PostgreSQL, beside which we measure."""

from collections.abc import Callable, Sequence

import psycopg

Rows = Sequence[tuple[object, ...]]


def copier(connection: psycopg.Connection, table: str) -> Callable[[Rows], None]:
    """What copies rows into a table, whose first columns they have, a transaction a call."""
    asked = (
        "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
    )
    cursor = connection.cursor()
    columns = cursor.execute(f"{asked} ORDER BY attnum".encode(), (table,)).fetchall()
    connection.commit()

    def copy(rows: Rows) -> None:
        given = columns[: len(rows[0])]
        names = ", ".join(f'"{name}"' for name, _ in given)
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copying:
            copying.set_types([oid for _, oid in given])
            for row in rows:
                copying.write_row(row)
        connection.commit()

    return copy
