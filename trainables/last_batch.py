"""A last batch of one example, on which some models cannot be trained: batch normalisation, or a `squeeze` too many.

The failure would come at the end of the first epoch, in every trial. Here the model is asked beforehand: for a batch of
two examples, which it must be able to take, and for one.
"""

from collections.abc import Mapping

from trainables.data.inspection import Inspection
from trainables.datasets.base import Dataset
from trainables.gradient_config import GradientConfig
from trainables.plugins.config import Plugin
from trainables.plugins.loading import load_plugin, source_of, told
from trainables.plugins.scope import Scope
from trainables.validation import Problem, ValidationErrors

Shape = tuple[int, ...]


def check_last_batches(
    configs: Mapping[str, GradientConfig], inspections: Mapping[Dataset, Inspection]
) -> tuple[str, ...]:
    """Warnings about configurations, given by names for people; inspections: of the data that does not ship, if known.

    Raises:
        ValidationErrors: models that cannot be trained on the last batch.
    """
    problems: dict[str, Problem] = {}
    warnings: dict[str, str] = {}
    known: dict[str, tuple[str | None, bool]] = {}
    for name, config in configs.items():
        plugin, found = config.model.plugin, _shape(config, inspections)
        if found is None or config.model.is_batch_normalised is False:
            continue
        num_train, example_shape, num_outputs = found
        batch_size = min(config.batch_size or num_train, num_train)
        if (num_train % batch_size or batch_size) != 1 or (config.drop_last and batch_size > 1):
            continue
        if plugin is None:
            sentence = (
                f"{batch_size} leaves one of {num_train:,} training examples for the last batch, of which"
                f" {config.model.name}.batch_norm has no statistics. {_remedy(batch_size, num_train)}"
            )
            problems.setdefault(sentence, Problem((name, "batch_size"), sentence))
            continue
        asked = repr((plugin, example_shape, num_outputs))
        if asked not in known:
            known[asked] = _on_one_example(plugin, example_shape, num_outputs)
        wrong, is_normalised = known[asked]
        leaves = f"{batch_size} leaves one of {num_train:,} training examples for the last batch"
        if wrong is not None:
            sentence = f"{leaves}, and {plugin.object} {wrong}. {_remedy(batch_size, num_train)}"
            problems.setdefault(sentence, Problem((name, "batch_size"), sentence))
        elif is_normalised:
            sentence = f"{leaves}, from which alone {plugin.object} takes BatchNorm's mean and variance"
            warnings.setdefault(sentence, f"{name}.batch_size: {sentence}. {_remedy(batch_size, num_train)}")
    if problems:
        raise ValidationErrors("last batch", problems.values())
    return tuple(warnings.values())


def _shape(config: GradientConfig, inspections: Mapping[Dataset, Inspection]) -> tuple[int, Shape, int] | None:
    """Number of training examples, the shape of one, and the number of classes."""
    if config.data.shape is not None and config.data.num_train is not None:
        return config.data.num_train, *config.data.shape
    found = inspections.get(config.data)
    return (config.data.num_train or found.num_train, found.example_shape, found.num_outputs) if found else None


def _on_one_example(model: Plugin, example_shape: Shape, num_outputs: int) -> tuple[str | None, bool]:
    """(why it cannot be trained on one example, or None; whether it holds batch normalisation)."""
    import torch
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

    scope = Scope()
    with scope.active(), torch.no_grad():
        scope.seed(0)
        x = torch.randn(2, *example_shape)
        try:
            module = load_plugin(model, scope)(input_shape=example_shape, num_outputs=num_outputs)
            if not isinstance(module, nn.Module):
                return None, False
            both = module.train()(x)
        except (Exception, SystemExit):
            return None, False  # Wrong in any case: the rehearsal says how.
        is_normalised = any(isinstance(each, _BatchNorm) and each.training for each in module.modules())
        try:
            one = module(x[:1])
        except (Exception, SystemExit) as error:
            return f"cannot be trained on one: {told(error, source_of(model).root)}", is_normalised
    if one.shape != (1, *both.shape[1:]):
        return f"maps one example to {tuple(one.shape)} in the place of {(1, *both.shape[1:])}", is_normalised
    if both.isfinite().all() and not one.isfinite().all():
        return "maps one example to values that are not finite", is_normalised
    return None, is_normalised


def _remedy(batch_size: int, num_train: int) -> str:
    near = (size for far in range(num_train) for size in (batch_size - far, batch_size + far))
    fitting = next((size for size in near if 2 <= size <= num_train and num_train % size != 1), None)
    sizes = f"batch_size: {fitting}" if fitting else ""
    fewer = f"data.num_train: {num_train - 1}" if batch_size > 1 and num_train > 2 else ""
    without = "drop_last: true" if batch_size > 1 else ""
    return f"Give {' or '.join(filter(None, (sizes, without, fewer))) or 'more training examples'}"
