"""Records of the standard ``logging`` that are written while a job runs go to its log too.

In all of them, whoever handles them, the values of its sensitive arguments and of secrets are hidden.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from upnext_django.core import codec
from upnext_django.declare.current import current_job

__all__ = ["JobLogHandler"]

_FORMATTER = logging.Formatter()
#: What every record has; the rest of its attributes came as ``extra``.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
#: Bytes of JSON. More than that is no line of a log.
_MAX_EXTRA = 16_384
_OF_TASKS = "upnext.task"  # ctx.log is a child of it


class JobLogHandler(logging.Handler):
    """Attached to the root logger of a worker; outside a job it does nothing."""

    _alone = False

    def attach(self) -> None:
        """Hear of records from the handler's level on.

        The root logger's level is lowered to it only where nobody set up logging: Python's WARNING is
        nobody's wish then, and no other handler gets more to write.
        """
        root = logging.getLogger()
        self._apart = _Apart(self.level)
        self._apart.attach()
        self._root_level = root.level
        self._alone = not root.handlers
        if not root.handlers and root.level > self.level:
            root.setLevel(self.level)
        root.addHandler(self)
        self._factory = logging.getLogRecordFactory()
        logging.setLogRecordFactory(self._masked_record)
        logging.getLogger(_OF_TASKS).setLevel(self.level)

    def detach(self) -> None:
        """Undo attach()."""
        self._apart.detach()
        root = logging.getLogger()
        logging.setLogRecordFactory(self._factory)
        root.removeHandler(self)
        root.setLevel(self._root_level)
        logging.getLogger(_OF_TASKS).setLevel(logging.NOTSET)

    def _masked_record(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._factory(*args, **kwargs)
        job = current_job.get()
        mask = None if job is None else job.mask
        if mask is None:
            return record
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - see emit()
            return record  # its handlers say what is wrong with it
        masked = mask.text(text)
        if masked != text:
            record.msg, record.args = masked, None
        if record.exc_info:
            # What formatters take instead of formatting it themselves.
            record.exc_text = mask.text(_FORMATTER.formatException(record.exc_info))
        return record

    def handle(self, record: logging.LogRecord) -> bool:
        """Hear of a record without the handler's lock, which emit() does not need.

        A timeout interrupts a thread at any instruction: the lock would stay taken, and every job of
        the worker stop at its next line.
        """
        heard = self.filter(record)
        if heard:
            self.emit(record)
        return bool(heard)

    def emit(self, record: logging.LogRecord) -> None:
        job = current_job.get()
        if self._alone and (job is None or _is_ours(record.name)):
            # Python prints warnings itself while nobody set up logging; our being here must not end that.
            if logging.lastResort is not None and record.levelno >= logging.lastResort.level:
                logging.lastResort.handle(record)
            return
        if job is None or _is_ours(record.name):
            return
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - an argument's own __str__ may raise anything; the job goes on
            text = f"{_text(record.msg)} (its arguments do not fit)"
        job.send_log(record.levelname, text, _extra(record))


def _extra(record: logging.LogRecord) -> bytes | None:
    """Return what the caller gave as ``extra``, as JSON; what JSON cannot carry becomes text."""
    extra = {name: value for name, value in vars(record).items() if name not in _OWN}
    if not extra:
        return None
    data = codec.try_encode(extra)
    if data is None:
        shown = {str(name): _shown(value) for name, value in extra.items()}
        data = msgspec.json.encode(shown)
    return data if len(data) <= _MAX_EXTRA else None


def _shown(value: Any) -> Any:
    raw = codec.try_encode(value)
    return _text(value) if raw is None else msgspec.Raw(raw)


def _text(value: Any) -> str:
    try:
        return str(value).encode(errors="replace").decode()
    except Exception:  # noqa: BLE001 - see emit()
        return f"<{type(value).__name__}>"


def _is_ours(name: str) -> bool:
    """Whether a logger tells about jobs and not from them, as ``ctx.log`` does."""
    return name == "upnext" or (name.startswith("upnext.") and not name.startswith(f"{_OF_TASKS}."))


class _Apart(JobLogHandler):
    """Attached to the loggers whose records do not reach the root logger, where LOGGING says so."""

    def attach(self) -> None:
        known = list(logging.root.manager.loggerDict.values())
        self._loggers = [
            logger
            for logger in known
            if isinstance(logger, logging.Logger) and logger.handlers and not logger.propagate
        ]
        for logger in self._loggers:
            logger.addHandler(self)

    def detach(self) -> None:
        for logger in self._loggers:
            logger.removeHandler(self)
