"""The shell: takes events from a backend, calls the core, commits state, carries effects out."""

from dagger.engine.context import TaskContext as TaskContext
from dagger.engine.context import context as context
from dagger.engine.dagger import Dagger as Dagger
from dagger.engine.instance import Instance as Instance
from dagger.engine.instance import StepState as StepState
from dagger.engine.run import Run as Run
