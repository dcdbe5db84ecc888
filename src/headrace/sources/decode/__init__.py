"""How a body is opened. File name = YAML ``type``."""

from headrace.sources.decode._detect import by_content_type
from headrace.sources.decode._records import count, split

__all__ = ["by_content_type", "count", "split"]
