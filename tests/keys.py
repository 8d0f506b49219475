"""Keys for ``SECRETS_KEYS``: new ones in every run."""

from __future__ import annotations

from cryptography.fernet import Fernet

__all__ = ["KEY", "OTHER_KEY"]

KEY = Fernet.generate_key().decode()
OTHER_KEY = Fernet.generate_key().decode()
