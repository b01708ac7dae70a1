"""SCRAM-SHA-256: the RFC's own example, and everything that must not log anybody in."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myriad.pgwire import scram
from myriad.pgwire.scram import PLAIN, PLUS, Client, Exchange, Keys, Malformed, Verifier

# RFC 7677, section 3.
CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
NONCE = f"{CLIENT_NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
FIRST = f"n=user,r={CLIENT_NONCE}"
ANSWER = f"r={NONCE},s={SALT},i=4096"
FINAL = f"c=biws,r={NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
LAST = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
BINDING = hashlib.sha256(b"a certificate").digest()


def verifier(password: str, salt: bytes = b"salt of 16 bytes", iterations: int = 2) -> Verifier:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = base64.b64encode(salt).decode()
    return Verifier(iterations, text, hashlib.sha256(client).digest(), server)


KNOWN = verifier("pencil")


def proven(exchange: Exchange, flag: str, binding: bytes = b"", secret: str = "pencil") -> bytes:
    """Go through the first messages, and return a right client-final-message."""
    client = Client(secret)
    bare = client.first().decode().removeprefix("n,,")
    answer = exchange.begin(f"{flag},,{bare}".encode()).decode()
    channel = base64.b64encode(f"{flag},,".encode() + binding).decode()
    nonce = answer.split(",")[0]
    without = f"c={channel},{nonce}"
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), b"salt of 16 bytes", 2)
    key = hmac.digest(salted, b"Client Key", "sha256")
    auth = f"{bare},{answer},{without}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), auth, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    return f"{without},p={base64.b64encode(proof).decode()}".encode()


def test_the_server_agrees_with_the_rfc() -> None:
    known = verifier("pencil", base64.b64decode(SALT), 4096)
    exchange = Exchange(known, PLAIN, None, nonce=NONCE.removeprefix(CLIENT_NONCE))
    assert exchange.begin(f"n,,{FIRST}".encode()) == ANSWER.encode()
    assert exchange.finish(FINAL.encode()) == LAST.encode()


def test_the_client_agrees_with_the_rfc() -> None:
    client = Client("pencil", user="user", nonce=CLIENT_NONCE)
    assert client.first() == f"n,,{FIRST}".encode()
    assert client.final(ANSWER.encode()) == FINAL.encode()
    client.verify(LAST.encode())
    with pytest.raises(Malformed, match="does not know the password"):
        client.verify(b"v=" + base64.b64encode(b"x" * 32))


def test_our_client_and_server_agree_and_yield_keys_that_log_in_too() -> None:
    exchange = Exchange(KNOWN, PLAIN, None)
    client = Client("pencil")
    final = exchange.finish(client.final(exchange.begin(client.first())))
    assert final is not None
    client.verify(final)
    again, keyed = Exchange(KNOWN, PLAIN, None), Client(Keys(exchange.client_key, KNOWN.server_key))
    final = again.finish(keyed.final(again.begin(keyed.first())))
    assert final is not None
    keyed.verify(final)


@pytest.mark.parametrize("password", ["", "Pencil", "pencil "])
def test_a_wrong_password_is_no_error_and_no_login(password: str) -> None:
    exchange = Exchange(KNOWN, PLAIN, None)
    client = Client(password)
    assert exchange.finish(client.final(exchange.begin(client.first()))) is None
    assert exchange.client_key == b""


def test_no_password_fits_an_unknown_name_whose_salt_stays_the_same() -> None:
    one, again = (scram.mock_verifier(b"secret", "Nobody") for _ in range(2))
    assert (one.salt, one.iterations) == (again.salt, 4096)
    assert len(base64.b64decode(one.salt)) == len(base64.b64decode(SALT))
    assert one.stored_key != again.stored_key
    assert scram.mock_verifier(b"secret", "Somebody").salt != one.salt
    assert scram.mock_verifier(b"other", "Nobody").salt != one.salt


def test_each_nonce_is_new_and_begins_with_the_clients() -> None:
    answers = {Exchange(KNOWN, PLAIN, None).begin(b"n,,n=,r=abc") for _ in range(20)}
    assert len(answers) == 20
    assert all(answer.startswith(b"r=abc") for answer in answers)


# Channel binding


def test_a_channel_that_is_bound_to_our_certificate_logs_in() -> None:
    flag = "p=tls-server-end-point"
    exchange = Exchange(KNOWN, PLUS, BINDING)
    assert exchange.finish(proven(exchange, flag, BINDING)) is not None


@pytest.mark.parametrize("other", [b"", hashlib.sha256(b"of somebody in the middle").digest()])
def test_a_channel_that_is_bound_to_another_certificate_does_not(other: bytes) -> None:
    exchange = Exchange(KNOWN, PLUS, BINDING)
    with pytest.raises(Malformed, match="channel binding check failed"):
        exchange.finish(proven(exchange, "p=tls-server-end-point", other))


@pytest.mark.parametrize(("flag", "binding"), [("n", None), ("y", None), ("n", BINDING)])
def test_a_client_without_channel_binding_logs_in(flag: str, binding: bytes | None) -> None:
    exchange = Exchange(KNOWN, PLAIN, binding)
    assert exchange.finish(proven(exchange, flag)) is not None


@pytest.mark.parametrize(
    ("mechanism", "flag", "binding", "problem"),
    [
        (PLAIN, "y", BINDING, "negotiated down"),
        (PLAIN, "p=tls-server-end-point", BINDING, "differ"),
        (PLUS, "n", BINDING, "differ"),
        (PLUS, "y", BINDING, "differ"),
        (PLUS, "p=tls-unique", BINDING, "unsupported"),
        (PLUS, "p=", BINDING, "unsupported"),
        (PLAIN, "x", None, "unexpected channel-binding flag"),
        (PLAIN, "", None, "unexpected channel-binding flag"),
        (PLAIN, "N", None, "unexpected channel-binding flag"),
    ],
)
def test_flags_that_do_not_fit_end_it(
    mechanism: str, flag: str, binding: bytes | None, problem: str
) -> None:
    with pytest.raises(Malformed, match=problem):
        Exchange(KNOWN, mechanism, binding).begin(f"{flag},,n=,r=abc".encode())


def test_the_flag_cannot_be_changed_on_the_way() -> None:
    exchange = Exchange(KNOWN, PLAIN, None)
    final = proven(exchange, "n").replace(b"c=biws", b"c=" + base64.b64encode(b"y,,"))
    with pytest.raises(Malformed, match="channel binding check failed"):
        exchange.finish(final)


# What is no SCRAM


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n",
        b"n,,",
        b"n,,n=",
        b"n,,n=,r=",
        b"n,a=somebody,n=,r=abc",
        b"n,,m=extension,n=,r=abc",
        b"n,,n=\xff,r=abc",
    ],
)
def test_a_malformed_first_message_ends_it(message: bytes) -> None:
    with pytest.raises(Malformed):
        Exchange(KNOWN, PLAIN, None).begin(message)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b",p=", b",q="),
        (b",p=", b",p=!"),
        (b",p=", b",p=AAAA"),
        (b",r=", b",r=x"),
        (b",r=", b",s="),
        (b"c=biws", b"c=%"),
        (b"c=biws", b"c=\xff"),
        (b"c=biws", b""),
    ],
)
def test_a_malformed_final_message_ends_it(old: bytes, new: bytes) -> None:
    exchange = Exchange(KNOWN, PLAIN, None)
    final = proven(exchange, "n").replace(old, new, 1)
    with pytest.raises(Malformed):
        exchange.finish(final)


@given(first=st.binary(max_size=80), final=st.binary(max_size=120))
def test_random_messages_log_nobody_in(first: bytes, final: bytes) -> None:
    exchange = Exchange(KNOWN, PLAIN, None)
    with pytest.raises(Malformed):  # noqa: PT012 - either of them may be noticed first
        exchange.begin(b"n,,n=,r=" + first if first.isalnum() else first)
        exchange.finish(final)


@pytest.mark.parametrize(
    "answer", [b"", b"r=other,s=AAAA,i=1", b"s=AAAA,i=1", b"\xff", b"r=%s,s=AAAA", b"r=%s,s=!,i=1"]
)
def test_a_server_that_does_not_go_on_from_our_nonce_gets_no_proof(answer: bytes) -> None:
    client = Client("pencil")
    nonce = client.first().partition(b"r=")[2]
    with pytest.raises(Malformed):
        client.final(answer.replace(b"%s", nonce))


# Verifiers as PostgreSQL stores them


def test_a_stored_verifier_is_read() -> None:
    known = verifier("pencil", base64.b64decode(SALT), 4096)
    keys = ":".join(base64.b64encode(key).decode() for key in (known.stored_key, known.server_key))
    assert scram.read_verifier(f"SCRAM-SHA-256$4096:{SALT}${keys}") == known


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "md5d41d8cd98f00b204e9800998ecf8427e",
        "pencil",
        f"SCRAM-SHA-256${SALT}$AAAA:AAAA",
        f"SCRAM-SHA-256$many:{SALT}$AAAA:AAAA",
        f"SCRAM-SHA-256$4096:{SALT}$AAAA",
        f"SCRAM-SHA-256$4096:{SALT}$!!:AAAA",
        f"SCRAM-SHA-512$4096:{SALT}$AAAA:AAAA",
    ],
)
def test_what_is_no_verifier_is_none(stored: str | None) -> None:
    assert scram.read_verifier(stored) is None
