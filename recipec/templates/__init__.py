"""Templates: Jinja2 in a sandbox of its own, checked at ``check`` with exact places, rendered in batches.

Nothing here is imported unless a recipe has a template: Jinja2 costs 20 ms.
"""
