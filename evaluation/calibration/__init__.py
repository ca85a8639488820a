"""What a cosine means: the false match rate behind it, counted or extrapolated, by groups, and on one's own photos."""
