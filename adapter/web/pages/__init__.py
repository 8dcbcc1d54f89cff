"""The page that people work with in a browser, and `/api` behind it.

Speaks to the same captioner as the other faces. What the page shows comes from `/api`, which scripts may use
too.
"""
