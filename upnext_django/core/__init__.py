"""The rules: job states, definitions, outcomes, retries, codec. No I/O, no Django, no Redis."""
