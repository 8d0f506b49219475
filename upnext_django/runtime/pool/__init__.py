"""The processes that run sync functions of a Worker with ``sync_executor=SyncExecutor.PROCESS``."""
