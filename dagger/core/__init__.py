"""The workflow machine, sans I/O. All rules of the language live here and only here.

`step(plan, state, event, now) -> (state, effects)` is the machine of one instance. `receive` is the same for a
entity: an instance, its subscribers and the messages that are kept for it. Both are pure and total.
"""

from dagger.core.dispatch import PlanMissing as PlanMissing
from dagger.core.dispatch import receive as receive
from dagger.core.entity import Entity as Entity
from dagger.core.rules.running import running as running
from dagger.core.state import Error as Error
from dagger.core.state import State as State
from dagger.core.state import Status as Status
from dagger.core.step import begin as begin
from dagger.core.step import step as step
