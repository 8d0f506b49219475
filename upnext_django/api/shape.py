"""What the API's answers are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Shape"]


class Shape(BaseModel):
    """Something that is told, filled from the attributes of a row or by name.

    Not ninja's Schema: that one looks at each value in Python, to call what can be called and to resolve
    names, and a page of 200 jobs takes three times as long.
    """

    model_config = ConfigDict(from_attributes=True)
