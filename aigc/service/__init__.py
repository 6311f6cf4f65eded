"""Request to bytes: models kept loaded, requests packed into batches. No HTTP and no Ray here."""
