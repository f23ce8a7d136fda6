"""What is wrong with a study's data, or suspicious, before anything starts."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from search_spaces import Study
from trainables.assessment_config import Facts, misfit
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
    for data in study.data_sets:
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
                check_fit(config, found.example_shape, has_pixels=_has_pixels(config.data, found))
            except ValidationErrors as error:
                unfit += [problem.below(name) for problem in error.problems]
            said = found.warnings(batch_size=config.batch_size, shuffle=config.shuffle)
            warnings += [f"{config.data.title}: {each}" for each in said]
    unfit += _misfits(study, inspections)
    if unfit:
        raise ValidationErrors(study.name, unfit)
    return (*dict.fromkeys(warnings), *_check_last_batches(configs, inspections))


def _has_pixels(data: Dataset, found: "Inspection") -> bool:
    return found.has_pixels and not data.is_standardised and not data.unit_norm


def _misfits(study: Study, inspections: "Mapping[Dataset, Inspection]") -> Iterator[Problem]:
    """Assessments that cannot be made of the networks of a cell."""

    def facts(data: Dataset) -> Facts | None:
        if (found := inspections.get(data)) is not None:
            return Facts(found.example_shape, found.num_outputs, _has_pixels(data, found))
        return Facts(*data.shape, bool(data.has_pixels)) if data.shape is not None else None

    for index, each in enumerate(study.assessments):
        told: dict[str, None] = {}
        for config in (cell.config for cell in study.cells if isinstance(cell.config, GradientConfig)):
            own, on = facts(config.data), facts(each.on if isinstance(each.on, Dataset) else config.data)
            if own is not None and on is not None and (wrong := misfit(each, config, own, on)) is not None:
                told[wrong] = None
            test = inspections.get(each.on if isinstance(each.on, Dataset) else config.data)
            is_test = each.on == "test" or isinstance(each.on, Dataset)
            if test is not None and is_test and (each.num_examples or 0) > test.num_test:
                told[f"num_examples: {each.num_examples:,} is more than the {test.num_test:,} that there are"] = None
        yield from (Problem(("assessments", index), wrong) for wrong in told)


def _check_last_batches(
    configs: Mapping[str, GradientConfig], inspections: "Mapping[Dataset, Inspection]"
) -> tuple[str, ...]:
    if all(config.model.is_batch_normalised is False for config in configs.values()):
        return ()
    # Not above: it imports numpy.
    from trainables.last_batch import check_last_batches

    return check_last_batches(configs, inspections)
