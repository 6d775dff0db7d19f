"""The six kinds of rule file, each with its form, its value and the way from one to the other.

A campaign or broadcast is made of the rows in `rules.keys`. A new kind of file is a module here and its
row in `FILES`.

For others: `FILES`, `RuleFile`; the values are re-exported by `rules.model`.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from whereupon.rules.files.event import EventForm, EventPlan
from whereupon.rules.files.file_form import FileForm
from whereupon.rules.files.guard import Guard, GuardForm
from whereupon.rules.files.rule import BroadcastForm, CampaignForm, Rule
from whereupon.rules.files.segment import Segment, SegmentForm
from whereupon.rules.files.settings import FolderSettings, SettingsForm

RuleFile: TypeAlias = Rule | Segment | Guard | EventPlan | FolderSettings
"""What one file says."""

FILES: Final[Mapping[str, type[FileForm]]] = {
    "campaign": CampaignForm,
    "broadcast": BroadcastForm,
    "segment": SegmentForm,
    "event": EventForm,
    "guard": GuardForm,
    "settings": SettingsForm,
}
"""The form of each kind of file, by the key that says the kind."""
