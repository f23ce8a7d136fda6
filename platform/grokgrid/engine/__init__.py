"""Engines take blocks of trials at any time, run them, and hand back what happens.

Block, Engine       what an engine is given, and what it is
EngineError         why none can be had
EngineGone          why one that ran trials runs no more
Event               what it hands back: Started, Evaluated, Warned, Waits, Finished, Failed, OutOfMemory or Lost; or
                    Restarted, which is no trial's
InlineEngine        in this process, one trial at a time: for debugging and for quick tests
grokgrid.engine.ray.RayEngine
                    Ray Tune, on this machine or a cluster; imported only by whoever asks for it, for Ray takes
                    seconds to import
"""

from grokgrid.engine.inline import InlineEngine as InlineEngine
from grokgrid.engine.interface import Block as Block
from grokgrid.engine.interface import Engine as Engine
from grokgrid.engine.interface import EngineError as EngineError
from grokgrid.engine.interface import EngineGone as EngineGone
from grokgrid.engine.interface import Evaluated as Evaluated
from grokgrid.engine.interface import Event as Event
from grokgrid.engine.interface import Failed as Failed
from grokgrid.engine.interface import Finished as Finished
from grokgrid.engine.interface import Lost as Lost
from grokgrid.engine.interface import OutOfMemory as OutOfMemory
from grokgrid.engine.interface import Restarted as Restarted
from grokgrid.engine.interface import Started as Started
from grokgrid.engine.interface import Waits as Waits
