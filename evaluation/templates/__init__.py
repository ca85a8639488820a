"""Several images as one template, compared and searched: IJB-B, IJB-C and YouTube Faces; no single photos."""
