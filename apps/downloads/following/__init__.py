"""Following: what people want without asking each time. Who follows what, what of it is wanted, and how it is got.

`wanted` is the one place that says what is wanted; `seeking` searches for it by and by, `rss` looks for it in what is new,
`taking` starts what was found.
"""
