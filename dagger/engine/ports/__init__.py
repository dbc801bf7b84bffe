"""The ports of a backend: a log and a store. They know nothing about workflows."""

from dagger.engine.ports.backend import Backend as Backend
from dagger.engine.ports.entries import Append as Append
from dagger.engine.ports.entries import Backlog as Backlog
from dagger.engine.ports.entries import Batch as Batch
from dagger.engine.ports.entries import Entry as Entry
from dagger.engine.ports.entries import Headers as Headers
from dagger.engine.ports.entries import LogRecord as LogRecord
from dagger.engine.ports.entries import Orders as Orders
from dagger.engine.ports.entries import Outgoing as Outgoing
from dagger.engine.ports.entries import Position as Position
from dagger.engine.ports.entries import TopicRecord as TopicRecord
from dagger.engine.ports.entries import flat as flat
from dagger.engine.ports.log import Log as Log
from dagger.engine.ports.log import Reader as Reader
from dagger.engine.ports.rows import Listing as Listing
from dagger.engine.ports.rows import Query as Query
from dagger.engine.ports.rows import Row as Row
from dagger.engine.ports.rows import Write as Write
from dagger.engine.ports.scheme import FileBased as FileBased
from dagger.engine.ports.scheme import HasNoisyLoggers as HasNoisyLoggers
from dagger.engine.ports.scheme import Scheme as Scheme
from dagger.engine.ports.store import Store as Store
