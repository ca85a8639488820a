"""Where the photos and templates of an enrolment come from, one kind of source a file; enrols nothing."""
