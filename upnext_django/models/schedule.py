"""A schedule that operators keep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone as django_timezone
from django.utils.translation import gettext_lazy as _

from upnext_django.core import codec
from upnext_django.core.definition import TaskDefinition
from upnext_django.core.missed import CronPlan, MissedRunPolicy
from upnext_django.core.names import check_function_name, check_name
from upnext_django.exceptions import UpNextError
from upnext_django.models.known import known_definition, typed_call
from upnext_django.models.rows import Rows

__all__ = ["Schedule"]

_NAME = re.compile(r"\S(?:[^\x00-\x1f\x7f]*\S)?")
_CHOICES = [
    (MissedRunPolicy.LATEST_ONLY.value, _("run the latest")),
    (MissedRunPolicy.CATCH_UP.value, _("run all")),
    (MissedRunPolicy.SKIP.value, _("run none")),
]


class Schedule(models.Model):
    """When a function runs by itself; an ordinary row, whose authority is the database.

    Change it through ``operations.schedules``, which tells the workers at once; what is saved otherwise
    they read within a minute. ``declared`` rows are what operators said of a cron in code: they carry its
    identity as ``name`` and ``function``, and only ``paused`` of them counts. ``queue`` is empty for the
    function's own. ``begins_at`` is when the schedule as it is now began: at its creation, its last resume,
    or the last change of when it runs; no run before that is made up for. ``revision`` grows with each
    change.
    """

    name = models.CharField(_("name"), max_length=255, unique=True)
    function = models.CharField(
        _("function"), max_length=255, help_text=_("Its identity, like shop.tasks.send_report.")
    )
    expression = models.CharField(
        _("expression"), max_length=200, blank=True, help_text=_("Like 0 9 * * *, */10 * * * * * or @daily.")
    )
    timezone = models.CharField(
        _("time zone"), max_length=64, blank=True, help_text=_("Empty for the project's own.")
    )
    args = models.JSONField(_("positional arguments"), default=list, blank=True)
    kwargs = models.JSONField(_("keyword arguments"), default=dict, blank=True)
    queue = models.CharField(
        _("queue"), max_length=64, blank=True, default="", help_text=_("Empty for the function's own.")
    )
    missed_run_policy = models.CharField(
        _("missed runs"), max_length=16, choices=_CHOICES, default=MissedRunPolicy.LATEST_ONLY.value
    )
    max_catch_up_seconds = models.FloatField(
        _("longest delay of a missed run"), null=True, blank=True, help_text=_("Seconds; empty for no limit.")
    )
    priority = models.SmallIntegerField(
        _("priority"), null=True, blank=True, help_text=_("-100 to 100; empty for the function's own.")
    )
    starts_at = models.DateTimeField(_("not before"), null=True, blank=True)
    ends_at = models.DateTimeField(_("not after"), null=True, blank=True)
    paused = models.BooleanField(_("paused"), default=False)
    declared = models.BooleanField(_("declared in code"), default=False, editable=False)
    begins_at = models.DateTimeField(_("runs count from"), default=django_timezone.now, editable=False)
    revision = models.BigIntegerField(_("revision"), default=0, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    updated_by = models.CharField(_("changed by"), max_length=150, blank=True, default="", editable=False)

    objects = Rows["Schedule"]()

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["name"]
        permissions = [("run_schedule", _("Can run schedules now"))]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """What Redis calls its ticks: no identity of a function has a colon."""
        return self.function if self.declared else f"schedule:{self.pk}"

    def plan(self) -> CronPlan:
        """Return when it runs. Raises DefinitionError for what makes no sense."""
        return CronPlan.build(
            self.expression,
            timezone=self.timezone or django_timezone.get_default_timezone_name(),
            missed_run_policy=self.missed_run_policy,
            max_catch_up_seconds=self.max_catch_up_seconds,
        )

    def clean(self) -> None:
        """Refuse what a declaration in code would refuse, and arguments that the function does not take."""
        if self.declared:
            return
        if not _NAME.fullmatch(self.name or ""):
            raise ValidationError({"name": _("Write a name without control characters.")})
        with _as_error_of("expression"):
            self.plan()
        with _as_error_of("function"):
            check_function_name(self.function)
        if self.queue:
            with _as_error_of("queue"):
                check_name("queue", self.queue)
        self._clean_numbers()
        self._clean_arguments(known_definition(self.function, using=self._state.db or "default"))

    def _clean_numbers(self) -> None:
        if self.priority is not None and not -100 <= self.priority <= 100:
            raise ValidationError({"priority": _("Give a number from -100 to 100, or nothing.")})
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": _("It would end before it starts; give a later time.")})

    def _clean_arguments(self, definition: TaskDefinition | None) -> None:
        if not isinstance(self.args, list):
            raise ValidationError({"args": _('Write a JSON list, like ["a", 1].')})
        if not isinstance(self.kwargs, dict):
            raise ValidationError({"kwargs": _('Write a JSON object, like {"order": 7}.')})
        if definition is None:
            with _as_error_of("kwargs"):
                codec.encode((self.args, self.kwargs), argument="arguments", function=self.function)
            return
        with _as_error_of("kwargs"):
            typed_call(definition, self.args, self.kwargs)
        if self.queue and self.queue != definition.queue and not definition.may_change_queue:
            raise ValidationError(
                {
                    "queue": _(
                        "The limits and the cache of %(function)s are counted in its own queue, %(queue)s. "
                        "Leave it empty."
                    )
                    % {"function": definition.function, "queue": definition.queue}
                }
            )


@contextmanager
def _as_error_of(field: str) -> Iterator[None]:
    """Tell what the engine refuses as the mistake of one field."""
    try:
        yield
    except (UpNextError, TypeError) as error:
        raise ValidationError({field: str(error)}) from error
