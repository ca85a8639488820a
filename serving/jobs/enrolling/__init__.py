"""How the items of an enrolment become faces: read, judged, written once."""
