"""What a function makes as data must be the same for all trials of a study, wherever and whenever they run.

Nobody knows its digest before the function has run, so the digest is not part of the trial's key, unless a study
declares it. Every trial records it instead, and the driver compares.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from trainables.records import Summary
from trainables.validation import Problem, ValidationErrors
from trainables.work import Work

if TYPE_CHECKING:
    from grokgrid.tracking import WorkRecord


@final
class DataDigests:
    """Of the functions that make data: from a rehearsal, else from the first trial that has a digest."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = dict(known)

    def of(self, work: Work) -> str | None:
        made = [data for data in work.config.data_sets if data.function is not None]
        return self._known.get(made[0].function or "") if made else None

    def contradiction(self, work: Work, summary: Summary) -> str | None:
        """What is wrong if the trial was trained on other data than is known; else its digest is known from now on."""
        data = next((each for each in work.config.data_sets if each.function is not None), None)
        if data is None or data.function is None or summary.data_digest is None:
            return None
        known = self._known.setdefault(data.function, summary.data_digest)
        if known == summary.data_digest:
            return None
        return (
            f"data {data.name} made other data for trial {work.key}, on {summary.segments[-1].host}, than for this"
            f" study: {summary.data_digest} there, {known} here. Trials on different data cannot be compared. Restore"
            f" what the function reads; or give data.digest: {known} in the study, for new trials on that data"
        )

    def check(self, work: Mapping[str, Work], records: "Mapping[str, WorkRecord]") -> None:
        """Raises:
        ValidationErrors: a trial was trained on other data than this study has.
        """
        for key, record in records.items():
            if record.summary is not None and (wrong := self.contradiction(work[key], record.summary)) is not None:
                raise ValidationErrors("data", [Problem((), wrong)])
