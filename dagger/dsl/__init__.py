"""The language: steps, operators, topics and templates. Values only; nothing here runs a workflow."""

from dagger.dsl.groups import Switch as Switch
from dagger.dsl.groups import for_each as for_each
from dagger.dsl.groups import process as process
from dagger.dsl.groups import switch as switch
from dagger.dsl.leaves import Signal as Signal
from dagger.dsl.leaves import command as command
from dagger.dsl.leaves import listener as listener
from dagger.dsl.leaves import signal as signal
from dagger.dsl.leaves import sleep as sleep
from dagger.dsl.leaves import task as task
from dagger.dsl.leaves import wait_until as wait_until
from dagger.dsl.parallel import all_of as all_of
from dagger.dsl.parallel import any_of as any_of
from dagger.dsl.parallel import at_least as at_least
from dagger.dsl.step import Step as Step
from dagger.dsl.template import Template as Template
from dagger.dsl.template import template as template
from dagger.dsl.topics import Topic as Topic
from dagger.dsl.values import Again as Again
from dagger.dsl.values import Failure as Failure
from dagger.dsl.values import Limit as Limit
from dagger.dsl.values import Message as Message
from dagger.dsl.values import Retry as Retry
