"""The Track API, version 2: entities, alone or in a batch. An entity has a type and an action.

The entities of a batch are done in their order. Those that cannot be done are named; the others are in.
"""

from collections.abc import Sequence

from whereupon.engine import Engine
from whereupon.messages.size_limits import MAX_BATCH_BYTES
from whereupon.web.customerio.answers import RefusedError, done, refused_for_all
from whereupon.web.customerio.asked import Asked, Calls
from whereupon.web.customerio.entities import NothingToDo, messages_of
from whereupon.web.customerio.intake import Intake
from whereupon.web.customerio.persons import Persons
from whereupon.web.http import Answer


class TrackV2:
    """What answers below ``/api/v2``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def calls_at(self, parts: Sequence[str]) -> Calls:
        """What answers at a path, given by its parts below ``/api/v2``; empty if nothing does."""
        match parts:
            case ["entity"]:
                return {"POST": self._entity}
            case ["batch"]:
                return {"POST": self._batch}
        return {}

    def _entity(self, asked: Asked) -> Answer:
        intake = self._done([asked.body], asked)
        if intake.faults:
            fault = intake.faults[0]
            return refused_for_all({None: fault}, status=fault.status)
        return done(notes=intake.notes)

    def _batch(self, asked: Asked) -> Answer:
        if len(asked.text) > MAX_BATCH_BYTES:
            reason = f"a batch has at most {MAX_BATCH_BYTES} bytes; send the rest in another batch"
            raise RefusedError(code="batch-too-large", reason=reason, field="batch")
        entities = asked.body.get("batch")
        if not isinstance(entities, list) or not entities:
            reason = "batch must be a list of entities, with at least one"
            raise RefusedError(code="missing-field", reason=reason, field="batch")
        intake = self._done(entities, asked)
        if not intake.faults:
            return done(notes=intake.notes)
        status = 400 if len(intake.faults) == len(entities) else 207
        return refused_for_all(dict(sorted(intake.faults.items())), status=status)

    def _done(self, entities: Sequence[object], asked: Asked) -> Intake:
        intake = Intake(self._engine)
        persons = Persons(self._engine, before=intake.flush)
        for place, entity in enumerate(entities):
            try:
                intake.add(place, messages_of(entity, persons, asked.now))
            except RefusedError as error:
                intake.faults[place] = error.fault
            except NothingToDo as note:
                intake.notes.append(str(note))
        intake.flush()
        return intake
