"""What Walker et al. 2025 say of their Figures 2, 3, 5 and 6, as statements that a study's results are held against.

The figures have no numbers, so each threshold is ours, and the function says why it is what it is. The arms and metrics
are arguments, since the studies name them.
"""

from search_spaces.analyses import Statement
from search_spaces.predicates import Agreement, Before, Change, Correlation, Difference, Level, Sooner
from trainables.evaluations import Goal

PAPER = "Walker et al. 2025"
GROKKED = 0.85
"""Test accuracy from which the paper calls an MNIST network grokked (Table 1)."""


def theorem_6_holds(
    *,
    arm: str = "standard",
    predicted: str = "point_predicted_change",
    measured: str = "point_measured_change",
    from_step: int = 100,
) -> Statement:
    """Figure 2. Within 1%: the theorem is of gradient flow, from which steps stray by a term of second order in the
    rate, 0.01. That the first 100 of 4,000 steps are left out is our choice.
    """
    return Statement(
        sentence="Theorem 6 holds in practice",
        source=f"{PAPER}, Figure 2",
        that=(Agreement(arm=arm, metrics=(predicted, measured), from_step=from_step, below=0.01),),
    )


def norms_increase(*, arm: str = "standard", norm: str = "train_centroid_norm_mean") -> Statement:
    """Figure 2. Above 0: the sentence says no more than that they increase."""
    return Statement(
        sentence="the norms of the centroids increase during training",
        source=f"{PAPER}, Appendix A",
        that=(Change(arm=arm, metric=norm, above=0),),
    )


def robustness_comes_sooner(
    *,
    arm: str = "jacobian",
    than: str = "weight_decay",
    under_noise: str = "test_noise_accuracy_0.6",
    accuracy: float = 0.9,
    factor: float = 2,
) -> Statement:
    """Figure 3. In less than half of the steps, for "much"; to 90% accuracy, far above the 50% of guessing, under the
    middle one of five noises.
    """
    return Statement(
        sentence="by applying Jacobian regularisation we directly mitigate this delay and achieve robustness much "
        "sooner",
        source=f"{PAPER}, Appendix B",
        that=(Sooner(arm=arm, than=than, metric=under_noise, above=accuracy, factor=factor),),
    )


def robustness_is_delayed(
    *,
    arm: str = "weight_decay",
    clean: str = "test_accuracy",
    under_noise: str = "test_noise_accuracy_0.6",
    accuracy: float = 0.9,
) -> Statement:
    """Figure 3. Both at 90%: with and without noise the same accuracy, so that only the noise makes the difference."""
    return Statement(
        sentence="delayed robustness […], which involves prolonged training inducing a robustification of the deep "
        "network to input perturbations",
        source=f"{PAPER}, Introduction",
        that=(
            Before(
                arm=arm,
                first=Goal(metric=clean, above=accuracy),
                then=Goal(metric=under_noise, above=accuracy),
            ),
        ),
    )


def alignment_rises_after_memorising(
    *,
    arm: str = "weight_decay",
    memorised: str = "train_accuracy",
    alignment: str = "point_centroid_alignment",
    aligned: float = 0.07,
) -> Statement:
    """Figure 3. 99% for memorised, and an alignment of 0.07, half of what a centroid along the two components of the
    signal has: the root of 2/102, for each of the 39,998 others adds 0.05 squared to the squared norm of the point.
    """
    return Statement(
        sentence="as the network memorises, the centroid alignment does not increase significantly. However, during "
        "generalisation, the centroid alignment increases",
        source=f"{PAPER}, Appendix B",
        that=(
            Before(arm=arm, first=Goal(metric=memorised, above=0.99), then=Goal(metric=alignment, above=aligned)),
            Level(arm=arm, metric=f"max/{alignment}", above=aligned),
        ),
    )


