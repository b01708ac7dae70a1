"""Somebody to write to, without a socket."""

from typing import Any


class Nobody:
    """A client, or a server, that hears nothing and says nothing."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> Any: ...

    def set_protocol(self, protocol: object) -> None: ...
