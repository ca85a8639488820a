"""The service under many clients: throughput, overload, memory over hours, and where the time goes."""
