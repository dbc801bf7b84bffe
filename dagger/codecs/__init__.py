"""How values become bytes: by their static type for the store, by a codec of the topic for messages.

* `codec_of(type)` is how values of a type are checked, stored and loaded
* `json`, `msgpack` and `raw` are the codecs of topics; a `Codec` of one's own is any object with a `name`
  and a `bind(type)` that gives a `Wire`
* `type_name(type)` is how people read a type
* `misfit_of(declared, given)` names what of one type another does not take

The static type alone decides what is read: no data chooses what is imported or made.
"""

from ._codec import TypeCodec as TypeCodec
from ._codec import codec_of as codec_of
from ._cover import misfit_of as misfit_of
from ._names import type_name as type_name
from ._wires import Codec as Codec
from ._wires import Wire as Wire
from ._wires import json as json
from ._wires import msgpack as msgpack
from ._wires import raw as raw

__all__ = ["Codec", "TypeCodec", "Wire", "codec_of", "json", "misfit_of", "msgpack", "raw", "type_name"]
