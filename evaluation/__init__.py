"""How good it is: verification protocols, calibration and their reports, on the user's data.

Each folder is one subject and uses those below it alone (import-linter holds the order):

    lfw | comparison | templates | retrieval    whole protocols, from files to a result
    calibration                                 what a cosine means, on one's own photos too
    verification | identification               one to one, and one against many
    all_pairs | embedding | report              every pair counted; images to rows; tables, pages and pictures
    datasets                                    what lies on disk, of each protocol

`resampling` (bootstrap over people) and `provenance` (what a figure was made with) serve them all.
"""
