"""What is wrong with a study's data, or suspicious, before anything starts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from search_spaces import Study
from trainables.data.place import DataError, DataMissing
from trainables.datasets.base import Dataset
from trainables.validation import ValidationErrors

if TYPE_CHECKING:
    from trainables.data.inspection import Inspection


def check_data(study: Study, *, is_needed: bool, calls_functions: bool) -> tuple[str, ...]:
    """Warnings about the users' own data, and about the last batch of it that models get. The data sets that ship with
    grokgrid are known to be well.

    is_needed        whether files must be here
    calls_functions  whether data that functions make is checked as well; those are called for it

    Raises:
        DataError: all that is refused in any of the study's data.
        ValidationErrors: models cannot be trained on the last batch.
    """
    refused: list[str] = []
    inspections: dict[Dataset, Inspection] = {}
    for config in dict.fromkeys(cell.config.data for cell in study.cells):
        if config.plugin is not None and not calls_functions:
            continue
        try:
            if (inspection := config.inspect()) is not None:
                inspections[config] = inspection
        except DataMissing as error:
            if is_needed:
                refused.append(str(error))
        except (DataError, ValidationErrors) as error:
            refused.append(str(error))
        except (Exception, SystemExit) as error:
            if config.plugin is None:
                raise
            from trainables.plugins.loading import source_of, told

            refused.append(f"{config.title} fails: {told(error, source_of(config.plugin).root)}")
    if refused:
        raise DataError("\n".join(dict.fromkeys(refused)))
    warnings: list[str] = []
    for cell in study.cells:
        if (found := inspections.get(cell.config.data)) is not None:
            said = found.warnings(batch_size=cell.config.batch_size, shuffle=cell.config.shuffle)
            warnings += [f"{cell.config.data.title}: {each}" for each in said]
    return (*dict.fromkeys(warnings), *_check_last_batches(study, inspections))


def _check_last_batches(study: Study, inspections: "Mapping[Dataset, Inspection]") -> tuple[str, ...]:
    if not any(cell.config.model.plugin is not None for cell in study.cells):
        return ()
    # Not above: it imports numpy.
    from trainables.last_batch import check_last_batches

    return check_last_batches({f"arms.{cell.name}": cell.config for cell in study.cells}, inspections)
