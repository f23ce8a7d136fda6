"""The studies that ship with grokgrid: name -> the function that returns it."""

from collections.abc import Callable

from search_spaces.library.demo import demo
from search_spaces.library.hoffman import hoffman_table1, hoffman_table1_all, hoffman_table1_small
from search_spaces.library.hoffman_assessed import (
    hoffman_figure3,
    hoffman_figure3_small,
    hoffman_table2,
    hoffman_table2_small,
)
from search_spaces.library.infinite_width import (
    jntk_constancy,
    jntk_dynamics,
    jntk_eigenvalue,
    jntk_features,
    jntk_gp,
    jntk_limit,
)
from search_spaces.library.jacobians import figure9_ce, figure9_mse, table2_ce, table2_mse
from search_spaces.library.lambdas import lambda_ce, lambda_ce_small, lambda_mse, lambda_mse_small
from search_spaces.library.table1 import table1_ce, table1_mse
from search_spaces.library.walker_figures import (
    figure2,
    figure2_small,
    figure3,
    figure3_small,
    figure5,
    figure5_small,
    figure6,
    figure6_small,
)
from search_spaces.study import Study

LIBRARY: dict[str, Callable[[], Study]] = {
    "demo": demo,
    "table1-ce": table1_ce,
    "table1-mse": table1_mse,
    "table2-ce": table2_ce,
    "table2-mse": table2_mse,
    "figure9-ce": figure9_ce,
    "figure9-mse": figure9_mse,
    "figure2": figure2,
    "figure2-small": figure2_small,
    "figure3": figure3,
    "figure3-small": figure3_small,
    "figure5": figure5,
    "figure5-small": figure5_small,
    "figure6": figure6,
    "figure6-small": figure6_small,
    "lambda-ce": lambda_ce,
    "lambda-ce-small": lambda_ce_small,
    "lambda-mse": lambda_mse,
    "lambda-mse-small": lambda_mse_small,
    "hoffman-table1": hoffman_table1,
    "hoffman-table1-small": hoffman_table1_small,
    "hoffman-table1-all": hoffman_table1_all,
    "hoffman-table2": hoffman_table2,
    "hoffman-table2-small": hoffman_table2_small,
    "hoffman-figure3": hoffman_figure3,
    "hoffman-figure3-small": hoffman_figure3_small,
    "jntk-gp": jntk_gp,
    "jntk-limit": jntk_limit,
    "jntk-constancy": jntk_constancy,
    "jntk-dynamics": jntk_dynamics,
    "jntk-eigenvalue": jntk_eigenvalue,
    "jntk-features": jntk_features,
}

PUBLISHED_COSTS = {
    "figure2": "less than 1 hour, GTX TITAN X",
    "figure3": "less than 1 hour, GTX TITAN X",
    "figure5": "4 hours, GTX TITAN X",
    "figure6": "1 day, GTX TITAN X",
    "figure9-ce": "4 hours, GTX TITAN X",
    "table1-ce": "5 days with table1-mse, GTX 1080 Ti and RTX 8000",
    "table1-mse": "5 days with table1-ce, GTX 1080 Ti and RTX 8000",
}
"""What Walker et al. 2025, Table 3, says that their experiments took."""
