"""The tables that a shop needs to do the workload itself: persons, events, entries, an outbox."""

from datetime import datetime

from sqlalchemy import Engine, ForeignKey, Index, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")


class Base(DeclarativeBase):
    """All tables."""


class Person(Base):
    """A person by user id."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(unique=True)
    traits: Mapped[str] = mapped_column(default="{}")


class Event(Base):
    """A message, of a person or of a device."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    name: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    anonymous_id: Mapped[str | None] = mapped_column(index=True)
    at: Mapped[datetime]
    body: Mapped[str]


class Entry(Base):
    """A rule that let a person in."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    rule: Mapped[str]
    person_id: Mapped[int]
    event_id: Mapped[int]
    at: Mapped[datetime]
    __table_args__ = (Index("of_person", "person_id", "rule"),)


class Outbox(Base):
    """What is to be sent."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    channel: Mapped[str]
    content: Mapped[str]
    state: Mapped[str] = mapped_column(default="pending", index=True)


def opened(path: str) -> Engine:
    """An engine on a file with the tables; a commit is on the disk when it returns."""
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def _prepare(connection: object, _record: object) -> None:
        for pragma in PRAGMAS:
            connection.execute(pragma)

    Base.metadata.create_all(engine)
    return engine
