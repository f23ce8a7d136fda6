"""What is wrong with a study's data, or suspicious, before anything starts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from search_spaces import Study
from trainables.data.place import DataError, DataMissing
from trainables.datasets.base import Dataset
from trainables.gradient_config import GradientConfig, check_fit
from trainables.validation import Problem, ValidationErrors

if TYPE_CHECKING:
    from trainables.data.inspection import Inspection


def check_data(study: Study, *, is_needed: bool, calls_functions: bool) -> tuple[str, ...]:
    """Warnings about the users' own data, and about the last batch of it that models get. The data sets that ship with
    grokgrid are known to be well.

    is_needed        whether files must be here
    calls_functions  whether data that functions make is checked as well; those are called for it

    Raises:
        DataError: all that is refused in any of the study's data.
        ValidationErrors: models cannot take its examples, or cannot be trained on the last batch.
    """
    refused: list[str] = []
    inspections: dict[Dataset, Inspection] = {}
    for data in dict.fromkeys(each for cell in study.cells for each in cell.config.data_sets):
        if data.plugin is not None and not calls_functions:
            continue
        try:
            if (inspection := data.inspect()) is not None:
                inspections[data] = inspection
        except DataMissing as error:
            if is_needed:
                refused.append(str(error))
        except (DataError, ValidationErrors) as error:
            refused.append(str(error))
        except (Exception, SystemExit) as error:
            if data.plugin is None:
                raise
            from trainables.plugins.loading import source_of, told

            refused.append(f"{data.title} fails: {told(error, source_of(data.plugin).root)}")
    if refused:
        raise DataError("\n".join(dict.fromkeys(refused)))
    warnings: list[str] = []
    configs = {f"arms.{c.name}": c.config for c in study.cells if isinstance(c.config, GradientConfig)}
    unfit: list[Problem] = []
    for name, config in configs.items():
        if (found := inspections.get(config.data)) is not None:
            try:
                check_fit(config, found.example_shape, has_pixels=found.has_pixels and not config.data.is_standardised)
            except ValidationErrors as error:
                unfit += [problem.below(name) for problem in error.problems]
            said = found.warnings(batch_size=config.batch_size, shuffle=config.shuffle)
            warnings += [f"{config.data.title}: {each}" for each in said]
    if unfit:
        raise ValidationErrors(study.name, unfit)
    return (*dict.fromkeys(warnings), *_check_last_batches(configs, inspections))


def _check_last_batches(
    configs: Mapping[str, GradientConfig], inspections: "Mapping[Dataset, Inspection]"
) -> tuple[str, ...]:
    if all(config.model.is_batch_normalised is False for config in configs.values()):
        return ()
    # Not above: it imports numpy.
    from trainables.last_batch import check_last_batches

    return check_last_batches(configs, inspections)
