"""What a network is asked for.

classification  one output a class; labels are whole numbers from 0
binary          one output, above 0 for class 1; labels are 0 and 1
regression      one output a target; targets are numbers
"""

from typing import Literal, get_args

Task = Literal["classification", "binary", "regression"]

TASKS: tuple[Task, ...] = get_args(Task)
