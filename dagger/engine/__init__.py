"""The shell: takes events from a backend, calls the core, commits state, carries effects out."""

from dagger.engine.client.instance import Instance as Instance
from dagger.engine.client.instance import StepState as StepState
from dagger.engine.client.run import Run as Run
from dagger.engine.dagger import Dagger as Dagger
from dagger.engine.worker.context import TaskContext as TaskContext
from dagger.engine.worker.context import context as context
