"""A token that a program calls the REST API with."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from upnext_django.models.rows import Rows

__all__ = ["SCOPES", "ApiToken"]

#: What a token may be given, the least first.
SCOPES = ("read", "operate", "payload", "admin")


class ApiToken(models.Model):
    """One token; written by ``operations.tokens`` alone. The token itself is stored nowhere.

    It acts for its owner, within its scopes and never beyond what the owner may. ``owner_id`` is the text of
    the owner's key and no foreign key, since the users may be in another database; a token whose owner is
    gone or inactive opens nothing. ``digest`` is keyed; ``prefix`` finds the row, and names the token in
    logs. ``expires_at`` NULL is never.
    """

    name = models.CharField(_("name"), max_length=100)
    owner_id = models.CharField(_("owner"), max_length=255)
    owner_name = models.CharField(_("owner's name"), max_length=255, default="")
    prefix = models.CharField(_("prefix"), max_length=16, unique=True)
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("created"))
    created_by = models.CharField(_("created by"), max_length=255, default="")
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True)

    objects = Rows["ApiToken"]()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-created_at", "-id"]
        default_permissions = ("view", "add")
        permissions = [("revoke_apitoken", _("Can revoke API tokens"))]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"
