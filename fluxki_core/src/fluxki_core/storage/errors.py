"""What a database refused. Internal to storage and services: a person never sees these."""


class UniqueViolation(Exception):
    """A row with the same unique key exists already; usually a repeat of what was done before.

    `constraint` is what the database calls the key: its name on PostgreSQL (`ticket_number_key`), its columns on
    SQLite (`ticket.number`, or `index 'name'` for an index on an expression). It is for logs; code that must tell
    keys apart looks at what it wrote.
    """

    def __init__(self, constraint: str) -> None:
        super().__init__(f"a row with this unique key exists already: {constraint}")
        self.constraint = constraint
