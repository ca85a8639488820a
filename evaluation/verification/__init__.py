"""Listed pairs of images, one to one: accuracy, ROC, intervals, and the pairs that are judged most wrongly."""
