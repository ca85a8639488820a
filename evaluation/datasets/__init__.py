"""Where the images and pairs of each protocol lie on disk; reads files, judges nothing."""
