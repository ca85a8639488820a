"""One router a noun; each reads a request, asks the rooms below, and answers in the wire's words."""