def norms_rise_and_fall(*, arm: str = "weight_decay", norm: str = "point_centroid_norm") -> Statement:
    """Figure 3. By a tenth each way, more than an evaluation's wobble: any curve's maximum is above its ends."""
    return Statement(
        sentence="Early on in training the norms of the centroids increase […] it is only at this stage that under "
        "weight-decay the network is incentivised to reduce the norms of the Jacobian",
        source=f"{PAPER}, Appendix B",
        that=(
            Change(arm=arm, metric=f"max/{norm}", by="ratio", above=1.1),
            Change(arm=arm, metric=norm, since="max", by="ratio", below=0.9),
        ),
    )


def minimising_generalises(
    *, minimised: str = "minimised", constrained: str = "constrained", accuracy: str = "test_accuracy"
) -> Statement:
    """Figure 5. Each arm's best accuracy beside 85%, from which Table 1 calls such a network grokked."""
    return Statement(
        sentence="minimising the Frobenius norms of the Jacobians leads to generalisation, whilst keeping their value "
        "relatively high prevents it",
        source=f"{PAPER}, Appendix C",
        that=(
            Level(arm=minimised, metric=f"max/{accuracy}", above=GROKKED),
            Level(arm=constrained, metric=f"max/{accuracy}", below=GROKKED),
        ),
    )


def norms_are_kept_high(
    *,
    minimised: str = "minimised",
    constrained: str = "constrained",
    norm: str = "train_centroid_norm_mean",
    accuracy: str = "test_accuracy",
) -> Statement:
    """Figure 5. Norms above the other arm's, which is all that "relatively" says; no grokking as in Table 1."""
    return Statement(
        sentence="By maintaining the Frobenius norms of the Jacobian at the training data relatively high we can keep "
        "the norms of the centroids relatively high which prevents grokking",
        source=f"{PAPER}, Figure 5",
        that=(
            Difference(arm=constrained, than=minimised, metric=norm, above=0),
            Level(arm=constrained, metric=f"max/{accuracy}", below=GROKKED),
        ),
    )


def high_norms_prevent_alignment(
    *,
    minimised: str = "minimised",
    constrained: str = "constrained",
    alignment: str = "train_centroid_alignment_mean",
) -> Statement:
    """Figure 5. Below the other arm's alignment: how low an alignment is prevented, the paper does not say."""
    return Statement(
        sentence="if we were to maintain the Jacobian norms at a high-level, then we ought to prevent alignment",
        source=f"{PAPER}, Appendix C",
        that=(Difference(arm=constrained, than=minimised, metric=alignment, below=0),),
    )


def small_norms_align(
    *,
    arm: str = "standard",
    alignment: str = "max/point_centroid_alignment",
    initial_norm: str = "first/point_centroid_norm",
    below: float = -0.5,
) -> Statement:
    """Figure 6. Below -0.5: for "essential" the norm should account for the ranks more than it leaves to chance, and a
    correlation that is only negative would not do.
    """
    return Statement(
        sentence="When no regularisation is used, minimising the centroid norm at initialisation is essential for "
        "ensuring the alignment of the centroid during training",
        source=f"{PAPER}, Figure 6",
        that=(Correlation(arms=(arm,), metrics=(alignment, initial_norm), below=below),),
    )


def output_scaling_aligns_more(
    scale: float,
    *,
    of_weights_at: float | None = None,
    arm: str = "standard",
    of_output: str = "model.output_scale",
    of_weights: str = "model.init_scale",
    unscaled: float = 1.0,
    alignment: str = "max/point_centroid_alignment",
) -> Statement:
    """Figure 6. Above 0, at one scale below 1, taken once of the output and once of the weights (or these at
    `of_weights_at`). The paper does not say at which two scales they are compared: at equal ones, as Figure 6 sets them
    beside each other, or where they make the centroids equally small at initialisation. In a network of two layers
    without biases the root of the output's scale does that, for it is taken of both layers.
    """
    return Statement(
        sentence="output scaling ensures this more effectively than scaling the weights at initialisation",
        source=f"{PAPER}, Figure 6",
        that=(
            Difference(
                arm=arm,
                at={of_output: scale, of_weights: unscaled},
                than=arm,
                than_at={of_output: unscaled, of_weights: scale if of_weights_at is None else of_weights_at},
                metric=alignment,
                above=0,
            ),
        ),
    )
