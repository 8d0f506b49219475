"""aioq's words for the tasks of upnext_django: a task module moves over by its import lines.

``from aioq import Aarq`` becomes ``from upnext_django.contrib.aioq import Aarq``, and
``aioq.backends`` ``upnext_django.contrib.aioq.backends``; docs/how-to/from-aioq.md says what works and
what does not. Nothing of aioq is imported.
"""

from upnext_django.contrib.aioq.app import Aarq, Aioq
from upnext_django.contrib.aioq.models import Job, JobStatus
from upnext_django.contrib.aioq.task import TaskDef

__all__ = ["Aarq", "Aioq", "Job", "JobStatus", "TaskDef"]
