"""What a folder's settings file says."""

from pydantic import JsonValue

from whereupon.rules.fields import TYPE_WORDS
from whereupon.rules.model import FolderSettings, Retention
from whereupon.rules.reader.settingsforms import SettingsForm
from whereupon.rules.reader.valuetypes import type_problems
from whereupon.rules.rule_reader import RuleReader


def read_settings(form: SettingsForm, reader: RuleReader) -> FolderSettings:
    """What a settings file says; defaults for what it does not say."""
    return FolderSettings(
        description=form.description,
        channels=None if form.channels is None else tuple(dict.fromkeys(form.channels)),
        attributes=_attributes(form, reader),
        keep=_keep(form),
    )


def _attributes(form: SettingsForm, reader: RuleReader) -> dict[str, JsonValue] | None:
    if form.attributes is None:
        return None
    schemas: dict[str, JsonValue] = {}
    for name, said in form.attributes.items():
        if isinstance(said, str):
            schemas[name] = TYPE_WORDS[said]
        else:
            reader.diagnostics.extend(type_problems(said, ("attributes", name)))
            schemas[name] = said
    return schemas


def _keep(form: SettingsForm) -> Retention:
    """What is not written has its default; ``forever`` is written, and is None."""
    if form.keep is None:
        return Retention()
    return Retention(**form.keep.model_dump(exclude_unset=True))
