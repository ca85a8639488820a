"""Commands of training, each loaded when it is called: a service without torch has the others."""
