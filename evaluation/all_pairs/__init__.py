"""Every pair of a set of photos: counted by cosine, kept where it matters, and as rates over people; embeds nothing."""
