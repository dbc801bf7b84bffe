"""How values become bytes: by their static type for the store, by a codec of the topic for messages.

* `codec_of(type)` is how values of a type are checked, stored and loaded
* `json`, `msgpack` and `raw` are the codecs of topics; a `Codec` of one's own is any object with a `name`
  and a `bind(type)` that gives a `BoundCodec`
* `type_name(type)` is how people read a type
* `erased(type)` is a type without what leaves no trace in its values, `class_of(type)` the exact class of these
* `mismatch_of(declared, given)` names what of one type another does not take

The static type alone decides what is read: no data chooses what is imported or made.
"""

from dagger.codecs.assignability import mismatch_of as mismatch_of
from dagger.codecs.codec import TypeCodec as TypeCodec
from dagger.codecs.codec import codec_of as codec_of
from dagger.codecs.names import erased as erased
from dagger.codecs.names import type_name as type_name
from dagger.codecs.topic_codecs import BoundCodec as BoundCodec
from dagger.codecs.topic_codecs import Codec as Codec
from dagger.codecs.topic_codecs import json as json
from dagger.codecs.topic_codecs import msgpack as msgpack
from dagger.codecs.topic_codecs import raw as raw
from dagger.codecs.unions import class_of as class_of

__all__ = [
    "BoundCodec",
    "Codec",
    "TypeCodec",
    "class_of",
    "codec_of",
    "erased",
    "json",
    "mismatch_of",
    "msgpack",
    "raw",
    "type_name",
]
