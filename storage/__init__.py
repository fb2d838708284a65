"""Where recordings live: database, blobs, index."""
