"""What is wrong with a study's data, or suspicious, before anything starts."""

from search_spaces import Study
from trainables.data.config import NpzConfig, OwnDataConfig
from trainables.data.place import DataError, DataMissing
from trainables.mistakes import Mistakes


def check_data(study: Study, *, is_needed: bool, calls_functions: bool) -> tuple[str, ...]:
    """Warnings about the users' own data. The data sets that ship with grokgrid are known to be well.

    is_needed        whether files must be here
    calls_functions  whether data that functions make is checked as well; those are called for it

    Raises:
        DataError: all that is refused in any of the study's data.
    """
    refused, warnings = list[str](), list[str]()
    for config in dict.fromkeys(cell.config.data for cell in study.cells):
        is_own = isinstance(config, OwnDataConfig)
        if not isinstance(config, NpzConfig | OwnDataConfig) or is_own and not calls_functions:
            continue
        # Not above: `plan` of other studies does without numpy.
        from trainables.data.read import data_name, inspect

        try:
            warnings += [f"{data_name(config)}: {each}" for each in inspect(config).findings.warnings]
        except DataMissing as error:
            if is_needed:
                refused.append(str(error))
        except (DataError, Mistakes) as error:
            refused.append(str(error))
        except (Exception, SystemExit) as error:
            if not isinstance(config, OwnDataConfig):
                raise
            from trainables.own.loading import source_of, told

            refused.append(f"{data_name(config)} fails: {told(error, source_of(config).root)}")
    if refused:
        raise DataError("\n".join(dict.fromkeys(refused)))
    return tuple(dict.fromkeys(warnings))
