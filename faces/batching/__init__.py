"""Photos of many callers share runs of the models: queues, batches, deadlines. Knows no network."""
