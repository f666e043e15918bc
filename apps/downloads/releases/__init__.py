"""Release names and what to make of them: parse the name, match it with what is wanted, rank it by a profile.

Pure Python: nothing here knows Django, a database or the network.
"""
