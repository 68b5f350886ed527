"""What travels over HTTP: the JSON of section 2.4 of the original, field by field, and what we add to it.

Field names are the original's and never change; fields that are ours say so. What a field must hold is judged by the
rules of declarations, not here: a request is refused here only if its JSON has the wrong shape.
"""
