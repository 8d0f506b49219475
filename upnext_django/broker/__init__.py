"""The only package that imports redis: keys, Lua scripts, typed calls, connections, waiters."""
