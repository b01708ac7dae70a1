"""Errors and notices, as a client sees them."""

from dataclasses import dataclass

from myriad.pgwire.wire import message, text


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as a client sees it: SQLSTATE, message, hint, and PostgreSQL's routine."""

    code: str
    message: str
    hint: str = ""
    routine: str = ""

    def encode(self, severity: str = "ERROR") -> bytes:
        """Return it as ErrorResponse."""
        fields = [("S", severity), ("V", severity), ("C", self.code), ("M", self.message)]
        if self.hint:
            fields.append(("H", self.hint))
        if self.routine:
            fields.append(("R", self.routine))
        body = b"".join(name.encode() + text(value) for name, value in fields)
        return message(b"E", body + b"\0")


class Refused(Exception):
    """What was asked for is not done, and this is why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def notice(text_of_it: str) -> bytes:
    """Return NoticeResponse."""
    fields = (("S", "NOTICE"), ("V", "NOTICE"), ("C", "00000"), ("M", text_of_it))
    return message(b"N", b"".join(name.encode() + text(value) for name, value in fields) + b"\0")
