"""What is different for jobs with sensitive arguments: they are decrypted, and their values stay inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from upnext_django.core.masking import Mask, hidden_values
from upnext_django.declare import ports
from upnext_django.exceptions import EncryptionError

if TYPE_CHECKING:
    from upnext_django.runtime.attempt import Running

__all__ = ["call_of", "open_state", "seal_state"]

_CALL = msgspec.json.Decoder(tuple[list[Any], dict[str, Any]])
_STATE = "$sealed"


def call_of(attempt: Running) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments to call the function with; from here on the attempt hides the sensitive ones.

    Raises EncryptionError if nothing here opens them, ArgumentError as Signature.decode() does.
    """
    envelope, signature = attempt.envelope, attempt.definition.signature
    raw = _opened(attempt, msgspec.json.decode(envelope.args, type=str)) if envelope.sealed else envelope.args
    try:
        plain = _CALL.decode(raw)
    except msgspec.DecodeError:
        return signature.decode(raw)  # which says what is wrong with it
    shown = plain if envelope.shown is msgspec.UNSET else _CALL.decode(envelope.shown)
    if attempt.definition.sensitive:
        # It may name more of them by now than the code that submitted the job did.
        shown = _CALL.decode(signature.mask(*shown, attempt.definition.sensitive))
    elif envelope.sealed and envelope.shown is msgspec.UNSET:
        shown = [], {}
    mask = attempt.mask = Mask(hidden_values(plain, shown), base=attempt.mask)
    args, kwargs = signature.decode(raw)
    mask.add(hidden_values((args, kwargs), shown))
    return args, kwargs


def seal_state(attempt: Running, state: bytes) -> bytes:
    """Return what is stored of a checkpoint. Raises EncryptionError where nothing can encrypt it."""
    sealer = ports.sealer()
    if sealer is None:
        raise _no_key(attempt)
    return msgspec.json.encode({_STATE: sealer.seal(state)})


def open_state(attempt: Running, raw: bytes) -> Any:
    """Return the state of a checkpoint that seal_state() made; one from before is taken as it is."""
    state = msgspec.json.decode(raw)
    if isinstance(state, dict) and list(state) == [_STATE]:
        return msgspec.json.decode(_opened(attempt, state[_STATE]))
    return state


def _opened(attempt: Running, sealed: str) -> bytes:
    sealer = ports.sealer()
    if sealer is None:
        raise _no_key(attempt)
    try:
        return sealer.open(sealed)
    except EncryptionError as error:
        raise EncryptionError(
            f"Job {attempt.id} of {attempt.function} cannot be decrypted here. {error} Its payload is kept: "
            "it runs when a worker with that key retries or replays it."
        ) from None


def _no_key(attempt: Running) -> EncryptionError:
    return EncryptionError(
        f"Job {attempt.id} of {attempt.function} is encrypted and this worker has no key. Set "
        "UPNEXT['SECRETS_KEYS'] to the keys of the process that submitted it. Its payload is kept: it runs "
        "when a worker with that key retries or replays it."
    )
