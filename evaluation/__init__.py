"""How good it is: verification protocols, calibration and their reports, on the user's data."""
