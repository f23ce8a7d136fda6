"""The demonstration: grokking in minutes, on data that is installed with scikit-learn."""

from search_spaces.study import Acceleration, Curves, Study


def demo() -> Study:
    """TODO"""
    return Study(
        name="demo",
        question="Does Jacobian regularisation make a small network grok handwritten digits sooner?",
        seeds=5,
        trial={
            "data": {"name": "digits", "num_train": 200},
            "model": {"name": "mlp", "width": 100, "depth": 4, "bias": False, "init_scale": 8.0},
            "loss": "cross_entropy",
            "optimiser": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.01},
            "batch_size": None,
            "budget": {"passes": 20_000, "look_every": 20},
            "goal": {"metric": "test_accuracy", "above": 0.8},
        },
        arms={
            "baseline": {},
            "jacobian": {"regulariser": {"name": "jacobian", "strength": 1e-3}},
            "grokfast": {"gradient_filter": {"name": "ema", "decay": 0.8, "gain": 0.1}},
            "adversarial": {"input_noise": {"name": "tan_huang", "scale": 0.06, "floor": 0.03}},
        },
        analyses=(Acceleration(baseline="baseline"), Curves()),
    )
